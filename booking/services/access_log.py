"""Who looked at whose record. Use cases note what staff read; the edge writes it before it gives the answer.

A read is a transaction that can't write, so the entry is written in one of its own, after the reading and before
the answer leaves: what can't be recorded is not shown (``docs/adr/0007-reads-are-recorded-before-they-are-shown.md``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import and_, insert, or_, select
from sqlalchemy.orm import Session

from booking.domain.words import Role
from booking.models import AccessEntry
from booking.services.work import Actor, Look, Work

_UNLOGGED = frozenset({Role.PATIENT, Role.SYSTEM})
"""Patients read their own record; the system shows it to nobody."""


def note(work: Work, what: str, *, patient_id: int, referral_id: int | None = None) -> None:
    """Say that the actor is being shown this. Once in a request is enough; who is no staff leaves no entry."""
    if work.actor.role not in _UNLOGGED:
        work.looks[Look(patient_id, referral_id, what)] = None


def write(session: Session, looks: Iterable[Look], actor: Actor, at: datetime) -> None:
    """One row for each look."""
    who = {
        "at": at, "actor": actor.name, "role": actor.role, "organisation": actor.organisation_code,
        "on_behalf_of": actor.on_behalf_of, "request_id": actor.request_id,
    }  # fmt: skip
    rows = [
        {"patient_id": look.patient_id, "referral_id": look.referral_id, "what": look.what, **who} for look in looks
    ]
    if rows:
        session.execute(insert(AccessEntry), rows)


def of_patient(
    session: Session, patient_id: int, *, referral_id: int | None = None, before: int | None = None, limit: int = 100
) -> list[AccessEntry]:
    """Who looked at this patient's record, the newest first, paged by key.

    With ``referral_id`` only at that referral and at the patient's own details: what else was looked at, and by
    whom, would tell of other referrals.
    """
    query = select(AccessEntry).where(AccessEntry.patient_id == patient_id)
    if referral_id is not None:
        general = and_(AccessEntry.referral_id.is_(None), AccessEntry.what == "patient")
        query = query.where(or_(AccessEntry.referral_id == referral_id, general))
    if before is not None:
        query = query.where(AccessEntry.id < before)
    return list(session.scalars(query.order_by(AccessEntry.id.desc()).limit(limit)))
