"""What people live through beside the happy path: triage, deferral, review, moves, drafts and letters."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from booking.domain.errors import AlreadyBooked, Conflict, Forbidden, IllegalTransition, Invalid, NotFound, SlotTaken
from booking.domain.ids import parse_ubrn
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    BookingState,
    ClockState,
    HoldKind,
    OfferState,
    Priority,
    Role,
    Worklist,
)
from booking.models import Booking, Offer, OutboxMessage, Referral, Service
from booking.services import booking, clinics, life, offers, places, referrals
from booking.services.booking import Choice
from booking.services.life import Given
from booking.services.offers import propose_now
from tests import factories
from tests.life.conftest import COMMENT, Life

S, A = ReferralState, Action


def told(lives: Life, of: Referral) -> list[str]:
    query = select(OutboxMessage.kind).where(OutboxMessage.referral_id == of.id).order_by(OutboxMessage.id)
    return list(lives.work.session.scalars(query))


# Triage


def test_a_triage_referral_waits_for_its_clinician_not_for_the_patient(lives: Life) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    assert made.worklist is Worklist.REFERRALS_FOR_REVIEW
    assert made.worklist_organisation_id == lives.region.provider.id
    assert made.worklist_due == date(2026, 4, 29), (
        "40 working days from 2 March 2026, Good Friday and Easter Monday out"
    )
    with pytest.raises(IllegalTransition, match="AWAITING_TRIAGE"):
        lives.book(made)


def test_accepted_and_redirected_the_patient_books_at_the_providers_other_service(lives: Life) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.do(lives.clinician, made, A.TRIAGE_ACCEPT, comment=COMMENT, priority=Priority.URGENT)
    assert made.priority is Priority.URGENT
    assert made.due_date == made.rtt_clock_start + timedelta(days=42)
    assert made.worklist is Worklist.APPOINTMENTS_FOR_BOOKING
    lives.do(lives.clinician, made, A.REDIRECT, comment=COMMENT, service_id=lives.region.services[0].id)
    assert made.state is S.NOT_BOOKED
    assert made.worklist is Worklist.APPOINTMENTS_FOR_BOOKING, "it stays the provider's duty"
    assert made.worklist_organisation_id == lives.region.provider.id
    booked = lives.book(made)
    assert booked.state is BookingState.BOOKED
    assert "triage-accepted" in told(lives, made)


def test_redirected_to_another_triage_it_waits_there(lives: Life) -> None:
    site = lives.work.session.get_one(Service, lives.triage.id).site_id
    from booking.domain.words import BookingMode
    from booking.models import Site

    where = lives.work.session.get_one(Site, site)
    second = factories.service(
        lives.work, lives.region.provider, where, name="Second triage", booking_mode=BookingMode.TRIAGE
    )
    made = lives.do(lives.clinician, lives.to(S.AWAITING_TRIAGE), A.REDIRECT, comment=COMMENT, service_id=second.id)
    assert (made.state, made.service_id) == (S.AWAITING_TRIAGE, second.id)


def test_nobody_redirects_to_anothers_service(lives: Life) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    with pytest.raises(NotFound):
        lives.do(lives.clinician, made, A.REDIRECT, comment=COMMENT, service_id=lives.region.services[1].id)


def test_advice_returned_goes_to_the_referrers_list_and_may_be_closed(lives: Life) -> None:
    made = lives.to(S.TRIAGE_RESPONSE)
    assert made.worklist is Worklist.REJECTED_OR_TRIAGE_RESPONSE
    assert made.worklist_organisation_id == lives.region.practice.id
    assert made.rtt_clock_state is ClockState.RUNNING, "sending a letter back does not hide a wait"
    lives.do(lives.gp, made, A.CLOSE, reason="ADVICE_FOLLOWED")
    assert (made.state, made.rtt_clock_state, made.worklist) == (S.CLOSED, ClockState.STOPPED, None)


@pytest.mark.parametrize("action", [A.TRIAGE_ACCEPT, A.TRIAGE_RETURN])
def test_a_comment_is_due(lives: Life, action: Action) -> None:
    with pytest.raises(Invalid) as refused:
        lives.do(lives.clinician, lives.to(S.AWAITING_TRIAGE), action, comment="  ")
    assert refused.value.errors[0].field == "comment"


def test_a_triage_service_stands_alone_in_a_shortlist(lives: Life) -> None:
    with pytest.raises(Invalid) as refused:
        lives.refer(shortlist=[lives.region.services[0].id, lives.triage.id])
    assert [(e.field, e.code) for e in refused.value.errors] == [("shortlist.1", "TRIAGE_ALONE")]


def test_one_provider_never_acts_on_what_is_with_another(lives: Life) -> None:
    made = lives.to(S.APPT_CANCELLED_BY_PATIENT)  # was booked at the provider: it may look
    moved = lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[1].id])
    assert referrals.own_referral(lives.clinician, moved.ubrn).id == made.id
    with pytest.raises(Forbidden) as refused:
        lives.do(lives.clinician, moved, A.CHANGE_PRIORITY, priority=Priority.URGENT, comment=COMMENT)
    assert refused.value.code == "NOT_RESPONSIBLE"
    other = factories.acting(lives.work, Role.PROVIDER_CLINICIAN, lives.region.other_provider)
    with pytest.raises(NotFound):  # shortlisted there is not sent there
        referrals.own_referral(other, moved.ubrn)


# Deferral


def test_where_there_are_slots_deferral_is_refused_and_says_so(lives: Life) -> None:
    made = lives.refer()
    for reason in ("NO_SLOTS", "SLOT_NOT_AVAILABLE", "BOOKING_ATTEMPT_PROBLEM"):
        with pytest.raises(Conflict, match="has appointments") as refused, lives.work.session.begin_nested():
            lives.do(
                lives.patient(made), made, A.DEFER_TO_PROVIDER, reason=reason, service_id=lives.region.services[0].id
            )
        assert refused.value.code == "SLOTS_AVAILABLE"
    with pytest.raises(Invalid) as wrong:
        lives.do(lives.gp, made, A.DEFER_TO_PROVIDER, reason="DONT_LIKE_THEM", service_id=lives.full.id)
    assert wrong.value.errors[0].field == "reason"


def test_the_last_place_kept_for_oneself_is_no_ground_for_deferral(lives: Life) -> None:
    made = lives.refer(shortlist=[lives.full.id])
    slot = factories.slots(lives.work, lives.full, lives.work.now + timedelta(days=3), 1)[0]
    assert propose_now(lives.patient(made), referrals.own_referral(lives.gp, made.ubrn))[0].slot_id == slot.id
    with pytest.raises(Conflict) as refused:
        lives.do(lives.patient(made), made, A.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=lives.full.id)
    assert refused.value.code == "SLOTS_AVAILABLE"


@pytest.mark.parametrize(
    ("priority", "due"),
    [
        (Priority.ROUTINE, date(2026, 4, 29)),
        (Priority.URGENT, date(2026, 3, 16)),
        (Priority.TWO_WEEK_WAIT, date(2026, 3, 9)),
    ],
)
def test_a_deferral_is_on_the_providers_list_with_its_contact_by(lives: Life, priority: Priority, due: date) -> None:
    made = lives.refer(priority=priority)
    lives.do(lives.patient(made), made, A.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=lives.full.id)
    assert (made.state, made.worklist, made.worklist_due) == (
        S.DEFERRED_TO_PROVIDER, Worklist.APPOINTMENT_SLOT_ISSUES, due,
    )  # fmt: skip
    assert made.worklist_organisation_id == lives.region.provider.id


def test_a_provider_may_shorten_its_contact_by(lives: Life) -> None:
    lives.full.contact_by = {"APPOINTMENT_SLOT_ISSUES": {"ROUTINE": 10}}
    made = lives.to(S.DEFERRED_TO_PROVIDER)
    assert made.worklist_due == date(2026, 3, 16)


# Review, rejection, acting later


def test_an_accepted_booking_moves_on_to_the_clinics_own_list(lives: Life) -> None:
    made = lives.to(S.BOOKED)
    assert made.worklist is Worklist.REFERRALS_FOR_REVIEW
    assert made.worklist_due == date(2026, 3, 3), "no later than the appointment"
    lives.do(lives.clinician, made, A.ACCEPT)
    assert made.worklist is Worklist.APPOINTMENTS_BOOKED
    assert made.accepted_at == lives.work.now


def test_a_rejection_frees_the_place_and_is_the_referrers_to_act_on(lives: Life) -> None:
    made = lives.refer()
    booked = lives.book(made)
    lives.do(lives.clinician, made, A.REJECT, reason="CRITERIA_NOT_MET", comment=COMMENT)
    assert booked.state is BookingState.CANCELLED
    assert made.worklist is Worklist.REJECTED_OR_TRIAGE_RESPONSE
    lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[1].id])
    assert (made.state, made.service_id) == (S.NOT_BOOKED, None)


def test_only_a_clinician_rejects(lives: Life) -> None:
    made = lives.to(S.BOOKED)
    with pytest.raises(Forbidden):
        lives.do(lives.acting(Role.PROVIDER_ADMIN), made, A.REJECT, reason="DUPLICATE", comment=COMMENT)


def test_cancel_and_act_later_may_change_the_priority(lives: Life) -> None:
    made = lives.to(S.BOOKED)
    lives.do(
        lives.clinician, made, A.CANCEL_AND_ACT_LATER, reason="WRONG_CLINIC", comment=COMMENT, priority=Priority.URGENT
    )
    assert (made.state, made.priority) == (S.TRIAGED_PROVIDER_TO_ACTION, Priority.URGENT)
    assert "appointment-cancelled-by-provider" in told(lives, made)


# Moving


def test_a_move_takes_the_new_place_before_it_gives_the_old_one_back(lives: Life) -> None:
    made = lives.refer()
    old = lives.book(made)
    slot = lives.free()
    new = booking.move(lives.patient(made), str(old.reference), Choice(slot.id, slot.starts_at, slot.ends_at))
    assert (old.state, old.reason_code, new.state) == (BookingState.CANCELLED, "MOVED", BookingState.BOOKED)
    assert made.state is S.BOOKED
    assert told(lives, made)[-1] == "appointment-changed"


def test_a_move_that_fails_leaves_the_old_appointment(lives: Life) -> None:
    first, second = lives.refer(), lives.refer()
    mine, theirs = lives.book(first), lives.book(second)
    lives.work.session.commit()
    with pytest.raises(SlotTaken):
        booking.move(
            lives.patient(first), str(mine.reference), Choice(theirs.slot_id, theirs.starts_at, theirs.ends_at)
        )
    lives.work.session.rollback()
    assert lives.work.session.get_one(Booking, mine.id).state is BookingState.BOOKED


def test_only_the_patient_or_their_practice_moves_a_booking(lives: Life) -> None:
    made = lives.refer()
    old, slot = lives.book(made), lives.free()
    with pytest.raises(Forbidden):
        booking.move(lives.clinician, str(old.reference), Choice(slot.id, slot.starts_at, slot.ends_at))


def test_a_provider_books_at_its_own_services_for_what_is_with_it(lives: Life) -> None:
    made = lives.to(S.TRIAGED_PROVIDER_TO_ACTION)
    booked = lives.book(made, lives.acting(Role.PROVIDER_ADMIN))
    assert booked.state is BookingState.BOOKED
    other = lives.refer()
    with pytest.raises(NotFound):  # not sent to it
        lives.book(other, lives.acting(Role.PROVIDER_ADMIN))


# Drafts and letters


def test_a_draft_is_the_referrers_alone_until_it_is_issued(lives: Life) -> None:
    made = lives.to(S.DRAFT)
    assert made.worklist is Worklist.AWAITING_BOOKING
    with pytest.raises(NotFound):
        referrals.own_referral(lives.clinician, made.ubrn)
    assert told(lives, made) == []
    done = life.perform(lives.gp, made.ubrn, A.ISSUE, Given())
    assert done.access_code is not None
    assert len(done.access_code) >= 10
    assert (made.state, told(lives, made)) == (S.NOT_BOOKED, ["referral-ready"])
    assert parse_ubrn(made.ubrn) == made.ubrn


def test_a_referral_without_its_letter_waits_for_the_letter(lives: Life) -> None:
    made = lives.refer(clinical_information="")
    assert (made.letter_outstanding, made.worklist) == (True, Worklist.LETTERS_OUTSTANDING)
    lives.book(made)
    assert made.worklist is Worklist.LETTERS_OUTSTANDING
    assert made.worklist_organisation_id == lives.region.practice.id
    life.amend(lives.gp, made.ubrn, reason=None, clinical_information="Now written.", version=None)
    assert (made.letter_outstanding, made.worklist) == (False, Worklist.REFERRALS_FOR_REVIEW)
    assert made.worklist_organisation_id == lives.region.provider.id


def test_what_a_provider_cancelled_stays_on_the_practices_list_until_seen(lives: Life) -> None:
    made = lives.to(S.BOOKED)
    referrals.cancel_referral(lives.clinician, made.ubrn, reason="NO_LONGER_REQUIRED", comment=None)
    assert made.worklist is Worklist.CANCELLED_OR_DID_NOT_ATTEND
    assert made.worklist_organisation_id == lives.region.practice.id
    life.acknowledge(lives.gp, made.ubrn)
    assert made.worklist is None


def test_changing_the_shortlist_lets_go_of_what_was_offered(lives: Life) -> None:
    made = lives.refer()
    propose_now(lives.patient(made), referrals.own_referral(lives.gp, made.ubrn))
    lives.do(lives.gp, made, A.CHANGE_SHORTLIST, shortlist=[lives.region.services[1].id])
    assert offers.open_offers(lives.gp, referrals.own_referral(lives.gp, made.ubrn)) == []
    states = set(lives.work.session.scalars(select(Offer.state).where(Offer.referral_id == made.id)))
    assert states == {OfferState.SUPERSEDED}
    held = select(Booking).where(Booking.referral_id == made.id, Booking.state == BookingState.HELD)
    assert list(lives.work.session.scalars(held)) == []


def test_a_patient_elsewhere_at_that_time_can_not_be_moved_there(lives: Life) -> None:
    patient = factories.PatientFactory(practice_id=lives.region.practice.id)
    first, second = lives.refer(patient=patient), lives.refer(patient=patient, shortlist=[lives.region.services[1].id])
    theirs = next(slot for slot in lives.region.slots if slot.service_id == lives.region.services[1].id)
    booking.book(lives.patient(second), second.ubrn, Choice(theirs.id, theirs.starts_at, theirs.ends_at))
    same = next(
        slot for slot in lives.region.slots
        if slot.service_id == lives.region.services[0].id and slot.starts_at == theirs.starts_at
    )  # fmt: skip
    later = next(
        slot for slot in lives.region.slots
        if slot.service_id == lives.region.services[0].id and slot.starts_at > theirs.ends_at
    )  # fmt: skip
    booked = booking.book(lives.patient(first), first.ubrn, Choice(later.id, later.starts_at, later.ends_at))
    lives.work.session.commit()
    with pytest.raises(AlreadyBooked):
        booking.move(lives.patient(first), str(booked.reference), Choice(same.id, same.starts_at, same.ends_at))
    lives.work.session.rollback()
    held = places.hold_place(
        lives.patient(second), referrals.lock_referral(lives.gp, second.ubrn), places.lock_slot(lives.work, same.id),
        HoldKind.CHOICE, lives.work.now + timedelta(minutes=5),
    )  # fmt: skip
    assert held.state is BookingState.HELD, "a hold is not an appointment"


def test_the_wrong_clinic_is_not_offered_again(lives: Life) -> None:
    both = [service.id for service in lives.region.services]
    made = lives.refer(shortlist=both)
    lives.book(made)
    lives.do(lives.clinician, made, A.CANCEL_AND_ACT_LATER, reason="WRONG_CLINIC", comment=COMMENT)
    offered = propose_now(lives.patient(made), referrals.own_referral(lives.gp, made.ubrn))
    assert {offer.slot.service_id for offer in offered} == {both[1]}
    alone = lives.refer(shortlist=both[:1])
    reference = str(lives.book(alone).reference)
    clinics.cancel_one(
        lives.acting(Role.PROVIDER_ADMIN), reference, reason="WRONG_CLINIC", comment=None, withdraw_slot=False
    )
    assert propose_now(lives.patient(alone), referrals.own_referral(lives.gp, alone.ubrn)) == []
    assert alone.worklist is Worklist.APPOINTMENTS_FOR_BOOKING, "the provider finds another"
    lives.do(lives.clinician, alone, A.REDIRECT, comment=COMMENT, service_id=lives.triage.id)
    assert alone.state is S.AWAITING_TRIAGE
