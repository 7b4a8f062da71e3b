"""The form of a session: from what was typed to what is published, every fault beside its box."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from booking.domain.errors import BookingError
from booking.domain.sessions import LONGEST_SESSION_ID, LeftOut, Session
from booking.domain.slot import FIRST_YEAR, LAST_YEAR, MOST_PLACES
from booking.domain.words import ConsultationMode, Priority
from booking.services.clinic_calendar import Own
from booking.services.holidays import named_bank_holidays
from booking.services.publication_input import Detail, NewPublication, SessionDraft
from booking.web import forms
from booking.web.forms import Form

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORTEST, LONGEST, MOST_IN_A_ROW = 5, 600, 96
MOST_EVERY = 12
LONGEST_NAME = LONGEST_SESSION_ID - 41
"""Beside a clinician's identifier of 40."""
FIELDS = (
    "service", "name", "practitioner", "mode", "weekday", "first", "last", "every", "starts", "ends", "number",
    "minutes", "break_starts", "break_ends", "capacity", "appointment_type", "priority", "bank", "leave_out", "keep",
)  # fmt: skip
LASTING = tuple(name for name in FIELDS if name not in ("service", "first", "last", "leave_out", "keep"))
"""What a template keeps."""
SEVERAL = ("weekday", "priority", "strike")
_BESIDE = {
    "weekdays": "weekday", "slot_minutes": "minutes", "first_date": "first", "last_date": "last", "id": "name",
    "break": "break_starts", "priorities": "priority", "ends_at": "minutes", "starts_at": "leave_out",
}  # fmt: skip
"""Fields of the publishing service by the box they were typed in."""


def fresh(today: date, service: str = "") -> Form:
    """The form as it is first seen: sensible for most clinics."""
    first = today + timedelta(days=7 - today.weekday())
    last = first + timedelta(weeks=12, days=-1)
    return Form(MultiDict([
        ("service", service), ("first", first.isoformat()), ("last", last.isoformat()), ("every", "1"),
        ("starts", "09:00"), ("ends", "12:00"), ("minutes", "20"), ("capacity", "1"), ("mode", "IN_PERSON"),
        ("appointment_type", "New appointment"), ("bank", "yes"), *(("priority", one.value) for one in Priority),
    ]))  # fmt: skip


def from_template(fields: dict[str, Any], service_id: int, today: date) -> Form:
    """What a template kept, with fresh dates."""
    dates = fresh(today)
    values = [("service", str(service_id)), *((name, dates.get(name)) for name in ("first", "last"))]
    for name in LASTING:
        kept = fields.get(name, "")
        values += [(name, str(one)) for one in (kept if isinstance(kept, list) else [kept])]
    return Form(MultiDict(values))


def lasting(form: Form) -> dict[str, str | list[str]]:
    """What a template keeps of the form."""
    return {name: form.all(name) if name in SEVERAL else form.get(name).strip()[:100] for name in LASTING}


def day(form: Form, name: str, what: str) -> date | None:
    """A box of the browser's own kind for a date."""
    text = form.get(name).strip()
    if not text:
        form.fail(name, f"Enter {what}")
        return None
    found = forms.read_date(text)
    if found is None:
        form.fail(name, f"{what.capitalize()} must be a real date between {FIRST_YEAR} and {LAST_YEAR}")
    return found


def whole(form: Form, name: str, what: str, least: int, most: int, *, needed: bool = True) -> int | None:
    return form.whole(name, f"{what} must be a whole number from {least} to {most}", least, most, needed=needed)


def detail(form: Form, known: Own) -> Detail | None:
    """What slots of a session have in common beside their times."""
    mode = form.one_of("mode", ConsultationMode, "Choose how people are seen")
    capacity = whole(form, "capacity", "The number of people at once", 1, MOST_PLACES)
    kind = form.text("appointment_type", most=80) or "New appointment"
    chosen = [one for one in form.all("priority") if one in set(Priority)]
    if not chosen:
        form.fail("priority", "Choose at least one priority")
    who = form.get("practitioner")
    if who and all(one.more != who for one in known.practitioners):
        form.fail("practitioner", "Choose a clinician of your organisation, or nobody in particular")
    if mode is None or capacity is None or form.errors:
        return None
    return Detail(who or None, kind, mode, frozenset(Priority(one) for one in chosen), capacity)


def left_out(form: Form) -> set[date]:
    """The dates struck out: typed in the box, or ticked on the preview."""
    found = set()
    for text in re.split(r"[\s,;]+", form.get("leave_out").strip()):
        if not text:
            continue
        one = forms.read_date(text) or _slashed(text)
        if one is None:
            form.fail("leave_out", f"{text[:40]!r} is not a date. Write each like 25/12/2026")
            return set()
        found.add(one)
    return found | {one for text in form.all("strike") if (one := forms.read_date(text))}


