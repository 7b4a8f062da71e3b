"""An organisation manages its own people and system clients.

There is no administrator over all: at a practice a referring admin manages, at a provider a provider admin, at a
commissioner a commissioner, each their own organisation only. One of them always remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select

from booking.domain.errors import Conflict, Forbidden, Invalid, NotFound
from booking.domain.words import OrganisationKind, Role
from booking.keys import readable_password
from booking.models import Account, AccountRole, Organisation
from booking.services import accounts, passwords
from booking.services.accounts import LiveToken
from booking.services.sign_in import SignedIn
from booking.services.work import Work

MANAGER_OF = {
    OrganisationKind.PRACTICE: Role.REFERRING_ADMIN,
    OrganisationKind.PROVIDER: Role.PROVIDER_ADMIN,
    OrganisationKind.COMMISSIONER: Role.COMMISSIONER,
}
MANAGERS = frozenset(MANAGER_OF.values())


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with a role at the organisation, now or once."""

    account: Account
    roles: list[Role]
    """Those held now, at this organisation only."""


def _organisation(work: Work, *, lock: bool = False) -> Organisation:
    """The caller's organisation. Locked, so that two managers can't take each other's role at once."""
    found = work.session.get_one(
        Organisation, work.actor.organisation_id, with_for_update={"key_share": True} if lock else None
    )
    if work.actor.role is not MANAGER_OF[found.kind]:
        raise Forbidden("Your role does not manage people.")
    if lock and work.actor.account_id is not None and _is_system(work, work.actor.account_id):
        raise Forbidden("People are managed by people, not by a system client.", code="NOT_FOR_SYSTEMS")
    return found


def managed_organisation(work: Work) -> Organisation:
    """The caller's organisation, locked for a change; :class:`Forbidden` unless the caller manages it."""
    return _organisation(work, lock=True)


def _is_system(work: Work, account_id: int) -> bool:
    return work.session.get_one(Account, account_id).system_client


def list_people(work: Work) -> list[Member]:
    """Everybody who has or had a role at the caller's organisation, by name."""
    organisation = _organisation(work)
    roles: dict[int, list[Role]] = {}
    rows = work.session.scalars(select(AccountRole).where(AccountRole.organisation_id == organisation.id))
    for row in rows:
        roles.setdefault(row.account_id, []).extend([row.role] if row.withdrawn_at is None else [])
    found = work.session.scalars(select(Account).where(Account.id.in_(roles)).order_by(Account.name, Account.id))
    return [Member(account, sorted(roles[account.id])) for account in found]


def read_person(work: Work, account_id: int) -> Member:
    return _member(work, _organisation(work), account_id)


def _member(work: Work, organisation: Organisation, account_id: int, *, lock: bool = False) -> Member:
    here = select(AccountRole).where(
        AccountRole.account_id == account_id, AccountRole.organisation_id == organisation.id
    )
    rows = work.session.scalars(here).all()
    if not rows:
        raise NotFound("There is no such person at your organisation.")
    account = work.session.get_one(
        Account, account_id, with_for_update={"key_share": True} if lock else None, populate_existing=lock
    )
    return Member(account, sorted(row.role for row in rows if row.withdrawn_at is None))


def add_person(work: Work, username: str, name: str, password: str | None, roles: Sequence[Role]) -> Member:
    """A new account with roles at the caller's organisation. Without a password they come in by OpenID Connect."""
    organisation = _organisation(work, lock=True)
    _name_must_be_free(work, organisation, name)
    account = accounts.create_account(work, username, name, password)
    for role in roles:
        accounts.grant_role(work, account, role, organisation.ods_code)
    return _member(work, organisation, account.id)


def add_person_with_first_password(work: Work, username: str, name: str, roles: Sequence[Role]) -> tuple[Member, str]:
    """The same with a password made here: shown once, handed on, and good only to choose another."""
    organisation = _organisation(work, lock=True)
    _name_must_be_free(work, organisation, name)
    password = readable_password()
    account = accounts.create_account(work, username, name, password, temporary=True)
    for role in roles:
        accounts.grant_role(work, account, role, organisation.ods_code)
    return _member(work, organisation, account.id), password


def _name_must_be_free(work: Work, organisation: Organisation, name: str) -> None:
    """The audit trail knows people by their names: two of one name could not be told apart in it, once gone neither."""
    taken = (
        select(Account.id)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(AccountRole.organisation_id == organisation.id, func.lower(Account.name) == name.strip().lower())
    )
    if work.session.scalar(taken.limit(1)) is not None:
        words = (
            "Your organisation has or had somebody of this name, and the audit trail tells people apart by it. "
            "Add something: a second name, or what they do."
        )
        raise Invalid.field("name", "NAME_TAKEN", words)


