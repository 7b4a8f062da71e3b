"""Reading the audit trail: organisations see what their own people did and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from booking.domain.errors import Forbidden
from booking.domain.words import COMMISSIONERS
from booking.models import AccessEntry, AuditEntry, Organisation
from booking.services.referrals import own_referral
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """``since`` is included, ``until`` is not; ``before`` is the cursor: newest first, by key."""

    action: str | None = None
    actor: str | None = None
    ubrn: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


def changes(work: Work, search: AuditSearch) -> list[AuditEntry]:
    """What people of the actor's organisation did; for commissioners also those of the practices it commissions."""
    query = select(AuditEntry).where(*_theirs(work, search, AuditEntry))
    if search.action is not None:
        query = query.where(AuditEntry.action == search.action)
    if search.ubrn is not None:
        query = query.where(AuditEntry.chain == f"referral:{own_referral(work, search.ubrn).id}")
    return list(work.session.scalars(query.order_by(AuditEntry.id.desc()).limit(search.limit)))


def reads(work: Work, search: AuditSearch) -> list[AccessEntry]:
    """Whose records people of the actor's organisation looked at."""
    query = select(AccessEntry).where(*_theirs(work, search, AccessEntry))
    if search.ubrn is not None:
        query = query.where(AccessEntry.referral_id == own_referral(work, search.ubrn).id)
    return list(work.session.scalars(query.order_by(AccessEntry.id.desc()).limit(search.limit)))


def _theirs(work: Work, search: AuditSearch, of: type[AuditEntry | AccessEntry]) -> Sequence[ColumnElement[bool]]:
    actor = work.actor
    where = [of.organisation == actor.organisation_code]
    if actor.role in COMMISSIONERS:
        if search.actor is not None or search.ubrn is not None:
            raise Forbidden("Your role sees the record without identities: it can't be searched by name or reference.")
        commissioned = select(Organisation.ods_code).where(Organisation.commissioner_id == actor.organisation_id)
        where = [(of.organisation == actor.organisation_code) | of.organisation.in_(commissioned)]
    if search.actor is not None:
        where.append(of.actor == search.actor)
    if search.since is not None:
        where.append(of.at >= search.since)
    if search.until is not None:
        where.append(of.at < search.until)
    if search.before is not None:
        where.append(of.id < search.before)
    return where
