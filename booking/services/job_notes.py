"""What jobs did last: written by the scheduler now and then, and by commands that matter, read by the health page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking.models import JobRun

SCHEDULER = "scheduler"
"""The process itself, as long as it leads."""
BACKUP = "backup"


@dataclass(slots=True)
class Note:
    """What is known of one job."""

    name: str
    started_at: datetime
    every_seconds: int | None = None
    finished_at: datetime | None = None
    milliseconds: int | None = None
    runs: int = 0
    failed_at: datetime | None = None
    error: str | None = None


def write(session: Session, notes: Iterable[Note]) -> None:
    """One row for each job; an earlier failure stays on record until the job fails again."""
    for note in notes:
        row = session.get(JobRun, note.name)
        if row is None:
            session.add(JobRun(**asdict(note)))
            continue
        for name, value in asdict(note).items():
            if value is not None or name not in ("failed_at", "error", "finished_at", "milliseconds"):
                setattr(row, name, value)
    session.flush()


def forget_others(session: Session, jobs: Iterable[str]) -> None:
    """Delete the notes of jobs that are none of these."""
    session.execute(delete(JobRun).where(JobRun.name.not_in({*jobs, SCHEDULER, BACKUP})))


def read(session: Session) -> list[JobRun]:
    return list(session.scalars(select(JobRun).order_by(JobRun.name)))
