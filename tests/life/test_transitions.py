"""Every state × every action, through the services: legal and done, or refused with a 409 that names both."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from booking.domain.actions import RULES
from booking.domain.errors import BookingError, IllegalTransition
from booking.domain.reasons import reasons_for
from booking.domain.referral import CHOOSING, LIVE, TERMINAL, TRANSITIONS, Action, ReferralState, recompute
from booking.domain.words import Role
from booking.models import Referral
from booking.services import booking, history, referrals
from booking.services.booking import Choice
from booking.services.life import HANDLERS, Given, perform
from booking.services.transitions import Why, transition
from booking.services.work import SYSTEM, Work
from tests.life.conftest import COMMENT, Life

A, S = Action, ReferralState


def _role(action: Action, made: Referral) -> Role | None:
    """Somebody who may do it and can see the referral; None where only a provider may, and it is with none."""
    order = [Role.REFERRING_CLINICIAN, Role.SYSTEM]
    if made.service_id is not None and action not in (A.BOOK, A.CLOSE):
        order.insert(0, Role.PROVIDER_CLINICIAN)
    if action is A.CLOSE and made.state is S.ATTENDED:
        order.insert(0, Role.PROVIDER_CLINICIAN)
    return next((role for role in order if role in RULES[action].roles), None)


def _try(lives: Life, made: Referral, action: Action) -> BookingError | None:
    try:
        _attempt(lives, made, action)
    except BookingError as refusal:
        return refusal
    return None


def _attempt(lives: Life, made: Referral, action: Action) -> None:
    """The action as somebody who may do it would, with all that it asks for."""
    found = _role(action, made)
    role = found or Role.PROVIDER_CLINICIAN
    work = lives.acting(role) if role is not Role.SYSTEM else replace(lives.work, actor=SYSTEM)
    if action in (A.RECORD_ATTENDED, A.RECORD_DID_NOT_ATTEND):
        work = replace(work, now=work.now + timedelta(days=10))
    reasons = RULES[action].reasons
    reason = reasons_for(reasons, role, work.today)[0].code if reasons is not None else None
    locked = referrals.lock_referral(lives.gp, made.ubrn)
    if action is A.BOOK:
        slot = lives.free()
        booking.book(work, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    elif action in (A.MOVE_APPOINTMENT, A.CANCEL_APPOINTMENT_BY_PATIENT):
        _on_appointment(lives, work, locked, action, reason)
    elif action is A.CANCEL_REFERRAL:
        referrals.cancel_referral(work, made.ubrn, reason=str(reason), comment=None)
    elif action in HANDLERS and found is not None:
        perform(work, made.ubrn, action, _given(lives, action, reason))
    else:  # the table's own step; what goes with it has tests of its own
        transition(work, locked, action, Why(reason, COMMENT))


def _on_appointment(lives: Life, work: Work, locked: Referral, action: Action, reason: str | None) -> None:
    booked = booking.current_booking(work, locked)
    if booked is None or booked.reference is None:  # nothing to act on: the table itself must refuse
        transition(work, locked, action, Why(reason, COMMENT))
    elif action is A.MOVE_APPOINTMENT:
        slot = lives.free()
        booking.move(work, booked.reference, Choice(slot.id, slot.starts_at, slot.ends_at))
    else:
        booking.cancel_booking(work, booked.reference, reason=str(reason), comment=None)


def _given(lives: Life, action: Action, reason: str | None) -> Given:
    bookable = lives.region.services[0]
    service = {
        A.SEND_FOR_TRIAGE: lives.triage, A.REDIRECT_FOR_TRIAGE: lives.triage, A.DEFER_TO_PROVIDER: lives.full,
    }.get(action, bookable)  # fmt: skip
    return Given(
        reason=reason, comment=COMMENT, service_id=service.id, shortlist=[bookable.id, lives.full.id],
        priority=None if action is not A.CHANGE_PRIORITY else lives.refer().priority,
    )  # fmt: skip


@pytest.mark.parametrize("state", ReferralState)
def test_every_action_in_every_state(lives: Life, state: ReferralState) -> None:
    made = lives.to(state)
    assert made.state is state
    lives.work.session.commit()
    tally: Counter[str] = Counter()
    for action in Action:
        expected = TRANSITIONS.get((state, action))
        with lives.work.session.begin_nested() as step:
            refusal = _try(lives, made, action)
            if expected is None:
                assert isinstance(refusal, IllegalTransition), (action, refusal)
                assert refusal.status == 409
                assert state in refusal.message
                assert refusal.action in refusal.message
                tally["refused"] += 1
            else:
                assert refusal is None, (action, refusal)
                after = referrals.lock_referral(lives.gp, made.ubrn)
                assert after.state is expected, action
                assert history.of(lives.gp, after).state is after.state
                assert after.state in TERMINAL or after.worklist is not None
                tally["legal"] += 1
            step.rollback()
        lives.work.session.expire_all()
    assert tally["legal"] == sum(1 for (one, _) in TRANSITIONS if one is state)
    assert tally["legal"] + tally["refused"] == len(Action)
    lives.work.session.rollback()


def test_the_table_is_whole() -> None:
    reached = {S.DRAFT}
    while True:
        more = {to for (state, _), to in TRANSITIONS.items() if state in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(ReferralState), "every state can be reached"
    assert {state for state, _ in TRANSITIONS} == LIVE, "what has ended stays ended"
    assert all((state, A.BOOK) in TRANSITIONS for state in CHOOSING)
    assert set(RULES) == set(Action)
    ends = {state: to for (state, _), to in TRANSITIONS.items() if to in TERMINAL}
    assert set(ends) == LIVE, "nothing is stuck: every live state has a way to its end"


def test_a_history_that_can_not_be_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        recompute([A.ISSUE, A.RECORD_ATTENDED])
