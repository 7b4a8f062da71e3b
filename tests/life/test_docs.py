"""The document's tables are the code's."""

from __future__ import annotations

from pathlib import Path

from booking.cli.life import tables

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "referral-life.md"


def test_the_tables_of_the_document_are_those_of_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8").endswith(tables()), "run: flask --app app life markdown"
