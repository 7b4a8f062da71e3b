"""Files into the database. Reading (``reading``, ``*_rows``) is pure; storing goes through the services."""

from __future__ import annotations

from pathlib import Path

SLOTS_TEMPLATE = Path(__file__).with_name("slots-template.csv")
