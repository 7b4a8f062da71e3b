"""What the scheduler's jobs did last."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from booking.db import Base


class JobRun(Base):
    """One row for each job, written again now and then while it runs: when it last did what it does, and how."""

    __tablename__ = "job_run"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    every_seconds: Mapped[int | None]
    """None for what happens at times of day, or by hand."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    milliseconds: Mapped[int | None]
    runs: Mapped[int] = mapped_column(default=0)
    """Since its scheduler began to lead."""
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(200))
    """The kind of the last failure; its text could hold somebody's data."""
