"""Which referral may use which service, and which slot of it: rules 1, 2 and 5 of the domain.

Everything is handed in as plain values, so that search, booking and the planner's check share one rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from booking.domain.targets import age_on
from booking.domain.words import BookingMode, Priority, Sex

PRIORITY_BIT = {Priority.ROUTINE: 1, Priority.URGENT: 2, Priority.TWO_WEEK_WAIT: 4}


@dataclass(frozen=True, slots=True)
class Window:
    """Days ahead, both included, in which a priority may be booked at a service."""

    first_day: int
    last_day: int

    def dates(self, today: date) -> tuple[date, date]:
        return today + timedelta(days=self.first_day), today + timedelta(days=self.last_day)


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """What a service says of itself that decides who may use it."""

    specialty_code: str
    clinic_types: frozenset[str]
    booking_mode: BookingMode
    min_age: int
    max_age: int
    sex: Sex | None
    operational_from: date
    operational_to: date | None
    polling_range_days: int
    windows: dict[Priority, Window]

    def window(self, priority: Priority, today: date) -> tuple[date, date] | None:
        """First and last bookable date for ``priority``, narrowed by polling range and operational dates."""
        window = self.windows.get(priority)
        if window is None:
            return None
        return open_dates(window, self.operational_from, self.operational_to, self.polling_range_days, today)


def open_dates(
    window: Window, operational_from: date, operational_to: date | None, polling_range_days: int, today: date
) -> tuple[date, date] | None:
    """First and last bookable date of a service whose window this is; None where there is none."""
    first, last = window.dates(today)
    first = max(first, operational_from)
    last = min(last, today + timedelta(days=polling_range_days), operational_to or date.max)
    return (first, last) if first <= last else None


def why_service_not(
    rules: ServiceRules,
    *,
    specialty_code: str,
    clinic_type: str | None,
    priority: Priority,
    date_of_birth: date,
    sex: Sex,
    visible: bool,
    today: date,
) -> tuple[str, str] | None:
    """None if the referral may use the service, else a code and words (domain rule 1)."""
    age = age_on(date_of_birth, today)
    checks = (
        (visible, "NOT_COMMISSIONED", "is not open to this practice"),
        (rules.specialty_code == specialty_code, "SPECIALTY", f"is not a service of specialty {specialty_code}"),
        (
            clinic_type is None or clinic_type in rules.clinic_types,
            "CLINIC_TYPE",
            f"does not offer clinic type {clinic_type}",
        ),
        (priority in rules.windows, "PRIORITY", f"does not take {priority} referrals"),
        (
            rules.min_age <= age <= rules.max_age,
            "AGE",
            f"takes ages {rules.min_age} to {rules.max_age}; the patient is {age}",
        ),
        (rules.sex is None or rules.sex == sex, "SEX", f"takes {rules.sex} patients only"),
        (rules.operational_to is None or rules.operational_to >= today, "CLOSED", "has closed"),
    )
    return next(((code, words) for fine, code, words in checks if not fine), None)


def why_slot_not(
    rules: ServiceRules,
    *,
    slot_date: date,
    slot_priorities: int,
    slot_practitioner: int | None,
    priority: Priority,
    named_practitioner: int | None,
    date_of_birth: date,
    sex: Sex,
    today: date,
    by_telephone: bool = False,
) -> tuple[str, str] | None:
    """None if the referral may be booked on the slot, else a code and words (domain rule 5)."""
    window = rules.window(priority, today)
    age = age_on(date_of_birth, slot_date)
    checks = (
        (
            rules.booking_mode is BookingMode.DIRECTLY_BOOKABLE
            or (by_telephone and rules.booking_mode is BookingMode.INDIRECTLY_BOOKABLE),
            "NOT_DIRECTLY_BOOKABLE",
            "This service is not booked online.",
        ),
        (window is not None, "PRIORITY", f"This service takes no {priority} referrals."),
        (
            window is not None and window[0] <= slot_date <= window[1],
            "OUTSIDE_WINDOW",
            "This time is outside the service's booking window.",
        ),
        (bool(slot_priorities & PRIORITY_BIT[priority]), "SLOT_PRIORITY", "This time is kept for another priority."),
        (
            named_practitioner is None or slot_practitioner == named_practitioner,
            "PRACTITIONER",
            "This time is with another clinician than the one named.",
        ),
        (
            rules.min_age <= age <= rules.max_age,
            "AGE",
            f"The patient would be {age}; this service takes ages {rules.min_age} to {rules.max_age}.",
        ),
        (rules.sex is None or rules.sex == sex, "SEX", f"This service takes {rules.sex} patients only."),
    )
    return next(((code, words) for fine, code, words in checks if not fine), None)
