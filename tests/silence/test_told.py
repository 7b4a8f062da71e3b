"""Whoever's referral moves hears of it, and hears what is so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.domain.errors import Conflict
from booking.domain.referral import Action, ReferralState
from booking.domain.words import AttachmentKind, AttachmentState, BookingState, HoldKind, Priority, Role
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import AccessCode, Booking, OutboxMessage, PlanRequest
from booking.services import (
    attachment_checks,
    attachments,
    offers,
    places,
    practices,
    referrals,
    service_definitions,
    service_effects,
    waiting,
)
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.letters.conftest import PDF
from tests.life.conftest import COMMENT, Life
from tests.silence.conftest import Delivered, kinds, reachable

A, S = Action, ReferralState


def test_who_was_booked_and_is_rejected_hears_that_the_appointment_is_gone(
    lives: Life, work: Work, delivered: Delivered
) -> None:
    made = reachable(work, lives.refer())
    lives.book(made)
    delivered()
    lives.do(lives.clinician, made, A.REJECT, reason="CRITERIA_NOT_MET", comment=COMMENT)
    [said] = delivered()
    assert "Your appointment for Tuesday 3 March 2026 at 09:00 is cancelled." in said


def test_who_was_booked_and_is_withdrawn_hears_that_the_appointment_is_gone(
    lives: Life, work: Work, delivered: Delivered
) -> None:
    made = reachable(work, lives.refer())
    lives.book(made)
    delivered()
    referrals.cancel_referral(lives.gp, made.ubrn, reason="RAISED_IN_ERROR", comment=None)
    [said] = delivered()
    assert "Your appointment for Tuesday 3 March 2026 at 09:00 is cancelled with it." in said


def test_nobody_writes_to_the_dead(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.refer())
    lives.book(made)
    delivered()
    referrals.cancel_referral(lives.gp, made.ubrn, reason="PATIENT_DECEASED", comment=None)
    assert delivered() == []


@pytest.mark.parametrize("action", [A.ACCEPT, A.REJECT])
def test_an_appointment_that_is_over_is_neither_accepted_nor_rejected(lives: Life, work: Work, action: Action) -> None:
    made = lives.refer()
    lives.book(made)
    after = replace(lives.clinician, now=work.now + timedelta(days=2))
    with pytest.raises(Conflict) as caught:
        lives.do(after, made, action, reason="CRITERIA_NOT_MET", comment=COMMENT)
    assert caught.value.code == "APPOINTMENT_OVER"


@pytest.mark.parametrize(
    ("to", "told"), [("bookable", "offers-ready"), ("full", "transferred"), ("triage", "transferred")]
)
def test_who_is_redirected_hears_what_awaits_them(lives: Life, work: Work, to: str, told: str) -> None:
    made = lives.refer(shortlist=[lives.triage.id])
    lives.do(lives.clinician, made, A.TRIAGE_ACCEPT, comment=COMMENT)
    where = {"bookable": lives.region.services[0], "full": lives.full, "triage": lives.triage}[to]
    lives.do(lives.clinician, made, A.REDIRECT, service_id=where.id, comment=COMMENT)
    assert kinds(work, made)[-1] == told
    kept = select(Booking.id).where(Booking.referral_id == made.id, Booking.hold_kind == HoldKind.OFFER)
    assert (work.session.scalar(kept) is not None) == (to == "bookable")


def test_who_is_to_be_booked_again_gets_a_time_or_the_truth(
    app: BookingApp, lives: Life, work: Work, clock: Clock
) -> None:
    made = lives.to(S.DID_NOT_ATTEND)  # ten days on, when every slot of the region is over
    after = replace(lives.clinician, now=work.now + timedelta(days=10))
    lives.do(after, made, A.REBOOK_AFTER_NON_ATTENDANCE)
    assert kinds(work, made)[-1] == "deferred"
    factories.slots(work, lives.region.services[0], work.now + timedelta(days=20), 1)
    work.session.commit()
    clock.now = after.now
    assert tasks.offer_waiting(app, waiting.Memory()) == 1
    assert kinds(work, made)[-1] == "slot-found"


@pytest.mark.parametrize(
    ("state", "told"),
    [(S.REJECTED, "referral-ready"), (S.DEFERRED_TO_PROVIDER, "offers-changed"), (S.NOT_BOOKED, "offers-changed")],
)
def test_who_is_referred_elsewhere_hears_of_it(lives: Life, work: Work, state: ReferralState, told: str) -> None:
    made = lives.to(state)
    lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[1].id])
    assert kinds(work, made)[-1] == told


def test_who_is_sent_for_triage_later_hears_of_it(lives: Life, work: Work, delivered: Delivered) -> None:
    made = reachable(work, lives.to(S.REJECTED))
    delivered()
    lives.do(lives.gp, made, A.SEND_FOR_TRIAGE, service_id=lives.triage.id)
    [said] = delivered()
    assert "A specialist will read your referral first" in said


@pytest.mark.parametrize(
    ("state", "action", "told"),
    [
        (S.DID_NOT_ATTEND, A.ADVISE_REFERRER, "referral-returned"),
        (S.ATTENDED, A.RECORD_ASSESSMENT_RESULT, "referral-returned"),
        (S.ATTENDED, A.CLOSE, "referral-closed"),
        (S.REJECTED, A.CLOSE, "referral-closed"),
    ],
)
def test_no_pathway_ends_in_silence(lives: Life, work: Work, state: ReferralState, action: Action, told: str) -> None:
    made = lives.to(state)
    lives.do(lives.clinician, made, action, reason="DISCHARGED_TO_GP", comment=COMMENT)
    assert kinds(work, made)[-1] == told


def test_another_priority_lets_go_of_what_it_may_not_have(lives: Life, work: Work) -> None:
    made = lives.refer()
    lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[0].id])
    offers.propose_now(lives.patient(made), referrals.own_referral(lives.patient(made), made.ubrn))
    lives.do(lives.gp, made, A.CHANGE_PRIORITY, priority=Priority.TWO_WEEK_WAIT, comment=COMMENT)
    held = select(Booking.id).where(Booking.referral_id == made.id, Booking.state == BookingState.HELD)
    assert work.session.scalar(held) is None
    assert work.session.scalar(select(PlanRequest.referral_ids)) == [made.id]
    assert kinds(work, made)[-2:] == ["offers-changed", "offers-changed"]


def test_who_is_put_off_to_be_seen_to_later_is_first_in_line_as_they_are_told(lives: Life) -> None:
    made = lives.to(S.TRIAGED_PROVIDER_TO_ACTION)
    assert made.first_in_line_since is not None


def test_an_offer_that_was_told_is_not_told_twice(lives: Life, work: Work, app: BookingApp) -> None:
    made = lives.to(S.DEFERRED_TO_PROVIDER)
    offers.propose_now(lives.patient(made), made)
    work.session.commit()
    assert tasks.offer_waiting(app, waiting.Memory()) == 1
    work.session.refresh(made)
    assert made.state is S.NOT_BOOKED
    assert "slot-found" not in kinds(work, made)


@pytest.mark.parametrize("how", ["none", "expired"])
def test_whoever_has_no_code_that_works_is_not_told_to_use_it(
    lives: Life, work: Work, clock: Clock, delivered: Delivered, how: str
) -> None:
    made = reachable(work, lives.refer())
    assert "with your booking reference" in delivered()[0]
    lives.book(made, lives.gp)
    if how == "none":
        work.session.execute(AccessCode.__table__.delete())
    else:
        work.session.execute(AccessCode.__table__.update().values(expires_at=work.now))
    [said] = delivered()
    assert "ask your practice for a letter with a new one" in said


def test_a_practice_that_closes_tells_the_truth_and_nothing_of_drafts(
    lives: Life, work: Work, region: Region, rows: Rows
) -> None:
    made, draft = lives.refer(), lives.refer(draft=True)
    work.session.flush()
    practices.close(factories.acting(work, Role.COMMISSIONER, region.commissioner), region.practice.ods_code, None)
    assert kinds(work, made)[-1] == "practice-closed"
    assert kinds(work, draft) == []


def test_who_moves_with_a_draft_hears_nothing_of_it(lives: Life, work: Work, region: Region) -> None:
    draft = lives.refer(draft=True)
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.other_practice)
    practices.transfer(acting, draft.patient.nhs_number, draft.patient.date_of_birth)
    assert draft.practice_id == region.other_practice.id
    assert kinds(work, draft) == []


def test_a_refused_letter_is_told_to_the_practice_the_patient_has_now(lives: Life, work: Work, region: Region) -> None:
    made = lives.refer()
    letter = attachments.attach(
        lives.gp, referral=made, kind=AttachmentKind.REFERRAL_LETTER, file_name="letter.pdf", data=PDF
    )
    letter.state = AttachmentState.PENDING
    work.session.flush()
    acting = factories.acting(work, Role.REFERRING_CLINICIAN, region.other_practice)
    practices.transfer(acting, made.patient.nhs_number, made.patient.date_of_birth)
    attachment_checks._conclude(work, letter.id, AttachmentState.THREATS_FOUND, "Eicar")
    work.session.flush()
    told = work.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "attachment-refused")).one()
    assert told.payload == {"organisation_id": region.other_practice.id}


def test_what_one_service_takes_back_leaves_what_another_keeps(lives: Life, work: Work, region: Region) -> None:
    """The time kept elsewhere would be kept for nobody: not shown, and no plan would offer another."""
    made = lives.refer(shortlist=[one.id for one in region.services])
    here, there = (next(slot for slot in region.slots if slot.service_id == one.id) for one in region.services)
    until = work.now + timedelta(days=1)
    shown = []
    for slot, kind in ((here, HoldKind.OFFER), (there, HoldKind.FREED)):
        referral = referrals.own_referral(lives.gp, made.ubrn)
        fit = offers.fits(work, referral, slot.id)
        assert fit is not None
        places.hold_place(work, made, places.lock_slot(work, slot.id), kind, until)
        shown.append(offers.add_offer(work, referral, fit._replace(known=None), until))
    service = region.services[0]
    before = service_definitions.own_service(lives.acting(Role.SERVICE_DEFINER), service.id).definition
    service_effects.act_on(work, service, before, replace(before, windows={}))
    work.session.flush()
    assert [offer.slot_id for offer in offers.open_offers(work, made)] == [there.id]
