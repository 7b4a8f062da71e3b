"""Who came: recorded from the day's list when the time has come, put right, and what then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, Role, Worklist
from booking.models import Booking, OutboxMessage, Referral
from booking.services.work import Work
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.web.clinics.conftest import Seen, book
from tests.web.conftest import Visitor, forms

DAY = "/staff/clinic/day?date=2026-03-03"
TO = "/staff/clinic/attendance/"


@pytest.fixture
def over(booked: Seen, clock: Clock) -> Seen:
    """The appointment is an hour ago."""
    clock.now = booked.slot.starts_at + timedelta(hours=1)
    return booked


def state(rows: Rows, seen: Seen) -> tuple[BookingState, ReferralState]:
    booked = rows(select(Booking).where(Booking.reference == seen.reference))[0]
    return booked.state, rows(select(Referral.state).where(Referral.id == seen.referral.id))[0]


def test_attended_put_right_and_put_right_again(over: Seen, clerk: Visitor, rows: Rows) -> None:
    page = clerk.send(clerk.get(DAY), TO, step="attended")
    assert "Recorded: the patient attended" in page.text
    assert state(rows, over) == (BookingState.ATTENDED, ReferralState.ATTENDED)
    page = clerk.send(page, TO, step="absent")
    assert state(rows, over) == (BookingState.DID_NOT_ATTEND, ReferralState.DID_NOT_ATTEND)
    assert "Came after all" in page.text
    clerk.send(page, TO, step="attended")
    assert state(rows, over) == (BookingState.ATTENDED, ReferralState.ATTENDED)


def test_sent_twice_it_is_recorded_once(over: Seen, clerk: Visitor, rows: Rows) -> None:
    page = clerk.get(DAY)
    for _ in range(2):
        assert "did not attend" in clerk.send(page, TO, step="absent").text
    told = rows(select(OutboxMessage).where(OutboxMessage.kind == "did-not-attend"))
    assert len(told) == 1


def test_offered_another_appointment(over: Seen, clerk: Visitor, rows: Rows) -> None:
    page = clerk.send(clerk.get(DAY), TO, step="absent")
    for _ in range(2):
        done = clerk.send(page, TO, step="rebook")
        assert "offered another appointment" in done.text
    assert state(rows, over) == (BookingState.DID_NOT_ATTEND, ReferralState.NOT_BOOKED)
    assert "Came after all" not in done.text


def test_returned_to_the_referrer_with_words(over: Seen, clerk: Visitor, rows: Rows) -> None:
    page = clerk.send(clerk.get(DAY), TO, step="absent")
    refused = clerk.send(page, TO, at=1, step="return", comment=" ")
    assert "a comment is due" in refused.text
    for _ in range(2):
        done = clerk.send(page, TO, at=1, step="return", comment="Moved away, please ask")
        assert "with the referrer" in done.text
    referral = rows(select(Referral).where(Referral.id == over.referral.id))[0]
    assert referral.worklist is Worklist.CANCELLED_OR_DID_NOT_ATTEND
    assert "The referrer has been told" in done.text


def test_somebody_returned_it_first_with_other_words(over: Seen, clerk: Visitor, rows: Rows) -> None:
    page = clerk.send(clerk.get(DAY), TO, step="absent")
    clerk.send(page, TO, at=1, step="return", comment="Moved away, please ask")
    late = clerk.send(page, TO, at=1, step="return", comment="In hospital")
    assert "Nothing was recorded. Somebody has returned it" in late.text
    assert "with your words" not in late.text


def test_not_before_its_time(booked: Seen, clerk: Visitor, rows: Rows) -> None:
    token = clerk.get("/staff/publish").text.split('name="csrf_token" value="')[1].split('"')[0]
    page = clerk.client.post(
        f"{TO}{booked.reference}", data={"step": "attended", "csrf_token": token}, follow_redirects=True
    )
    assert "Nothing was recorded" in page.text
    assert "still ahead" in page.text
    assert state(rows, booked)[0] is BookingState.BOOKED


def test_one_after_another(
    work: Work, region: Region, staff: Callable[[Role], Visitor], clock: Clock
) -> None:  # fmt: skip
    """After each, the cursor is at the next of whom nothing is recorded; after the last, at the last."""
    everybody = [book(work, region, slot) for slot in region.slots[:3]]
    clock.now = everybody[-1].slot.starts_at + timedelta(hours=1)
    clerk = staff(Role.PROVIDER_ADMIN)
    page = clerk.get(DAY)
    assert "autofocus" not in page.text
    for recorded in range(2):
        page = clerk.send(page, TO, at=recorded, step="attended")
        button = page.text.split(" autofocus")[0].rsplit("<button", 1)[1]
        assert 'value="attended"' in button
    last = clerk.send(page, TO, at=2, step="attended")
    assert 'class="clinic-guest"' in last.text.split(" autofocus")[0].rsplit("<div", 1)[1]


def test_a_service_definer_looks_and_records_nothing(over: Seen, staff: Callable[[Role], Visitor]) -> None:
    definer = staff(Role.SERVICE_DEFINER)
    page = definer.get(DAY)
    assert "Zoë" in page.text
    assert TO not in page.text
    token = forms(definer.get("/staff/publish"))[-1].fields["csrf_token"]
    sent = definer.client.post(f"{TO}{over.reference}", data={"csrf_token": token, "step": "attended"})
    assert sent.status_code == 403


def test_the_way_back_leads_nowhere_else(over: Seen, clerk: Visitor) -> None:
    token = clerk.get(DAY).text.split('name="csrf_token" value="')[1].split('"')[0]
    sent = {"step": "attended", "csrf_token": token, "back": "https://elsewhere.example/"}
    answer = clerk.client.post(f"{TO}{over.reference}", data=sent)
    assert answer.headers["Location"].startswith("/staff/clinic/day?recorded=")
