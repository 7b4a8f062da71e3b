"""Dates, times, numbers and codes as people read them."""

from __future__ import annotations

from datetime import date, datetime

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


def label(value: object) -> str:
    """One of the field's standard terms in plain words."""
    text = str(value)
    return LABELS.get(text, text.replace("_", " ").capitalize())


def day(when: date) -> str:
    """``Tuesday 3 March``"""
    return f"{when:%A} {when.day} {when:%B}"


def day_year(when: date) -> str:
    return f"{when.day} {when:%B} {when.year}"


def day_time(local: datetime) -> str:
    return f"{day(local)} at {local:%H:%M}"


def clock(local: datetime) -> str:
    """The time of day in words, to the minute: ``half past two in the afternoon``."""
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


def span(days: int) -> str:
    """A wait as people say it: ``12 days``, ``7 weeks and 2 days``."""
    weeks, rest = divmod(days, 7)
    if weeks < 3:
        return count(days, "day")
    return count(weeks, "week") + (f" and {count(rest, 'day')}" if rest else "")


def ahead(when: date, today: date) -> str:
    days = (when - today).days
    return {0: "today", 1: "tomorrow"}.get(days, f"in {span(days)}")


def nhs_number(digits: str) -> str:
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
