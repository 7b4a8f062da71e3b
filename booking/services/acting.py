"""Somebody who does things for a patient, with or without them: a daughter, a carer, a receptionist at a desk.

They say so in the patient's session. From then on events and the audit trail name them as the actor, by the key of
their row and what they are to the patient, on behalf of the patient; the name itself stands in that row only, where
it can be emptied when the record's time of keeping is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from booking.domain.errors import BeingChanged, Forbidden, Invalid
from booking.domain.words import Relation, Role
from booking.keys import Keys
from booking.models import ActingPerson, AuthSession
from booking.services import audit, own_sessions
from booking.services.sign_in import PATIENT, recorded_as
from booking.services.work import Acting, Work

LONGEST_NAME = 100
_RECORDED = re.compile(r"[a-z]+ #(\d{1,18})")


@dataclass(frozen=True, slots=True)
class ActsFor:
    """What somebody says of themselves as they come in."""

    name: str
    relation: Relation


def checked(name: str, relation: Relation | None) -> ActsFor:
    """As it may be kept; :class:`Invalid` names the field at fault."""
    tidy = " ".join(name.split())
    if not 1 <= len(tidy) <= LONGEST_NAME or not tidy.isprintable():
        raise Invalid.field("acting_name", "LENGTH", f"Give your name, at most {LONGEST_NAME} characters.")
    if relation is None:
        raise Invalid.field("acting_relation", "REQUIRED", "Say what you are to the patient.")
    return ActsFor(tidy, relation)


def begin(work: Work, who: ActsFor, *, session_id: int | None = None) -> Acting:
    """From now on somebody acts for the patient in this session (or in one just opened for them).

    Saying the same again changes nothing; somebody else ends the one before.
    """
    if session_id is None and work.actor.role is not Role.PATIENT:
        raise Forbidden("Only in a patient's session somebody acts for them.")
    mine = session_id or work.actor.session_id or 0
    chain = _lock(work, mine)
    before = _now(work, mine)
    if before is not None and (before.name, before.relation) == (who.name, who.relation):
        return Acting(before.id, before.name, before.relation)
    if before is not None:
        before.ended_at = work.now
        work.session.flush()
    made = ActingPerson(session_id=mine, name=who.name, relation=who.relation, began_at=work.now)
    work.session.add(made)
    work.session.flush()
    begun = Acting(made.id, made.name, made.relation)
    them = replace(work.actor, name=recorded_as(begun), role=Role.PATIENT, on_behalf_of=PATIENT)
    audit.record(replace(work, actor=them), chain, "acting.begin", after={"person": made.id, "relation": made.relation})
    return begun


def end(work: Work) -> None:
    """From now on it is the patient again; nothing where it was before."""
    mine = work.actor.session_id or 0
    chain = _lock(work, mine)
    before = _now(work, mine)
    if before is not None:
        before.ended_at = work.now
        audit.record(work, chain, "acting.end", after={"person": before.id})
        work.session.flush()


def _lock(work: Work, session_id: int) -> str:
    """Lock whom the chain is about, then the session, as ending a session does; returns the chain."""
    about = work.session.scalar(select(AuthSession.referral_id).where(AuthSession.id == session_id))
    if about is None:
        raise Forbidden("Only in a patient's session somebody acts for them.")
    chain = own_sessions.lock_referral_chain(work, about)
    found = work.session.get_one(AuthSession, session_id, with_for_update=True, populate_existing=True)
    if found.referral_id != about:
        raise BeingChanged("Another referral has just been chosen in this session. Please try again.")
    return chain


def of_session(session: Session, keys: Keys, token: str) -> ActingPerson | None:
    """Who acted for the patient in the session that the token began, though it may have ended since."""
    query = select(ActingPerson).join(AuthSession, AuthSession.id == ActingPerson.session_id)
    query = query.where(AuthSession.token_hash == keys.hash("session", token), ActingPerson.ended_at.is_(None))
    return session.scalars(query).first()


def _now(work: Work, session_id: int) -> ActingPerson | None:
    query = select(ActingPerson).where(ActingPerson.session_id == session_id, ActingPerson.ended_at.is_(None))
    return work.session.scalars(query).first()


def own_helpers(work: Work, *, limit: int = 50) -> Sequence[ActingPerson]:
    """Who acted for the caller, as far as their session may see: by a code those by that code; the newest first."""
    sessions = select(AuthSession.id).where(own_sessions.mine(work))
    query = select(ActingPerson).where(ActingPerson.session_id.in_(sessions))
    return work.session.scalars(query.order_by(ActingPerson.id.desc()).limit(limit)).all()


def names(session: Session, actors: Iterable[str]) -> dict[str, Acting]:
    """Of actors as events and the trail have them, those who acted for a patient, with their names."""
    keys = {actor: int(found[1]) for actor in actors if (found := _RECORDED.fullmatch(actor))}
    if not keys:
        return {}
    query = select(ActingPerson).where(ActingPerson.id.in_(set(keys.values())))
    known = {one.id: Acting(one.id, one.name, one.relation) for one in session.scalars(query)}
    return {actor: known[key] for actor, key in keys.items() if key in known}


def forget(session: Session, referral_id: int, instead: str) -> None:
    """Empty the names of all who acted in sessions of a referral whose time of keeping is over."""
    sessions = select(AuthSession.id).where(AuthSession.referral_id == referral_id)
    emptied = update(ActingPerson).where(ActingPerson.session_id.in_(sessions)).values(name=instead)
    session.execute(emptied.execution_options(synchronize_session=False))
