"""Rows of the directory into tables, by their natural key: new ones inserted, differing ones changed, others left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Organisation, Postcode, Service, Site

Directory = Organisation | Site | Postcode | Service
SET_SIZE = 1000

Values = Mapping[str, Any]


def sets(rows: Sequence[Values], size: int = SET_SIZE) -> Iterator[Sequence[Values]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def existing(session: Session, model: type[Any], key: str, names: Sequence[Any]) -> dict[Any, Any]:
    """The rows of ``model`` whose ``key`` is one of ``names``, by it."""
    column = getattr(model, key)
    found: dict[Any, Any] = {}
    for first in range(0, len(names), SET_SIZE):
        rows = session.scalars(select(model).where(column.in_(names[first : first + SET_SIZE])))
        found.update((getattr(row, key), row) for row in rows)
    return found


def upsert(session: Session, model: type[Any], key: str, rows: Sequence[Values]) -> tuple[int, int, int]:
    """Write rows, each of another key; returns how many were added, changed and left. A changed version counts up."""
    added = changed = unchanged = 0
    for part in sets(rows):
        there = existing(session, model, key, [row[key] for row in part])
        for row in part:
            found = there.get(row[key])
            if found is None:
                session.add(model(**row))
                added += 1
            elif _differs(found, row):
                for name, value in row.items():
                    setattr(found, name, value)
                if hasattr(found, "version"):
                    found.version += 1
                changed += 1
            else:
                unchanged += 1
        session.flush()
        session.expunge_all()  # memory stays flat however long the file
    return added, changed, unchanged


def _differs(found: Any, row: Values) -> bool:
    return any(getattr(found, name) != value for name, value in row.items())
