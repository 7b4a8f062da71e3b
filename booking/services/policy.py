"""The policy in force on a day: dated, numbered, never overwritten."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.policy import BookingPolicy
from booking.models import PolicyVersion
from booking.services import audit
from booking.services.work import Work


def current_policy(session: Session, on: date) -> BookingPolicy:
    """The newest version effective on that day; the published defaults (version 0) where there is none."""
    row = session.scalars(
        select(PolicyVersion)
        .where(PolicyVersion.effective_from <= on)
        .order_by(PolicyVersion.effective_from.desc(), PolicyVersion.version.desc())
        .limit(1)
    ).first()
    return BookingPolicy.from_document(row.body, row.version) if row else BookingPolicy()


def publish_policy(work: Work, body: dict[str, Any], *, effective_from: date, explanation: str) -> PolicyVersion:
    """Add a version. The document is checked whole before anything is stored."""
    BookingPolicy.from_document(body, 0)
    version = (work.session.scalar(select(func.max(PolicyVersion.version))) or 0) + 1
    row = PolicyVersion(
        version=version,
        effective_from=effective_from,
        body=body,
        explanation=explanation,
        created_at=work.now,
        created_by=work.actor.name,
    )
    work.session.add(row)
    work.session.flush()
    audit.record(
        work, f"policy:{version}", "policy.publish", after={"effective_from": effective_from.isoformat(), "body": body}
    )
    return row
