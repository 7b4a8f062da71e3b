"""Previews of a policy: asked for here, made by ``flask preview-policies`` in a process of its own, read here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session, defer

from booking.domain.errors import Conflict, Forbidden, NotFound
from booking.domain.policy import BookingPolicy
from booking.models import PolicyPreview
from booking.services import audit
from booking.services.work import Work

MOST_WAITING = 5
"""Of one commissioner at a time: each is two whole plans."""
SILENCE = timedelta(seconds=90)
"""A preview whose process has not been heard of for so long is taken up by another."""
GIVE_UP_AFTER = timedelta(hours=6)
"""A preview still not made then kills whoever makes it: it ends with an error."""


class PreviewState(StrEnum):
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


def state_of(preview: PolicyPreview) -> PreviewState:
    if preview.finished_at is not None:
        return PreviewState.FAILED if preview.error is not None else PreviewState.DONE
    return PreviewState.WAITING if preview.started_at is None else PreviewState.RUNNING


def request_preview(work: Work, body: Mapping[str, Any]) -> PolicyPreview:
    """Ask what the next plan would look like under the document, which is checked whole."""
    BookingPolicy.from_document(body, 0)
    own = work.actor.organisation_id
    if own is None:
        raise Forbidden("Your role does not allow this.")
    waiting = select(func.count()).where(PolicyPreview.organisation_id == own, PolicyPreview.finished_at.is_(None))
    if (work.session.scalar(waiting) or 0) >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} previews of yours are waiting already.", code="TOO_MANY_PREVIEWS")
    made = PolicyPreview(organisation_id=own, body=dict(body), requested_at=work.now, requested_by=work.actor.name)
    work.session.add(made)
    work.session.flush()
    audit.record(work, f"policy-preview:{made.id}", "policy_preview.request", after={"body": made.body})
    work.session.flush()
    return made


def own_preview(work: Work, preview_id: int) -> PolicyPreview:
    """A preview that the actor's commissioner asked for."""
    found = work.session.get(PolicyPreview, preview_id)
    if found is None or found.organisation_id != work.actor.organisation_id:
        raise NotFound("There is no such preview, or it is not yours.")
    return found


def newest(work: Work, most: int = 5) -> list[PolicyPreview]:
    """The last previews that the actor's commissioner asked for, without their results."""
    query = select(PolicyPreview).where(PolicyPreview.organisation_id == work.actor.organisation_id)
    light = query.options(defer(PolicyPreview.result), defer(PolicyPreview.body))
    return list(work.session.scalars(light.order_by(PolicyPreview.id.desc()).limit(most)))


def _to_do(now: datetime) -> ColumnElement[bool]:
    silent = or_(PolicyPreview.started_at.is_(None), PolicyPreview.started_at < now - SILENCE)
    return and_(PolicyPreview.finished_at.is_(None), silent)


def any_to_do(session: Session, now: datetime) -> bool:
    """Whether a preview waits, or was left by a process that died."""
    return session.scalar(select(PolicyPreview.id).where(_to_do(now)).limit(1)) is not None


def take(session: Session, now: datetime) -> PolicyPreview | None:
    """The oldest preview to be made, from now on the caller's; those past hope are ended on the way."""
    query = select(PolicyPreview).where(_to_do(now)).order_by(PolicyPreview.id)
    for found in session.scalars(query.with_for_update(skip_locked=True)):
        if now - found.requested_at < GIVE_UP_AFTER:
            found.started_at = now
            return found
        found.finished_at, found.error = now, "It could not be made: every process that tried was ended."
    return None


def beat(session: Session, preview_id: int, now: datetime) -> bool:
    """Say that it is still being made; False where it has ended meanwhile."""
    return _write(session, preview_id, started_at=now)


def finish(session: Session, preview_id: int, now: datetime, *, result: dict[str, Any]) -> bool:
    return _write(session, preview_id, finished_at=now, result=result)


def fail(session: Session, preview_id: int, now: datetime, error: str) -> bool:
    return _write(session, preview_id, finished_at=now, error=error[:2000])


def _write(session: Session, preview_id: int, **values: Any) -> bool:
    done = session.execute(
        update(PolicyPreview)
        .where(PolicyPreview.id == preview_id, PolicyPreview.finished_at.is_(None))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return getattr(done, "rowcount", 0) == 1
