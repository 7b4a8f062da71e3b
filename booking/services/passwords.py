"""Changing a password: one's own with the old one, or a first one that somebody else gave."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, select

from booking.domain.errors import FieldError, Invalid, NotSignedIn, WrongPassword
from booking.keys import hash_password, password_matches, readable_password
from booking.models import Account, Organisation
from booking.services import accounts, audit, sign_in
from booking.services.work import Actor, Work

TELLING = 4
"""A shorter user name is in many a good password by chance: “gp”."""


def change(work: Work, old: str, new: str) -> int:
    """Change the password of whoever is signed in. Their other sessions end; returns how many did."""
    account = _locked(work, Account.id == work.actor.account_id)
    if account is None or account.password_hash is None:
        raise Invalid.field("old", "NO_PASSWORD", "You sign in with your organisation’s account and have no password.")
    if not password_matches(account.password_hash, old):
        raise WrongPassword(FieldError("old", "WRONG", "That is not your password."))
    _set(account, old, new)
    ended = accounts.end_sessions(work, account, except_id=work.actor.session_id)
    audit.record(work, f"account:{account.id}", "account.password", after={"sessions": ended})
    return ended


def choose_first(work: Work, username: str, given: str, new: str) -> sign_in.SignedIn:
    """Sign in with a password that somebody else gave, by choosing one's own."""
    account = _locked(work, Account.username == username.strip().lower())
    fits = password_matches(account.password_hash if account else None, given)
    roles = sign_in.live_roles(work.session, account.id) if account is not None else []
    if account is None or not fits or not account.active or not account.password_temporary or not roles:
        raise NotSignedIn(sign_in.WRONG_STAFF, code="WRONG_DETAILS")
    _set(account, given, new)
    organisation = work.session.get_one(Organisation, roles[0].organisation_id)
    them = Actor(
        account.name, roles[0].role, organisation.id, organisation.ods_code, request_id=work.actor.request_id,
        account_id=account.id,
    )  # fmt: skip
    audit.record(replace(work, actor=them), f"account:{account.id}", "account.password", after={"first": True})
    return sign_in.open_session(work, account_role_id=roles[0].id, role=roles[0].role)


def give_first(work: Work, account: Account) -> str:
    """A password for a locked account that lets in only to choose another; its sessions end."""
    password = readable_password()
    account.password_hash, account.password_temporary = hash_password(password), True
    ended = accounts.end_sessions(work, account)
    audit.record(work, f"account:{account.id}", "account.first_password", after={"sessions": ended})
    return password


def _locked(work: Work, which: ColumnElement[bool]) -> Account | None:
    query = select(Account).where(which).with_for_update(key_share=True)
    return work.session.scalars(query.execution_options(populate_existing=True)).first()


def _set(account: Account, old: str, new: str) -> None:
    accounts.check_length(new, "new")
    if new == old:
        raise Invalid.field("new", "THE_SAME", "Choose another password than the one you have.")
    if len(account.username) >= TELLING and account.username in new.lower():
        raise Invalid.field("new", "HOLDS_NAME", "A password must not hold your user name.")
    account.password_hash, account.password_temporary = hash_password(new), False
