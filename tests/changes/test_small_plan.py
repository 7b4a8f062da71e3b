"""The small plan: made at once for those who lost something, leaving everybody else where they are."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from booking.domain.words import BookingState, PlanRunState, Priority, SlotStatus
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import (
    Booking,
    Offer,
    PlanRequest,
    PlanRun,
    Slot,
)  # fmt: skip
from booking.services.work import Work
from tests import factories
from tests.changes.conftest import Flask, booked, somebody
from tests.conftest import SECRET, Rows
from tests.factories import Region


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