def new_first_password(work: Work, account_id: int) -> tuple[Member, str]:
    """A first password again, for somebody who has forgotten theirs: the old one and all sessions end."""
    organisation = _organisation(work, lock=True)
    member = _member(work, organisation, account_id, lock=True)
    if account_id == work.actor.account_id:
        raise Conflict("Change your own password under “Your account”.", code="OWN_ACCOUNT")
    if member.account.system_client:
        raise Conflict("A system client has tokens and no password.", code="SYSTEM_CLIENT")
    _only_here(work, organisation, account_id)
    return member, passwords.give_first(work, member.account)


def grant(work: Work, account_id: int, role: Role) -> Member:
    """Give somebody of the caller's organisation a further role there."""
    organisation = _organisation(work, lock=True)
    member = _member(work, organisation, account_id, lock=True)
    accounts.grant_role(work, member.account, role, organisation.ods_code)
    return _member(work, organisation, account_id)


def withdraw(work: Work, account_id: int, role: Role) -> Member:
    """Take a role at the caller's organisation away; whoever is signed in with it is signed out."""
    organisation = _organisation(work, lock=True)
    member = _member(work, organisation, account_id, lock=True)
    if role in member.roles and role is MANAGER_OF[organisation.kind]:
        _somebody_must_manage(work, organisation, account_id)
    accounts.withdraw_role(work, member.account, role, organisation.ods_code)
    return _member(work, organisation, account_id)


def set_active(work: Work, account_id: int, active: bool) -> Member:
    """Shut an account out and sign it out everywhere, or let it in again. Only where it is nobody else's too."""
    organisation = _organisation(work, lock=True)
    member = _member(work, organisation, account_id, lock=True)
    _only_here(work, organisation, account_id)
    if not active and MANAGER_OF[organisation.kind] in member.roles:
        _somebody_must_manage(work, organisation, account_id)
    if not active and account_id == work.actor.account_id:
        raise Conflict("You can’t shut yourself out. Ask another manager to.", code="OWN_ACCOUNT")
    accounts.set_active(work, member.account, active)
    return _member(work, organisation, account_id)


def _only_here(work: Work, organisation: Organisation, account_id: int) -> None:
    """What touches the whole account is nobody's to do where it is another organisation's too."""
    elsewhere = select(AccountRole.id).where(
        AccountRole.account_id == account_id,
        AccountRole.organisation_id != organisation.id,
        AccountRole.withdrawn_at.is_(None),
    )
    if work.session.scalar(elsewhere.limit(1)) is not None:
        words = "They have a role at another organisation too. Withdraw the roles at yours instead."
        raise Conflict(words, code="ROLES_ELSEWHERE")


def _somebody_must_manage(work: Work, organisation: Organisation, without: int) -> None:
    others = (
        select(AccountRole.id)
        .where(
            AccountRole.organisation_id == organisation.id,
            AccountRole.role == MANAGER_OF[organisation.kind],
            AccountRole.withdrawn_at.is_(None),
            AccountRole.account_id != without,
        )
        .where(exists().where(Account.id == AccountRole.account_id, Account.active, Account.system_client.is_(False)))
    )
    if work.session.scalar(others.limit(1)) is None:
        words = "Nobody would be left to manage your organisation's people. Give somebody else the role first."
        raise Conflict(words, code="LAST_MANAGER")


def list_tokens(work: Work) -> list[LiveToken]:
    """The tokens of the caller's organisation that still work."""
    return accounts.live_tokens(work, _organisation(work))


def issue_token(work: Work, client: str, role: Role, days: int) -> tuple[SignedIn, Account]:
    """A token for a system client of the caller's organisation, which is made where there is none of that name."""
    organisation = _organisation(work, lock=True)
    name = client.strip()
    username = f"{organisation.ods_code}/{name}".lower()
    if len(username) > 100:
        raise Invalid.field("client", "LENGTH", "The name of a system client has at most 80 characters.")
    account = work.session.scalars(
        select(Account).where(Account.username == username).with_for_update(key_share=True)
    ).first()
    if account is None:
        account = accounts.create_account(work, username, name, None, system_client=True)
    if not account.system_client or not account.active:
        raise Conflict("There is an account of this name that is no system client in use.", code="ACCOUNT_EXISTS")
    held = accounts.grant_role(work, account, role, organisation.ods_code)
    return accounts.issue_token(work, held, days=days), account


def revoke_token(work: Work, token_id: int) -> None:
    """End a token of the caller's organisation."""
    accounts.revoke_token(work, token_id, _organisation(work, lock=True))
