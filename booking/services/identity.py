"""Signing in with an OpenID provider: whom a checked ID token stands for here, and which referral a patient sees.

Nobody gets in by a provider's word alone: staff need an account that an administrator made, patients a referral.
"""

from __future__ import annotations

import re
from datetime import date

from sqlalchemy import select

from booking.domain.errors import Invalid, NotFound, NotSignedIn
from booking.domain.ids import parse_nhs_number, parse_ubrn
from booking.domain.referral import TERMINAL, ReferralState
from booking.domain.words import Role
from booking.models import Account, AuthSession, ExternalIdentity, Patient, Referral
from booking.openid.client import Identified
from booking.services import audit
from booking.services.sign_in import SignedIn, live_roles, open_session
from booking.services.work import Work

LOWEST_PROOFING = 9
"""NHS identity verification: P9 has shown who they are with a document and their face; P5 only that details match."""
_PROOFING = re.compile(r"P(\d+)(?:\.|$)")
UNKNOWN_STAFF = (
    "You are known to your organisation, but not here. Ask whoever manages the accounts of your organisation."
)
LINKED_ELSEWHERE = (
    "Your account here belongs to another sign-in. Ask whoever manages the accounts of your organisation."
)
NO_ROLE = "Your account here has no role at present. Ask whoever manages the accounts of your organisation."
UNPROVED = "To see your referrals you must have proved who you are with photo identification."
NO_REFERRAL = "There is no referral of yours here at the moment. If you expect one, ask your GP practice."


def staff_sign_in(work: Work, who: Identified, claim: str) -> SignedIn:
    """A session for the account that ``who`` is linked to; the first time they are linked by their user name.

    ``claim`` is the claim that must be the account's user name.
    """
    linked = _linked(work, who)
    account = work.session.get(Account, linked.account_id) if linked and linked.account_id else None
    if linked is None:
        account = _link_account(work, who, claim)
    if account is None or not account.active or account.system_client:
        raise NotSignedIn(UNKNOWN_STAFF, code="UNKNOWN_PERSON")
    role = next(iter(live_roles(work.session, account.id)), None)
    if role is None:
        raise NotSignedIn(NO_ROLE, code="NO_ROLE")
    return open_session(work, account_role_id=role.id, role=role.role)


def _linked(work: Work, who: Identified) -> ExternalIdentity | None:
    query = select(ExternalIdentity).where(
        ExternalIdentity.issuer == who.issuer, ExternalIdentity.subject == who.subject
    )
    found = work.session.scalars(query).first()
    if found is not None:
        found.last_seen_at = work.now
    return found


def _link_account(work: Work, who: Identified, claim: str) -> Account | None:
    """Link the account whose user name the provider states; None where there is none."""
    username = who.claims.get(claim)
    if not isinstance(username, str) or not username.strip():
        return None
    if claim == "email" and who.claims.get("email_verified") is not True:
        return None
    query = select(Account).where(Account.username == username.strip().lower()).with_for_update(key_share=True)
    account = work.session.scalars(query).first()
    if account is None or not account.active or account.system_client:
        return None
    # An address can be given to somebody new: it links once, and never moves an account to another person.
    others = select(ExternalIdentity.id).where(
        ExternalIdentity.account_id == account.id, ExternalIdentity.issuer == who.issuer
    )
    if work.session.scalar(others) is not None:
        raise NotSignedIn(LINKED_ELSEWHERE, code="LINKED_ELSEWHERE")
    _add(work, who, account_id=account.id)
    audit.record(work, f"account:{account.id}", "account.link", after={"issuer": who.issuer})
    return account


def _add(work: Work, who: Identified, *, account_id: int | None = None, patient_id: int | None = None) -> None:
    work.session.add(
        ExternalIdentity(
            issuer=who.issuer, subject=who.subject, account_id=account_id, patient_id=patient_id, created_at=work.now,
            last_seen_at=work.now,
        )
    )  # fmt: skip
    work.session.flush()


def patient_sign_in(work: Work, who: Identified) -> SignedIn:
    """A session for the newest live referral of the patient whose NHS number and date of birth the provider states."""
    _check_proofing(who)
    patient = _patient(work, who)
    linked = _linked(work, who)
    if patient is None or (linked is not None and linked.patient_id != patient.id):
        raise NotSignedIn(NO_REFERRAL, code="NO_REFERRAL")
    newest = next(iter(live_referrals(work, patient.id)), None)
    if newest is None:
        raise NotSignedIn(NO_REFERRAL, code="NO_REFERRAL")
    if linked is None:
        _add(work, who, patient_id=patient.id)
        audit.record(work, f"patient:{patient.id}", "patient.link", after={"issuer": who.issuer})
    return open_session(work, referral_id=newest.id, patient_id=patient.id, role=Role.PATIENT)


def _check_proofing(who: Identified) -> None:
    """Each level the provider states must be P9 at least; one it does not state can't be checked."""
    for name in ("vot", "identity_proofing_level"):
        stated = who.claims.get(name)
        if stated is None:
            continue
        level = _PROOFING.match(stated) if isinstance(stated, str) else None
        if level is None or int(level[1]) < LOWEST_PROOFING:
            raise NotSignedIn(UNPROVED, code="IDENTITY_NOT_PROVED")


def _patient(work: Work, who: Identified) -> Patient | None:
    number, born = who.claims.get("nhs_number"), who.claims.get("birthdate")
    if not isinstance(number, str) or not isinstance(born, str):
        return None
    try:
        digits = parse_nhs_number(number, allow_test_numbers=work.config.allow_test_nhs_numbers)
        day = date.fromisoformat(born)
    except (Invalid, ValueError):
        return None
    query = select(Patient).where(
        Patient.nhs_number == digits, Patient.date_of_birth == day, Patient.pseudonymised_at.is_(None)
    )
    return work.session.scalars(query.with_for_update(key_share=True)).first()


def live_referrals(work: Work, patient_id: int) -> list[Referral]:
    """The patient's referrals that are under way, newest first. A draft is not a referral yet."""
    over = [ReferralState.DRAFT, *sorted(TERMINAL)]
    query = select(Referral).where(Referral.patient_id == patient_id, Referral.state.not_in(over))
    return list(work.session.scalars(query.order_by(Referral.created_at.desc(), Referral.id.desc())))


def my_referrals(work: Work) -> list[Referral]:
    """What the signed-in patient may choose from: all their live ones if they proved who they are, else the one."""
    actor = work.actor
    if actor.patient_id is not None:
        return live_referrals(work, actor.patient_id)
    return list(work.session.scalars(select(Referral).where(Referral.id == actor.referral_id)))


def choose_referral(work: Work, ubrn: str) -> Referral:
    """Go on with another of one's own referrals, in the same session."""
    digits = parse_ubrn(ubrn)
    chosen = next((one for one in my_referrals(work) if one.ubrn == digits), None)
    if chosen is None:
        raise NotFound("There is no such referral, or it is not yours.")
    work.session.get_one(AuthSession, work.actor.session_id).referral_id = chosen.id
    return chosen
