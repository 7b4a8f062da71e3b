"""Where somebody is signed in, and signing out from there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from booking.domain.errors import NotFound
from booking.models import Account, AccountRole, AuthSession, Referral
from booking.services import audit
from booking.services.work import Work


def mine(work: Work) -> ColumnElement[bool]:
    """SQL: sessions of the caller. Who came in by a referral's code sees those by code, and no more."""
    actor = work.actor
    if actor.account_id is not None:
        roles = select(AccountRole.id).where(AccountRole.account_id == actor.account_id)
        return AuthSession.account_role_id.in_(roles)
    if actor.patient_id is not None:
        # By way of the referrals, for which there is an index.
        referrals = select(Referral.id).where(Referral.patient_id == actor.patient_id)
        return AuthSession.referral_id.in_(referrals)
    return (AuthSession.referral_id == actor.referral_id) & AuthSession.patient_id.is_(None)


def _live(work: Work) -> ColumnElement[bool]:
    return AuthSession.revoked_at.is_(None) & (AuthSession.expires_at > work.now)


def my_sessions(work: Work) -> Sequence[AuthSession]:
    """The caller's sessions and tokens that are not over or idle too long, newest first."""
    found = work.session.scalars(select(AuthSession).where(mine(work), _live(work)).order_by(AuthSession.id.desc()))
    return [one for one in found if not is_idle(one, work)]


def is_idle(one: AuthSession, work: Work) -> bool:
    """Whether the session was not used for longer than it may rest."""
    return one.idle_minutes is not None and (work.now - one.last_seen_at).total_seconds() >= one.idle_minutes * 60


def end_session(work: Work, session_id: int) -> None:
    """End one of the caller's sessions; :class:`NotFound` where it is not theirs, or over."""
    chain = _lock(work)
    found = work.session.scalars(
        select(AuthSession).where(AuthSession.id == session_id, mine(work), _live(work))
    ).first()
    if found is None:
        raise NotFound("There is no such session, or it is not yours.")
    found.revoked_at = work.now
    audit.record(work, chain, "session.end", after={"sessions": 1})


def end_all(work: Work) -> int:
    """End all of the caller's sessions, this one too; returns how many."""
    chain = _lock(work)
    live = work.session.scalars(select(AuthSession).where(mine(work), _live(work))).all()
    for one in live:
        one.revoked_at = work.now
    audit.record(work, chain, "session.end", after={"sessions": len(live)})
    return len(live)


def _lock(work: Work) -> str:
    """Lock whom the audit chain is about; returns the chain."""
    actor = work.actor
    if actor.account_id is not None:
        work.session.get_one(Account, actor.account_id, with_for_update={"key_share": True})
        return f"account:{actor.account_id}"
    return lock_referral_chain(work, actor.referral_id or 0)


def lock_referral_chain(work: Work, referral_id: int) -> str:
    """Lock a referral for its audit chain; returns the chain."""
    work.session.get_one(Referral, referral_id, with_for_update={"key_share": True})
    return f"referral:{referral_id}"
