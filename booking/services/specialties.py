"""The code list of specialties, kept in the database so that services can only name one of it."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.specialties import SPECIALTIES
from booking.models import Specialty
from booking.services.work import Work


def ensure_specialties(work: Work) -> int:
    """Add the treatment functions that are missing; returns how many. Names that are there stay as they are."""
    there = set(work.session.scalars(select(Specialty.code)))
    missing = [Specialty(code=code, name=name) for code, name in SPECIALTIES.items() if code not in there]
    work.session.add_all(missing)
    work.session.flush()
    return len(missing)
