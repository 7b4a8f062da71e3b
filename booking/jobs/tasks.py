"""The jobs themselves. Each opens its own units of work and may be run at any time, twice or never, without harm."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from booking.config import ROOT
from booking.edge.flask_app import BookingApp
from booking.messaging import transport
from booking.services import audit, escalation, housekeeping
from booking.services.delivery import BATCH, deliver
from booking.services.work import SYSTEM, Work

PLAN_GRACE_SECONDS = 10.0
log = structlog.get_logger("booking.jobs")


def expire(app: BookingApp) -> int:
    """Free what was held too long; returns how many holds and offers ended."""
    return sum(_in_batches(app, sweep) for sweep in (housekeeping.expire_holds, housekeeping.expire_offers))


def _in_batches(app: BookingApp, sweep: Callable[[Session, datetime], int]) -> int:
    total = 0
    while True:
        with app.database.unit_of_work() as session:
            ended = sweep(session, app.clock())
        total += ended
        if ended < housekeeping.BATCH:
            return total


def deliver_outbox(app: BookingApp, stop: threading.Event | None = None) -> int:
    """Send all that is due; returns how many left."""
    sent = 0
    while stop is None or not stop.is_set():
        tally = deliver(app.database, transport(app.settings), app.clock, app.settings.public_url)
        sent += tally.sent
        if tally.sent + tally.retried + tally.failed < BATCH:
            break
    return sent


def seal_audit(app: BookingApp) -> None:
    """Seal the audit entries written since the last seal."""
    with app.database.unit_of_work() as session:
        audit.seal(session, app.clock())


def escalate(app: BookingApp) -> int:
    """Mark and tell what has become overdue on the worklists; returns how many entries."""
    total = 0
    while True:
        with app.database.unit_of_work() as session:
            found = escalation.escalate(Work(session, SYSTEM, app.clock(), app.settings, app.keys))
        marked = sum(one.entries for one in found)
        total += marked
        if marked < escalation.BATCH:
            return total


def purge(app: BookingApp) -> int:
    """Forget what is kept for a day only."""
    with app.database.unit_of_work() as session:
        return housekeeping.purge(session, app.clock())


def _command() -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "app", "plan"]


def plan(stop: threading.Event) -> int | None:
    """Plan in a process of its own; ended with us. Returns its exit code, None if it was stopped."""
    process = subprocess.Popen(_command(), cwd=ROOT)  # noqa: S603
    while process.poll() is None:
        if stop.wait(0.2):
            process.terminate()
            try:
                process.wait(PLAN_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None
    if process.returncode:
        log.error("plan-failed", code=process.returncode)
    return process.returncode
