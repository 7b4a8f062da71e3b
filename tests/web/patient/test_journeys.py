"""Saying no, moving, joining a list, and being told where things stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar
from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value

from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, OfferState, Role, SlotStatus
from booking.models import AuditEntry, Booking, Offer, Referral, Site, Slot
from booking.services import answers, booking, calendar
from booking.services.booking import Choice
from booking.services.work import Work
from booking.web.patient.progress import HAPPENED
from tests import factories
from tests.conftest import Clock
from tests.factories import Region
from tests.life.conftest import Life
from tests.web.conftest import Referred, Visitor, forms


def live(work: Work, ubrn: str) -> list[int]:
    query = select(Booking.slot_id).join(Referral, Referral.id == Booking.referral_id)
    try:
        return list(work.session.scalars(query.where(Referral.ubrn == ubrn, Booking.state == BookingState.BOOKED)))
    finally:
        work.session.rollback()


def book(visitor: Visitor):  # type: ignore[no-untyped-def]
    return visitor.send(visitor.send(visitor.get("/choices"), "/choose"), "/confirm/")


def decline(visitor: Visitor, **said: str):  # type: ignore[no-untyped-def]
    page = visitor.get("/choices")
    path = page.text.split('href="/choices/')[1].split('"')[0]
    return visitor.send(visitor.get(f"/choices/{path}"), f"/choices/{path}", **said)


@pytest.mark.parametrize(("why", "says"), [("", "is not kept for you any more"), ("TIME", "say so under")])
def test_not_this_one(patient: Visitor, referred: Referred, work: Work, why: str, says: str) -> None:
    kept = forms(patient.get("/choices"))
    first = next(form.fields["slot_id"] for form in kept if form.action == "/choose")
    page = decline(patient, why=why) if why else decline(patient)
    assert says in page.text
    assert "Kept for you until" in page.text
    assert first not in [form.fields.get("slot_id") for form in forms(page)]
    declined = work.session.scalars(select(Offer).where(Offer.state == OfferState.DECLINED)).one()
    assert declined.slot_id == int(first)
    noted = work.session.scalars(select(AuditEntry).where(AuditEntry.action == "referral.decline_offer")).one()
    assert (noted.after or {}).get("because") == (why or None)


def test_declining_twice_does_no_harm(patient: Visitor, work: Work) -> None:
    page = patient.get("/choices")
    path = "/choices/" + page.text.split('href="/choices/')[1].split('"')[0]
    asked = patient.get(path)
    patient.send(asked, path)
    again = patient.send(asked, path)
    assert again.request.path == "/choices"
    declined = select(Offer).where(Offer.state == OfferState.DECLINED)
    assert len(work.session.scalars(declined).all()) == 1
    assert patient.get(path).request.path == "/choices"


def test_moving_gives_the_old_place_back_only_with_the_new_one(
    patient: Visitor, referred: Referred, work: Work
) -> None:
    book(patient)
    before = live(work, referred.ubrn)
    page = patient.get("/appointment/times")
    assert "It stays yours until you have moved it" in page.text
    target = next(form for form in forms(page) if form.action == "/appointment/move")
    check = patient.client.get(target.action, query_string=target.fields, follow_redirects=True)
    assert "Nothing is changed yet" in check.text
    assert live(work, referred.ubrn) == before
    done = patient.send(check, "/appointment/move")
    assert done.request.path == "/appointment"
    assert "Your appointment is moved" in done.text
    assert live(work, referred.ubrn) == [int(target.fields["slot_id"])]
    assert patient.send(check, "/appointment/move").request.path == "/appointment"  # twice: stays where it is
    assert live(work, referred.ubrn) == [int(target.fields["slot_id"])]
    story = patient.get("/referral").text
    assert "The appointment was moved to another time" in story
    assert "Done by: <bdi>You</bdi>" in story


def test_a_time_lost_while_moving_leaves_the_appointment(
    patient: Visitor, referred: Referred, region: Region, work: Work
) -> None:
    book(patient)
    before = live(work, referred.ubrn)
    page = patient.get("/appointment/times")
    target = [form for form in forms(page) if form.action == "/appointment/move"][3]
    check = patient.client.get(target.action, query_string=target.fields, follow_redirects=True)
    other, _code = factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))
    gp = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = work.session.get_one(Slot, int(target.fields["slot_id"]))
    booking.book(gp, other.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    refused = patient.send(check, "/appointment/move")
    assert refused.status_code == 409
    assert "has just been taken by somebody else. Your appointment stands as it was" in refused.text
    assert live(work, referred.ubrn) == before
    assert "Move to this time" in refused.text


def test_odd_moves(patient: Visitor, work: Work) -> None:
    assert patient.get("/appointment/times").request.path == "/choices"
    assert patient.get("/appointment/move").request.path == "/choices"
    book(patient)
    assert patient.client.get("/appointment/move?slot_id=x").status_code == 422
    old = patient.client.get("/appointment/move?slot_id=999&starts_at=2026-03-03T09:00Z&ends_at=2026-03-03T10:00Z")
    assert old.status_code == 409


def test_the_clinic_asks_to_move(patient: Visitor, referred: Referred, region: Region, work: Work) -> None:
    book(patient)
    held = work.session.scalars(select(Booking).where(Booking.state == BookingState.BOOKED)).one()
    slot = work.session.get_one(Slot, held.slot_id)
    free = select(Slot).where(Slot.service_id == slot.service_id, Slot.local_date > slot.local_date)
    other = work.session.scalars(free.order_by(Slot.starts_at).limit(1)).one()
    provider = region.provider if slot.service_id == region.services[0].id else region.other_provider
    clinic = factories.acting(work, Role.PROVIDER_ADMIN, provider)
    answers.propose_move(clinic, held.reference or "", other.id)
    work.session.commit()
    page = patient.get("/appointment")
    assert "The clinic asks whether you could come at another time" in page.text
    kept = patient.send(page, "/choices/")
    assert "Your appointment stays as it was." in kept.text
    assert "asks whether" not in kept.text
    assert live(work, referred.ubrn) == [slot.id]


def test_joining_a_list_promises_a_day(visitor: Visitor, lives: Life, work: Work) -> None:
    made = lives.refer(shortlist=[lives.full.id])
    token = factories.patient_token(work, made)
    work.session.commit()
    with visitor.client.session_transaction() as cookie:
        cookie["token"] = token
    page = visitor.get("/choices")
    assert "Would you rather have somebody call you?" in page.text
    asked = visitor.get("/join")
    assert "Full clinic</strong> must get in touch with you by <strong>Wednesday 29 April 2026" in asked.text
    done = visitor.send(asked, "/join")
    assert "The clinic has been asked to find you a time." in done.text
    work.session.expire_all()
    joined = work.session.get_one(Referral, made.id)
    assert joined.state is ReferralState.DEFERRED_TO_PROVIDER
    assert str(joined.worklist_due) == "2026-04-29"
    assert "It will contact you by Wednesday 29 April 2026" in done.text
    work.session.rollback()
    assert visitor.send(asked, "/join").request.path == "/choices"  # twice
    assert visitor.get("/join").request.path == "/choices"
    assert "The clinic was asked to find you one." in visitor.get("/referral").text


def test_joining_is_offered_only_where_it_is_legal(patient: Visitor, work: Work) -> None:
    assert "Would you rather" not in patient.get("/choices").text
    assert patient.get("/join").request.path == "/choices"


def test_with_two_full_clinics_one_must_be_chosen(visitor: Visitor, referred: Referred, work: Work) -> None:
    work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
    work.session.commit()
    visitor.sign_in(referred.ubrn, referred.code)
    page = visitor.get("/join")
    refused = visitor.send(page, "/join")
    assert refused.status_code == 422
    assert "Select the clinic that should find you a time" in refused.text
    assert "<title>Error: " in refused.text


@pytest.mark.parametrize("state", ReferralState)
def test_the_story_in_every_state(visitor: Visitor, lives: Life, work: Work, state: ReferralState) -> None:
    made = lives.to(state)
    token = factories.patient_token(work, made)
    work.session.commit()
    with visitor.client.session_transaction() as cookie:
        cookie["token"] = token
    page = visitor.get("/referral")
    assert page.status_code == 200
    assert ("What happened so far" in page.text) == (state is not ReferralState.DRAFT)
    assert "{" not in page.text.split("<main")[1].split("</main>")[0]


def test_every_action_has_its_words() -> None:
    assert set(HAPPENED) == set(Action)


def test_before_cancelling_it_is_said_what_it_means(patient: Visitor) -> None:
    book(patient)
    page = " ".join(patient.get("/appointment/cancel").text.split())
    assert "you are never left without one" in page
    assert "your wait still counts from 2 March 2026: 0 days so far" in page
    assert "the first one free now is Tuesday 3 March at 09:" in page


def test_an_appointment_that_is_over_can_not_be_changed(
    patient: Visitor, referred: Referred, clock: Clock, work: Work
) -> None:
    book(patient)
    before = live(work, referred.ubrn)
    asked = next(one.fields for one in forms(patient.get("/appointment/cancel")) if one.action == "/appointment/cancel")
    times = patient.get("/appointment/times")
    target = [one.fields for one in forms(times) if one.action == "/appointment/move"][-1]
    clock.now += timedelta(days=2)
    patient.sign_in(referred.ubrn, referred.code)
    token = forms(patient.get("/appointment"))[0].fields["csrf_token"]
    cancelling = {**asked, "csrf_token": token, "reason": "OTHER", "comment": "Away then"}
    for path, query, sent in (
        ("/appointment/cancel", {}, cancelling),
        ("/appointment/move", target, {**target, "csrf_token": token, "reference": asked["reference"]}),
    ):
        page = patient.client.get(path, query_string=query, follow_redirects=True)
        assert page.request.path == "/appointment"
        answer = patient.client.post(path, data=sent, follow_redirects=True)
        assert answer.request.path == "/appointment"
        assert live(work, referred.ubrn) == before


def test_what_is_said_at_the_top_does_not_come_from_the_address(patient: Visitor) -> None:
    for name in ("cancelled", "joined", "expired"):
        assert "notification-banner" not in patient.get(f"/choices?notice={name}").text
    book(patient)
    assert "Your appointment is moved" not in patient.get("/appointment?notice=moved").text


def test_who_asks_twice_to_join_is_told_that_the_clinic_was_asked(visitor: Visitor, lives: Life, work: Work) -> None:
    made = lives.refer(shortlist=[lives.full.id])
    token = factories.patient_token(work, made)
    work.session.commit()
    with visitor.client.session_transaction() as cookie:
        cookie["token"] = token
    asked = visitor.get("/join")
    for _ in range(2):
        assert "The clinic has been asked to find you a time." in visitor.send(asked, "/join").text


def test_who_asks_to_join_as_a_time_comes_free_is_not_told_that_the_clinic_was_asked(
    visitor: Visitor, lives: Life, work: Work
) -> None:
    made = lives.refer(shortlist=[lives.full.id])
    token = factories.patient_token(work, made)
    work.session.commit()
    with visitor.client.session_transaction() as cookie:
        cookie["token"] = token
    asked = visitor.get("/join")
    factories.slots(work, lives.full, work.now + timedelta(days=3), 1)
    work.session.commit()
    page = visitor.send(asked, "/join").text
    assert "The clinic was not asked: a time may have come free meanwhile." in page
    assert "has been asked to find you" not in page


def test_the_calendar_entry_says_the_instant(patient: Visitor, work: Work) -> None:
    book(patient)
    (event,) = Calendar.from_ical(patient.get("/appointment/calendar.ics").data).walk("VEVENT")
    booked = work.session.scalars(select(Booking).where(Booking.state == BookingState.BOOKED)).one()
    assert (event["dtstart"].dt, event["dtend"].dt) == (booked.starts_at, booked.ends_at)


def test_in_the_hour_that_comes_twice_the_calendar_has_the_right_one(patient: Visitor, work: Work) -> None:
    book(patient)
    booked = work.session.scalars(select(Booking).where(Booking.state == BookingState.BOOKED)).one()
    slot = work.session.get_one(Slot, booked.slot_id)
    set_committed_value(booked, "slot", slot)
    set_committed_value(slot, "site", work.session.get_one(Site, slot.site_id))
    for hour in (0, 1):  # both are 01:30 by the clock in London
        starts = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        set_committed_value(slot, "starts_at", starts)
        set_committed_value(slot, "ends_at", starts + timedelta(minutes=20))
        (event,) = Calendar.from_ical(calendar.appointment(booked, work.now)).walk("VEVENT")
        assert (event["dtstart"].dt, event["dtend"].dt) == (starts, starts + timedelta(minutes=20))
    work.session.rollback()