def _slashed(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007  # a day, no instant
    except ValueError:
        return None


def holidays(form: Form, first: date, last: date) -> dict[date, str]:
    """The bank holidays in the range, where they are to be left out."""
    if form.get("bank") != "yes":
        return {}
    return {one: name for one, name in named_bank_holidays().items() if first <= one <= last}


def read(form: Form, known: Own) -> NewPublication | None:
    """What the form asks to be published; None where a box is at fault, which then says so."""
    service = forms.read_key(form.get("service"))
    if service is None or all(one.id != service for one in known.services):
        form.fail("service", "Choose the service")
    common = detail(form, known)
    first, last = day(form, "first", "the first date"), day(form, "last", "the last date")
    weekdays = frozenset(WEEKDAYS.index(one) for one in form.all("weekday") if one in WEEKDAYS)
    if not weekdays:
        form.fail("weekday", "Choose at least one day of the week")
    every = whole(form, "every", "The number of weeks", 1, MOST_EVERY)
    pause = [form.clock(name, f"when the break {name[6:]}", needed=False) for name in ("break_starts", "break_ends")]
    starts, ends, minutes = _times(form, pause[0], pause[1])
    name = _name(form)
    struck = left_out(form)
    if form.errors or service is None or common is None or first is None or last is None:
        return None
    if every is None or starts is None or ends is None or minutes is None:
        return None
    out = struck | set(holidays(form, first, last))
    gaps = [LeftOut(one) for one in sorted(out) if first <= one <= last] + list(_weeks_off(first, last, every))
    session = Session(name, first, last, weekdays, starts, ends, minutes, pause[0], pause[1], tuple(gaps))
    return NewPublication(service, sessions=[SessionDraft(session, common)], source="Publishing page")


def _times(
    form: Form, pause_starts: time | None, pause_ends: time | None
) -> tuple[time | None, time | None, int | None]:  # fmt: skip
    """From when to when, and how long each: the end may be given as a number of appointments."""
    starts = form.clock("starts", "when the session starts")
    ends = form.clock("ends", "when the session ends", needed=False)
    minutes = whole(form, "minutes", "The length in minutes", SHORTEST, LONGEST)
    number = whole(form, "number", "The number of appointments", 1, MOST_IN_A_ROW, needed=False)
    if ends is None and number is None:
        form.fail("ends", "Enter when the session ends, or how many appointments it has")
    if number is not None and starts is not None and minutes is not None:
        last = datetime.combine(date.min, starts) + number * timedelta(minutes=minutes)
        if pause_starts is not None and pause_ends is not None:
            last = _end_after(number, timedelta(minutes=minutes), starts, pause_starts, pause_ends)
        if last.date() > date.min:
            form.fail("number", "So many appointments go beyond midnight: make it two sessions")
        return starts, last.time(), minutes
    return starts, ends, minutes


def _end_after(number: int, length: timedelta, starts: time, pause_starts: time, pause_ends: time) -> datetime:
    """When so many appointments are over: those that don't fit before the break come after it."""
    first, pause, on = (datetime.combine(date.min, one) for one in (starts, pause_starts, pause_ends))
    before = max(pause - first, timedelta()) // length
    return first + number * length if number <= before else max(first, on) + (number - before) * length


def _name(form: Form) -> str:
    """What names the slots: the same again changes them, another name adds others."""
    typed = form.text("name", most=LONGEST_NAME)
    return f"{form.get('practitioner')[:40] or 'clinic'} {typed}".strip()


def _weeks_off(first: date, last: date, every: int) -> Iterable[LeftOut]:
    """Every second week, or third …: the weeks between are left out. Weeks begin on Monday."""
    if every == 1:
        return
    monday = first - timedelta(days=first.weekday())
    number = 0
    while monday <= last and number < 200:
        if number % every:
            yield LeftOut(monday, monday + timedelta(days=6))
        monday, number = monday + timedelta(weeks=1), number + 1


def beside(form: Form, error: BookingError, otherwise: str, boxes: Collection[str] = FIELDS) -> None:
    """A refusal of the publishing service beside the box it is about: ``sessions.0.practitioner``. ``boxes`` are those
    that the page has."""
    for fault in error.errors:
        parts = [part for part in fault.field.split(".") if not part.isdigit() and part not in ("sessions", "slots")]
        name = _BESIDE.get(parts[0], parts[0]) if parts else "leave_out"
        form.fail(name if name in boxes else otherwise, fault.message)
    if not error.errors:
        form.fail(otherwise, error.message)
