"""The policy in force on a day: dated, numbered, explained, never overwritten; a revert is a version of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Text, bindparam, cast, func, select
from sqlalchemy.orm import Session

from booking.domain.errors import Invalid, NotFound, StaleVersion
from booking.domain.policy import BookingPolicy
from booking.domain.policy_changes import Change, changes
from booking.models import PolicyVersion
from booking.services import audit
from booking.services.refusals import translated
from booking.services.work import Work


def current_version(session: Session, on: date) -> PolicyVersion | None:
    """The version effective on that day: of the latest date, and of these the highest number."""
    return session.scalars(
        select(PolicyVersion)
        .where(PolicyVersion.effective_from <= on)
        .order_by(PolicyVersion.effective_from.desc(), PolicyVersion.version.desc())
        .limit(1)
    ).first()


def current_policy(session: Session, on: date) -> BookingPolicy:
    """The newest version effective on that day; the published defaults (version 0) where there is none."""
    session.flush()
    row = session.connection().execute(_CURRENT, {"on": on}).first()
    return _policy(row.body, row.version) if row else _DEFAULT


_DEFAULT = BookingPolicy()
_CURRENT = (
    select(PolicyVersion.version, cast(PolicyVersion.body, Text).label("body"))
    .where(PolicyVersion.effective_from <= bindparam("on"))
    .order_by(PolicyVersion.effective_from.desc(), PolicyVersion.version.desc())
    .limit(1)
)


@lru_cache(maxsize=16)
def _policy(body: str, version: int) -> BookingPolicy:
    """Of a document as it is stored: its checks run once a process."""
    return BookingPolicy.from_document(json.loads(body), version)


def newest_number(session: Session) -> int:
    """The highest version there is, effective or not; 0 where none was published."""
    return session.scalar(select(func.max(PolicyVersion.version))) or 0


def versions(session: Session) -> list[PolicyVersion]:
    """Every version, the newest first."""
    return list(session.scalars(select(PolicyVersion).order_by(PolicyVersion.version.desc())))


PAGE = 20


def page_of_versions(session: Session, before: int | None = None) -> tuple[list[PolicyVersion], bool]:
    """The newest versions with a number below ``before``, and whether there are older ones."""
    query = select(PolicyVersion).order_by(PolicyVersion.version.desc()).limit(PAGE + 1)
    if before is not None:
        query = query.where(PolicyVersion.version < before)
    rows = list(session.scalars(query))
    return rows[:PAGE], len(rows) > PAGE


def still_to_come(session: Session, on: date, in_force: int) -> list[PolicyVersion]:
    """Versions that take effect after that day, the first of them first; a few at most.

    Of those from the same day on only the newest: the others never come into force.
    """
    last = (
        select(func.max(PolicyVersion.version))
        .where(PolicyVersion.effective_from > on)
        .group_by(PolicyVersion.effective_from)
    )
    query = select(PolicyVersion).where(PolicyVersion.version.in_(last), PolicyVersion.version != in_force)
    return list(session.scalars(query.order_by(PolicyVersion.effective_from, PolicyVersion.version).limit(PAGE)))


def is_published(session: Session, number: int) -> bool:
    """Whether there is such a version; the defaults (0) never were."""
    return session.scalar(select(PolicyVersion.version).where(PolicyVersion.version == number)) is not None


def one_version(session: Session, number: int) -> PolicyVersion:
    found = session.scalars(select(PolicyVersion).where(PolicyVersion.version == number)).first()
    if found is None:
        raise NotFound("There is no such version of the policy.")
    return found


def policy_of_version(session: Session, number: int) -> BookingPolicy:
    """The policy of a version; of 0 the published defaults."""
    return BookingPolicy.from_document(one_version(session, number).body, number) if number else BookingPolicy()


def difference(session: Session, before: int, after: int) -> list[Change]:
    """In what version ``after`` differs from ``before``; 0 stands for the defaults."""
    return changes(policy_of_version(session, before), policy_of_version(session, after))


def publish_policy(
    work: Work,
    body: Mapping[str, Any],
    *,
    effective_from: date,
    explanation: str,
    newest: int | None = None,
    reverts_to: int | None = None,
) -> PolicyVersion:
    """Add a version. The document is checked whole before anything is stored.

    ``newest`` is the highest version the author knew of: :class:`StaleVersion` where there is another by now.
    """
    BookingPolicy.from_document(body, 0)
    if effective_from < work.today:
        raise Invalid.field("effective_from", "DATES", "A policy takes effect today or later.")
    if not explanation.strip():
        raise Invalid.field("explanation", "REQUIRED", "Say why: whoever reads it later wants to know.")
    version = newest_number(work.session)
    if newest is not None and newest != version:
        raise StaleVersion("Another version was published since you read the policy. Read it again and repeat.")
    row = PolicyVersion(
        version=version + 1, effective_from=effective_from, body=dict(body), explanation=explanation.strip(),
        reverts_to=reverts_to, created_at=work.now, created_by=work.actor.name,
    )  # fmt: skip
    work.session.add(row)
    with translated():
        work.session.flush()
    action = "policy.publish" if reverts_to is None else "policy.revert"
    after = {"effective_from": effective_from.isoformat(), "body": row.body, "explanation": row.explanation}
    audit.record(work, f"policy:{row.version}", action, after={**after, "reverts_to": reverts_to})
    work.session.flush()
    return row


def revert_policy(
    work: Work, number: int, *, effective_from: date, explanation: str, newest: int | None = None
) -> PolicyVersion:
    """Bring an earlier version back, as a new one with its body; 0 brings the defaults back."""
    body = one_version(work.session, number).body if number else {}
    return publish_policy(
        work, body, effective_from=effective_from, explanation=explanation, newest=newest, reverts_to=number
    )
