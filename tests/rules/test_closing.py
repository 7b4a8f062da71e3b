"""Closing and narrowing a service: whom it touches is told beforehand, and nobody is left stranded in silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, Priority, Role, Worklist
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import AuditEntry, Booking, Offer, OutboxMessage, PlanRequest, Referral, Service
from booking.services import booking, offers, referrals
from booking.services.booking import Choice
from booking.services.unusable import TOLD
from booking.services.work import Work
from tests import factories
from tests.api.conftest import Headers, fields_at_fault
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.rules.conftest import SERVICES, with_version

ADDRESS = "worklist@millbrook.example"


@pytest.fixture(autouse=True)
def practice_with_an_address(work: Work, region: Region) -> None:
    region.practice.worklist_email = ADDRESS
    work.session.merge(region.practice)
    work.session.commit()


def refer(work: Work, region: Region, shortlist: list[Service], **fields: Any) -> Referral:
    patient = factories.PatientFactory(practice_id=region.practice.id, **fields.pop("patient", {}))
    made, _ = factories.referral(work, region, patient=patient, shortlist=[one.id for one in shortlist], **fields)
    return made


def offered(work: Work, region: Region, referral: Referral) -> list[Offer]:
    unit = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    return offers.propose_now(unit, referrals.own_referral(unit, referral.ubrn))


def book(work: Work, region: Region, referral: Referral) -> Booking:
    unit = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = next(one for one in region.slots if one.service_id == region.services[0].id)
    return booking.book(unit, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))


def told(rows: Rows, referral: Referral) -> int:
    return len(rows(select(AuditEntry).where(AuditEntry.chain == f"referral:{referral.id}", AuditEntry.action == TOLD)))


def test_whom_a_change_touches_is_counted_and_nothing_is_written(
    client: FlaskClient, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    first, second = region.services
    booked = refer(work, region, [first])
    book(work, region, booked)
    only, both = refer(work, region, [first]), refer(work, region, [first, second])
    urgent = refer(work, region, [first], priority=Priority.URGENT)
    kept = offered(work, region, only)[0]
    work.session.commit()
    body = {"priorities": [{"priority": "URGENT", "window_to_days": 30}], "operational_to": "2026-03-05"}
    answer = client.post(f"{SERVICES}/{first.id}/effects", json=body, headers=definer)
    assert answer.status_code == 200, answer.json
    assert answer.json == {
        "open_referrals": 4, "losing_it": 3, "left_without": 2, "booked_appointments": 1, "booked_after_last_day": 0,
        "free_slots": 28, "free_slots_unusable": 12, "kept_times": 1,
    }  # fmt: skip
    assert kept.slot.service_id == first.id
    assert rows(select(Service.operational_to).where(Service.id == first.id)) == [None]
    assert rows(select(Booking.state).where(Booking.id == kept.id)) != [BookingState.EXPIRED]
    assert {told(rows, one) for one in (booked, only, both, urgent)} == {0}


def test_who_has_nothing_left_goes_to_the_practice_which_is_told_once(
    client: FlaskClient, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    first, second = region.services
    stranded = [refer(work, region, [first], clinical_information="A mole") for _ in range(3)]
    fine = [refer(work, region, [first, second]), refer(work, region, [first], priority=Priority.URGENT)]
    work.session.commit()
    path = f"{SERVICES}/{first.id}"
    body = {"priorities": [{"priority": "URGENT", "window_to_days": 30}]}
    changed = client.patch(path, json=body, headers=with_version(client, definer, path))
    assert changed.json["effects"]["left_without"] == 3
    assert [told(rows, one) for one in (*stranded, *fine)] == [1, 1, 1, 0, 0]
    for one in rows(select(Referral).where(Referral.id.in_([one.id for one in stranded]))):
        assert (one.state, one.worklist) == (ReferralState.NOT_BOOKED, Worklist.AWAITING_BOOKING)
        assert (one.worklist_organisation_id, one.worklist_due) == (region.practice.id, work.today + timedelta(days=1))
    notices = rows(select(OutboxMessage).where(OutboxMessage.kind == "shortlist-unusable"))
    assert [(one.payload["to"], one.payload["entries"], one.referral_id) for one in notices] == [(ADDRESS, 3, None)]
    again = client.patch(path, json={"max_age": 20}, headers=with_version(client, definer, path))
    assert again.status_code == 200
    assert [told(rows, one) for one in (*stranded, *fine)] == [1, 1, 1, 0, 1]


def test_a_booked_appointment_stays_and_a_kept_time_is_let_go_with_word_to_the_patient(
    client: FlaskClient, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    first, second = region.services
    booked, kept = refer(work, region, [first]), refer(work, region, [first, second])
    appointment = book(work, region, booked)
    offer = offered(work, region, kept)[0]
    work.session.commit()
    path = f"{SERVICES}/{first.id}"
    changed = client.patch(path, json={"booking_mode": "ADVICE_ONLY"}, headers=with_version(client, definer, path))
    assert changed.json["effects"]["kept_times"] == 1
    assert changed.json["effects"]["booked_appointments"] == 1
    assert rows(select(Booking.state).where(Booking.id == appointment.id)) == [BookingState.BOOKED]
    assert rows(select(Referral.state).where(Referral.id == booked.id)) == [ReferralState.BOOKED]
    assert rows(select(Booking.id).where(Booking.referral_id == kept.id, Booking.state == BookingState.HELD)) == []
    assert rows(select(Offer.state).where(Offer.id == offer.id)) == [OfferState.SUPERSEDED]
    news = rows(select(OutboxMessage.kind).where(OutboxMessage.referral_id == kept.id))
    assert news == ["referral-ready", "offers-changed"]
    assert [one.referral_ids for one in rows(select(PlanRequest))] == [[kept.id]]
    assert told(rows, kept) == 0


def test_a_kept_time_that_the_service_still_gives_stays(
    client: FlaskClient, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    kept = refer(work, region, [region.services[0]])
    offered(work, region, kept)
    work.session.commit()
    path = f"{SERVICES}/{region.services[0].id}"
    closed = client.post(f"{path}/close", json={"last_day": "2026-03-31"}, headers=with_version(client, definer, path))
    assert closed.status_code == 200, closed.json
    assert closed.json["operational_to"] == "2026-03-31"
    assert closed.json["effects"]["kept_times"] == 0
    assert closed.json["effects"]["left_without"] == 1
    holds = rows(select(Booking.hold_kind).where(Booking.referral_id == kept.id, Booking.released_at.is_(None)))
    assert holds == [HoldKind.OFFER]
    assert told(rows, kept) == 0


def test_on_the_day_after_the_last_the_practice_hears_of_those_not_booked(
    app: BookingApp, client: FlaskClient, clock: Clock, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    first, second = region.services
    waiting, elsewhere = refer(work, region, [first]), refer(work, region, [first, second])
    booked = refer(work, region, [first])
    book(work, region, booked)
    work.session.commit()
    path = f"{SERVICES}/{first.id}"
    closing = {"last_day": "2026-03-04"}
    client.post(f"{path}/close", json=closing, headers=with_version(client, definer, path))
    clock.now += timedelta(days=2)
    assert tasks.give_back_unusable(app) == 0
    clock.now += timedelta(days=1)
    assert tasks.give_back_unusable(app) == 1
    assert tasks.give_back_unusable(app) == 0
    assert [told(rows, one) for one in (waiting, elsewhere, booked)] == [1, 0, 0]
    assert rows(select(Referral.worklist_due).where(Referral.id == waiting.id)) == [
        clock.now.date() + timedelta(days=1)
    ]
    notices = rows(select(OutboxMessage.payload).where(OutboxMessage.kind == "shortlist-unusable"))
    assert [one["entries"] for one in notices] == [1]


def test_who_gives_back_an_appointment_at_a_closed_service_is_seen_to_as_well(
    app: BookingApp, clock: Clock, work: Work, region: Region, rows: Rows
) -> None:
    first = region.services[0]
    referral = refer(work, region, [first])
    appointment = book(work, region, referral)
    first.operational_to = work.today
    work.session.flush()
    later = replace(
        factories.acting(work, Role.REFERRING_CLINICIAN, region.practice), now=work.now + timedelta(hours=9)
    )
    booking.cancel_booking(later, appointment.reference or "", reason="TOO_UNWELL", comment=None)
    work.session.commit()
    clock.now += timedelta(days=1)
    assert tasks.give_back_unusable(app) == 1
    assert told(rows, referral) == 1


def test_a_service_is_not_closed_in_the_past_or_before_it_opens(
    client: FlaskClient, work: Work, region: Region, definer: Headers
) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    headers = with_version(client, definer, path)
    past = client.post(f"{path}/close", json={"last_day": "2026-03-01"}, headers=headers)
    assert past.status_code == 422
    assert fields_at_fault(past) == {"last_day"}
    later = client.patch(path, json={"operational_from": "2026-06-01"}, headers=headers)
    headers["If-Match"] = later.headers["ETag"]
    early = client.post(f"{path}/close", json={"last_day": "2026-05-01"}, headers=headers)
    assert fields_at_fault(early) == {"last_day"}


def test_closing_twice_with_one_key_closes_once(client: FlaskClient, region: Region, definer: Headers) -> None:
    path = f"{SERVICES}/{region.services[0].id}"
    headers = {**with_version(client, definer, path), "Idempotency-Key": "close-once"}
    answers = [client.post(f"{path}/close", json={"last_day": "2026-04-01"}, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json == answers[1].json
