"""Messages that must leave: written in the transaction that causes them, delivered later by a job."""

from __future__ import annotations

from typing import Any

from booking.models import OutboxMessage
from booking.services.work import Work


def enqueue(
    work: Work, kind: str, event_key: str, payload: dict[str, Any], *, referral_id: int | None = None
) -> OutboxMessage:
    """Write one message. ``event_key`` is stable for the event: a second one for it is refused by the database."""
    message = OutboxMessage(
        event_key=event_key,
        kind=kind,
        referral_id=referral_id,
        payload=payload,
        created_at=work.now,
        next_attempt_at=work.now,
    )
    work.session.add(message)
    return message
