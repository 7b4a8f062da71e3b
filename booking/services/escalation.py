"""Overdue work is told on, and nothing is ever dropped for its age (domain rule 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, or_, select, union_all, update
from sqlalchemy.orm import Session

from booking.domain.referral import TERMINAL
from booking.domain.words import AdviceState, Worklist
from booking.models import AdviceRequest, Organisation, Referral
from booking.services import outbox
from booking.services.work import Work

_LIVING: tuple[tuple[Any, Any, list[Any]], ...] = (
    (Referral, Referral.ubrn, sorted(TERMINAL)),
    (AdviceRequest, AdviceRequest.reference, [AdviceState.CONVERTED, AdviceState.CLOSED]),
)


@dataclass(frozen=True, slots=True)
class Overdue:
    organisation_id: int
    worklist: Worklist
    entries: int


BATCH = 1000
AGAIN = timedelta(days=7)
"""What is still overdue after so long is told on again, for as long as it is."""


def escalate(work: Work) -> list[Overdue]:
    """Mark what has become overdue and tell each organisation how much, once a day and list. A batch at most.

    The notice goes to the organisation's own address and says which list and how many, nothing of any patient.
    """
    found: dict[tuple[int, Worklist], int] = {}
    for thing in (Referral, AdviceRequest):
        untold = or_(thing.escalated_at.is_(None), thing.escalated_at < work.now - AGAIN)
        due = (
            select(thing.id, thing.worklist_organisation_id, thing.worklist)
            .where(thing.worklist.is_not(None), untold, thing.worklist_due < work.today)
            .order_by(thing.worklist_due, thing.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        rows = list(work.session.execute(due))
        if not rows:
            continue
        work.session.execute(
            update(thing)
            .where(thing.id.in_([row.id for row in rows]))
            .values(escalated_at=work.now)
            .execution_options(synchronize_session=False)
        )
        for row in rows:
            key = (row.worklist_organisation_id, Worklist(row.worklist))
            found[key] = found.get(key, 0) + 1
    made = [Overdue(organisation, worklist, number) for (organisation, worklist), number in sorted(found.items())]
    _tell(work, made)
    return made


def _tell(work: Work, overdue: Sequence[Overdue]) -> None:
    ids = {one.organisation_id for one in overdue}
    query = select(Organisation.id, Organisation.worklist_email).where(Organisation.id.in_(ids))
    addresses = {row.id: row.worklist_email for row in work.session.execute(query)}
    for one in overdue:
        to = addresses.get(one.organisation_id)
        if to:
            # The time is in the key: a second batch of the day is a second notice.
            event = f"overdue:{one.organisation_id}:{one.worklist}:{work.now.isoformat()}"
            outbox.enqueue(work, "overdue", event, {"to": to, "worklist": one.worklist, "entries": one.entries})
    work.session.flush()


def was_reminded(work: Work, referral: Referral) -> bool:
    """Whether whoever must act on the referral was told that it is overdue; without an address nobody can be."""
    if referral.escalated_at is None or referral.worklist_organisation_id is None:
        return False
    return bool(work.session.get_one(Organisation, referral.worklist_organisation_id).worklist_email)


@dataclass(frozen=True, slots=True)
class Stray:
    reference: str
    what: str


def strays(session: Session) -> list[Stray]:
    """Live things that are not on exactly one list with an owner and a due date: none, as the database sees to it."""
    parts: list[Select[str]] = []
    for thing, name, ended in _LIVING:
        whole = and_(
            thing.worklist.is_not(None), thing.worklist_organisation_id.is_not(None),
            thing.worklist_due.is_not(None), thing.worklist_since.is_not(None),
        )  # fmt: skip
        parts.append(select(name.label("reference")).where(thing.state.not_in(ended), ~whole))
    return [Stray(reference, "on no worklist") for reference in session.scalars(union_all(*parts))]
