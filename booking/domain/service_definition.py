"""What a provider may say of a service, and what does not go together: one rule for the API and for files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from booking.domain.eligibility import ServiceRules, Window
from booking.domain.errors import FieldError, Invalid
from booking.domain.overbooking import MOST_PERCENT
from booking.domain.specialties import SPECIALTIES
from booking.domain.words import BookingMode, Priority, Sex
from booking.domain.worklists import check_shortened

LONGEST_NAME = 200
LONGEST_INSTRUCTIONS = 4000
LONGEST_WINDOW_DAYS = 730
LONGEST_INDICATIVE_WAIT = 1000
OLDEST = 150
MOST_CLINIC_TYPES, MOST_PRACTITIONERS = 100, 200
TELEPHONE = re.compile(r"\+?[0-9][0-9 ]{5,18}")


@dataclass(frozen=True, slots=True)
class Definition:
    """A service as its provider describes it. ``site`` is an ODS code, ``practitioners`` are registrations."""

    name: str
    site: str
    specialty: str
    operational_from: date
    booking_mode: BookingMode = BookingMode.DIRECTLY_BOOKABLE
    clinic_types: tuple[str, ...] = ()
    windows: Mapping[Priority, Window] = field(default_factory=dict)
    """The priorities taken, each with its booking window in days from today."""
    polling_range_days: int = 182
    min_age: int = 0
    max_age: int = OLDEST
    sex: Sex | None = None
    operational_to: date | None = None
    """The last day; appointments already booked after it stay."""
    indicative_wait_days: int | None = None
    interpreters: bool = True
    letter_required: bool = True
    gives_advice: bool = False
    instructions: str = ""
    telephone: str | None = None
    contact_by: Mapping[str, Any] = field(default_factory=dict)
    nationally_visible: bool = True
    practitioners: tuple[str, ...] = ()
    """Clinicians whom patients may be referred to by name; empty is every clinician of the provider."""
    overbooking_percent: int = 0
    """Extra places for slots published from now on, against missed appointments."""

    def rules(self) -> ServiceRules:
        """What decides who may use the service."""
        return ServiceRules(
            specialty_code=self.specialty, clinic_types=frozenset(self.clinic_types), booking_mode=self.booking_mode,
            min_age=self.min_age, max_age=self.max_age, sex=self.sex, operational_from=self.operational_from,
            operational_to=self.operational_to, polling_range_days=self.polling_range_days, windows=dict(self.windows),
        )  # fmt: skip


def faults_of(given: Definition) -> list[FieldError]:
    """Everything wrong with the definition by itself; what it names in the directory is for others to look up."""
    return [FieldError(name, code, words) for name, code, fine, words in _rules(given) if not fine] + _shortened(given)


def _rules(given: Definition) -> Iterator[tuple[str, str, bool, str]]:
    yield from _texts(given)
    yield "specialty", "SPECIALTY_UNKNOWN", given.specialty in SPECIALTIES, "Not a treatment function code such as 330."
    yield "operational_to", "DATES", in_order(given.operational_from, given.operational_to), "Before the first day."
    ages = 0 <= given.min_age <= given.max_age <= OLDEST
    yield "max_age", "AGES", ages, f"Ages are 0 to {OLDEST}, the highest not below the lowest."
    polling = 1 <= given.polling_range_days <= LONGEST_WINDOW_DAYS
    yield "polling_range_days", "RANGE", polling, f"From 1 to {LONGEST_WINDOW_DAYS} days."
    wait = given.indicative_wait_days is None or 0 <= given.indicative_wait_days <= LONGEST_INDICATIVE_WAIT
    yield "indicative_wait_days", "RANGE", wait, f"From 0 to {LONGEST_INDICATIVE_WAIT} days."
    extra = 0 <= given.overbooking_percent <= MOST_PERCENT
    yield "overbooking_percent", "RANGE", extra, f"From 0 to {MOST_PERCENT} per cent."
    yield "priorities", "REQUIRED", bool(given.windows), "A service takes at least one priority."
    for priority, window in given.windows.items():
        fine = 0 <= window.first_day <= window.last_day <= LONGEST_WINDOW_DAYS
        words = (
            f"The window of {priority} is from 0 to {LONGEST_WINDOW_DAYS} days ahead, the last not before the first."
        )
        yield f"priorities.{priority}", "WINDOW", fine, words
    for name, listed, most in (
        ("clinic_types", given.clinic_types, MOST_CLINIC_TYPES),
        ("practitioners", given.practitioners, MOST_PRACTITIONERS),
    ):
        yield name, "TWICE", len(set(listed)) == len(listed), "One is named twice."
        yield name, "TOO_MANY", len(listed) <= most, f"{most} at most."


def _texts(given: Definition) -> Iterator[tuple[str, str, bool, str]]:
    named = bool(given.name.strip()) and len(given.name) <= LONGEST_NAME and min(given.name) >= " "
    yield "name", "NAME", named, f"A name in one line, of up to {LONGEST_NAME} characters."
    short = len(given.instructions) <= LONGEST_INSTRUCTIONS
    yield "instructions", "TOO_LONG", short, f"{LONGEST_INSTRUCTIONS} characters at most."
    needs_telephone = given.booking_mode is BookingMode.INDIRECTLY_BOOKABLE
    words = "A service booked by telephone needs its number."
    yield "telephone", "REQUIRED", bool(given.telephone) or not needs_telephone, words
    number = given.telephone is None or TELEPHONE.fullmatch(given.telephone) is not None
    yield "telephone", "TELEPHONE", number, "Digits and spaces, like 0161 496 0000."


def in_order(first: date, last: date | None) -> bool:
    return last is None or first <= last


def _shortened(given: Definition) -> list[FieldError]:
    try:
        check_shortened(given.contact_by)
    except Invalid as error:
        return list(error.errors)
    return []


def wrong_clinic_types(specialty: str, wanted: Collection[str], known: Mapping[str, str]) -> list[str]:
    """In words: clinic types that are not there, or of another specialty. ``known`` is code to specialty."""
    reasons = [f"there is no clinic type {code}" for code in sorted(set(wanted) - known.keys())]
    return reasons + [
        f"clinic type {code} is of specialty {known[code]}, not {specialty}"
        for code in sorted(known.keys() & set(wanted))
        if known[code] != specialty
    ]
