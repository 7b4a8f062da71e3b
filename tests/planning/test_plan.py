"""What a plan does and doesn't do, through its command."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.db import Database
from booking.domain.referral import ReferralState
from booking.domain.words import BookingMode, BookingState, HoldKind, OfferState, Priority, SlotStatus
from booking.models import AuditEntry, Booking, Offer, PlanRun, Referral, ServicePractitioner, Slot
from booking.services import places
from booking.services.planning.apply import Application
from booking.services.planning.prices import last_prices
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock
from tests.factories import Region, bearer
from tests.planning.conftest import Flask, people, snapshot


def test_everybody_is_offered_a_held_slot_and_alternatives(
    flask: Flask, work: Work, region: Region, database: Database, tmp_path: Path
) -> None:
    made = people(work, region, 30)
    said = flask("plan", "--json", str(tmp_path / "plan.json"))
    after = snapshot(database)
    assert "Placed 30; unplaced none." in said.output
    assert [hold[0] for hold in after.holds] == [one.id for one in made]
    assert {hold[3] for hold in after.holds} == {BookingState.HELD}
    assert Counter(offer[1] for offer in after.offers)[1] == 30
    assert {offer[3] for offer in after.offers if offer[1] == 1} == {True}
    figures = json.loads((tmp_path / "plan.json").read_text())
    assert figures["certified"] is True
    assert figures["gap"] == 0
    assert set(figures["comparison"]) == {"plan", "open_fcfs", "ring_fenced_fcfs"}


def test_a_plan_books_nothing(flask: Flask, work: Work, region: Region) -> None:
    people(work, region, 12)
    flask("plan")
    assert work.session.scalar(select(func.count()).where(Booking.booked_at.is_not(None))) == 0
    assert set(work.session.scalars(select(Referral.state))) == {ReferralState.NOT_BOOKED}


def test_planned_twice_changes_nothing(flask: Flask, work: Work, region: Region, database: Database) -> None:
    people(work, region, 20)
    flask("plan")
    first = snapshot(database)
    for again in (("plan",), ("plan", "--replan-open")):
        flask(*again)
        after = snapshot(database)
        assert after.holds == first.holds
        assert after.offers == first.offers
        assert after.messages == first.messages


def test_a_dry_run_writes_nothing(flask: Flask, work: Work, region: Region, database: Database) -> None:
    people(work, region, 5)
    before = snapshot(database)
    assert "Dry run" in flask("plan", "--dry-run").output
    assert snapshot(database) == before


def test_each_referral_gets_one_message_and_the_run_one_audit_entry(
    flask: Flask, work: Work, region: Region, database: Database
) -> None:
    made = people(work, region, 6)
    flask("plan")
    run = work.session.scalars(select(PlanRun)).one()
    assert snapshot(database).messages == sorted(f"plan:{run.id}:referral:{one.id}:offers" for one in made)
    entry = work.session.scalars(select(AuditEntry).where(AuditEntry.chain == f"plan:{run.id}")).one()
    assert entry.action == "plan.apply"
    assert entry.after is not None
    assert entry.after["offered"] == 6


def test_a_wave_holds_for_the_greatest_need_only(flask: Flask, work: Work, region: Region, database: Database) -> None:
    made = people(work, region, 9)
    assert "pencilled 6" in flask("plan", "--wave", "3").output
    urgent = {one.id for one in made if one.priority is Priority.TWO_WEEK_WAIT}
    assert {hold[0] for hold in snapshot(database).holds} == urgent
    flask("plan", "--wave", "3")
    assert len(snapshot(database).holds) == 6


def test_reasons_are_in_words_and_in_figures(flask: Flask, work: Work, region: Region) -> None:
    people(work, region, 3)
    flask("plan")
    for offer in work.session.scalars(select(Offer).where(Offer.guaranteed)):
        assert offer.reasons["words"][0] == "We are keeping this time for you."
        assert offer.reasons["codes"][0] == "GUARANTEED"
        assert set(offer.reasons["cost"]) == {"breach", "lateness", "wait", "travel", "price"}


def test_an_offer_ends_before_its_slot_begins(flask: Flask, work: Work, region: Region) -> None:
    people(work, region, 30)
    flask("plan")
    query = select(Offer.expires_at, Slot.starts_at).join(Slot, Slot.id == Offer.slot_id).where(Offer.guaranteed)
    assert all(expires <= starts for expires, starts in work.session.execute(query))


@pytest.mark.parametrize("limit", ["needs", "times", "distance", "practitioner", "priority", "mode", "window"])
def test_no_limit_is_overstepped(flask: Flask, work: Work, region: Region, limit: str) -> None:
    """One patient, one limit that rules out every slot of the first service: the slot is at the second."""
    first, second = region.services
    patient = factories.PatientFactory(practice_id=region.practice.id)
    fields = {}
    mine = [slot for slot in region.slots if slot.service_id == first.id]
    if limit == "needs":
        patient.interpreter_language, first.interpreters = "Welsh", False
    elif limit == "times":
        patient.unsuitable_times = sum(1 << day * 3 for day in range(7))  # no mornings
        for slot in region.slots:
            if slot.service_id == second.id:
                slot.starts_at += timedelta(hours=5)
                slot.ends_at += timedelta(hours=5)
    elif limit == "distance":
        patient.latitude, patient.longitude, patient.farthest_km = 53.60, -2.20, 3.0
    elif limit == "practitioner":
        doctor = factories.PractitionerFactory(organisation_id=region.other_provider.id)
        next(slot for slot in region.slots if slot.service_id == second.id).practitioner_id = doctor.id
        fields["named_practitioner"] = doctor.identifier
        # Offered by name at both, with slots of their own at the second only.
        work.session.add(ServicePractitioner(service_id=first.id, practitioner_id=doctor.id))
        work.session.add(ServicePractitioner(service_id=second.id, practitioner_id=doctor.id))
    elif limit == "priority":
        for slot in mine:
            slot.priorities = 6
    elif limit == "window":
        first.polling_range_days = 1
        for slot in mine:
            slot.starts_at += timedelta(days=3)
            slot.ends_at += timedelta(days=3)
            slot.local_date += timedelta(days=3)
    work.session.flush()
    factories.referral(work, region, patient=patient, **fields)
    if limit == "mode":
        first.booking_mode = BookingMode.INDIRECTLY_BOOKABLE
    work.session.commit()
    flask("plan")
    services = work.session.scalars(select(Slot.service_id).join(Offer, Offer.slot_id == Slot.id))
    assert set(services) == {second.id}


def test_who_has_outgrown_a_clinic_by_the_day_is_not_sent_there(flask: Flask, work: Work, region: Region) -> None:
    """A children's clinic takes them up to 17; the patient is 18 in two days."""
    first, second = region.services
    first.max_age = 17
    birthday = work.today + timedelta(days=2)
    patient = factories.PatientFactory(
        practice_id=region.practice.id, date_of_birth=birthday.replace(year=birthday.year - 18)
    )
    for slot in region.slots:
        if slot.service_id == second.id or slot.local_date < birthday:
            slot.status = SlotStatus.WITHDRAWN
    work.session.flush()
    factories.referral(work, region, patient=patient)
    work.session.commit()
    assert "1 outside window" in flask("plan").output


