"""Needs and times that never suit, changed by the patient or the practice: offers follow, bookings stay."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.domain.errors import Invalid
from booking.domain.words import BookingState, OfferState, Role, Sex
from booking.models import AuditEntry, Booking, Offer, OutboxMessage, Referral
from booking.services import booking, needs, offers, referrals
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region, bearer

API = "/api/v1"
MORNINGS = sum(1 << day * 3 for day in range(7))


def as_patient(work: Work, referral: Referral) -> Work:
    from dataclasses import replace

    return replace(work, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))


@pytest.fixture
def afternoon(work: Work, region: Region) -> int:
    """One slot after dinner at the first service; all others are in the morning."""
    at = work.now.replace(hour=15, minute=0)
    from datetime import timedelta

    return factories.slots(work, region.services[0], at + timedelta(days=3), 1)[0].id


def offered(work: Work, region: Region) -> Referral:
    made, _ = factories.referral(work, region)
    found = referrals.own_referral(as_patient(work, made), made.ubrn)
    offers.ensure_offers(work, found)
    return found


def open_slots(work: Work, referral: Referral) -> list[tuple[int, bool]]:
    query = select(Offer.slot_id, Offer.guaranteed).where(
        Offer.referral_id == referral.id, Offer.state == OfferState.OPEN
    )
    return [(row.slot_id, row.guaranteed) for row in work.session.execute(query.order_by(Offer.rank))]


def held(work: Work, referral: Referral) -> list[int]:
    query = select(Booking.slot_id).where(
        Booking.referral_id == referral.id, Booking.state == BookingState.HELD, Booking.held_until > work.now
    )
    return list(work.session.scalars(query))


def test_offers_that_no_longer_suit_end_and_one_that_does_is_kept(work: Work, region: Region, afternoon: int) -> None:
    referral = offered(work, region)
    before = open_slots(work, referral)
    assert before[0][1]
    assert held(work, referral) == [before[0][0]]
    needs.change_needs(as_patient(work, referral), {"unsuitable_times": MORNINGS})
    assert open_slots(work, referral) == [(afternoon, True)]
    assert held(work, referral) == [afternoon]
    done = work.session.scalars(select(AuditEntry.after).where(AuditEntry.action == "patient.needs")).all()
    assert done == [{"changed": ["unsuitable_times"]}]
    assert work.session.scalar(select(func.count()).where(OutboxMessage.kind == "offers-changed")) == 0


def test_what_still_suits_stays_kept(work: Work, region: Region) -> None:
    referral = offered(work, region)
    before, version = open_slots(work, referral), referral.patient.version
    mine = as_patient(work, referral)
    patient = needs.change_needs(mine, {"farthest_miles": 500.0, "video_possible": False}, version=version)
    assert patient.version == version + 1
    assert open_slots(work, referral) == before
    needs.change_needs(mine, {"video_possible": False})
    assert patient.version == version + 1


def test_nothing_suits_and_then_something_does_again(work: Work, region: Region) -> None:
    referral = offered(work, region)
    mine = as_patient(work, referral)
    needs.change_needs(mine, {"farthest_miles": 0.1})
    assert open_slots(work, referral) == []
    assert held(work, referral) == []
    needs.change_needs(mine, {"farthest_miles": None})
    assert open_slots(work, referral)
    assert len(held(work, referral)) == 1


def test_a_booked_appointment_stays(work: Work, region: Region) -> None:
    referral = offered(work, region)
    mine, slot = as_patient(work, referral), region.slots[0]
    booking.book(mine, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    needs.change_needs(mine, {"unsuitable_times": MORNINGS, "clinician_sex": Sex.MALE})
    assert booking.current_booking(work, referral) is not None


def test_the_practice_may_and_then_the_patient_is_told(
    client: FlaskClient, work: Work, region: Region, afternoon: int, rows: Rows
) -> None:
    referral = offered(work, region)
    headers = bearer(factories.token(work, region, Role.REFERRING_ADMIN))
    path = f"{API}/patients/{referral.patient_id}/needs"
    work.session.commit()
    etag = client.get(path, headers=headers).headers["ETag"]
    changed = client.patch(
        path, json={"unsuitable_times": MORNINGS}, headers={**headers, "If-Match": etag}
    )  # fmt: skip
    assert changed.status_code == 200, changed.json
    assert changed.json["unsuitable_times"] == MORNINGS
    assert rows(select(Offer.slot_id).where(Offer.state == OfferState.OPEN)) == [afternoon]
    assert rows(select(OutboxMessage.kind).where(OutboxMessage.kind == "offers-changed")) == ["offers-changed"]
    stale = client.patch(path, json={"step_free": True}, headers={**headers, "If-Match": etag})
    assert stale.status_code == 409


def test_a_patient_reads_and_changes_their_own(client: FlaskClient, work: Work, region: Region) -> None:
    referral = offered(work, region)
    headers = bearer(factories.patient_token(work, referral))
    work.session.commit()
    read = client.get(f"{API}/me/needs", headers=headers)
    assert read.json["farthest_miles"] is None
    body = {"farthest_miles": 12.5, "interpreter_language": " Sylheti ", "clinician_sex": "female", "step_free": True}
    done = client.patch(f"{API}/me/needs", json=body, headers={**headers, "If-Match": read.headers["ETag"]})
    assert done.json == {**read.json, **body, "interpreter_language": "Sylheti"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unsuitable_times": needs.NEVER}, "unsuitable_times"),
        ({"unsuitable_times": -1}, "unsuitable_times"),
        ({"farthest_miles": 0.0}, "farthest_miles"),
        ({"farthest_miles": 5000.0}, "farthest_miles"),
        ({"interpreter_language": "x" * 41}, "interpreter_language"),
        ({"clinician_sex": Sex.OTHER}, "clinician_sex"),
    ],
)
def test_what_can_not_be_is_refused(work: Work, region: Region, changes: dict[str, object], field: str) -> None:
    referral = offered(work, region)
    with pytest.raises(Invalid) as refused:
        needs.change_needs(as_patient(work, referral), changes)
    assert refused.value.errors[0].field == field
