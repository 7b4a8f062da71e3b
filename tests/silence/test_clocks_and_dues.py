"""Clocks start once; nothing puts a due date off; and what was kept for long is looked at again before it is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.domain.errors import Invalid
from booking.domain.referral import Action
from booking.domain.words import ClockChange, Priority, Role, Worklist
from booking.models import ClockEvent, Referral
from booking.services import life, practices
from booking.services.work import Work
from tests import factories
from tests.factories import Region
from tests.life.conftest import COMMENT, Life

A = Action


def _clock(work: Work, of: Referral) -> list[ClockChange]:
    work.session.flush()
    query = select(ClockEvent.change).where(ClockEvent.referral_id == of.id).order_by(ClockEvent.sequence)
    return list(work.session.scalars(query))


def test_the_clock_of_a_draft_starts_when_it_is_sent_and_once(lives: Life, work: Work, region: Region) -> None:
    made = lives.refer(draft=True)
    lives.do(lives.gp, made, A.CHANGE_PRIORITY, priority=Priority.URGENT, comment=COMMENT)
    other = factories.acting(work, Role.REFERRING_CLINICIAN, region.other_practice)
    practices.transfer(other, made.patient.nhs_number, made.patient.date_of_birth)
    assert _clock(work, made) == []
    life.perform(other, made.ubrn, A.ISSUE, life.Given())
    assert _clock(work, made) == [ClockChange.START]


@pytest.mark.parametrize("first", list(Priority))
@pytest.mark.parametrize("then", list(Priority))
def test_no_change_of_priority_puts_off_what_is_due(lives: Life, work: Work, first: Priority, then: Priority) -> None:
    made = lives.refer(priority=first)
    due = made.worklist_due
    assert due is not None
    later = replace(lives.gp, now=work.now + timedelta(days=4))
    for _ in range(3):
        lives.do(later, made, A.CHANGE_PRIORITY, priority=then, comment=COMMENT)
    fresh = lives.refer(priority=then)  # made on the first day
    assert made.worklist_due is not None
    assert fresh.worklist_due is not None
    assert made.worklist_due <= max(due, fresh.worklist_due)
    if first is then:
        assert made.worklist_due == due


def test_a_letter_that_comes_late_leaves_the_review_due_before_the_appointment(lives: Life, work: Work) -> None:
    lives.region.services[0].letter_required = True
    work.session.flush()
    made = lives.refer(clinical_information="")
    booked = lives.book(made)
    assert made.worklist is Worklist.LETTERS_OUTSTANDING
    life.amend(lives.gp, made.ubrn, reason=None, clinical_information="Seen on Monday.", version=None)
    assert made.worklist is Worklist.REFERRALS_FOR_REVIEW
    assert made.worklist_due is not None
    assert made.worklist_due <= booked.starts_at.date()


def test_a_draft_is_looked_at_again_before_it_is_sent(lives: Life, work: Work) -> None:
    made = lives.refer(draft=True)
    lives.full.operational_to = work.today + timedelta(days=1)
    work.session.flush()
    with pytest.raises(Invalid) as caught:
        lives.do(replace(lives.gp, now=work.now + timedelta(days=5)), made, A.ISSUE)
    assert [fault.field for fault in caught.value.errors] == ["shortlist.1"]
