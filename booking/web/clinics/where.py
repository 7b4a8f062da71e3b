"""What part of the calendar is looked at: a service, a clinician, a site, a day; carried from page to page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import request, url_for

from booking.edge.flask_app import work
from booking.services import clinic_calendar
from booking.services.clinic_calendar import Named, Own, Scope
from booking.web import forms

Options = list[dict[str, str]]
NOBODY = "none"
"""In an address, where a clinician's key would be: times that name none."""


@dataclass(frozen=True, slots=True)
class Where:
    """What was asked for, as far as there is such a thing; the rest is left out."""

    known: Own
    service: int | None
    practitioner: int | None
    site: int | None
    nobody: bool
    """Only times without a clinician."""

    @property
    def scope(self) -> Scope:
        return clinic_calendar.scope(self.known, self.service, self.practitioner, self.site, nobody=self.nobody)

    @property
    def asked(self) -> dict[str, int | str]:
        who = NOBODY if self.nobody else self.practitioner
        chosen = {"service": self.service, "practitioner": who, "site": self.site}
        return {name: key for name, key in chosen.items() if key is not None}

    def link(self, endpoint: str, **values: Any) -> str:
        """A page about the same part of the calendar."""
        return url_for(endpoint, **{**self.asked, **values})

    @property
    def words(self) -> str:
        """``Skin clinic, Dr Idris Fairweather``"""
        kinds = ((self.known.services, self.service), (self.known.practitioners, self.practitioner),
                 (self.known.sites, self.site))  # fmt: skip
        names = [one.name for known, key in kinds for one in known if one.id == key]
        names += ["nobody in particular"] if self.nobody else []
        return ", ".join(names) or "All services"

    def options(self, kind: str, everything: str) -> Options:
        known: list[Named] = getattr(self.known, kind)
        # Two of one name are told apart by what else is known of them.
        names = [one.name for one in known]
        items = [
            (one.id, f"{one.name} ({one.more})" if one.more and names.count(one.name) > 1 else one.name)
            for one in known
        ]
        nobody = [{"value": NOBODY, "text": "Nobody in particular"}] if kind == "practitioners" else []
        chosen = [{"value": str(key), "text": text} for key, text in items]
        return [{"value": "", "text": everything}, *chosen, *nobody]


def read() -> Where:
    """From the address; keys that are not the caller's count as not given."""
    known = clinic_calendar.own(work())

    def one(name: str, among: list[Named]) -> int | None:
        key = forms.read_key(request.args.get(name))
        return key if any(other.id == key for other in among) else None

    return Where(
        known, one("service", known.services), one("practitioner", known.practitioners), one("site", known.sites),
        nobody=request.args.get("practitioner") == NOBODY,
    )  # fmt: skip


def day_asked(name: str) -> date:
    """The day in the address, else today; at a weekend the day that matters is the next Monday."""
    today = work().today
    ahead = 7 - today.weekday() if today.weekday() > 4 else 0
    return forms.read_date(request.args.get(name)) or today + timedelta(days=ahead)
