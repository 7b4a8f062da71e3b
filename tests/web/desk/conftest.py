"""A provider's office: somebody signed in there, and referrals in every state in front of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import Booking, Referral
from tests.conftest import Rows
from tests.life.conftest import Life, lives
from tests.web.conftest import Visitor

__all__ = ["Life", "lives"]
Stands = Callable[[Referral], Referral]


@pytest.fixture
def stands(rows: Rows) -> Stands:
    """A referral as it is committed now; the test's own session stays as it was."""
    return lambda made: rows(select(Referral).where(Referral.id == made.id))[0]


@pytest.fixture
def live(rows: Rows) -> Callable[[Referral], list[Booking]]:
    """What the referral holds and has booked now."""
    return lambda made: rows(select(Booking).where(Booking.referral_id == made.id, Booking.released_at.is_(None)))


@pytest.fixture
def clinician(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.PROVIDER_CLINICIAN)


@pytest.fixture
def admin(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.PROVIDER_ADMIN)


@pytest.fixture
def definer(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.SERVICE_DEFINER)
