"""Referrals in any state for the patient's pages."""

from __future__ import annotations

from tests.life.conftest import lives

__all__ = ["lives"]
