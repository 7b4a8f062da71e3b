"""Where the next clinic session helps most, in words: the best sessions by what they would bring at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from booking.edge.flask_app import work
from booking.services.reports import kept, options
from booking.services.reports.publish import Asked
from booking.web import say


@dataclass(frozen=True, slots=True)
class ShownSession:
    service: str
    provider: str
    specialty: str
    day: str
    week: str
    places: str
    people: int | None
    breaches: int | None


def sessions(most: int, asked: Asked | None = None) -> list[ShownSession]:
    """The first so many, with names for codes."""
    found = kept.look(work(), "next-session", asked or Asked()).published
    rows = list(found.rows)[:most] if found is not None else []
    providers = options.names(work(), {str(row["provider"]) for row in rows})
    specialties = dict(options.specialties(work()))
    return [
        ShownSession(
            str(row["service"]), providers.get(str(row["provider"]), str(row["provider"])),
            specialties.get(str(row["specialty"]), str(row["specialty"])),
            say.whole_day(date.fromisoformat(str(row["day"]))), _week(str(row["day"])), str(row["places"]),
            _count(row["people"]), _count(row["breaches"]),
        )
        for row in rows
    ]  # fmt: skip


def _week(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.isocalendar().year}-W{day.isocalendar().week:02d}"


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
