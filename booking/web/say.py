"""Dates, times, numbers and codes as people read them, in the language of the page."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from babel.dates import format_date
from flask import has_request_context

from booking.domain import geo
from booking.domain.words import AttachmentState, Language
from booking.languages import _
from booking.web import spoken

_NUMBERS = (
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip

LABELS = {
    "ROUTINE": "Routine",
    "URGENT": "Urgent",
    "TWO_WEEK_WAIT": "Two-week wait",
    "DRAFT": "Draft",
    "NOT_BOOKED": "Waiting for the patient to choose",
    "BOOKED": "Booked",
    "ATTENDED": "Attended",
    "CLOSED": "Closed",
    "APPT_CANCELLED_BY_PATIENT": "Cancelled by the patient, may choose again",
    "APPT_CANCELLED_BY_PROVIDER": "Cancelled by the clinic, new times due",
    "AWAITING_TRIAGE": "Being read by a clinician",
    "TRIAGED_PROVIDER_TO_ACTION": "Accepted, the clinic is to book",
    "TRIAGE_RESPONSE": "Returned with advice",
    "DEFERRED_TO_PROVIDER": "No times free, the clinic is to find one",
    "REJECTED": "Returned by the clinic",
    "DID_NOT_ATTEND": "Did not attend",
    "ASSESSMENT_RESULT": "Seen, result with the referrer",
    "CANCELLED_REFERRAL": "Referral cancelled",
    "DIRECTLY_BOOKABLE": "Booked online",
    "INDIRECTLY_BOOKABLE": "Booked by telephone",
    "TRIAGE": "A clinician reads the referral first",
    "ADVICE_ONLY": "Advice only",
    "IN_PERSON": "In person",
    "VIDEO": "By video",
    "TELEPHONE": "By telephone",
    "REFERRING_CLINICIAN": "Referring clinician",
    "REFERRING_ADMIN": "Referring administrator",
    "PROVIDER_CLINICIAN": "Clinician at a clinic",
    "PROVIDER_ADMIN": "Clinic administrator",
    "SERVICE_DEFINER": "Service definer",
    "COMMISSIONER": "Commissioner",
    "INFORMATION_ANALYST": "Information analyst",
    "PATIENT": "Patient",
    "female": "Female",
    "male": "Male",
    "other": "Other",
    "unknown": "Not known",
}


# What patients read of these: marked for the catalogue of pages, looked up by :func:`spoken_label`.
_MARKED = (
    _("In person"), _("By video"), _("By telephone"), _("Routine"), _("Urgent"), _("Two-week wait"), _("Female"),
    _("Male"),
)  # fmt: skip
FILE_STATES = {
    AttachmentState.PENDING: "being checked for malware",
    AttachmentState.THREATS_FOUND: "held malware, can’t be opened",
    AttachmentState.VALIDATION_FAILED: "could not be checked, can’t be opened",
}
"""Of files that can't be opened, in the words of staff."""


def label(value: object) -> str:
    """One of the field's standard terms in plain words."""
    text = str(value)
    return LABELS.get(text, text.replace("_", " ").capitalize())


def spoken_label(value: object) -> str:
    """The same in the language of the page."""
    return _say(label(value))


def language() -> Language:
    """That of the page; English where no page is being made."""
    return spoken.language() if has_request_context() else Language.ENGLISH


def _say(text: str) -> str:
    return spoken.gettext(text) if has_request_context() else text


def ngettext(one: str, many: str, number: int) -> str:
    if not has_request_context():
        return (one if number == 1 else many).format(n=number)
    return spoken.ngettext(one, many, number).format(n=number)


def day(when: date) -> str:
    """``Tuesday 3 March``"""
    if language() is Language.WELSH:
        return format_date(when, "EEEE d MMMM", locale="cy")
    return f"{when:%A} {when.day} {when:%B}"


def short_day(when: date) -> str:
    """``Tuesday 3``, where the month stands above."""
    if language() is Language.WELSH:
        return format_date(when, "EEEE d", locale="cy")
    return f"{when:%A} {when.day}"


def day_year(when: date) -> str:
    if language() is Language.WELSH:
        return format_date(when, "d MMMM y", locale="cy")
    return f"{when.day} {when:%B} {when.year}"


