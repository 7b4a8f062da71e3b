"""The process: lead or stand by, run the jobs on time, leave cleanly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.jobs.leader import leadership
from booking.jobs.notes import WRITE_SECONDS, Notebook
from booking.services import waiting
from booking.services.work import HOME_ZONE

STANDBY_SECONDS = 2.0
EXPIRE_SECONDS = 30
DELIVER_SECONDS = 5
SEAL_SECONDS = 300
PURGE_SECONDS = 3600
REMIND_SECONDS = 300
SCAN_SECONDS = 10
SWEEP_SECONDS = 3600
ESCALATE_SECONDS = 600
PASS_ON_SECONDS = 10
WAITING_SECONDS = 30
REQUESTED_SECONDS = 5
PREVIEW_SECONDS = 10
GIVE_BACK_SECONDS = 1800
REPORTS_SECONDS = 5
Job = tuple[str, Callable[[], object], Any]
"""Name, what to do, when."""
log = structlog.get_logger("booking.jobs")


class Scheduler:
    """One process of possibly several; :meth:`run` returns after SIGTERM or SIGINT."""

    def __init__(self, app: BookingApp) -> None:
        self._app = app
        self._over = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if self._app.settings.messages == "console" and not self._app.settings.demo:
            log.warning("nobody-is-written-to", why="MESSAGES is console: messages only go into this log")
        lead = leadership(self._app.database)
        standing_by = False
        try:
            while not self._over.is_set():
                if lead.take():
                    standing_by = False
                    log.info("scheduler-leads")
                    self._lead(lead.still_held)
                    lead.release()
                elif not standing_by:
                    standing_by = True
                    log.info("scheduler-stands-by")
                self._over.wait(STANDBY_SECONDS)
        finally:
            lead.release()
            log.info("scheduler-ended")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._over.set()

    def _lead(self, still: Callable[[], bool]) -> None:
        """Work until told to stop, or until the lock is lost (the database restarted): then stand in line again."""
        over = threading.Event()
        scheduler = BackgroundScheduler(
            timezone=HOME_ZONE, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600}
        )
        jobs = self._jobs(over)
        notebook = Notebook(self._app, (name for name, _, _ in jobs))
        for name, function, trigger in jobs:
            every = int(trigger.interval.total_seconds()) if isinstance(trigger, IntervalTrigger) else None
            scheduler.add_job(notebook.watched(name, function, every), trigger, id=name)
        now = self._app.clock()
        scheduler.add_job(notebook.write, IntervalTrigger(seconds=WRITE_SECONDS), id="notes", next_run_time=now)
        scheduler.add_listener(_note_error, EVENT_JOB_ERROR)
        scheduler.start()
        try:
            while not self._over.wait(STANDBY_SECONDS):
                if not still():
                    log.error("scheduler-lost-its-lock")
                    break
        finally:
            over.set()  # first, so that a plan under way is ended and not waited for
            scheduler.shutdown(wait=True)

    def _jobs(self, over: threading.Event) -> list[Job]:
        app, memory = self._app, waiting.Memory()

        def plan() -> None:
            tasks.plan(over)

        every: list[tuple[str, Callable[[], object], int]] = [
            ("expire", lambda: tasks.expire(app), EXPIRE_SECONDS),
            ("deliver", lambda: tasks.deliver_outbox(app, over), DELIVER_SECONDS),
            ("seal", lambda: tasks.seal_audit(app), SEAL_SECONDS),
            ("purge", lambda: tasks.purge(app), PURGE_SECONDS),
            ("remind", lambda: tasks.remind(app), REMIND_SECONDS),
            ("scan", lambda: tasks.scan(app), SCAN_SECONDS),
            ("sweep", lambda: tasks.sweep_attachments(app), SWEEP_SECONDS),
            ("pass-on", lambda: tasks.pass_on(app), PASS_ON_SECONDS),
            ("offer-waiting", lambda: tasks.offer_waiting(app, memory, over), WAITING_SECONDS),
            ("plan-requested", lambda: tasks.plan_requested(app, over), REQUESTED_SECONDS),
            ("preview-policies", lambda: tasks.preview_policies(app, over), PREVIEW_SECONDS),
            ("give-back-unusable", lambda: tasks.give_back_unusable(app), GIVE_BACK_SECONDS),
            ("escalate", lambda: tasks.escalate(app), ESCALATE_SECONDS),
            ("make-reports", lambda: tasks.make_reports(app, over), REPORTS_SECONDS),
        ]
        jobs: list[Job] = [(name, job, IntervalTrigger(seconds=seconds)) for name, job, seconds in every]
        nightly = CronTrigger(hour=3, minute=30, timezone=HOME_ZONE)
        jobs.append(("check-invariants", lambda: tasks.check_invariants(app), nightly))
        early = CronTrigger(hour=4, minute=15, timezone=HOME_ZONE)
        jobs.append(("ask-for-reports", lambda: tasks.ask_for_reports(app), early))
        for time in filter(None, app.settings.plan_times.replace(" ", "").split(",")):
            hour, minute = time.split(":")
            jobs.append((f"plan {time}", plan, CronTrigger(hour=hour, minute=minute, timezone=HOME_ZONE)))
        return jobs


def _note_error(event: Any) -> None:
    # The exception itself may hold somebody's data: its type is enough to find it by.
    log.error("job-failed", job=event.job_id, error=type(event.exception).__name__)