def test_a_patient_with_two_referrals_is_never_in_two_places(flask: Flask, work: Work, region: Region) -> None:
    for slot in region.slots[2:]:
        slot.status = SlotStatus.WITHDRAWN
    region.slots[1].starts_at, region.slots[1].ends_at = region.slots[0].starts_at, region.slots[0].ends_at
    work.session.flush()
    for _ in range(2):
        factories.referral(work, region)
    work.session.commit()
    assert "Placed 1; unplaced 1" in flask("plan").output


def test_what_was_declined_is_not_offered_again(flask: Flask, work: Work, region: Region) -> None:
    made = people(work, region, 1)[0]
    flask("plan")
    before = set(work.session.scalars(select(Offer.slot_id)))
    work.session.rollback()
    places.close_offers(work, made.id, OfferState.DECLINED)
    places.release_holds(work, made.id)
    work.session.commit()
    flask("plan")
    after = set(work.session.scalars(select(Offer.slot_id).where(Offer.state == "OPEN")))
    assert after
    assert not before & after


def test_a_slot_taken_between_solving_and_applying_is_left_alone(
    flask: Flask, work: Work, region: Region, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody books the very slot while the plan is being written: counted, and everybody else is served."""
    made = people(work, region, 4)
    quick = factories.referral(work, region)[0]
    work.session.commit()
    taken: list[int] = []
    write = Application.write

    def later(self: Application, proposals, tell):  # type: ignore[no-untyped-def]
        found = list(proposals)
        first = next(p for p in found if p.referral_id == made[0].id)
        taken.append(first.offers[0].slot_id)
        found = [p for p in found if p.referral_id != quick.id]
        slot = places.lock_slot(work, taken[0])
        places.hold_place(work, quick, slot, HoldKind.CHOICE, work.now + timedelta(minutes=10))
        work.session.commit()
        return write(self, found, tell)

    monkeypatch.setattr(Application, "write", later)
    assert "1 place taken" in flask("plan").output
    holds = {hold[0]: hold[1] for hold in snapshot(database).holds}
    assert holds.pop(quick.id) == taken[0]
    assert set(holds) == {one.id for one in made[1:]}


def test_who_is_being_changed_at_that_moment_is_waited_for_a_little(
    flask: Flask, work: Work, region: Region, database: Database
) -> None:
    """On PostgreSQL somebody has a referral locked all the time: it is left out, everybody else is served."""
    if database.is_sqlite:
        pytest.skip("the embedded database has one writer at a time")
    made = people(work, region, 6)
    work.session.execute(select(Referral.id).where(Referral.id == made[2].id).with_for_update())
    said = flask("plan").output
    work.session.rollback()
    assert "1 being changed" in said
    assert {hold[0] for hold in snapshot(database).holds} == {one.id for one in made} - {made[2].id}
    flask("plan")
    assert len(snapshot(database).holds) == 6


@pytest.mark.parametrize("change", ["withdrawn", "cancelled"])
def test_what_changed_since_is_left_out(
    flask: Flask, work: Work, region: Region, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made = people(work, region, 3)
    write = Application.write

    def later(self: Application, proposals, tell):  # type: ignore[no-untyped-def]
        found = list(proposals)
        first = next(p for p in found if p.referral_id == made[0].id)
        if change == "withdrawn":
            work.session.get_one(Slot, first.offers[0].slot_id).status = SlotStatus.WITHDRAWN
        else:
            work.session.get_one(Referral, made[0].id).state = ReferralState.CANCELLED_REFERRAL
        work.session.commit()
        return write(self, found, tell)

    monkeypatch.setattr(Application, "write", later)
    why = {"withdrawn": "1 slot withdrawn", "cancelled": "1 no longer choosing"}[change]
    assert why in flask("plan").output


def test_a_solver_that_fails_is_replaced_by_the_greedy_plan(
    flask: Flask, work: Work, region: Region, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from booking.services.planning import run
    from optimiser import PlanError

    def broken(*_args: object, **_kwargs: object) -> None:
        raise PlanError("no prices")

    people(work, region, 5)
    monkeypatch.setattr(run, "solve", broken)
    said = flask("plan").output
    assert "greedy" in said
    assert "Trouble" in said
    assert len(snapshot(database).holds) == 5


def test_a_plan_that_breaks_a_rule_is_never_written(
    flask: Flask, work: Work, region: Region, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from booking.services.planning import run
    from optimiser import Violation

    people(work, region, 5)
    monkeypatch.setattr(run, "check", lambda _problem, _plan: [Violation("capacity", 1, 1, "two on one place")])
    assert "breaks 1 rules" in flask("plan", code=1).output
    after = snapshot(database)
    assert (after.holds, after.offers) == ([], [])
    assert [state for _, state in after.runs] == ["FAILED"]


def test_prices_keep_one_patient_from_taking_what_others_need(
    flask: Flask, work: Work, region: Region, client: FlaskClient, clock: Clock
) -> None:
    """One early slot: pencilled for a two-week-wait patient, so the routine one who looks first is not given it."""
    early = region.slots[0]
    for slot in region.slots:
        if slot is not early:
            slot.starts_at += timedelta(days=20)
            slot.ends_at += timedelta(days=20)
            slot.local_date += timedelta(days=20)
    routine = people(work, region, 1, priority=Priority.ROUTINE)[0]
    people(work, region, 1, priority=Priority.TWO_WEEK_WAIT)
    head = bearer(factories.patient_token(work, routine))
    work.session.commit()
    flask("plan", "--wave", "1")
    with work.session.begin():
        run = work.session.scalars(select(PlanRun)).one()
        held = work.session.scalars(select(Booking)).one()
        assert held.slot_id == early.id
        places.release_holds(work, held.referral_id)  # the place is free again, but dear
        prices = last_prices(work.session, [region.services[0].id])
        assert prices.of(region.services[0].id, early.local_date, 0) > 0
        assert run.summary["weights"]["breach"]
    client.post(f"/api/v1/referrals/{routine.ubrn}/offers", headers=head)
    shown = client.get(f"/api/v1/referrals/{routine.ubrn}/offers", headers=head).get_json()["offers"]
    assert shown
    assert shown[0]["slot_id"] != early.id
