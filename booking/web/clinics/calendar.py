"""The calendar: a week at a glance, and a day with everybody who comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from flask import render_template, request

from booking.domain.words import PROVIDERS
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import clinic_calendar, clinic_guests
from booking.services.clinic_calendar import Cell, DaySlot
from booking.services.clinic_guests import Guest
from booking.services.holidays import named_bank_holidays
from booking.web import forms, say, shown
from booking.web.base import blp
from booking.web.clinics import where
from booking.web.clinics.where import Where
from booking.web.staff import my_organisation

PAGE = 60
"""Times of a day on one page."""


@dataclass(frozen=True, slots=True)
class Chip:
    """What stands in the week for all times that begin at one moment."""

    time: str
    words: str
    tone: str
    """``free``, ``held``, ``booked``, ``closed`` or ``past``."""
    href: str


@dataclass(frozen=True, slots=True)
class Day:
    """A column of the week."""

    day: date
    hours: list[tuple[int, list[Chip]]]
    """By row of the week: which chips begin in that hour."""
    summary: str
    used: int | None
    note: str


def clock(local: datetime) -> str:
    """``09:20``; in the hour that comes twice with its zone, ``01:20 BST``."""
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{local:%H:%M} {local.tzname()}" if twice else f"{local:%H:%M}"


def clocks_change(day: date, zone: tzinfo | None) -> str:
    """What is said of a day on which the clocks change; empty for any other."""
    return {1: "The clocks go forward", -1: "The clocks go back", 0: ""}[shown.clocks_go(day, zone)]


def _words(cell: Cell) -> tuple[str, str]:
    """What is said of the times that begin at one moment, and the tone it is said in."""
    people = [f"{cell.booked} booked"] if cell.booked else []
    if cell.closed:
        return ", ".join(["Closed", *people]), "closed"
    if cell.places == 1:
        tone = "booked" if cell.booked else "held" if cell.held else "past" if cell.past else "free"
        return {"booked": "Booked", "held": "Held", "past": "Not used", "free": "Free"}[tone], tone
    free = f"{cell.free} {'not used' if cell.past else 'free'}"
    parts = ([free] if cell.free else []) + ([f"{cell.held} held"] if cell.held else []) + people
    tone = ("past" if cell.past else "free") if cell.free else "booked" if cell.booked else "held"
    return ", ".join(parts), tone


def _chip(cell: Cell, at: Where) -> Chip:
    words, tone = _words(cell)
    if cell.slots == 1:
        href = at.link("web.clinic_slot", slot_id=cell.slot_id)
    else:
        href = at.link("web.clinic_day", date=cell.local.date().isoformat(), _anchor=f"at-{cell.local:%H%M}")
    return Chip(clock(cell.local), words, tone, href)


def summary(cells: Sequence[Cell]) -> str:
    """``4 free, 2 booked``"""
    sums = clinic_calendar.total(cells)
    said = (("free", "free"), ("held", "held"), ("booked", "booked"), ("unused", "not used"))
    return ", ".join(f"{sums[name]} {words}" for name, words in said if sums[name]) or "No places"


def used(cells: Sequence[Cell]) -> int | None:
    """How many of a hundred places that were or are to be had are booked."""
    booked = sum(cell.booked for cell in cells)
    places = booked + sum(cell.free + cell.held for cell in cells)
    return round(100 * booked / places) if places else None


def _days(cells: Sequence[Cell], monday: date, at: Where) -> tuple[list[Day], list[int]]:
    """The days of the week, and the hours that are its rows; Saturday and Sunday only where there is something."""
    hours = range(min(c.local.hour for c in cells), max(c.local.hour for c in cells) + 1) if cells else range(0)
    holidays = named_bank_holidays()
    made = []
    for number in range(7):
        day = monday + timedelta(days=number)
        mine = [cell for cell in cells if cell.local.date() == day]
        zone = mine[0].local.tzinfo if mine else None
        change = clocks_change(day, zone)
        if not mine and number > 4:
            continue
        rows = [
            (row, chips)
            for row, hour in enumerate(hours, 1)
            if (chips := [_chip(cell, at) for cell in mine if cell.local.hour == hour])
        ]
        holiday = f"Bank holiday: {holidays[day]}" if day in holidays else ""
        made.append(Day(day, rows, summary(mine) if mine else "", used(mine), holiday or change))
    return made, list(hours)


blp.add_app_template_filter(shown.needs, "needs")


@blp.get("/staff/clinic")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic() -> str:
    """The calendar of a week: what is free, held, booked and closed, by service, clinician or site."""
    unit, at = work(), where.read()
    given = where.day_asked("week")
    monday = given - timedelta(days=given.weekday())
    cells = clinic_calendar.week(unit, at.scope, monday, monday + timedelta(days=6))
    days, hours = _days(cells, monday, at)
    following = None if cells else clinic_calendar.next_day(unit, at.scope, max(monday + timedelta(days=7), unit.today))
    never = not cells and following is None and not clinic_calendar.has_any(unit)
    return render_template(
        "clinics/week.html", organisation=my_organisation(), at=at, days=days, hours=hours, monday=monday,
        sunday=monday + timedelta(days=6), before=monday - timedelta(days=7), after=monday + timedelta(days=7),
        this_week=unit.today - timedelta(days=unit.today.weekday()), totals=clinic_calendar.total(cells),
        used=used(cells), following=following, never=never,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DayRow:
    """A time of the day and who is on it."""

    slot: DaySlot
    time: str
    anchor: str
    """The first of a moment can be linked to."""
    guests: list[Guest]
    held: int

    @property
    def free(self) -> int:
        return 0 if self.slot.closed else max(0, self.slot.capacity - len(self.guests) - self.held)


def day_rows(slots: Sequence[DaySlot]) -> list[DayRow]:
    come, kept = clinic_guests.guests(work(), slots), clinic_guests.held(work(), slots)
    rows, seen = [], set()
    for slot in slots:
        anchor = f"at-{slot.local:%H%M}"
        rows.append(
            DayRow(
                slot, clock(slot.local), "" if anchor in seen else anchor, come.get(slot.id, []), kept.get(slot.id, 0)
            )
        )
        seen.add(anchor)
    return rows


def _next_to_record(rows: Sequence[DayRow]) -> int | None:
    """Whom the cursor should be at: the first after the one just recorded of whom nothing is recorded yet."""
    last = forms.read_key(request.args.get("recorded"))
    if last is None:
        return None
    everybody = [guest for row in rows for guest in row.guests]
    place = next((n for n, guest in enumerate(everybody) if guest.booking_id == last), -1)
    open_ones = [guest.booking_id for guest in everybody[place + 1 :] if guest.state == "BOOKED" and guest.may]
    return open_ones[0] if open_ones else None


@blp.get("/staff/clinic/day")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_day() -> str:
    """One day: every time, who comes and what they need, and whether they came."""
    unit, at, day = work(), where.read(), where.day_asked("date")
    after = forms.read_cursor(request.args.get("after"))
    slots = clinic_calendar.of_day(unit, at.scope, day, after=after, limit=PAGE + 1)
    more, slots = len(slots) > PAGE, slots[:PAGE]
    rows = day_rows(slots)
    zone = slots[0].local.tzinfo if slots else None
    return render_template(
        "clinics/day.html", organisation=my_organisation(), at=at, day=day, rows=rows,
        clinics=[] if after else clinic_calendar.clinics(unit, at.scope, day),
        before=day - timedelta(days=1), after=day + timedelta(days=1), monday=day - timedelta(days=day.weekday()),
        note=clocks_change(day, zone), holiday=named_bank_holidays().get(day),
        next_page=forms.write_cursor(slots[-1].starts_at, slots[-1].id) if more else None, later=after is not None,
        focus=_next_to_record(rows), clock=clock, nobody=where.NOBODY,
        ahead=say.ahead(day, unit.today) if day >= unit.today else "",
    )  # fmt: skip


@blp.get("/staff/clinic/list")
@allow(*PROVIDERS, via=Via.COOKIE)
def clinic_list() -> str:
    """The clinic list to print: who comes on a day, with date of birth, NHS number, needs and room for a tick."""
    at, day = where.read(), where.day_asked("date")
    slots, come, more = clinic_guests.printed(work(), at.scope, day)
    return render_template(
        "clinics/list.html", organisation=my_organisation(), at=at, day=day, more=more, clock=clock,
        rows=[(slot, come.get(slot.id, [])) for slot in slots], people=sum(len(one) for one in come.values()),
    )  # fmt: skip
