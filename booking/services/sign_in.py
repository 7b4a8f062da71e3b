"""Signing in and out: patients by UBRN, access code and date of birth; staff by password; systems by token.

Signing in with an OpenID provider is in :mod:`booking.services.identity`; it ends here too, in :func:`open_session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from booking.domain.errors import Invalid, NotSignedIn, PasswordTemporary, TooManyAttempts
from booking.domain.ids import parse_ubrn
from booking.domain.referral import ReferralState
from booking.domain.words import Role
from booking.keys import Keys, new_token, password_matches
from booking.models import (
    Account,
    AccountRole,
    ActingPerson,
    AuthSession,
    Organisation,
    Patient,
    Referral,
    SignInAttempt,
)
from booking.services import access
from booking.services.work import Acting, Actor, Work

WINDOW = timedelta(minutes=15)
PER_NAME_AND_ADDRESS = 5
PER_ADDRESS = 60
ABSOLUTE = timedelta(hours=12)
WRONG = "Those details don't match a referral we hold. Check the reference, the access code and the date of birth."
WRONG_STAFF = "That name and password don't match."


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str
    expires_at: datetime
    role: Role
    session_id: int


def throttle_keys(keys: Keys, name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """What failures are counted under: the name from this address, and the address. Never the name alone,
    or a stranger could lock somebody else out."""
    return (
        (keys.hash("throttle", "name", name, address), PER_NAME_AND_ADDRESS),
        (keys.hash("throttle", "address", address), PER_ADDRESS),
    )


def check_throttle(session: Session, keys: Keys, name: str, address: str, now: datetime) -> None:
    for key, most in throttle_keys(keys, name, address):
        row = session.get(SignInAttempt, key)
        if row is not None and row.window_start + WINDOW > now and row.failures >= most:
            wait = ceil((row.window_start + WINDOW - now).total_seconds())
            raise TooManyAttempts(
                "Too many attempts from here. Please wait a few minutes and try again.", retry_after=wait
            )


def count_failure(session: Session, keys: Keys, name: str, address: str, now: datetime) -> None:
    """Count one failed attempt; a window that has passed starts anew. Safe under concurrency."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for key, _ in sorted(throttle_keys(keys, name, address)):
        session.execute(
            delete(SignInAttempt).where(SignInAttempt.key == key, SignInAttempt.window_start <= now - WINDOW)
        )
        statement = insert(SignInAttempt).values(key=key, window_start=now, failures=1)
        session.execute(
            statement.on_conflict_do_update(index_elements=["key"], set_={"failures": SignInAttempt.failures + 1})
        )


def patient_sign_in(work: Work, ubrn: str, access_code: str, date_of_birth: date | None) -> SignedIn:
    """Three things must match; whichever is wrong, the answer and its time are the same."""
    try:
        digits = parse_ubrn(ubrn)
    except Invalid:
        digits = "000000000000"
    row = work.session.execute(
        select(Referral.id, Referral.ubrn, Referral.state, Patient.date_of_birth)
        .join(Patient, Patient.id == Referral.patient_id)
        .where(Referral.ubrn == digits)
    ).first()
    code_fits = access.matches(work, row.id if row else 0, digits, access_code)
    if row is None or not code_fits or row.date_of_birth != date_of_birth or row.state is ReferralState.DRAFT:
        raise NotSignedIn(WRONG, code="WRONG_DETAILS")
    return open_session(work, referral_id=row.id, role=Role.PATIENT)


def staff_sign_in(work: Work, username: str, password: str, role_id: int | None = None) -> SignedIn:
    """By password; with several roles the first is taken unless ``role_id`` names another."""
    account = work.session.scalars(select(Account).where(Account.username == username.strip().lower())).first()
    fits = password_matches(account.password_hash if account else None, password)
    if account is None or not fits or not account.active:
        raise NotSignedIn(WRONG_STAFF, code="WRONG_DETAILS")
    chosen = next((r for r in live_roles(work.session, account.id) if role_id is None or r.id == role_id), None)
    if chosen is None:
        raise NotSignedIn(WRONG_STAFF, code="WRONG_DETAILS")
    if account.password_temporary:
        raise PasswordTemporary("Choose a password of your own first, on the pages.")
    return open_session(work, account_role_id=chosen.id, role=chosen.role)


def live_roles(session: Session, account_id: int) -> list[AccountRole]:
    """The roles somebody holds now, oldest first."""
    query = select(AccountRole).where(AccountRole.account_id == account_id, AccountRole.withdrawn_at.is_(None))
    return list(session.scalars(query.order_by(AccountRole.id)))


