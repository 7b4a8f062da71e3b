"""Mail that was down: what leaves days late is still true, and an old time never arrives after a new one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from booking.domain.referral import Action
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import OutboxMessage
from booking.services import answers, booking, offers
from booking.services.booking import Choice
from booking.services.outbox import enqueue
from booking.services.work import Work
from tests.conftest import Clock, Rows
from tests.life.conftest import Life
from tests.silence.conftest import Delivered, reachable


def test_the_old_time_of_a_moved_appointment_is_not_told(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    first = lives.book(made)
    slot = lives.free()
    booking.move(lives.patient(made), first.reference or "", Choice(slot.id, slot.starts_at, slot.ends_at))
    # The first message failed once and was put back: it would leave after the second.
    old = work.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "appointment-booked")).one()
    old.next_attempt_at, old.attempts = work.now, 1
    said = delivered()
    assert [text for text in said if "is booked" in text] == []
    assert len([text for text in said if "has changed: Tuesday 3 March 2026 at 09:20" in text]) == 1


def test_no_reminder_arrives_when_the_appointment_is_over(
    app: BookingApp, lives: Life, work: Work, clock: Clock, delivered: Delivered, rows: Rows
) -> None:
    made = reachable(work, lives.refer())
    starts_at = lives.book(made).starts_at
    delivered()
    clock.now = starts_at - timedelta(days=1)
    tasks.remind(app)
    assert rows(select(OutboxMessage.kind).where(OutboxMessage.delivered_at.is_(None))) == ["reminder"]
    clock.now = starts_at
    assert delivered() == []
    assert rows(select(OutboxMessage.resolved_by).where(OutboxMessage.kind == "reminder")) == ["system"]


def test_a_time_no_longer_kept_is_not_said_to_be(lives: Life, work: Work, clock: Clock, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    delivered()
    [*shown] = offers.propose_now(lives.patient(made), made)
    enqueue(work, "slot-found", "test:found", {}, referral_id=made.id)
    clock.now = max(offer.expires_at for offer in shown)
    [said] = delivered()
    assert "kept" not in said
    assert "Please look at them again" in said


def test_who_has_booked_is_not_offered_times(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    delivered()
    enqueue(work, "offers-ready", "test:ready", {}, referral_id=made.id)
    lives.book(made)
    [said] = delivered()
    assert "Your appointment is booked for Tuesday 3 March 2026 at 09:00" in said


def test_a_move_that_was_declined_is_not_proposed(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    booked = lives.book(made)
    delivered()
    _, [offer] = answers.propose_move(lives.clinician, booked.reference or "", lives.free().id)
    answers.decline(lives.patient(made), made.ubrn, offer.id)
    assert delivered() == []


def test_who_came_after_all_is_not_told_that_they_did_not(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    lives.book(made)
    delivered()
    after = replace(lives.clinician, now=work.now + timedelta(days=2))
    lives.do(after, made, Action.RECORD_DID_NOT_ATTEND)
    lives.do(after, made, Action.RECORD_ATTENDED)
    assert delivered() == []
