"""A record from plain sections: facts, paragraphs, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from booking.domain.words import Language
from booking.services.documents.typeset import Value, typeset


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as long as ``columns``, which are the headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and what stands under it, in this order: facts (name and value), paragraphs, a table."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    paragraphs: Sequence[str] = ()
    table: Table | None = None


def record_pdf(
    title: str,
    sections: Sequence[Section],
    *,
    language: Language = Language.ENGLISH,
    large_print: bool = False,
    made_at: datetime | None = None,
) -> bytes:
    """A tagged PDF of the sections. Any text may stand in them; line breaks in paragraphs are kept."""
    for section in sections:
        if section.table and any(len(row) != len(section.table.columns) for row in section.table.rows):
            raise ValueError(f"a row of {section.title!r} is not as long as its headings")
    data: dict[str, Value] = {"sections": [_plain(section) for section in sections]}
    made = made_at or datetime.now(UTC)
    return typeset("record.typ", data, title=title, language=language, made_at=made, large=large_print)


def _plain(section: Section) -> Value:
    table = section.table
    return {
        "title": section.title,
        "facts": [[name, value] for name, value in section.facts],
        "paragraphs": [paragraph.split("\n") for paragraph in section.paragraphs],
        "columns": list(table.columns) if table else [],
        "rows": [list(row) for row in table.rows] if table else [],
    }
