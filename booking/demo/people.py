"""The people of Ambervale: invented names of many kinds, ages, homes near a practice, needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from booking.demo.region import PRACTICES
from booking.domain.ids import nhs_number_from
from booking.domain.words import Sex
from booking.services.patients import NewPatient

FIRST_NHS_NUMBER = 999_100_000
"""999 … is set aside for tests: no person has such a number."""

GIVEN = {
    Sex.FEMALE: (
        "Ada", "Siân", "Zoë", "Aoife", "Maryam", "Yetunde", "Chloë", "Ngozi", "Wanda", "Priya", "Éloïse", "Bronwen",
        "Ruth", "Halina", "Olena", "Fatima", "Margaret", "Josephine", "Renée", "Thandiwe", "Ingrid", "Lúcia", "Мария",
        "美玲",
    ),
    Sex.MALE: (
        "Tom", "Seán", "André", "Mohammed", "Kwame", "Piotr", "Llŷr", "Bilal", "George", "Dmytro", "José", "Håkon",
        "Arthur", "Rhys", "Jürgen", "Olu", "Samir", "Wilfred", "Zbigniew", "Étienne", "Ivor", "Nikos", "Олександр",
        "志明",
    ),
}  # fmt: skip
FAMILY = (
    "O’Neill", "O'Brien", "Ashworth", "Okafor", "Nowak", "Patel", "Müller", "Fairclough", "D’Souza", "Khan", "Łukasik",
    "MacAllister", "Entwistle", "García-Pérez", "Bâ", "Hussain", "Ødegård", "van der Berg", "Thistlewood", "Achebe",
    "Šimková", "Winterbourne", "St John", "Çelik", "Brontë-Hughes", "Nguyễn", "Holroyd", "de la Cruz",
    "Коваленко", "王",
)  # fmt: skip
LANGUAGES = ("Polish", "Urdu", "Ukrainian", "Arabic", "Cantonese", "British Sign Language", "Portuguese", "Welsh")
WORK_HOURS = sum(0b011 << (day * 3) for day in range(5))
"""Mornings and afternoons of working days."""
MORNINGS = sum(0b001 << (day * 3) for day in range(7))


@dataclass(frozen=True, slots=True)
class Person:
    practice: str
    new: NewPatient


def postcode(rng: Random, practice: str) -> str:
    """Somewhere in the practice's own postcode district."""
    outward = practice.split()[0]
    return f"{outward} {rng.randint(1, 9)}{rng.choice('ABDEFGHJLNPQRSTUWXYZ')}{rng.choice('ABDEFGHJLNPQRSTUWXYZ')}"


def people(rng: Random, count: int, today: date, first: int = FIRST_NHS_NUMBER) -> list[Person]:
    """So many of them, with NHS numbers one after another from ``first`` (its first nine digits)."""
    found: list[Person] = []
    number = first
    while len(found) < count:
        nhs_number = nhs_number_from(number)
        number += 1
        if nhs_number is not None:
            found.append(_person(rng, nhs_number, today))
    return found


def _person(rng: Random, nhs_number: str, today: date) -> Person:
    code, _, home, latitude, longitude = rng.choice(PRACTICES)
    sex = rng.choice((Sex.FEMALE, Sex.FEMALE, Sex.MALE))
    age = int(rng.triangular(1, 96, 62))
    years_and_days = timedelta(days=int(age * 365.25) + rng.randrange(1, 365))
    chance = rng.random
    return Person(
        code,
        NewPatient(
            nhs_number=nhs_number,
            given_name=rng.choice(GIVEN[sex]),
            family_name=rng.choice(FAMILY),
            date_of_birth=today - years_and_days,
            sex=sex,
            postcode=postcode(rng, home),
            latitude=round(latitude + rng.gauss(0, 0.02), 5),
            longitude=round(longitude + rng.gauss(0, 0.03), 5),
            email=f"patient{nhs_number[3:9]}@ambervale.example" if chance() < 0.6 else None,
            mobile=f"07700 900{rng.randrange(1000):03d}" if chance() < 0.8 else None,
            interpreter_language=rng.choice(LANGUAGES) if chance() < 0.07 else None,
            step_free=chance() < (0.25 if age > 75 else 0.04),
            clinician_sex=sex if chance() < 0.05 else None,
            video_possible=chance() > (0.35 if age > 75 else 0.08),
            unsuitable_times=rng.choice((WORK_HOURS & ~MORNINGS, MORNINGS)) if chance() < 0.12 else 0,
            farthest_miles=rng.choice((6.0, 10.0, 15.0)) if chance() < 0.15 else None,
        ),
    )
