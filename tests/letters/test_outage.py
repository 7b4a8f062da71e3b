"""Real processes: the mail server down for hours, the delivering process killed in the middle.

The processes' clocks run 3,600 times as fast, an hour in a second: what is tried again after half a minute or after
six hours is tried so here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from booking.db import Database
from booking.messaging import Message
from booking.models import OutboxMessage
from booking.services import outbox
from booking.services.work import Work
from tests import factories
from tests.conftest import NOW, SECRET
from tests.factories import Region
from tests.letters.mail_server import Taken, certificate, mail_server
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SPEED = 3600
WORKER = f"""
import time
from datetime import datetime, timedelta
from app import create_app
from booking.jobs import tasks
app, start = create_app(), datetime.fromisoformat("{NOW.isoformat()}")
began = float(__import__("os").environ["BEGAN"])
app.clock = lambda: start + timedelta(seconds=(time.time() - began) * {SPEED})
while True:
    tasks.deliver_outbox(app)
    time.sleep(0.05)
"""


class Worker:
    """A process that delivers what is due, until it is killed."""

    def __init__(self, database: Database, port: int, pem: Path, began: float) -> None:
        environment = {
            **os.environ, "DATABASE_URL": database.url, "SECRET_KEY": SECRET, "SSL_CERT_FILE": str(pem),
            "MESSAGES": f"smtp://localhost:{port}", "MAIL_FROM": "sender@example.invalid", "BEGAN": str(began),
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)


@contextmanager
def _delivering(database: Database, port: int, pem: Path, began: float) -> Iterator[Worker]:
    worker = Worker(database, port, pem, began)
    try:
        yield worker
    finally:
        worker.kill()


def _write(work: Work, region: Region, first: int, count: int) -> set[str]:
    """``count`` messages to one patient; returns their Message-IDs."""
    referral = factories.referral(work, region)[0] if first == 0 else None
    work.session.execute(OutboxMessage.__table__.delete().where(OutboxMessage.kind == "referral-ready"))
    known = referral.id if referral else work.session.scalar(select(func.max(OutboxMessage.referral_id)))
    keys = [f"outage:{n}" for n in range(first, first + count)]
    for key in keys:
        outbox.enqueue(work, "offers-ready", key, {}, referral_id=known)
    work.session.commit()
    return {Message(key, "", "", "").message_id for key in keys}


def _wait(until: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def _left(database: Database) -> int:
    with database.unit_of_work(write=False) as session:
        return session.scalar(select(func.count()).where(OutboxMessage.delivered_at.is_(None))) or 0


def test_the_mail_server_is_down_for_hours_and_each_message_arrives_once(
    work: Work, region: Region, database: Database, tmp_path: Path
) -> None:
    region.patient.email = "ada@example.invalid"
    port, pem, taken, began = free_port(), certificate(tmp_path), Taken(), time.time()
    expected = _write(work, region, 0, 60)
    with _delivering(database, port, pem, began):
        _wait(lambda: _tries(database) >= 120)  # each has been tried twice and more
        expected |= _write(work, region, 60, 40)
        down_for = time.time() - began
        assert _left(database) == 100
        with mail_server(port, pem, taken):
            _wait(lambda: _left(database) == 0)
    counted = Counter(taken.ids)
    print(
        f"down for {down_for:.0f} hours: {len(expected)} messages waited, {len(counted)} arrived, "
        f"{sum(n - 1 for n in counted.values())} twice, {_tries(database)} attempts"
    )
    assert counted == Counter(expected)


def _tries(database: Database) -> int:
    with database.unit_of_work(write=False) as session:
        return session.scalar(select(func.sum(OutboxMessage.attempts))) or 0


def test_a_process_killed_in_the_middle_loses_nothing_and_repeats_one_at_most(
    work: Work, region: Region, database: Database, tmp_path: Path
) -> None:
    region.patient.email = "ada@example.invalid"
    port, pem, taken, began = free_port(), certificate(tmp_path), Taken(), time.time()
    expected, kills = _write(work, region, 0, 120), 0
    with mail_server(port, pem, taken, seconds=0.02):
        for stop_at in (20, 55, 90):
            worker = Worker(database, port, pem, began)
            try:
                _wait(lambda at=stop_at: len(taken.ids) >= at)  # type: ignore[misc]
            finally:
                worker.kill()  # while a message is taken and not yet acknowledged
            kills += 1
        with _delivering(database, port, pem, began):
            _wait(lambda: _left(database) == 0)
    counted = Counter(taken.ids)
    repeated = sum(n - 1 for n in counted.values())
    print(f"killed {kills} times: {len(expected)} messages, {len(counted)} arrived, {repeated} repeated")
    assert set(counted) == expected
    assert repeated <= kills
