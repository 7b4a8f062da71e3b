"""The demo region: made once, the same for a seed, everybody in it can sign in, and its file is private."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from booking.config import Config
from booking.db import Database
from booking.demo import people, seed, sign_ins
from booking.demo.directory import clinic_days
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState
from booking.keys import Keys
from booking.models import Booking, Patient, Referral, Slot
from booking.services import audit
from booking.services.work import SYSTEM, Work
from tests.conftest import NOW
from tests.web.conftest import Visitor


@pytest.fixture
def made(database: Database, config: Config, keys: Keys) -> sign_ins.SignIns:
    with database.unit_of_work() as session:
        return seed.seed(Work(session, SYSTEM, NOW, config, keys), 1)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_everybody_in_it_can_sign_in(made: sign_ins.SignIns, database: Database, visitor: Visitor) -> None:
    pages = {}
    for one in made.patients:
        born = "{day} {month} {year}".format(**one.date_of_birth)
        pages[one.name] = visitor.sign_in(one.reference, one.access_code, born)
    assert {page.request.path for page in pages.values()} == {"/choices", "/appointment"}
    assert "There is no free time at your clinics just now" in pages["Ngozi Achebe"].text
    assert pages["Zoë Ashworth"].text.count("Choose this time") >= 3
    for person in made.staff:
        assert visitor.staff(person.username, person.password).request.path.startswith("/staff")

    with database.unit_of_work(write=False) as session:
        assert session.scalar(select(func.count()).where(Referral.state.in_(CHOOSING))) in range(230, 256)
        assert session.scalar(select(func.count()).where(Referral.state == ReferralState.BOOKED)) in range(8, 20)
        assert session.scalar(select(func.count(Patient.id))) > 300
        assert session.scalar(select(func.count(Slot.id)).where(Slot.starts_at > NOW)) in range(350, 600)
        over = (BookingState.BOOKED, BookingState.HELD)
        past = select(func.count(Booking.id)).join(Slot).where(Slot.starts_at <= NOW)
        assert session.scalar(past.where(Booking.state.in_(over))) == 0
        assert audit.verify(session) == []


def test_the_same_seed_makes_the_same_people() -> None:
    from random import Random

    first, again, other = (people.people(Random(n), 40, NOW.date()) for n in (1, 1, 2))
    assert first == again
    assert first != other


def test_clinics_keep_working_days() -> None:
    days = clinic_days(NOW.date().replace(month=3, day=20))
    assert all(day.weekday() < 5 for day in days)
    assert NOW.date().replace(month=4, day=3) not in days  # Good Friday 2026


def test_the_file_of_sign_ins_is_private(tmp_path: Path) -> None:
    path = tmp_path / "somewhere" / "sign-ins.json"
    found = sign_ins.SignIns([sign_ins.PatientSignIn("Zoë", "x", "1", "2", {"day": 1, "month": 2, "year": 1970})])
    sign_ins.write(found, path)
    sign_ins.write(found, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sign_ins.read(path) == found
    assert sign_ins.read(tmp_path / "none") is None