def open_session(
    work: Work,
    *,
    role: Role,
    referral_id: int | None = None,
    account_role_id: int | None = None,
    patient_id: int | None = None,
) -> SignedIn:
    """A new session with a token that nobody had before: for a role of staff, or a patient's referral."""
    token, expires = new_token(), work.now + ABSOLUTE
    made = AuthSession(
        token_hash=work.keys.hash("session", token),
        referral_id=referral_id,
        account_role_id=account_role_id,
        patient_id=patient_id,
        created_at=work.now,
        last_seen_at=work.now,
        expires_at=expires,
        idle_minutes=work.config.session_minutes,
    )
    work.session.add(made)
    work.session.flush()
    return SignedIn(token, expires, role, made.id)


def system_token(work: Work, account_role_id: int, *, days: int) -> SignedIn:
    """A token for a system client: shown once, no idle limit, revocable."""
    token, expires = new_token(), work.now + timedelta(days=days)
    role = work.session.get_one(AccountRole, account_role_id).role
    made = AuthSession(
        token_hash=work.keys.hash("session", token),
        account_role_id=account_role_id,
        created_at=work.now,
        last_seen_at=work.now,
        expires_at=expires,
        idle_minutes=None,
    )
    work.session.add(made)
    work.session.flush()
    return SignedIn(token, expires, role, made.id)


PATIENT = "patient"
"""The actor in events and the trail where a patient does something themselves."""


def recorded_as(acting: Acting) -> str:
    """The actor in events and the trail where somebody does it for them: a key, not a name (``docs/identity.md``)."""
    return f"{acting.relation.lower()} #{acting.id}"


_SESSION = (
    select(
        AuthSession,
        AccountRole.role,
        AccountRole.organisation_id,
        AccountRole.withdrawn_at,
        Account.id.label("account_id"),
        Account.name,
        Account.active,
        Organisation.ods_code,
        ActingPerson.id.label("acting_id"),
        ActingPerson.name.label("acting_name"),
        ActingPerson.relation,
    )
    .outerjoin(AccountRole, AccountRole.id == AuthSession.account_role_id)
    .outerjoin(Account, Account.id == AccountRole.account_id)
    .outerjoin(Organisation, Organisation.id == AccountRole.organisation_id)
    .outerjoin(ActingPerson, (ActingPerson.session_id == AuthSession.id) & ActingPerson.ended_at.is_(None))
    .where(AuthSession.token_hash == bindparam("token_hash"))
)


def actor_for(session: Session, keys: Keys, token: str, now: datetime) -> Actor | None:
    """Who the token belongs to, or None if it is unknown, over, idle too long or revoked."""
    row = session.execute(_SESSION, {"token_hash": keys.hash("session", token)}).first()
    if row is None:
        return None
    found: AuthSession = row[0]
    idle = timedelta(minutes=found.idle_minutes) if found.idle_minutes is not None else None
    if (
        found.revoked_at is not None
        or found.expires_at <= now
        or (idle is not None and found.last_seen_at + idle <= now)
    ):
        return None
    if found.referral_id is not None:
        acting = Acting(row.acting_id, row.acting_name, row.relation) if row.acting_id is not None else None
        return Actor(
            recorded_as(acting) if acting is not None else PATIENT,
            Role.PATIENT,
            referral_id=found.referral_id,
            on_behalf_of=PATIENT if acting is not None else None,
            session_id=found.id,
            last_seen_at=found.last_seen_at,
            patient_id=found.patient_id,
            acting=acting,
        )
    if not row.active or row.withdrawn_at is not None:
        return None
    return Actor(
        row.name,
        row.role,
        row.organisation_id,
        row.ods_code,
        session_id=found.id,
        last_seen_at=found.last_seen_at,
        account_id=row.account_id,
    )


def owner_of(session: Session, keys: Keys, token: str) -> str | None:
    """Whose session the token began, though it may have ended since: an account's or a referral's name for it."""
    row = session.execute(_SESSION, {"token_hash": keys.hash("session", token)}).first()
    if row is None:
        return None
    found: AuthSession = row[0]
    if found.referral_id is not None:
        return f"referral:{found.referral_id}"
    return f"account:{row.account_id}" if row.account_id is not None else None


SEEN_EVERY = timedelta(minutes=1)


def due_for_touch(actor: Actor, now: datetime) -> bool:
    """Whether it is time to note that the actor's session is in use."""
    return actor.last_seen_at is not None and actor.last_seen_at + SEEN_EVERY <= now


def touch(session: Session, session_id: int, now: datetime) -> None:
    """Note that the session is in use, at most once a minute."""
    found = session.get(AuthSession, session_id)
    if found is not None and found.last_seen_at + SEEN_EVERY <= now:
        found.last_seen_at = now


def sign_out(work: Work) -> None:
    if work.actor.session_id is not None:
        found = work.session.get(AuthSession, work.actor.session_id)
        if found is not None and found.revoked_at is None:
            found.revoked_at = work.now
