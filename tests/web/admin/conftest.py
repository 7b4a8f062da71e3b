"""People who manage: at the practice, at the provider, at the commissioner."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from booking.domain.words import Role
from tests.web.conftest import Visitor


@pytest.fixture
def manager(staff: Callable[[Role], Visitor]) -> Visitor:
    """The practice's administrator."""
    return staff(Role.REFERRING_ADMIN)
