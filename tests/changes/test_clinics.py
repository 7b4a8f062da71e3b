"""A clinic is cancelled: whom it touches is shown first, then all or nothing, and nobody is left in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from booking.db import Database
from booking.domain.errors import BookingError, Conflict
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, PlanRunState, Priority, Role, SlotStatus, Worklist
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.keys import Keys
from booking.models import (
    AuditEntry,
    Booking,
    ClinicCancellation,
    ClockEvent,
    Offer,
    OutboxMessage,
    PlanRequest,
    PlanRun,
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


class TestTheSmallPlan:
    def test_it_serves_those_asked_for_only_and_leaves_prices_and_holds_alone(
        self, work: Work, region: Region, flask: Flask, rows: Rows
    ) -> None:
        held = [somebody(work, region) for _ in range(3)]
        work.session.commit()
        flask("plan")
        before = {one.referral_id: one.slot_id for one in rows(select(Booking))}
        choosing, asked = somebody(work, region), somebody(work, region)
        work.session.add(PlanRequest(reason="test", referral_ids=[asked.id], requested_at=work.now))
        work.session.commit()
        flask("plan", "--requested")
        after = {one.referral_id: one.slot_id for one in rows(select(Booking).where(Booking.released_at.is_(None)))}
        assert set(after) == {*before, asked.id}
        assert {key: after[key] for key in before} == before
        assert choosing.id not in after
        assert {one.id for one in held} == set(before)
        runs = rows(select(PlanRun).order_by(PlanRun.id))
        assert runs[1].summary["requested"] == 1
        assert rows(select(PlanRequest.plan_run_id)) == [runs[1].id]
        from booking.services.planning.prices import last_prices, of_the_region

        assert rows(select(PlanRun.id).where(of_the_region())) == [runs[0].id]
        with work.session.begin():
            assert last_prices(work.session, [region.services[0].id]).weights is not None

    def test_a_greater_need_keeps_its_slot(self, work: Work, region: Region, flask: Flask, rows: Rows) -> None:
        """The one early slot that a two-week-wait patient needs is not given away before the night."""
        work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
        service = region.services[0]
        early = factories.slots(work, service, work.now.replace(hour=15) + (region.slots[0].starts_at - work.now), 1)
        late = factories.slots(work, service, early[0].starts_at.replace(month=4), 1)
        urgent = somebody(work, region, Priority.TWO_WEEK_WAIT)
        routine = somebody(work, region)
        work.session.add(PlanRequest(reason="test", referral_ids=[routine.id], requested_at=work.now))
        work.session.commit()
        flask("plan", "--requested")
        assert [(b.referral_id, b.slot_id) for b in rows(select(Booking))] == [(routine.id, late[0].id)]
        flask("plan")
        assert {(b.referral_id, b.slot_id) for b in rows(select(Booking))} == {
            (routine.id, late[0].id), (urgent.id, early[0].id),
        }  # fmt: skip

    def test_first_in_line_goes_before_others_of_equal_priority(
        self, work: Work, region: Region, flask: Flask, rows: Rows
    ) -> None:
        work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
        service = region.services[0]
        early = factories.slots(work, service, region.slots[0].starts_at.replace(hour=15), 1)
        factories.slots(work, service, early[0].starts_at.replace(day=24), 3)
        others = [somebody(work, region, rtt_clock_start=work.today.replace(month=1)) for _ in range(3)]
        first = somebody(work, region)
        first.first_in_line_since = work.now
        work.session.commit()
        flask("plan")
        got = {b.referral_id: b.slot_id for b in rows(select(Booking))}
        assert got[first.id] == early[0].id
        assert len(got) == len(others) + 1
        said = rows(select(Offer.reasons).where(Offer.referral_id == first.id, Offer.guaranteed))[0]
        assert "WITHIN_TARGET" in said["codes"]
        assert not any("after your target date" in words for words in said["words"])

    def test_nobody_asked_is_no_plan(self, flask: Flask, region: Region, rows: Rows) -> None:
        assert "Nobody asked" in flask("plan", "--requested").output
        assert rows(select(PlanRun)) == []

    def test_a_request_whose_patients_have_booked_meanwhile_is_done_with(
        self, work: Work, region: Region, flask: Flask, rows: Rows
    ) -> None:
        referral, _ = booked(work, region, region.slots[0])
        work.session.add(PlanRequest(reason="test", referral_ids=[referral.id], requested_at=work.now))
        work.session.commit()
        flask("plan", "--requested")
        assert rows(select(PlanRequest.done_at)) != [None]
        assert rows(select(Booking.state)) == [BookingState.BOOKED]


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


def test_the_scheduler_starts_the_small_plan_only_when_somebody_asked(
    work: Work, region: Region, app: BookingApp, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(tasks, "plan", lambda _stop, *options: started.append(options))
    stop = threading.Event()
    tasks.plan_requested(app, stop)
    assert started == []
    referral = somebody(work, region)
    work.session.add(PlanRequest(reason="test", referral_ids=[referral.id], requested_at=work.now))
    run = PlanRun(
        state=PlanRunState.RUNNING, started_at=work.now, heartbeat_at=work.now, as_of=work.today, policy_version=0
    )
    work.session.add(run)
    work.session.commit()
    tasks.plan_requested(app, stop)
    assert started == []  # another plan is being made: afterwards
    run.state, run.finished_at = PlanRunState.FAILED, work.now
    work.session.commit()
    tasks.plan_requested(app, stop)
    assert started == []  # one has just failed: not at once again
    run.started_at = work.now - timedelta(minutes=2)
    work.session.commit()
    tasks.plan_requested(app, stop)
    assert started == [("--requested",)]


def test_the_small_plan_runs_in_a_process_of_its_own(
    today: Work, region_today: Region, app: BookingApp, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    referral = somebody(today, region_today)
    today.session.add(PlanRequest(reason="test", referral_ids=[referral.id], requested_at=today.now))
    today.session.commit()
    monkeypatch.setenv("DATABASE_URL", app.database.url)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    assert tasks.plan_requested(app, threading.Event()) == 0
    assert rows(select(PlanRequest.done_at)) != [None]
    assert rows(select(Booking.referral_id)) == [referral.id]
