"""What happens by itself: expiry, purging, sealing, planning on time, one scheduler at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from booking.db import Database
from booking.domain.words import BookingState, HoldKind, OfferState
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.jobs.leader import leadership
from booking.models import AuditSeal, Booking, IdempotencyRecord, Offer, SignInAttempt, SlotUpload
from booking.services import booking, offers, places
from booking.services.work import Work
from tests import factories
from tests.conftest import SECRET, Clock
from tests.factories import Region

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_hold_past_its_time_frees_its_place_and_ends_its_offer(
    app: BookingApp, work: Work, region: Region, clock: Clock
) -> None:
    referral = factories.referral(work, region)[0]
    offers.propose_now(work, referral)
    work.session.commit()
    assert tasks.expire(app) == 0
    clock.now += timedelta(days=8)
    ended = tasks.expire(app)
    hold = work.session.scalars(select(Booking)).one()
    assert (hold.state, hold.released_at) == (BookingState.EXPIRED, clock.now)
    assert set(work.session.scalars(select(Offer.state))) == {OfferState.EXPIRED}
    assert ended == 1 + work.session.scalar(select(func.count(Offer.id)))


def test_a_booking_never_expires(app: BookingApp, work: Work, region: Region, clock: Clock) -> None:
    referral = factories.referral(work, region)[0]
    patient = factories.acting(work, factories.Role.REFERRING_CLINICIAN, region.practice)
    slot = region.slots[0]
    booking.hold(patient, referral.ubrn, booking.Choice(slot.id, slot.starts_at, slot.ends_at))
    booking.book(patient, referral.ubrn, booking.Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    clock.now += timedelta(days=30)
    tasks.expire(app)
    assert work.session.scalars(select(Booking.state)).all() == [BookingState.BOOKED]


def test_the_next_patient_gets_an_expired_place(app: BookingApp, work: Work, region: Region, clock: Clock) -> None:
    slow, quick = (
        factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))[0]
        for _ in range(2)
    )
    slot = region.slots[-1]
    places.hold_place(work, slow, places.lock_slot(work, slot.id), HoldKind.CHOICE, work.now + timedelta(minutes=10))
    work.session.commit()
    clock.now += timedelta(minutes=11)
    tasks.expire(app)
    with app.database.unit_of_work() as session:
        later = Work(session, work.actor, clock.now, work.config, work.keys)
        held = places.hold_place(
            later, quick, places.lock_slot(later, slot.id), HoldKind.CHOICE, clock.now + timedelta(minutes=10)
        )
        assert held.place == 1


def test_what_is_kept_for_a_day_is_forgotten_after_it(
    app: BookingApp, work: Work, region: Region, clock: Clock
) -> None:
    for age, key in ((23, "young"), (25, "old")):
        then = clock.now - timedelta(hours=age)
        work.session.add(IdempotencyRecord(principal="p", key=key, request_hash="h", created_at=then))
        work.session.add(SignInAttempt(key=key, window_start=then))
        work.session.add(
            SlotUpload(
                organisation_id=region.provider.id, name=key, content=b"", found={}, uploaded_at=then, uploaded_by="A"
            )
        )
    work.session.commit()
    assert tasks.purge(app) == 3
    assert work.session.scalars(select(SlotUpload.name)).all() == ["young"]
    assert work.session.scalars(select(IdempotencyRecord.key)).all() == ["young"]
    assert work.session.scalars(select(SignInAttempt.key)).all() == ["young"]


def test_the_audit_trail_is_sealed(app: BookingApp, work: Work, region: Region, clock: Clock) -> None:
    factories.referral(work, region)
    work.session.commit()
    clock.now += timedelta(minutes=5)
    tasks.seal_audit(app)
    tasks.seal_audit(app)
    assert work.session.scalar(select(func.count(AuditSeal.id))) == 1


def test_a_plan_under_way_is_ended_with_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    began = time.monotonic()
    threading.Timer(0.3, stop.set).start()
    monkeypatch.setattr(tasks, "_command", lambda: ["/bin/sleep", "60"])
    assert tasks.plan(stop) is None
    assert time.monotonic() - began < 10


def test_a_plan_that_fails_fails_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_command", lambda: ["/bin/false"])
    with pytest.raises(tasks.ProcessFailed, match="exit code 1"):
        tasks.plan(threading.Event())


def test_only_one_leads_and_the_other_takes_over(database: Database) -> None:
    other_database = Database(database.url)
    one, other = leadership(database), leadership(other_database)
    try:
        for leader, follower in [(one, other), (other, one)] * 10:
            assert leader.take()
            assert not follower.take()
            assert leader.still_held()
            leader.release()
    finally:
        one.release()
        other.release()
        other_database.dispose()


class SchedulerProcess:
    """``flask scheduler`` for real; its log is read line by line."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        environment = {
            **os.environ, "DATABASE_URL": database.url, "SECRET_KEY": SECRET, "PLAN_TIMES": "",
            "MESSAGES": f"file:{tmp_path}", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", "scheduler"],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_for(self, event: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if event in line:
                return
        raise AssertionError(f"the scheduler ended without {event}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def test_a_second_scheduler_stands_by_and_takes_over(
    work: Work, region: Region, database: Database, tmp_path: Path
) -> None:
    """The first is killed; the second then does the work, and leaves cleanly when told to."""
    first = SchedulerProcess(database, tmp_path)
    first.wait_for("scheduler-leads")
    second = SchedulerProcess(database, tmp_path)
    second.wait_for("scheduler-stands-by")
    first.end(signal.SIGKILL)
    second.wait_for("scheduler-leads")
    region.patient.email = "ada@example.invalid"
    factories.referral(work, region)
    work.session.commit()
    until = time.monotonic() + 30
    while not list(tmp_path.glob("*.eml")) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(list(tmp_path.glob("*.eml"))) == 1
    assert second.end(signal.SIGTERM) == 0
