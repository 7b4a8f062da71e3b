"""Reading the audit trail: organisations see what their own people did and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from booking.domain.errors import Forbidden, NotFound
from booking.domain.ids import parse_nhs_number
from booking.domain.words import COMMISSIONERS
from booking.models import AccessEntry, AuditEntry, Organisation, Patient
from booking.services import access_log
from booking.services.referrals import own_referral, visible_ids_of, visible_references
from booking.services.work import Work

NOT_YOURS = "There is no such patient, or they are not yours."


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
    patient_id: int | None = None
    """Key of a patient whose record the actor may see. Not for commissioners."""


def changes(work: Work, search: AuditSearch) -> list[AuditEntry]:
    """What people of the actor's organisation did; for commissioners also those of the practices it commissions."""
    query = select(AuditEntry).where(*_theirs(work, search, AuditEntry))
    if search.action is not None:
        query = query.where(AuditEntry.action == search.action)
    if search.ubrn is not None:
        query = query.where(AuditEntry.chain == f"referral:{own_referral(work, search.ubrn).id}")
    if search.patient_id is not None:
        query = query.where(AuditEntry.chain.in_(_chains(work, search.patient_id)))
    return list(work.session.scalars(query.order_by(AuditEntry.id.desc()).limit(search.limit)))


def reads(work: Work, search: AuditSearch) -> list[AccessEntry]:
    """Whose records people of the actor's organisation looked at."""
    query = select(AccessEntry).where(*_theirs(work, search, AccessEntry))
    if search.ubrn is not None:
        query = query.where(AccessEntry.referral_id == own_referral(work, search.ubrn).id)
    if search.patient_id is not None:
        _chains(work, search.patient_id)  # refuses who is not the actor's
        query = query.where(AccessEntry.patient_id == search.patient_id)
    return list(work.session.scalars(query.order_by(AccessEntry.id.desc()).limit(search.limit)))


def find_patient(work: Work, nhs_number: str) -> int:
    """The key of a patient whose record the actor may see: one's own practice's, or sent to one's own services."""
    number = parse_nhs_number(nhs_number, allow_test_numbers=work.config.allow_test_nhs_numbers)
    found = work.session.scalar(select(Patient.id).where(Patient.nhs_number == number))
    if found is None:
        raise NotFound(NOT_YOURS)
    _chains(work, found)
    return found


def _chains(work: Work, patient_id: int) -> list[str]:
    """The chains about a patient that the actor may read; :class:`NotFound` where the patient is not theirs."""
    referrals = visible_ids_of(work, patient_id)
    own = select(Patient.id).where(Patient.id == patient_id, Patient.practice_id == work.actor.organisation_id)
    if not referrals and work.session.scalar(own) is None:
        raise NotFound(NOT_YOURS)
    access_log.note(work, "audit", patient_id=patient_id)
    return [f"patient:{patient_id}", *(f"referral:{key}" for key in referrals)]


def shown_references(work: Work, referral_ids: Iterable[int]) -> dict[int, str]:
    """The references of those referrals that the actor may see, by key."""
    keys = set(referral_ids)
    return {} if not keys or work.actor.role in COMMISSIONERS else visible_references(work, keys)


def _theirs(work: Work, search: AuditSearch, of: type[AuditEntry | AccessEntry]) -> Sequence[ColumnElement[bool]]:
    actor = work.actor
    where = [of.organisation == actor.organisation_code]
    if actor.role in COMMISSIONERS:
        if (search.actor, search.ubrn, search.patient_id) != (None, None, None):
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
