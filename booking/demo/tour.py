"""What the demo's tour needs besides the stories: somebody at the GP's practice who has not been referred yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from booking.demo.people import FIRST_NHS_NUMBER, Person
from booking.demo.region import PRACTICES
from booking.domain.ids import nhs_number_from
from booking.domain.words import Role, Sex
from booking.services import patients
from booking.services.patients import NewPatient
from booking.services.work import Actor, Work

REASON = "a mole on the shoulder that has changed in six weeks"


def to_refer() -> Person:
    """A patient of the first practice, whose number none of the others has."""
    code, _, postcode, latitude, longitude = PRACTICES[0]
    number = next(found for n in range(500, 520) if (found := nhs_number_from(FIRST_NHS_NUMBER - n)) is not None)
    new = NewPatient(
        nhs_number=number, given_name="Ivor", family_name="Winterbourne", date_of_birth=date(1954, 10, 9), sex=Sex.MALE,
        postcode=postcode, latitude=latitude + 0.004, longitude=longitude - 0.003, mobile="07700 900123",
    )  # fmt: skip
    return Person(code, new)


def register(work: Work, practice_id: int) -> dict[str, str]:
    """Register them with their practice; returns what the tour tells its visitor."""
    person = to_refer()
    actor = Actor("Millbrook Surgery", Role.REFERRING_ADMIN, practice_id, person.practice)
    patients.create_patient(replace(work, actor=actor), person.new)
    digits = person.new.nhs_number
    return {
        "name": f"{person.new.given_name} {person.new.family_name}",
        "nhs_number": f"{digits[:3]} {digits[3:6]} {digits[6:]}", "reason": REASON,
    }  # fmt: skip
