"""Delivering the outbox: each event once, a bad recipient in nobody's way, no transaction open while sending.

A row is claimed by moving its next attempt into the future and counting the attempt, which is committed before
anything is sent. Whoever dies in between leaves a row that is tried again later, with the same Message-ID.
What can't leave, or must be posted, is given to people: ``failed_at`` is when, and
:mod:`booking.services.failed_messages` is where they find it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from booking.db import Database
from booking.domain.words import Channel
from booking.messaging import Message, Transport, Undeliverable
from booking.models import OutboxMessage
from booking.services.letters import NoLongerDue, compose

BATCH = 50
LEASE = timedelta(minutes=10)
"""How long a claimed row is left to whoever claimed it: longer than a batch of time-outs at the mail server."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(hours=72)
TO_POST = "to be posted"
log = structlog.get_logger("booking.delivery")


@dataclass(slots=True)
class Delivered:
    sent: int = 0
    retried: int = 0
    failed: int = 0
    """Given to people: undeliverable, or to be posted."""
    dropped: int = 0
    """No longer true when their turn came."""

    @property
    def total(self) -> int:
        return self.sent + self.retried + self.failed + self.dropped


@dataclass(frozen=True, slots=True)
class _Run:
    database: Database
    ways: Mapping[Channel, Transport]
    clock: Callable[[], datetime]
    public_url: str
    tally: Delivered


def deliver(
    database: Database,
    ways: Mapping[Channel, Transport] | Transport,
    clock: Callable[[], datetime],
    public_url: str,
    *,
    batch: int = BATCH,
) -> Delivered:
    """Send what is due, one batch. Never raises for a message: its row says what went wrong.

    ``ways`` is what can leave by each channel; a transport alone carries e-mail.
    """
    if isinstance(ways, Transport):
        ways = {Channel.EMAIL: ways}
    run = _Run(database, ways, clock, public_url, Delivered())
    with ExitStack() as open_ways:
        for way in ways.values():
            open_ways.enter_context(way)
        for message_id in claim(database, clock(), batch):
            _one(run, message_id)
    return run.tally


def claim(database: Database, now: datetime, batch: int) -> list[int]:
    """Keys of rows that are due and now ours; two that claim at once get different ones."""
    with database.unit_of_work() as session:
        query = (
            select(OutboxMessage.id)
            .where(
                OutboxMessage.delivered_at.is_(None),
                OutboxMessage.failed_at.is_(None),
                OutboxMessage.next_attempt_at <= now,
            )
            .order_by(OutboxMessage.next_attempt_at, OutboxMessage.id)
            .limit(batch)
            .with_for_update(skip_locked=True)
        )
        ids = list(session.scalars(query))
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.id.in_(ids))
            .values(next_attempt_at=now + LEASE, attempts=OutboxMessage.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        return ids


def _one(run: _Run, message_id: int) -> None:
    used: Channel | None = None
    try:
        with run.database.unit_of_work(write=False) as session:
            possible = compose(
                session, session.get_one(OutboxMessage, message_id), run.public_url, run.ways, run.clock()
            )
        used = _send(run.ways, possible)
    except Exception as error:  # whatever it is, the next message must leave
        with run.database.unit_of_work() as session:
            _note_failure(session, session.get_one(OutboxMessage, message_id), error, run)
        return
    with run.database.unit_of_work() as session:
        row = session.get_one(OutboxMessage, message_id)
        row.channel = used or Channel.LETTER
        if used is None:
            row.failed_at, row.last_error = run.clock(), TO_POST
            run.tally.failed += 1
        else:
            row.delivered_at, row.last_error = run.clock(), None
            run.tally.sent += 1


def _send(ways: Mapping[Channel, Transport], possible: list[tuple[Channel, Message]]) -> Channel | None:
    """Send by the first way that takes the message; None where it must be posted.

    Raises what the last way raised where every way refuses the message for good.
    """
    refused: Undeliverable | None = None
    for channel, message in possible:
        try:
            ways[channel].send(message)
        except Undeliverable as error:
            refused = error
        else:
            return channel
    if refused is not None:
        raise refused
    return None


def _note_failure(session: Session, row: OutboxMessage, error: Exception, run: _Run) -> None:
    now = run.clock()
    # The type and, for our own errors, the text; a mail server's answer may quote the recipient.
    row.last_error = f"{type(error).__name__}: {error}" if isinstance(error, Undeliverable) else type(error).__name__
    if isinstance(error, NoLongerDue):
        row.failed_at = row.resolved_at = now
        row.resolved_by = "system"
        run.tally.dropped += 1
    elif isinstance(error, Undeliverable) or now - row.created_at >= GIVE_UP_AFTER:
        row.failed_at = now
        run.tally.failed += 1
        log.warning("message-failed", message=row.id, kind=row.kind, attempts=row.attempts, error=row.last_error)
    else:
        row.next_attempt_at = now + retry_in(row.attempts)
        run.tally.retried += 1


def retry_in(attempts: int) -> timedelta:
    """Half a minute after the first attempt, then twice as long each time, six hours at most."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)