def whole_day(when: date) -> str:
    """``Tuesday 3 March 2026``"""
    return f"{day(when)} {when.year}"


def day_time(local: datetime) -> str:
    return _say("{day} at {time}").format(day=day(local), time=f"{local:%H:%M}")


def until(local: datetime) -> str:
    """The end of a time: ``Monday 2 March at 17:00``, ``the end of Monday 2 March`` rather than the next midnight."""
    if (local.hour, local.minute) == (0, 0):
        return _say("the end of {day}").format(day=day(local - timedelta(days=1)))
    return day_time(local)


_UNTIL = _("the end of {day}")


def clock(local: datetime) -> str:
    """The time of day in words, to the minute: ``half past two in the afternoon``."""
    if language() is not Language.ENGLISH:
        return _short_clock(local)
    return _english_clock(local)


def _short_clock(local: datetime) -> str:
    """In a language whose numbers are not spelt out here: the twelve-hour clock and the part of the day."""
    if local.minute == 0 and local.hour in (0, 12):
        return _say("midnight") if local.hour == 0 else _say("noon")
    part = _("{time} in the evening")
    if local.hour < 17:
        part = _("{time} in the morning") if local.hour < 12 else _("{time} in the afternoon")
    return _say(part).format(time=f"{local.hour % 12 or 12}.{local:%M}")


_MIDDAY = (_("midnight"), _("noon"), _("{day} at {time}"))


def _english_clock(local: datetime) -> str:
    hour, minute = local.hour, local.minute
    if minute > 30:
        hour, minute, side = (hour + 1) % 24, 60 - minute, "to"
    else:
        side = "past"
    if minute == 0 and hour in (0, 12):
        return "midnight" if hour == 0 else "noon"
    part = "in the morning" if local.hour < 12 else "in the afternoon" if local.hour < 17 else "in the evening"
    name = _NUMBERS[hour % 12]
    if minute == 0:
        return f"{name} o’clock {part}"
    if minute in (15, 30):
        return f"{'quarter' if minute == 15 else 'half'} {side} {name} {part}"
    return f"{_minutes(minute)} {side} {name} {part}"


def _minutes(minute: int) -> str:
    tens = f"twenty-{_NUMBERS[minute - 20]}" if minute > 20 else _NUMBERS[minute]
    return tens if minute % 5 == 0 else f"{tens} minute{'' if minute == 1 else 's'}"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 day``, ``2 days``"""
    return f"{number} {one if number == 1 else many or one + 's'}"


def days(number: int) -> str:
    """``1 day``, ``2 days``, in the language of the page."""
    return ngettext("{n} day", "{n} days", number)


def miles(number: float) -> str:
    """``1.0 mile``, ``2.3 miles``"""
    shown = f"{number:.1f}"
    return _say("1.0 mile") if shown == "1.0" else _say("{n} miles").format(n=shown)


def round_miles(number: float) -> str:
    """Of a scale bar: ``1 mile``, ``0.5 miles``, ``20 miles``"""
    return _say("1 mile") if number == 1 else _say("{n} miles").format(n=f"{number:g}")


def miles_between(*points: float) -> str:
    return miles(geo.miles(geo.distance_km(*points)))


_MILES = (_("1.0 mile"), _("1 mile"), _("{n} miles"))


def about(length: int) -> str:
    """A usual wait, to the week: ``5 days``, ``4 weeks``."""
    if length < 14:
        return days(length)
    return ngettext("{n} week", "{n} weeks", round(length / 7))


def span(length: int) -> str:
    """A wait as people say it: ``12 days``, ``7 weeks and 2 days``."""
    weeks, rest = divmod(length, 7)
    if weeks < 3:
        return days(length)
    said = ngettext("{n} week", "{n} weeks", weeks)
    return _say("{weeks} and {days}").format(weeks=said, days=days(rest)) if rest else said


_SPANS = (_("{weeks} and {days}"), _("today"), _("tomorrow"), _("in {span}"))


def ahead(when: date, today: date) -> str:
    far = (when - today).days
    if far in (0, 1):
        return _say("tomorrow" if far else "today")
    return _say("in {span}").format(span=span(far))


def nhs_number(digits: str) -> str:
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
