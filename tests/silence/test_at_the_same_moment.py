"""Two at once about one patient: nobody's identity goes while they are being referred, and advice moves along."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.db import Database
from booking.domain.errors import NotFound
from booking.domain.words import BookingMode, Priority, Role
from booking.models import AdviceRequest, Patient, Site
from booking.services import advice, practices, retention
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""SQLite has one writer: there these can't be under way at the same moment."""


def _meanwhile(database: Database, work: Work, what: Callable[[Work], object]) -> tuple[threading.Thread, list[object]]:
    """Begin ``what`` in another transaction, which soon waits for ours."""
    done: list[object] = []

    def run() -> None:
        with database.unit_of_work() as session:
            done.append(what(replace(work, session=session)))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1)
    return thread, done


@on_postgresql
def test_whoever_is_being_referred_keeps_their_name(work: Work, region: Region, database: Database, rows: Rows) -> None:
    region.patient.created_at = work.now - timedelta(days=10 * 365)
    work.session.commit()
    number = region.patient.nhs_number
    factories.referral(work, region)
    thread, done = _meanwhile(database, work, retention.apply)
    assert not done
    work.session.commit()
    thread.join(20)
    assert done == [retention.Applied()]
    assert number in rows(select(Patient.nhs_number))


@on_postgresql
def test_nobody_asks_about_a_patient_who_is_just_moving_away(
    work: Work, region: Region, database: Database, rows: Rows
) -> None:
    """The request would stay with the practice that has lost the patient."""
    site = work.session.get_one(Site, region.services[0].site_id)
    service = factories.service(work, region.provider, site, name="Advice", booking_mode=BookingMode.ADVICE_ONLY)
    work.session.commit()
    asked = advice.NewAdvice(
        patient_id=region.patient.id, service_id=service.id, priority=Priority.ROUTINE, subject="A mole",
        text="Is it one?", convertible=True,
    )  # fmt: skip
    old = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    new = factories.acting(work, Role.REFERRING_CLINICIAN, region.other_practice)
    practices.transfer(new, region.patient.nhs_number, region.patient.date_of_birth)

    def ask(other: Work) -> str:
        try:
            return advice.ask(replace(old, session=other.session), asked).reference
        except NotFound as refused:
            return refused.code

    thread, done = _meanwhile(database, work, ask)
    assert not done
    work.session.commit()
    thread.join(20)
    assert done == ["NOT_FOUND"]
    assert rows(select(AdviceRequest.id)) == []
