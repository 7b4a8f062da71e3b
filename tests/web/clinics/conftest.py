"""A clinic of one's own: bookings made as patients make them, and the clock moved on past them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from booking.domain.words import Role
from booking.models import Booking, Referral, Slot
from booking.services import booking as booking_service
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import factories
from tests.factories import Region
from tests.web.conftest import Visitor


@dataclass
class Seen:
    """An appointment of somebody at the region's first clinic."""

    referral: Referral
    reference: str
    slot: Slot


Book = Callable[..., Seen]


def book(work: Work, region: Region, slot: Slot | None = None, **patient: object) -> Seen:
    """A new patient with an appointment, made as the patient makes it."""
    someone = factories.PatientFactory(practice_id=region.practice.id, **patient)
    referral, _ = factories.referral(work, region, patient=someone)
    mine = replace(work, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))
    taken = slot or region.slots[0]
    made: Booking = booking_service.book(mine, referral.ubrn, Choice(taken.id, taken.starts_at, taken.ends_at))
    work.session.commit()
    assert made.reference is not None
    return Seen(referral, made.reference, taken)


@pytest.fixture
def booked(work: Work, region: Region) -> Seen:
    return book(work, region, given_name="Zoë", family_name="O’Neill 🙂", step_free=True, interpreter_language="Urdu")


@pytest.fixture
def clerk(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.PROVIDER_ADMIN)
