"""The jobs themselves. Each opens its own units of work and may be run at any time, twice or never, without harm."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.config import ROOT
from booking.domain.errors import BookingError
from booking.domain.words import PlanRunState
from booking.edge.flask_app import BookingApp
from booking.messaging import ways
from booking.models import PlanRequest, PlanRun
from booking.services import (
    attachment_checks,
    audit,
    escalation,
    failed_messages,
    freed,
    housekeeping,
    invariants,
    previews,
    reminders,
    unusable,
    waiting,
)
from booking.services.delivery import BATCH, deliver
from booking.services.planning.lock import TAKE_OVER_AFTER
from booking.services.refusals import translated
from booking.services.reports import kept, overview
from booking.services.work import SYSTEM, Work

PLAN_GRACE_SECONDS = 10.0
log = structlog.get_logger("booking.jobs")


class ProcessFailed(RuntimeError):
    """A process of its own ended with an error: the job counts as failed."""


class InvariantBroken(RuntimeError):
    """The stored data breaks a rule that nothing should be able to break."""


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
        tally = deliver(app.database, ways(app.settings), app.clock, app.settings.public_url)
        sent += tally.sent
        if tally.total < BATCH:
            break
    return sent


def remind(app: BookingApp) -> int:
    """Write the reminders, warnings and notices that are due; returns how many."""
    made = 0
    for write in (reminders.remind, reminders.warn_of_expiry, failed_messages.notify):
        with app.database.unit_of_work() as session:
            made += write(_work(app, session))
    return made


def scan(app: BookingApp) -> int:
    """Have waiting attachments looked into; returns how many were settled."""
    return attachment_checks.scan_pending(app.database, app.settings, app.keys, app.clock)


def sweep_attachments(app: BookingApp) -> int:
    """Delete stored files that nothing points to; returns how many."""
    return attachment_checks.sweep(app.database, app.settings)


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


def pass_on(app: BookingApp) -> int:
    """Give each freed place whose turn is over to the next; returns how many were seen to."""
    done = 0
    with app.database.unit_of_work(write=False) as session:
        keys = freed.due(_work(app, session))
    for key in keys:
        with _quietly("pass-on-failed"), app.database.unit_of_work() as session:
            done += freed.pass_on(_work(app, session), key)
    return done


def offer_waiting(app: BookingApp, memory: waiting.Memory, stop: threading.Event | None = None) -> int:
    """Offer a time to those who wait for one to appear; returns to how many. Cheap while nothing has changed."""
    offered = 0
    with app.database.unit_of_work(write=False) as session:
        keys = waiting.to_look_at(_work(app, session), memory)
    for key in keys:
        if stop is not None and stop.is_set():
            break
        with _quietly("offer-waiting-failed"), app.database.unit_of_work() as session:
            offered += waiting.offer_one(_work(app, session), key)
    return offered


@contextlib.contextmanager
def _quietly(event: str) -> Iterator[None]:
    """One that is being changed by somebody else is left for the next time; the others go on."""
    try:
        with translated():
            yield
    except BookingError as error:
        log.info(event, error=error.code)


def _work(app: BookingApp, session: Session) -> Work:
    return Work(session, SYSTEM, app.clock(), app.settings, app.keys)


AFTER_FAILURE = timedelta(minutes=1)


def plan_requested(app: BookingApp, stop: threading.Event) -> int | None:
    """Plan for those for whom a plan was asked for, if any; a minute after a plan that failed, not at once again."""
    now = app.clock()
    with app.database.unit_of_work(write=False) as session:
        if session.scalar(select(PlanRequest.id).where(PlanRequest.done_at.is_(None)).limit(1)) is None:
            return None
        newest = session.scalars(select(PlanRun).order_by(PlanRun.id.desc()).limit(1)).first()
    if newest is not None and newest.state is PlanRunState.RUNNING and newest.heartbeat_at > now - TAKE_OVER_AFTER:
        return None
    if newest is not None and newest.state is PlanRunState.FAILED and newest.started_at > now - AFTER_FAILURE:
        return None
    return plan(stop, "--requested")


def _command() -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "app", "plan"]


def plan(stop: threading.Event, *options: str) -> int | None:
    """Plan in a process of its own; ended with us. Returns 0, None if it was stopped; else :class:`ProcessFailed`."""
    return _to_its_end(stop, [*_command(), *options], "plan-failed")


def preview_policies(app: BookingApp, stop: threading.Event) -> int | None:
    """Make the previews that wait, if any, in a process of its own, as :func:`plan`; None if there was none."""
    with app.database.unit_of_work(write=False) as session:
        if not previews.any_to_do(session, app.clock()):
            return None
    return _to_its_end(stop, [*_command()[:-1], "preview-policies"], "preview-failed")


def ask_for_reports(app: BookingApp) -> int:
    """Have every commissioner's overview made anew; returns for how many organisations."""
    with app.database.unit_of_work() as session:
        kept.forget_old(session, app.clock())
        readers = kept.for_everybody(session)
    for organisation_id in readers:
        with _quietly("ask-for-reports-failed"), app.database.unit_of_work() as session:
            of = replace(_work(app, session), actor=replace(SYSTEM, organisation_id=organisation_id))
            kept.ask_all(of, overview.wanted(of.today).items())
    return len(readers)


def make_reports(app: BookingApp, stop: threading.Event | None = None) -> int:
    """Make the reports somebody waits for, one after another; returns how many."""
    with app.database.unit_of_work(write=False) as session:
        keys = kept.to_do(session)
    made = 0
    for key in keys:
        if stop is not None and stop.is_set():
            break
        document, error = None, None
        try:
            with app.database.unit_of_work(write=False) as session:
                document = kept.answer(_work(app, session), key)
        except Exception as failure:  # whoever waits must see it; the words may hold anything, so only the kind
            error = type(failure).__name__
            log.error("report-failed", report=key, error=error)
        with app.database.unit_of_work() as session:
            kept.settle(session, key, app.clock(), document=document, error=error)
        made += document is not None
    return made


def give_back_unusable(app: BookingApp) -> int:
    """Tell practices of referrals that no service on their shortlist would book; returns how many went back."""
    with app.database.unit_of_work(write=False) as session:
        ids = unusable.to_give_back(session, _work(app, session).today)
    total = 0
    for first in range(0, len(ids), unusable.BATCH):
        with app.database.unit_of_work() as session:
            total += unusable.give_back_these(_work(app, session), ids[first : first + unusable.BATCH])
    return total


def _to_its_end(stop: threading.Event, command: list[str], event: str) -> int | None:
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603
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
        log.error(event, code=process.returncode)
        raise ProcessFailed(f"{event}: exit code {process.returncode}")
    return process.returncode


def check_invariants(app: BookingApp) -> int:
    """Check every invariant on the stored data; each fault is an error in the log, by its key.

    Returns how many checks there were; :class:`InvariantBroken`, so that the job counts as failed, where one found
    something.
    """
    with app.database.unit_of_work(write=False) as session:
        found = invariants.faults(session, app.clock())
    for fault in found:
        log.error("invariant-broken", check=fault.check, invariant=fault.invariant, where=fault.where, what=fault.what)
    log.info("invariants-checked", checks=len(invariants.CHECKS), faults=len(found))
    if found:
        raise InvariantBroken(f"{len(found)} faults in the stored data: the log names each")
    return len(invariants.CHECKS)
