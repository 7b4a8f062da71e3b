"""A clinic is cancelled: whom it touches is shown first, then all or nothing, and nobody is left in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.db import Database
from booking.domain.errors import BookingError, Conflict
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, Priority, Role, SlotStatus, Worklist
from booking.keys import Keys
from booking.models import (
    AuditEntry,
    Booking,
    ClinicCancellation,
    ClockEvent,
    Offer,
    OutboxMessage,
    PlanRequest,
    Referral,
    ReferralEvent,
    Slot,
)  # fmt: skip
from booking.services import audit, clinics, offers
from booking.services.clinics import Selection
from booking.services.work import Actor, Work
from tests import factories
from tests.changes.conftest import API, Flask, Headers, as_patient, book, booked, somebody
from tests.conftest import SECRET, Rows
from tests.factories import Region, bearer

Post = Callable[..., Any]
PREVIEW, CANCEL = "/clinics/cancellation-preview", "/clinics/cancellations"


def tuesday(region: Region) -> dict[str, Any]:
    return {"service_id": region.services[0].id, "first_date": "2026-03-03"}


def test_the_preview_says_whom_it_touches(work: Work, region: Region, provider: Headers, post: Post) -> None:
    referral, reference = booked(
        work, region, region.slots[0], priority=Priority.URGENT,
        patient={"interpreter_language": "Cymraeg", "step_free": True, "given_name": "Siân’"},
    )  # fmt: skip
    kept = somebody(work, region)
    offers.propose_now(work, kept)
    held = work.session.scalars(select(Booking.slot_id).where(Booking.state == BookingState.HELD)).one()
    work.session.commit()
    seen = post(PREVIEW, provider, 200, slot_ids=[region.slots[0].id, held, region.slots[4].id])
    assert (seen["slots"], seen["free_places"]) == (3, 1)
    one = seen["appointments"][0]
    assert (one["ubrn"], one["reference"], one["priority"]) == (referral.ubrn, reference, "URGENT")
    assert one["patient"].startswith("Siân’ ")
    assert (one["interpreter"], one["step_free"], one["weeks_waited"]) == ("Cymraeg", True, 0)
    assert one["due_date"] == referral.due_date.isoformat()
    assert [(k["slot_id"], k["kept_as"]) for k in seen["kept"]] == [(held, "OFFER")]
    assert set(seen["kept"][0]) == {"slot_id", "starts_at", "kept_as", "priority"}  # a provider isn't told for whom


def test_a_clinic_is_cancelled_and_everybody_is_told_and_offered_again(
    work: Work, region: Region, provider: Headers, post: Post, rows: Rows, flask: Flask, client: FlaskClient
) -> None:
    clinic = region.slots[:6]
    people = [booked(work, region, slot) for slot in clinic[:4]]
    clocks = {one.id: (one.rtt_clock_start, one.due_date) for one, _ in people}
    kept = somebody(work, region)
    made = offers.propose_now(work, kept)
    assert made[0].slot_id == clinic[4].id
    work.session.commit()
    seen = post(PREVIEW, provider, 200, **tuesday(region))
    assert (len(seen["appointments"]), len(seen["kept"]), seen["free_places"]) == (4, 1, 1)
    done = post(
        CANCEL, provider, 201, **tuesday(region), digest=seen["digest"], reason="CLINICIAN_UNAVAILABLE",
        comment="Ill, sadly 🤒",
    )  # fmt: skip
    assert (done["slots"], done["appointments"]) == (6, 4)

    ids = [slot.id for slot in clinic]
    assert set(rows(select(Slot.status).where(Slot.id.in_(ids)))) == {SlotStatus.WITHDRAWN}
    assert rows(select(Booking).where(Booking.slot_id.in_(ids), Booking.released_at.is_(None))) == []
    for referral, reference in people:
        now = rows(select(Referral).where(Referral.id == referral.id))[0]
        assert now.state is ReferralState.APPT_CANCELLED_BY_PROVIDER
        assert now.worklist is Worklist.APPOINTMENTS_FOR_BOOKING
        assert now.worklist_organisation_id == region.provider.id
        assert now.first_in_line_since is not None
        assert (now.rtt_clock_start, now.due_date) == clocks[referral.id]
        assert rows(select(ClockEvent.change).where(ClockEvent.referral_id == referral.id)) == ["START"]
        event = rows(select(ReferralEvent).where(ReferralEvent.referral_id == referral.id))[-1]
        assert (event.action, event.reason_code) == (Action.CANCEL_APPOINTMENT_BY_PROVIDER, "CLINICIAN_UNAVAILABLE")
        message = rows(select(OutboxMessage).where(OutboxMessage.event_key == f"booking:{reference}:cancelled"))[0]
        assert message.kind == "appointment-cancelled-by-provider"
        assert message.payload["reason"] == "CLINICIAN_UNAVAILABLE"
    changed = rows(select(OutboxMessage).where(OutboxMessage.kind == "offers-changed"))
    assert [one.referral_id for one in changed] == [kept.id]
    request = rows(select(PlanRequest))[0]
    assert set(request.referral_ids) == {one.id for one, _ in people} | {kept.id}
    row = rows(select(ClinicCancellation))[0]
    assert (row.reason_code, row.slots, row.appointments, row.plan_request_id) == (
        "CLINICIAN_UNAVAILABLE", 6, 4, request.id,
    )  # fmt: skip

    flask("plan", "--requested")
    guaranteed = rows(select(Offer.referral_id).where(Offer.state == OfferState.OPEN, Offer.guaranteed))
    assert sorted(guaranteed) == sorted([*(one.id for one, _ in people), kept.id])
    assert rows(select(PlanRequest))[0].done_at is not None
    with work.session.begin():
        assert audit.verify(work.session) == []


def test_a_change_after_the_preview_refuses_the_whole(
    work: Work, region: Region, provider: Headers, post: Post, rows: Rows
) -> None:
    referral, _ = booked(work, region, region.slots[0])
    work.session.commit()
    seen = post(PREVIEW, provider, 200, **tuesday(region))
    booked(work, region, region.slots[1])
    work.session.commit()
    said = post(CANCEL, provider, 409, **tuesday(region), digest=seen["digest"], reason="CLINIC_CANCELLED")
    assert said["code"] == "CLINIC_CHANGED"
    assert set(rows(select(Slot.status))) == {SlotStatus.PUBLISHED}
    assert rows(select(Referral.state).where(Referral.id == referral.id)) == [ReferralState.BOOKED]
    assert rows(select(ClinicCancellation)) == []


def test_half_a_cancellation_is_none(work: Work, region: Region, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    for slot in region.slots[:3]:
        booked(work, region, slot)
    work.session.commit()
    acting = factories.acting(work, Role.PROVIDER_ADMIN, region.provider)
    selection = Selection(slot_ids=tuple(slot.id for slot in region.slots[:3]))
    digest = clinics.preview(acting, selection).digest
    calls = []

    def fail(*given: Any, **named: Any) -> None:
        calls.append(given)
        if len(calls) == 3:
            raise OSError("pulled the plug")
        whole(*given, **named)

    whole = clinics.transition
    monkeypatch.setattr(clinics, "transition", fail)
    with pytest.raises(OSError, match="plug"):
        clinics.cancel(acting, selection, digest=digest, reason="CLINIC_CANCELLED", comment=None)
    work.session.rollback()
    assert set(rows(select(Booking.state))) == {BookingState.BOOKED}
    assert rows(select(OutboxMessage).where(OutboxMessage.kind == "appointment-cancelled-by-provider")) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "BECAUSE"}, "reason"),
        ({"reason": "OTHER"}, "comment"),
        ({"last_date": "2026-03-01"}, "last_date"),
        ({"first_date": "2031-03-01"}, "slot_ids"),
        ({"slot_ids": [1]}, "slot_ids"),
        ({"digest": "x"}, "digest"),
        ({"starts": "nine"}, "starts"),
    ],
)
def test_bad_input_names_the_field(
    region: Region, provider: Headers, post: Post, change: dict[str, Any], field: str
) -> None:
    body = {**tuesday(region), "digest": "0" * 64, "reason": "CLINIC_CANCELLED", **change}
    said = post(CANCEL, provider, 422, **body)
    assert field in {error["field"] for error in said["errors"]}


def test_a_part_of_the_day_and_one_clinician(work: Work, region: Region, provider: Headers, post: Post) -> None:
    doctor = factories.PractitionerFactory(organisation_id=region.provider.id)
    for slot in region.slots[:2]:
        slot.practitioner_id = doctor.id
    work.session.commit()
    seen = post(PREVIEW, provider, 200, **tuesday(region), starts="09:20", ends="10:00")
    assert seen["slot_ids"] == [slot.id for slot in region.slots[1:3]]
    seen = post(PREVIEW, provider, 200, **tuesday(region), starts="09:20", practitioner=doctor.identifier)
    assert seen["slot_ids"] == [region.slots[1].id]


def test_another_providers_clinic_is_not_there(work: Work, region: Region, post: Post, provider: Headers) -> None:
    theirs = region.slots[-1]
    _, reference = booked(work, region, theirs)
    work.session.commit()
    post(PREVIEW, provider, 404, slot_ids=[theirs.id])
    post(PREVIEW, provider, 404, service_id=theirs.service_id, first_date="2026-03-03")
    post(f"/bookings/{reference}/cancel-by-provider", provider, 404, reason="CLINIC_CANCELLED")
    gp = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    post(PREVIEW, gp, 403, slot_ids=[theirs.id])


@pytest.mark.parametrize("withdraw", [True, False])
def test_one_appointment(
    work: Work, region: Region, provider: Headers, post: Post, rows: Rows, client: FlaskClient, withdraw: bool
) -> None:
    referral, reference = booked(work, region, region.slots[0])
    me = bearer(factories.patient_token(work, referral))
    work.session.commit()
    done = post(
        f"/bookings/{reference}/cancel-by-provider", provider, 200, reason="ROOM_OR_EQUIPMENT", withdraw_slot=withdraw
    )
    assert done["state"] == "CANCELLED"
    status = SlotStatus.WITHDRAWN if withdraw else SlotStatus.PUBLISHED
    assert rows(select(Slot.status).where(Slot.id == region.slots[0].id)) == [status]
    assert rows(select(Referral.worklist)) == [Worklist.APPOINTMENTS_FOR_BOOKING]
    assert rows(select(PlanRequest.referral_ids)) == [[referral.id]]
    fresh = client.post(f"{API}/referrals/{referral.ubrn}/offers", headers=me).json["offers"]
    assert fresh[0]["guaranteed"]
    assert region.slots[0].id not in {one["slot_id"] for one in fresh}
    post(f"/bookings/{reference}/cancel-by-provider", provider, 409, reason="ROOM_OR_EQUIPMENT")


def test_a_withdrawn_slot_that_was_only_kept_is_made_good(
    work: Work, region: Region, provider: Headers, client: FlaskClient, rows: Rows, flask: Flask
) -> None:
    """The offer does not vanish in silence: the patient is told, and offered another time by a plan at once."""
    referral = somebody(work, region)
    slot_id = offers.propose_now(work, referral)[0].slot_id
    work.session.commit()
    answer = client.post(f"{API}/slots/{slot_id}/withdraw", headers=provider)
    assert (answer.json["result"], answer.json["code"]) == ("withdrawn", "SLOT_WAS_HELD"), answer.json
    assert rows(select(Slot.status).where(Slot.id == slot_id)) == [SlotStatus.WITHDRAWN]
    assert rows(select(Booking.state).where(Booking.slot_id == slot_id)) == [BookingState.EXPIRED]
    assert rows(select(OutboxMessage.referral_id).where(OutboxMessage.kind == "offers-changed")) == [referral.id]
    flask("plan", "--requested")
    held = rows(select(Booking.slot_id).where(Booking.state == BookingState.HELD))
    assert len(held) == 1
    assert held != [slot_id]


def test_patients_who_book_there_at_that_moment_neither_deadlock_nor_slip_through(
    work: Work, region: Region, database: Database, rows: Rows
) -> None:
    """Eight book at the clinic over and over while it is cancelled: none is left on a slot that is off."""
    capacity = factories.slots(work, region.services[0], region.slots[0].starts_at.replace(hour=15), 12, capacity=3)
    for slot in capacity[:6]:
        booked(work, region, slot)
    choosing = [somebody(work, region) for _ in range(24)]
    work.session.commit()
    keys, config, now = Keys(SECRET), work.config, work.now
    answers: list[str] = []
    begin = threading.Barrier(9)

    def patient(lane: int) -> None:
        begin.wait()
        for turn, referral in enumerate(choosing[lane::8]):
            slot = capacity[(lane * 5 + turn) % len(capacity)]
            try:
                with database.unit_of_work() as session:
                    actor = Actor("patient", Role.PATIENT, referral_id=referral.id)
                    made = book(Work(session, actor, now, config, keys), referral, slot)
                    answers.append(f"booked {made.reference}")
            except BookingError as error:
                answers.append(error.code)

    threads = [threading.Thread(target=patient, args=(lane,)) for lane in range(8)]
    for thread in threads:
        thread.start()
    begin.wait()
    selection = Selection(slot_ids=tuple(slot.id for slot in capacity))
    actor = Actor("Admin", Role.PROVIDER_ADMIN, region.provider.id, region.provider.ods_code)
    for _ in range(100):
        try:
            with database.unit_of_work() as session:
                acting = Work(session, actor, now, config, keys)
                digest = clinics.preview(acting, selection).digest
                clinics.cancel(acting, selection, digest=digest, reason="CLINIC_CANCELLED", comment=None)
            break
        except Conflict:
            time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert len(answers) == 24
    assert set(rows(select(Slot.status).where(Slot.id.in_(selection.slot_ids)))) == {SlotStatus.WITHDRAWN}
    assert rows(select(Booking).where(Booking.slot_id.in_(selection.slot_ids), Booking.released_at.is_(None))) == []
    there = rows(select(Booking.reference).where(Booking.booked_at.is_not(None)))
    told = rows(select(OutboxMessage.event_key).where(OutboxMessage.kind == "appointment-cancelled-by-provider"))
    assert {f"booking:{reference}:cancelled" for reference in there} == set(told)
    said = [one for one in answers if not one.startswith("booked")]
    assert set(said) <= {"SLOT_NOT_AVAILABLE", "BEING_CHANGED", "NOT_FOUND"}, said
    assert rows(select(func.count()).select_from(AuditEntry))[0] > 0


def test_a_hold_while_confirming_ends_with_the_clinic(
    work: Work, region: Region, provider: Headers, post: Post, rows: Rows
) -> None:
    from booking.services import booking
    from booking.services.booking import Choice

    referral, slot = somebody(work, region), region.slots[0]
    booking.hold(as_patient(work, referral), referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    seen = post(PREVIEW, provider, 200, slot_ids=[slot.id])
    assert [one["kept_as"] for one in seen["kept"]] == [HoldKind.CHOICE]
    post(CANCEL, provider, 201, slot_ids=[slot.id], digest=seen["digest"], reason="CLINIC_CANCELLED")
    assert rows(select(Booking.state)) == [BookingState.EXPIRED]
    assert rows(select(OutboxMessage.kind).where(OutboxMessage.kind == "offers-changed")) == ["offers-changed"]
