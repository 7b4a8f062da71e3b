"""A region with people who are choosing, and the planner's command on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import select

from booking.db import Database
from booking.domain.words import Priority
from booking.edge.flask_app import BookingApp
from booking.models import Booking, Offer, OutboxMessage, PlanPrice, PlanRun, Referral
from booking.services.work import Work
from tests import factories
from tests.conftest import SECRET
from tests.factories import Region

ROOT = Path(__file__).resolve().parent.parent.parent
PRIORITIES = tuple(Priority)
Flask = Callable[..., Result]


@pytest.fixture
def flask(app: BookingApp) -> Flask:
    """Run a command in this process, with the test's database and clock; a failure is the test's failure."""

    def run(*args: str, code: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=list(args))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def people(work: Work, region: Region, count: int, **fields: Any) -> list[Referral]:
    """So many patients of the practice with a referral each, priorities in turn; committed."""
    made = []
    for n in range(count):
        patient = factories.PatientFactory(practice_id=region.practice.id)
        given = {"priority": PRIORITIES[n % 3], **fields}
        made.append(factories.referral(work, region, patient=patient, **given)[0])
    work.session.commit()
    return made


@dataclass(frozen=True)
class Snapshot:
    """Everything a plan may write, as plain rows."""

    holds: list[tuple[Any, ...]]
    offers: list[tuple[Any, ...]]
    messages: list[str]
    runs: list[tuple[int, str]]
    priced: int


def snapshot(database: Database) -> Snapshot:
    with database.unit_of_work(write=False) as session:
        holds = session.execute(
            select(Booking.referral_id, Booking.slot_id, Booking.place, Booking.state, Booking.held_until)
            .where(Booking.released_at.is_(None))
            .order_by(Booking.referral_id)
        )
        offers = session.execute(
            select(Offer.referral_id, Offer.rank, Offer.slot_id, Offer.guaranteed, Offer.state, Offer.expires_at)
            .where(Offer.state == "OPEN")
            .order_by(Offer.referral_id, Offer.rank)
        )
        keys = select(OutboxMessage.event_key).where(OutboxMessage.kind == "offers-ready")
        return Snapshot(
            [tuple(row) for row in holds],
            [tuple(row) for row in offers],
            sorted(session.scalars(keys)),
            [(run.id, str(run.state)) for run in session.scalars(select(PlanRun).order_by(PlanRun.id))],
            len(list(session.scalars(select(PlanPrice.id)))),
        )


HALTING = """
import sys
from booking.services.planning import apply
apply.CHUNK, apply.WRITERS = 4, 1
whole = apply.Application._chunk
def chunk(self, *args, **kwargs):
    left = whole(self, *args, **kwargs)
    print("chunk", flush=True)
    sys.stdin.readline()
    return left
apply.Application._chunk = chunk
from flask.cli import main
main()
"""
"""``flask`` with a planner that says "chunk" after each one written and waits for a line before the next."""


class PlannerProcess:
    """``flask plan`` in a process of its own, as it runs in production; ``halting`` stops after each chunk."""

    def __init__(self, database: Database, *args: str, halting: bool = False) -> None:
        environment = {**os.environ, "DATABASE_URL": database.url, "SECRET_KEY": SECRET, "PYTHONUNBUFFERED": "1"}
        start = ["-c", HALTING] if halting else ["-m", "flask"]
        self.process = subprocess.Popen(
            [sys.executable, *start, "--app", "app", "plan", *args],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_for_chunk(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "chunk\n"

    def go_on(self) -> tuple[int, str]:
        """Let it run to its end; exit code and output."""
        out, err = self.process.communicate("\n" * 50, timeout=60)
        return self.process.returncode, out + err

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture
def today(work: Work) -> Work:
    """The unit of work at the real time: other processes go by their own clocks."""
    return replace(work, now=datetime.now(UTC))


@pytest.fixture
def region_today(today: Work) -> Region:
    made = factories.region(today)
    today.session.commit()
    return made
