"""Access codes: made, shown once, stored as a keyed hash, expired, revoked, reissued."""

from __future__ import annotations

import hmac
from datetime import timedelta

from sqlalchemy import select, update

from booking.domain.ids import new_access_code, parse_access_code
from booking.models import AccessCode, AuthSession, Referral
from booking.services.work import Work


def code_hash(work: Work, ubrn: str, code: str) -> str:
    return work.keys.hash("access-code", ubrn, parse_access_code(code))


def issue(work: Work, referral: Referral) -> str:
    """A fresh code for the referral; the one before it stops working. The caller has the row locked."""
    for old in work.session.scalars(
        select(AccessCode).where(AccessCode.referral_id == referral.id, AccessCode.revoked_at.is_(None))
    ):
        old.revoked_at = work.now
    work.session.flush()
    code = new_access_code()
    work.session.add(
        AccessCode(
            referral_id=referral.id,
            code_hash=code_hash(work, referral.ubrn, code),
            created_at=work.now,
            expires_at=work.now + timedelta(days=work.config.access_code_days),
        )
    )
    return code


def matches(work: Work, referral_id: int, ubrn: str, code: str) -> bool:
    """Whether ``code`` is the referral's live code. Compares in constant time; hashes even where none exists."""
    given = code_hash(work, ubrn, code)
    live = work.session.scalars(
        select(AccessCode).where(
            AccessCode.referral_id == referral_id, AccessCode.revoked_at.is_(None), AccessCode.expires_at > work.now
        )
    ).first()
    return hmac.compare_digest(given, live.code_hash if live else "-" * 64)


def revoke_patient_sessions(work: Work, referral_id: int) -> None:
    """Sign the patient out everywhere for this referral."""
    work.session.execute(
        update(AuthSession)
        .where(AuthSession.referral_id == referral_id, AuthSession.revoked_at.is_(None))
        .values(revoked_at=work.now)
    )
