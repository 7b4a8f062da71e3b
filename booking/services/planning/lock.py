"""One planner at a time: the run that is RUNNING holds the lock, and its heartbeat keeps it.

The database refuses a second RUNNING row (``uq_plan_run_running``). A planner that died leaves its row behind; when
the row has not beaten for some minutes the next planner ends it as FAILED and takes over. A planner that was only
asleep finds its run ended at its next write, and stops (:func:`still_ours`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import TracebackType

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from booking.db import Database
from booking.domain.words import PlanRunState
from booking.models import PlanRun

TAKE_OVER_AFTER = timedelta(minutes=5)
BEAT_SECONDS = 15.0
log = structlog.get_logger("booking.planning")


class RunLost(RuntimeError):
    """Another planner has taken this run over: nothing more may be written."""


def take(
    database: Database, now: datetime, *, as_of: date, policy_version: int, take_over_after: timedelta = TAKE_OVER_AFTER
) -> int | None:
    """Begin a run; its key, or None where another planner is at work."""
    try:
        with database.unit_of_work() as session:
            running = session.scalars(
                select(PlanRun).where(PlanRun.state == PlanRunState.RUNNING).with_for_update()
            ).first()
            if running is not None:
                if running.heartbeat_at > now - take_over_after:
                    return None
                running.state, running.finished_at = PlanRunState.FAILED, now
                running.error = f"no sign of life since {running.heartbeat_at.isoformat()}: taken over"
                session.flush()
            run = PlanRun(
                state=PlanRunState.RUNNING, started_at=now, heartbeat_at=now, as_of=as_of,
                policy_version=policy_version, certified=False, summary={},
            )  # fmt: skip
            session.add(run)
            session.flush()
            return run.id
    except IntegrityError:
        return None  # somebody was quicker by a moment


def still_ours(session: Session, run_id: int, now: datetime) -> None:
    """Beat, and raise :class:`RunLost` unless the run is still running: part of every transaction that writes."""
    beaten = session.execute(
        update(PlanRun)
        .where(PlanRun.id == run_id, PlanRun.state == PlanRunState.RUNNING)
        .values(heartbeat_at=now)
        .execution_options(synchronize_session=False)
    )
    if getattr(beaten, "rowcount", 0) != 1:
        raise RunLost(f"Plan run {run_id} was taken over by another planner.")


def fail(database: Database, run_id: int, now: datetime, error: str) -> None:
    """End a run as failed, if it is still ours to end."""
    with database.unit_of_work() as session:
        session.execute(
            update(PlanRun)
            .where(PlanRun.id == run_id, PlanRun.state == PlanRunState.RUNNING)
            .values(state=PlanRunState.FAILED, finished_at=now, error=error[:2000])
        )


class Heartbeat:
    """Beats from a thread of its own while a run is solved, which may take many minutes."""

    def __init__(self, database: Database, run_id: int, clock: Callable[[], datetime]) -> None:
        self._database, self._run_id, self._clock = database, run_id, clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="plan-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(timeout=BEAT_SECONDS)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                with self._database.unit_of_work() as session:
                    still_ours(session, self._run_id, self._clock())
            except RunLost:
                return  # the next write finds out
            except DBAPIError as error:
                log.warning("heartbeat-failed", run=self._run_id, error=type(error).__name__)
