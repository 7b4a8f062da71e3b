"""The people worth signing in as: each shows another side of choosing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from booking.demo.people import FIRST_NHS_NUMBER, Person
from booking.demo.region import NOTHING_YET, PRACTICES
from booking.domain.ids import nhs_number_from
from booking.domain.words import Priority, Sex
from booking.services.patients import NewPatient


@dataclass(frozen=True, slots=True)
class Story:
    number: int
    given: str
    family: str
    sex: Sex
    born: date
    practice: int
    clinic: str
    priority: Priority
    waited: int
    about: str
    language: str | None = None
    step_free: bool = False
    booked: bool = False
    only: str | None = None
    """The one service on the shortlist."""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


STORIES = (
    Story(
        1, "Zoë", "Ashworth", Sex.FEMALE, date(1979, 6, 12), 0, "110-HIPKNEE", Priority.ROUTINE, 48,
        "A painful knee, and plenty of choice: choose a time and confirm it.",
    ),
    Story(
        2, "Seán", "O’Neill", Sex.MALE, date(1961, 11, 3), 2, "320-PAIN", Priority.URGENT, 9,
        "Urgent: sees the earliest times first.",
    ),
    Story(
        3, "Olena", "Коваленко", Sex.FEMALE, date(1952, 2, 29), 1, "130-CATARACT", Priority.ROUTINE, 80,
        "Needs an interpreter and step-free access: only clinics that have both are proposed.",
        language="Ukrainian", step_free=True,
    ),
    Story(
        4, "Arthur", "Thistlewood", Sex.MALE, date(1938, 8, 21), 4, "301-LOWER", Priority.ROUTINE, 60,
        "Has an appointment already: change it, cancel it, or put it in a calendar.", booked=True,
    ),
    Story(
        5, "Ngozi", "Achebe", Sex.FEMALE, date(1990, 4, 5), 5, "301-UPPER", Priority.ROUTINE, 14,
        "The clinic has published no times yet: what is said when nothing is free.", only=NOTHING_YET,
    ),
)  # fmt: skip


def person_of(story: Story, today: date) -> Person:
    """The story's person, at home near their practice."""
    code, _, postcode, latitude, longitude = PRACTICES[story.practice]
    number = nhs_number_from(FIRST_NHS_NUMBER - 20 * story.number) or nhs_number_from(
        FIRST_NHS_NUMBER - 20 * story.number + 1
    )
    if number is None:
        raise RuntimeError("two numbers in a row without a check digit")
    return Person(
        code,
        NewPatient(
            nhs_number=number, given_name=story.given, family_name=story.family, date_of_birth=story.born,
            sex=story.sex, postcode=postcode, latitude=latitude + 0.006, longitude=longitude + 0.004,
            interpreter_language=story.language, step_free=story.step_free, video_possible=True,
        ),
    )  # fmt: skip
