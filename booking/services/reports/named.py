"""Rows in order, with names beside codes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from booking.domain.words import Priority
from booking.models import Organisation, Specialty
from booking.services.reports.sql import ALL, DISTANCE_BANDS, LEAD_BANDS, NOT_KNOWN
from booking.services.reports.table import Row, Value
from booking.services.work import Work

ORGANISATIONS = frozenset({"practice", "commissioner", "provider"})
_ORDERED = {
    name: place for place, name in enumerate((*Priority, *DISTANCE_BANDS, *LEAD_BANDS, *(str(n) for n in range(1, 11))))
}


def named(work: Work, rows: Iterable[Row], breakdowns: Iterable[str]) -> list[Row]:
    """The rows with their names, in the order of the breakdowns, bands by size and codes by the alphabet."""
    made = [dict(row) for row in rows]
    place = {name: at for at, name in enumerate((ALL, *breakdowns))}
    names = _names(work, made)
    for row in made:
        row["name"] = names.get((str(row["breakdown"]), str(row["group"])), row["group"])
    return sorted(made, key=lambda row: (place[str(row["breakdown"])], *_order(str(row["group"]))))


def _order(group: str) -> tuple[bool, int, str]:
    return group == NOT_KNOWN, _ORDERED.get(group, 0), group


def _names(work: Work, rows: Iterable[dict[str, Value]]) -> dict[tuple[str, str], str]:
    wanted: dict[str, set[str]] = {}
    for row in rows:
        wanted.setdefault(str(row["breakdown"]), set()).add(str(row["group"]))
    found: dict[tuple[str, str], str] = {(ALL, ALL): "Everything together"}
    specialties = select(Specialty.code, Specialty.name).where(Specialty.code.in_(wanted.get("specialty", ())))
    found.update({("specialty", row.code): row.name for row in work.session.execute(specialties)})
    codes = set().union(*(wanted.get(kind, set()) for kind in ORGANISATIONS))
    organisations = select(Organisation.ods_code, Organisation.name).where(Organisation.ods_code.in_(codes))
    for one in work.session.execute(organisations):
        found.update({(kind, one.ods_code): one.name for kind in ORGANISATIONS})
    return found
