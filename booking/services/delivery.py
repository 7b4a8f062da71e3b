"""Delivering the outbox: each event once, a bad recipient in nobody's way, no transaction open while sending.

A row is claimed by moving its next attempt into the future and counting the attempt, which is committed before
anything is sent. Whoever dies in between leaves a row that is tried again later, with the same Message-ID.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from booking.db import Database
from booking.messaging import Transport, Undeliverable
from booking.models import OutboxMessage
from booking.services.letters import compose

BATCH = 50
LEASE = timedelta(minutes=10)
"""How long a claimed row is left to whoever claimed it: longer than a batch of time-outs at the mail server."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(hours=72)
log = structlog.get_logger("booking.delivery")


@dataclass(slots=True)
class Delivered:
    sent: int = 0
    retried: int = 0
    failed: int = 0


def deliver(
    database: Database, transport: Transport, clock: Callable[[], datetime], public_url: str, *, batch: int = BATCH
) -> Delivered:
    """Send what is due, one batch. Never raises for a message: its row says what went wrong."""
    tally = Delivered()
    with transport:
        for message_id in claim(database, clock(), batch):
            _one(database, transport, message_id, clock, public_url, tally)
    return tally


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


def _one(
    database: Database,
    transport: Transport,
    message_id: int,
    clock: Callable[[], datetime],
    public_url: str,
    tally: Delivered,
) -> None:
    try:
        with database.unit_of_work(write=False) as session:
            message = compose(session, session.get_one(OutboxMessage, message_id), public_url)
        transport.send(message)
    except Exception as error:  # whatever it is, the next message must leave
        with database.unit_of_work() as session:
            _note_failure(session, session.get_one(OutboxMessage, message_id), error, clock(), tally)
        return
    with database.unit_of_work() as session:
        row = session.get_one(OutboxMessage, message_id)
        row.delivered_at, row.last_error = clock(), None
    tally.sent += 1


def _note_failure(session: Session, row: OutboxMessage, error: Exception, now: datetime, tally: Delivered) -> None:
    # The type and, for our own errors, the text; a mail server's answer may quote the recipient.
    row.last_error = f"{type(error).__name__}: {error}" if isinstance(error, Undeliverable) else type(error).__name__
    if isinstance(error, Undeliverable) or now - row.created_at >= GIVE_UP_AFTER:
        row.failed_at = now
        tally.failed += 1
        log.warning("message-failed", message=row.id, kind=row.kind, attempts=row.attempts, error=row.last_error)
    else:
        row.next_attempt_at = now + retry_in(row.attempts)
        tally.retried += 1


def retry_in(attempts: int) -> timedelta:
    """Half a minute after the first attempt, then twice as long each time, six hours at most."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)
