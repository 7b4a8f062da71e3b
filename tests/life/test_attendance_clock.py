"""Attendance is recorded after the appointment, and the clock runs, stops and starts again by the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from booking.domain.errors import Conflict
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    BookingState,
    ClockState,
    Worklist,
)
from booking.models import Booking, ClockEvent, Referral
from booking.services import booking, history, life
from booking.services.booking import Choice
from booking.services.life import Given
from tests import factories
from tests.life.conftest import COMMENT, Life

S, A = ReferralState, Action


def ticks(lives: Life, of: Referral) -> list[tuple[str, date]]:
    query = select(ClockEvent).where(ClockEvent.referral_id == of.id).order_by(ClockEvent.sequence)
    return [(row.change.value, row.on_date) for row in lives.work.session.scalars(query)]


def test_attendance_is_recorded_after_the_appointment_only(lives: Life) -> None:
    made = lives.to(S.BOOKED)
    with pytest.raises(Conflict) as refused:
        lives.do(lives.clinician, made, A.RECORD_ATTENDED)
    assert refused.value.code == "APPOINTMENT_AHEAD"


def test_not_attending_first_nullifies_the_clock_and_booking_again_starts_a_new_one(lives: Life) -> None:
    made = lives.to(S.DID_NOT_ATTEND)
    missed = lives.work.today + timedelta(days=10)
    assert (made.rtt_clock_state, made.rtt_clock_stopped_on) == (ClockState.NULLIFIED, missed)
    assert made.worklist is Worklist.APPOINTMENTS_BOOKED, "the provider chooses what happens"
    twelve = replace(lives.clinician, now=lives.work.now + timedelta(days=12))
    life.perform(twelve, made.ubrn, A.REBOOK_AFTER_NON_ATTENDANCE, Given())
    assert made.worklist is Worklist.APPOINTMENTS_FOR_BOOKING
    start = lives.work.now.replace(hour=9) + timedelta(days=20)
    slot = factories.slots(lives.work, lives.region.services[0], start, 1)[0]
    patient = replace(lives.patient(made), now=lives.work.now + timedelta(days=14))
    booking.book(patient, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    began = lives.work.today + timedelta(days=14)
    assert (made.rtt_clock_state, made.rtt_clock_start) == (ClockState.RUNNING, began)
    assert made.due_date == began + timedelta(days=126)
    assert ticks(lives, made) == [("START", lives.work.today), ("NULLIFY", missed), ("START", began)]


def test_a_second_non_attendance_does_not_touch_the_clock(lives: Life) -> None:
    made = lives.to(S.ATTENDED)  # the first appointment was attended
    lives.do(lives.clinician, made, A.RECORD_ASSESSMENT_RESULT, comment=COMMENT)
    assert made.rtt_clock_state is ClockState.STOPPED
    lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[0].id])
    assert made.rtt_clock_state is ClockState.RUNNING
    slot = factories.slots(lives.work, lives.region.services[0], lives.work.now + timedelta(days=30), 1)[0]
    booking.book(lives.patient(made), made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    after = replace(lives.clinician, now=lives.work.now + timedelta(days=31))
    life.perform(after, made.ubrn, A.RECORD_DID_NOT_ATTEND, Given())
    assert made.rtt_clock_state is ClockState.RUNNING


def test_an_attendance_recorded_wrongly_is_put_right_and_so_is_the_clock(lives: Life) -> None:
    made = lives.to(S.DID_NOT_ATTEND)
    eleven = replace(lives.clinician, now=lives.work.now + timedelta(days=11))
    life.perform(eleven, made.ubrn, A.RECORD_ATTENDED, Given())
    assert (made.state, made.rtt_clock_state) == (S.ATTENDED, ClockState.RUNNING)
    assert made.rtt_clock_start == lives.work.today
    booked = lives.work.session.scalars(select(Booking).where(Booking.referral_id == made.id)).one()
    assert booked.state is BookingState.ATTENDED


def test_advice_to_the_referrer_after_non_attendance(lives: Life) -> None:
    made = lives.to(S.DID_NOT_ATTEND)
    lives.do(lives.clinician, made, A.ADVISE_REFERRER, comment=COMMENT)
    assert made.worklist is Worklist.CANCELLED_OR_DID_NOT_ATTEND
    assert made.worklist_organisation_id == lives.region.practice.id


def test_the_clock_runs_on_through_cancellations(lives: Life) -> None:
    for state in (S.APPT_CANCELLED_BY_PATIENT, S.APPT_CANCELLED_BY_PROVIDER):
        made = lives.to(state)
        assert made.rtt_clock_state is ClockState.RUNNING
        assert ticks(lives, made) == [("START", lives.work.today)]
    assert made.first_in_line_since == lives.work.now


def test_weeks_waited_and_breach_date(lives: Life) -> None:
    made = lives.refer(rtt_clock_start=lives.work.today - timedelta(days=30))
    found = history.of(lives.gp, made)
    assert found.weeks_waited == 4
    assert found.breach_date == made.due_date + timedelta(days=1)
    closed = lives.to(S.CLOSED)
    assert history.of(lives.later(days=300), closed).weeks_waited == 0, "stopped ten days in"
