"""Clicks that meet a lock, on PostgreSQL: each has read before, waits, and finds things changed when it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from booking.db import Database
from booking.domain.referral import Action
from booking.domain.words import Priority, Role, Sex
from booking.models import Booking, Patient, Referral
from booking.services import booking, drafts, life, patients, preferences, referrals
from booking.services.booking import Choice
from booking.services.drafts import Kept
from booking.services.life import Given
from booking.services.patients import NewPatient
from booking.services.referrals import NewReferral
from booking.services.work import Work
from booking.web import say
from tests import factories
from tests.conftest import Rows
from tests.factories import Region
from tests.web.conftest import Referred, Visitor
from tests.web.referrer.conftest import SKIN, press

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
NUMBER = "9434765919"
NAME = "Referring_Clinician Person"
Meanwhile = Callable[[Callable[[Work], Any], Callable[[], TestResponse]], TestResponse]


@pytest.fixture
def meanwhile(database: Database, region: Region, work: Work) -> Meanwhile:
    """Does the one thing, and commits it only when the other has begun and waits for it; returns that one's answer."""

    def run(first: Callable[[Work], Any], second: Callable[[], TestResponse]) -> TestResponse:
        session = database.session()
        mine = replace(factories.acting(work, Role.REFERRING_CLINICIAN, region.practice), session=session)
        first(replace(mine, actor=replace(mine.actor, name=NAME)))
        session.flush()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(second)
            _until_it_waits(database)
            session.commit()
            session.close()
            return answer.result(30)

    return run


def _until_it_waits(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(400):
        with database.unit_of_work(write=False) as session:
            if session.scalar(waiting):
                return
        time.sleep(0.01)
    raise AssertionError("it did not wait")


def draft_of(gp: Visitor, region: Region) -> tuple[TestResponse, str, str]:
    number = say.nhs_number(region.patient.nhs_number)
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=number, clinic=SKIN)
    draft = press(gp, page, "draft", reason="A mole", shortlist=str(region.services[0].id))
    return draft, draft.request.path, draft.request.path.split("/")[3]


def test_a_patient_is_read_again_once_locked(database: Database, region: Region, work: Work) -> None:
    mine = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    assert patients.own_patient(mine, region.patient.id).mobile is None
    with database.unit_of_work() as other:
        known = other.get_one(Patient, region.patient.id)
        known.mobile, known.version = "07700 900 123", known.version + 1
    assert patients.own_patient(mine, region.patient.id, lock=True).mobile == "07700 900 123"


def test_two_who_put_the_same_record_right_lose_nothing(
    gp: Visitor, region: Region, rows: Rows, meanwhile: Meanwhile
) -> None:
    path = f"/staff/patients/{region.patient.id}"
    page = gp.get(path)

    def other(unit: Work) -> None:
        version = patients.own_patient(unit, region.patient.id).version
        preferences.change_contact(unit, {"email": "a@example.com"}, version=version, patient_id=region.patient.id)

    saved = meanwhile(other, lambda: gp.send(page, path, mobile="07700 900 123", step_free="1"))
    assert "Saved" in saved.text
    (known,) = rows(select(Patient))
    assert (known.email, known.mobile, known.step_free) == ("a@example.com", "07700 900 123", True)
    assert known.version == 4


def test_a_draft_that_was_just_sent_is_not_discarded(
    gp: Visitor, region: Region, rows: Rows, meanwhile: Meanwhile
) -> None:
    draft, where, ubrn = draft_of(gp, region)
    kept = meanwhile(
        lambda unit: life.perform(unit, ubrn, Action.ISSUE, Given()), lambda: press(gp, draft, "discard", where)
    )
    assert "no draft any more" in kept.text
    assert rows(select(Referral.state)) == ["NOT_BOOKED"]


def test_a_draft_sent_twice_is_shown_as_it_was_sent(
    gp: Visitor, region: Region, rows: Rows, meanwhile: Meanwhile
) -> None:
    draft, where, ubrn = draft_of(gp, region)
    again = meanwhile(
        lambda unit: life.perform(unit, ubrn, Action.ISSUE, Given()), lambda: press(gp, draft, "send", where)
    )
    assert (again.status_code, again.request.path) == (200, f"/staff/referrals/{ubrn}")


def test_a_draft_saved_twice_is_saved(gp: Visitor, region: Region, rows: Rows, meanwhile: Meanwhile) -> None:
    draft, where, ubrn = draft_of(gp, region)
    (version,) = rows(select(Referral.version))
    kept = Kept(Priority.ROUTINE, "A changing mole", "", [region.services[0].id])
    again = meanwhile(
        lambda unit: drafts.save(unit, ubrn, kept, version=version),
        lambda: press(gp, draft, "draft", where, reason="A changing mole"),
    )
    assert "Draft saved" in again.text
    assert rows(select(Referral.version)) == [version + 1]


def test_a_new_patient_sent_twice_is_registered_and_referred_once(
    gp: Visitor, region: Region, rows: Rows, meanwhile: Meanwhile
) -> None:
    page = press(gp, gp.get("/staff/refer"), "look", nhs_number=NUMBER, clinic=SKIN)
    shortlist = [one.id for one in region.services]

    def other(unit: Work) -> None:
        new = NewPatient(NUMBER, "Siân", "O’Neill", factories.date(1948, 2, 29), Sex.FEMALE)
        made = patients.create_patient(unit, new)
        referrals.create_referral(
            unit, NewReferral(made.id, "330", Priority.ROUTINE, "A mole", shortlist, clinic_type="330-SKIN")
        )

    again = meanwhile(
        other,
        lambda: press(
            gp, page, "send", given_name="Siân", family_name="O’Neill", sex="female", reason="A mole",
            date_of_birth__day="29", date_of_birth__month="2", date_of_birth__year="1948",
            shortlist=[str(one) for one in shortlist],
        ),
    )  # fmt: skip
    assert "was not sent twice" in again.text
    assert len(rows(select(Referral.id))) == 1


def test_an_appointment_changed_twice_is_shown_as_it_was_changed(
    gp: Visitor, referred: Referred, region: Region, rows: Rows, meanwhile: Meanwhile
) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    gp.send(gp.send(gp.send(gp.get(f"{path}/times"), f"{path}/offers"), f"{path}/hold"), f"{path}/book")
    (reference,) = rows(select(Booking.reference).where(Booking.state == "BOOKED"))
    taken = set(rows(select(Booking.slot_id)))
    slot = next(one for one in region.slots if one.id not in taken)
    times = {"starts_at": slot.starts_at.isoformat(), "ends_at": slot.ends_at.isoformat()}
    check = gp.send(gp.get(f"{path}/times"), f"{path}/hold", slot_id=str(slot.id), **times)
    choice = Choice(slot.id, slot.starts_at, slot.ends_at)
    again = meanwhile(lambda unit: booking.move(unit, reference, choice), lambda: gp.send(check, f"{path}/book"))
    assert (again.status_code, again.request.path) == (200, path)
    assert "Nothing was booked" not in again.text
