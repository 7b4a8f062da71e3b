"""Reminders: at the appointment's own time of day, each once, none to who booked later, right across a clock change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from booking.db import Database
from booking.domain.words import Channel, OfferState, Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.messaging import Message
from booking.models import Booking, Offer, OutboxMessage, Slot
from booking.services import offers
from booking.services.booking import Choice, book
from booking.services.delivery import deliver
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.letters.test_messages import URL, Post

DAY = timedelta(days=1)
KEYS = select(OutboxMessage.event_key).where(OutboxMessage.kind == "reminder").order_by(OutboxMessage.id)


def _booked(work: Work, region: Region, starts_at: datetime, at: datetime) -> Booking:
    slot: Slot = factories.slots(work, region.services[0], starts_at, 1)[0]
    patient = factories.PatientFactory(practice_id=region.practice.id, email="a@example.invalid")
    referral = factories.referral(work, region, patient=patient)[0]
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    made = book(acting, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    made.booked_at = at
    work.session.commit()
    return made


@pytest.mark.parametrize(
    "starts_at",
    [datetime(2026, 3, 20, 14, 30, tzinfo=UTC), datetime(2026, 3, 30, 8, 0, tzinfo=UTC)],  # the second after the change
)
def test_each_is_sent_once_at_the_appointments_time_of_day(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows, starts_at: datetime
) -> None:
    made = _booked(work, region, starts_at, clock.now)
    wall = starts_at.astimezone(factories.LONDON).replace(tzinfo=None)
    for days, sent in ((7, 1), (1, 2)):
        due = (wall - days * DAY).replace(tzinfo=factories.LONDON).astimezone(UTC)
        clock.now = due - timedelta(seconds=1)
        tasks.remind(app)
        assert len(rows(KEYS)) == sent - 1
        for minutes in (0, 5, 60):
            clock.now = due + timedelta(minutes=minutes)
            tasks.remind(app)
        assert rows(KEYS)[-1] == f"booking:{made.reference}:reminder:{days}"
        assert len(rows(KEYS)) == sent


def test_nobody_is_reminded_of_what_they_booked_after_that_moment(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows
) -> None:
    starts_at = clock.now + 5 * DAY
    made = _booked(work, region, starts_at, clock.now)
    tasks.remind(app)
    assert rows(KEYS) == []
    clock.now = starts_at - DAY
    tasks.remind(app)
    assert rows(KEYS) == [f"booking:{made.reference}:reminder:1"]


def test_a_job_that_was_down_sends_only_the_latest(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows
) -> None:
    made = _booked(work, region, clock.now + 20 * DAY, clock.now)
    clock.now += 19 * DAY + timedelta(hours=3)
    tasks.remind(app)
    tasks.remind(app)
    assert rows(KEYS) == [f"booking:{made.reference}:reminder:1"]
    clock.now += DAY
    tasks.remind(app)
    assert len(rows(KEYS)) == 1


def test_who_has_a_kept_time_is_warned_a_day_before_it_ends(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows, database: Database
) -> None:
    region.patient.email = "ada@example.invalid"
    referral = factories.referral(work, region)[0]
    offers.propose_now(work, referral)
    work.session.commit()
    [offer] = rows(select(Offer).where(Offer.guaranteed))
    clock.now = offer.expires_at - DAY - timedelta(seconds=1)
    tasks.remind(app)
    keys = select(OutboxMessage.event_key).where(OutboxMessage.kind == "offer-expiring")
    assert rows(keys) == []
    clock.now = offer.expires_at - DAY
    for _ in range(2):
        tasks.remind(app)
    assert rows(keys) == [f"offer:{offer.id}:expiring"]
    post = Post()
    deliver(database, {Channel.EMAIL: post}, clock, URL)
    warned: list[Message] = [one for one in post.sent if "kept until" in one.text]
    assert len(warned) == 1
    assert "Monday 9 March 2026" in warned[0].text or str(offer.expires_at.day) in warned[0].text


def test_a_warning_about_an_offer_that_has_ended_is_dropped(
    app: BookingApp, work: Work, region: Region, clock: Clock, rows: Rows, database: Database
) -> None:
    region.patient.email = "ada@example.invalid"
    offers.propose_now(work, factories.referral(work, region)[0])
    work.session.commit()
    [offer] = rows(select(Offer).where(Offer.guaranteed))
    clock.now = offer.expires_at - DAY
    tasks.remind(app)
    with database.unit_of_work() as session:
        session.get_one(Offer, offer.id).state = OfferState.DECLINED
    post = Post()
    assert deliver(database, {Channel.EMAIL: post}, clock, URL).dropped == 1
    assert not [one for one in post.sent if "kept until" in one.text]
