"""Reports at hand: small regions' are made as they are read, others beforehand by the scheduler, and kept.

A report over a large region keeps the database busy for seconds. So nobody's page makes it: whoever wants one asks,
the scheduler makes it, and what it made is shown with its date until somebody asks anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from booking.domain.errors import Conflict
from booking.domain.words import COMMISSIONERS, Priority
from booking.models import AccountRole, Referral, ReportCopy, Slot
from booking.services.reports import sql
from booking.services.reports.publish import Asked, Published, make, question_of, report_named
from booking.services.reports.table import Question, Report
from booking.services.work import Actor, Work

ALWAYS_LIVE = frozenset({"next-session", "plan-fairness"})
"""Read from the last plan's summary: cheap, and about this moment."""
SMALL_REFERRALS, SMALL_SLOTS = 1_500, 12_000
"""Up to so many of each, a report takes some hundredths of a second and is made as it is read."""
MOST_WAITING = 30
"""Of one organisation at a time."""
KEPT_FOR = timedelta(days=45)
"""A copy nobody asked for again in so long is forgotten."""


@dataclass(frozen=True, slots=True)
class AtHand:
    """What there is of a report. ``published`` is None where it was never made."""

    published: Published | None
    waiting: bool = False
    error: str | None = None
    live: bool = False
    """Made just now; nothing to ask for."""


def look(work: Work, name: str, asked: Asked) -> AtHand:
    """The report if it is at hand; the question is checked like any (:class:`Invalid`)."""
    report = report_named(name)
    question = question_of(work, report, asked)
    if name in ALWAYS_LIVE or is_small(work):
        return AtHand(make(work, report, question, asked), live=True)
    copy = work.session.scalars(_copy(work, report, question, asked)).first()
    if copy is None:
        return AtHand(None)
    return AtHand(_published(work, report, question, asked, copy), copy.settled_at is None, copy.error)


def ask(work: Work, name: str, asked: Asked) -> None:
    """Have the report made, or made anew; asking for one that waits already changes nothing."""
    report = report_named(name)
    question = question_of(work, report, asked)
    if name in ALWAYS_LIVE or is_small(work):
        return
    copy = work.session.scalars(_copy(work, report, question, asked).with_for_update()).first()
    if copy is not None and copy.settled_at is None:
        return
    own = work.actor.organisation_id
    waiting = select(func.count()).where(ReportCopy.organisation_id == own, _to_do())
    if (work.session.scalar(waiting) or 0) >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} reports of yours are waiting already.", code="TOO_MANY_REPORTS")
    if copy is not None:
        copy.requested_at, copy.settled_at = work.now, None
        work.session.flush()
        return
    insert = postgresql.insert if work.postgresql else sqlite.insert
    work.session.execute(
        insert(ReportCopy)
        .values(
            organisation_id=own, name=name, question=_written(report, question, asked), requested_at=work.now
        )
        .on_conflict_do_nothing()  # somebody else of the organisation asks for it at this moment
    )  # fmt: skip


def is_small(work: Work) -> bool:
    """Whether the actor's reports are made while somebody waits; counts no further than the answer needs."""
    mine = select(Referral.id).where(Referral.practice_id.in_(sql.own_practices(work))).limit(SMALL_REFERRALS + 1)
    slots = select(Slot.id).limit(SMALL_SLOTS + 1)
    return _count(work, mine) <= SMALL_REFERRALS and _count(work, slots) <= SMALL_SLOTS


def _count(work: Work, query: Select[int]) -> int:
    return work.session.scalar(select(func.count()).select_from(query.subquery())) or 0


def to_do(session: Session) -> list[int]:
    """Keys of the copies that wait to be made, who asked first first."""
    return list(session.scalars(select(ReportCopy.id).where(_to_do()).order_by(ReportCopy.requested_at, ReportCopy.id)))


def answer(work: Work, key: int) -> dict[str, Any] | None:
    """Make the document of a copy, in a transaction that need not write; None where it is not asked for any more."""
    copy = work.session.get(ReportCopy, key)
    if copy is None:
        return None
    mine = replace(work, actor=Actor("reports", work.actor.role, copy.organisation_id))
    report, asked = report_named(copy.name), _read(copy.question)
    made = make(mine, report, question_of(mine, report, asked), asked)
    return {"rows": [dict(row) for row in made.rows], "least": made.least}


def settle(session: Session, key: int, now: datetime, *, document: dict[str, Any] | None, error: str | None) -> None:
    """Write down what came of making it: the document, or why there is none (the one before stays)."""
    copy = session.get(ReportCopy, key)
    if copy is None:
        return
    copy.settled_at, copy.error = now, error
    if document is not None:
        copy.document, copy.made_at = document, now


def for_everybody(session: Session) -> list[int]:
    """Organisations that have somebody who may read reports."""
    query = select(AccountRole.organisation_id).where(
        AccountRole.role.in_(COMMISSIONERS), AccountRole.withdrawn_at.is_(None)
    )
    return sorted(set(session.scalars(query)))


def ask_all(work: Work, wanted: Iterable[tuple[str, Asked]]) -> None:
    for name, asked in wanted:
        ask(work, name, asked)


def forget_old(session: Session, now: datetime) -> int:
    done = session.execute(delete(ReportCopy).where(ReportCopy.requested_at < now - KEPT_FOR))
    return getattr(done, "rowcount", 0)


def _to_do() -> ColumnElement[bool]:
    return ReportCopy.settled_at.is_(None)


def _copy(work: Work, report: Report, question: Question, asked: Asked) -> Select[ReportCopy]:
    return select(ReportCopy).where(
        ReportCopy.organisation_id == work.actor.organisation_id, ReportCopy.name == report.name,
        ReportCopy.question == _written(report, question, asked),
    )  # fmt: skip


def _written(report: Report, question: Question, asked: Asked) -> str:
    given = dict(asked.filters)
    if question.period is not None:
        given.update({"from": question.period.first.isoformat(), "to": question.period.last.isoformat()})
    return urlencode(sorted(given.items()))


def _read(question: str) -> Asked:
    given = {name: values[0] for name, values in parse_qs(question).items()}
    day = {name: date.fromisoformat(given[name]) for name in ("from", "to") if name in given}
    priority = Priority(given["priority"]) if "priority" in given else None
    return Asked(day.get("from"), day.get("to"), given.get("specialty"), priority, given.get("provider"))


def _published(work: Work, report: Report, question: Question, asked: Asked, copy: ReportCopy) -> Published | None:
    """What was kept, unless the rules it was made by have changed since."""
    least, kept = work.config.small_numbers, copy.document
    if kept is None or copy.made_at is None or kept["least"] != least:
        return None
    names = {column.name for column in report.columns}
    if any(set(row) != names for row in kept["rows"]):
        return None
    return Published(report, question.period, copy.made_at, asked.filters, least, kept["rows"])
