"""What suits, as it stands in an address: read from it, written into links, said in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from booking.domain.words import ConsultationMode, Sex
from booking.languages import _
from booking.services.finding import Wanted, monday
from booking.services.needs import FARTHEST_MILES
from booking.web.forms import read_date, read_key
from booking.web.spoken import gettext

DAYS = (
    _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"),
)  # fmt: skip
PARTS = (_("Morning (before 12:00)"), _("Afternoon (12:00 to 17:00)"), _("Evening (17:00 or later)"))
SHORT_PARTS = (_("Morning"), _("Afternoon"), _("Evening"))
MILES = (2, 5, 10, 20, 50)
WITHOUT = {
    "service": _("at any of your clinics"),
    "day": _("on any day of the week"),
    "part": _("at any time of day"),
    "step_free": _("without asking for step-free access"),
    "miles": _("at any distance"),
    "clinician": _("with a clinician of any sex"),
    "mode": _("in person, by video or by telephone"),
    "never": _("at times you said never suit you"),
}
"""Each wish given up, in words: ``12 more times at any distance``."""
NAMES = {
    "service": ("service",), "day": ("day",), "part": ("part",), "step_free": ("step_free",), "miles": ("miles",),
    "clinician": ("clinician",), "mode": ("mode",), "never": (),
}  # fmt: skip
"""The fields of an address that each wish stands in."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """``wanted`` and what of an address does not narrow: the week shown, and whether all hours are."""

    wanted: Wanted
    week: date | None
    on: date | None
    every: bool
    """Times that never suit the patient are shown too."""

    def link(self, *, without: str | None = None, **changes: object) -> dict[str, Any]:
        """The fields of the address of a page with these wishes, changed so."""
        wanted = self.wanted
        fields: dict[str, Any] = {
            "service": wanted.service_id, "day": sorted(wanted.weekdays), "part": sorted(wanted.parts),
            "step_free": 1 if wanted.step_free else None, "miles": _plain(wanted.within_miles),
            "clinician": wanted.clinician, "mode": wanted.mode, "every": 1 if self.every else None,
            "week": self.week, "on": self.on,
        }  # fmt: skip
        for name in NAMES.get(without or "", ()):
            fields[name] = None
        if without == "never":
            fields["every"] = 1
        return {name: value for name, value in {**fields, **changes}.items() if value not in (None, [])}


def read(args: MultiDict[str, str], services: Iterable[int], never: int) -> Wishes:
    """From an address; what is not understood there is left out, as if nobody had asked for it."""
    service = read_key(args.get("service"))
    clinician, mode = args.get("clinician", ""), args.get("mode", "")
    week, on = read_date(args.get("week")), read_date(args.get("on"))
    every = bool(args.get("every"))
    wanted = Wanted(
        service_id=service if service in set(services) else None,
        weekdays=frozenset(_numbers(args.getlist("day"), len(DAYS))),
        parts=frozenset(_numbers(args.getlist("part"), len(PARTS))),
        step_free=bool(args.get("step_free")),
        within_miles=_miles(args.get("miles", "")),
        clinician=Sex(clinician) if clinician in (Sex.FEMALE, Sex.MALE) else None,
        mode=ConsultationMode(mode) if mode in set(ConsultationMode) else None,
        never=0 if every else never,
    )
    return Wishes(wanted, monday(week) if week else None, on, every)


def dated(wishes: Wishes) -> Wanted:
    """What to look for: in the week, or on the day, that is asked for."""
    if wishes.on is not None:
        return replace(wishes.wanted, first=wishes.on, last=wishes.on)
    if wishes.week is not None:
        return replace(wishes.wanted, first=wishes.week, last=wishes.week + timedelta(days=6))
    return wishes.wanted


def _miles(text: str) -> float | None:
    known = text.isascii() and text.isdigit() and len(text) <= 4 and 0 < int(text) <= FARTHEST_MILES
    return float(text) if known else None


def _numbers(texts: list[str], most: int) -> list[int]:
    return [int(text) for text in texts if len(text) == 1 and text in "0123456789" and int(text) < most]


def _plain(miles: float | None) -> int | None:
    return int(miles) if miles is not None else None


def said(wishes: Wishes) -> list[str]:
    """What is asked for, wish by wish, in words."""
    wanted = wishes.wanted
    words = [gettext(DAYS[day]) for day in sorted(wanted.weekdays)]
    words += [gettext(SHORT_PARTS[part]) for part in sorted(wanted.parts)]
    if wanted.step_free:
        words.append(gettext("Step-free"))
    if wanted.within_miles is not None:
        words.append(gettext("Within {n} miles").format(n=int(wanted.within_miles)))
    if wanted.clinician is not None:
        female = wanted.clinician is Sex.FEMALE
        words.append(gettext("A female clinician") if female else gettext("A male clinician"))
    if wanted.mode is not None:
        words.append(gettext(MODES[wanted.mode]))
    return words


MODES = {
    ConsultationMode.IN_PERSON: _("In person"),
    ConsultationMode.VIDEO: _("By video"),
    ConsultationMode.TELEPHONE: _("By telephone"),
}


def never_mask(weekdays: Iterable[int], parts: Iterable[int]) -> int:
    """The week parts outside these days and parts of the day, as bits; empty takes all."""
    days, halves = set(weekdays) or set(range(len(DAYS))), set(parts) or set(range(len(PARTS)))
    fine = sum(1 << day * len(PARTS) + part for day in days for part in halves)
    return (1 << len(DAYS) * len(PARTS)) - 1 & ~fine


def lasting(wishes: Wishes, never: int) -> dict[str, Any]:
    """What of it can be remembered, as what the patient needs: days and hours beside those that never suit already.

    Where all hours were shown, what was said before of those that never suit gives way.
    """
    wanted = wishes.wanted
    found: dict[str, Any] = {}
    if wanted.weekdays or wanted.parts:
        before = 0 if wishes.every else never
        found["unsuitable_times"] = never_mask(wanted.weekdays, wanted.parts) | before
    if wanted.step_free:
        found["step_free"] = True
    if wanted.clinician is not None:
        found["clinician_sex"] = wanted.clinician
    if wanted.within_miles is not None:
        found["farthest_miles"] = wanted.within_miles
    return found
