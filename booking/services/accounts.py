"""Staff accounts, their roles and the tokens of system clients; who may manage whom is in ``people``."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from booking.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, OrganisationKind, Role
from booking.keys import hash_password
from booking.models import Account, AccountRole, AuthSession, Organisation
from booking.services import audit, sign_in
from booking.services.work import Work

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
LONGEST_TOKEN_DAYS = 730

ROLES_AT = {
    OrganisationKind.PRACTICE: REFERRERS,
    OrganisationKind.PROVIDER: PROVIDERS,
    OrganisationKind.COMMISSIONER: COMMISSIONERS,
}


def create_account(
    work: Work, username: str, name: str, password: str | None, *, system_client: bool = False, temporary: bool = False
) -> Account:
    """A person, or a system client. The username is kept in lower case.

    A person without a password comes in by the organisation's OpenID provider, a system client by token.
    """
    tidy = username.strip().lower()
    if not tidy or len(tidy) > 100:
        raise Invalid(FieldError("username", "LENGTH", "A username has 1 to 100 characters."))
    if password is not None:
        check_length(password, "password")
    if work.session.scalar(select(Account.id).where(Account.username == tidy)) is not None:
        raise Conflict(f"There is an account {tidy!r} already.", code="ACCOUNT_EXISTS")
    account = Account(
        username=tidy,
        name=name.strip(),
        password_hash=hash_password(password) if password else None,
        system_client=system_client,
        password_temporary=temporary,
    )
    work.session.add(account)
    work.session.flush()
    audit.record(work, f"account:{account.id}", "account.create")
    return account


def find_account(work: Work, username: str) -> Account:
    """The account of this name, locked."""
    query = select(Account).where(Account.username == username.strip().lower()).with_for_update(key_share=True)
    found = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound(f"There is no account {username!r}.")
    return found


def find_organisation(work: Work, ods_code: str) -> Organisation:
    found = work.session.scalars(select(Organisation).where(Organisation.ods_code == ods_code.upper())).first()
    if found is None:
        raise NotFound(f"There is no organisation {ods_code!r}.")
    return found


def grant_role(work: Work, account: Account, role: Role, ods_code: str) -> AccountRole:
    """Give a role at an organisation whose kind has that role; a withdrawn one comes back, a held one stays."""
    organisation = find_organisation(work, ods_code)
    if role not in ROLES_AT[organisation.kind]:
        raise Invalid(FieldError("role", "ROLE", f"A {organisation.kind.lower()} has no {role}."))
    if organisation.closed_on is not None and organisation.closed_on <= work.today:
        raise Conflict(f"{organisation.name} has closed: nobody can be given a role there.", code="CLOSED")
    row = _role(work, account, role, organisation)
    if row is not None and row.withdrawn_at is None:
        return row
    if row is None:
        row = AccountRole(account_id=account.id, organisation_id=organisation.id, role=role)
        work.session.add(row)
    row.withdrawn_at = None
    work.session.flush()
    audit.record(work, f"account:{account.id}", "account.grant", after={"role": role, "organisation": ods_code.upper()})
    return row


def _role(work: Work, account: Account, role: Role, organisation: Organisation) -> AccountRole | None:
    query = select(AccountRole).where(
        AccountRole.account_id == account.id,
        AccountRole.organisation_id == organisation.id,
        AccountRole.role == role,
    )
    return work.session.scalars(query).first()


def withdraw_role(work: Work, account: Account, role: Role, ods_code: str) -> int:
    """Take a role away and end every session and token in it; returns how many."""
    row = _role(work, account, role, find_organisation(work, ods_code))
    if row is None or row.withdrawn_at is not None:
        raise NotFound(f"{account.username} is not {role} of {ods_code.upper()}.")
    row.withdrawn_at = work.now
    ended = _end(work, AuthSession.account_role_id == row.id)
    audit.record(
        work,
        f"account:{account.id}",
        "account.withdraw",
        before={"role": role, "organisation": ods_code.upper()},
        after={"sessions": ended},
    )
    return ended


def set_active(work: Work, account: Account, active: bool) -> int:
    """Let an account in again, or shut it out and end its sessions and tokens; returns how many ended."""
    if account.active is active:
        return 0
    account.active = active
    ended = 0 if active else _end(work, _of(account))
    action = "account.reactivate" if active else "account.deactivate"
    audit.record(work, f"account:{account.id}", action, after={"sessions": ended})
    return ended


def issue_token(work: Work, role: AccountRole, *, days: int) -> sign_in.SignedIn:
    """A bearer token for a system client, shown once."""
    if not 1 <= days <= LONGEST_TOKEN_DAYS:
        raise Invalid(FieldError("days", "RANGE", f"A token lives 1 to {LONGEST_TOKEN_DAYS} days."))
    made = sign_in.system_token(work, role.id, days=days)
    after = {"token": made.session_id, "role": role.role, "days": days}
    audit.record(work, f"account:{role.account_id}", "token.issue", after=after)
    return made


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token of a system client that works."""

    session: AuthSession
    role: AccountRole
    account: Account
    organisation: Organisation


def live_tokens(work: Work, organisation: Organisation | None = None) -> list[LiveToken]:
    """Tokens of system clients that still work, oldest first: of one organisation, or of all."""
    query = (
        select(AuthSession, AccountRole, Account, Organisation)
        .join(AccountRole, AccountRole.id == AuthSession.account_role_id)
        .join(Account, Account.id == AccountRole.account_id)
        .join(Organisation, Organisation.id == AccountRole.organisation_id)
        .where(Account.system_client, AuthSession.revoked_at.is_(None), AuthSession.expires_at > work.now)
        .order_by(AuthSession.id)
    )
    if organisation is not None:
        query = query.where(AccountRole.organisation_id == organisation.id)
    return [LiveToken(row[0], row[1], row[2], row[3]) for row in work.session.execute(query)]


def revoke_token(work: Work, token_id: int, organisation: Organisation | None = None) -> None:
    """End one token that :func:`live_tokens` lists."""
    found = next((one for one in live_tokens(work, organisation) if one.session.id == token_id), None)
    if found is None:
        raise NotFound("There is no such token.")
    work.session.get_one(Account, found.account.id, with_for_update={"key_share": True})
    found.session.revoked_at = work.now
    audit.record(work, f"account:{found.account.id}", "token.revoke", before={"token": token_id})


def list_accounts(work: Work, ods_code: str | None = None) -> list[tuple[Account, list[str]]]:
    """Accounts by user name, each with the roles held now; of one organisation, or all."""
    query = select(Account).order_by(Account.username)
    roles = (
        select(AccountRole, Organisation.ods_code)
        .join(Organisation, Organisation.id == AccountRole.organisation_id)
        .where(AccountRole.withdrawn_at.is_(None))
        .order_by(AccountRole.id)
    )
    if ods_code is not None:
        at = find_organisation(work, ods_code)
        query = query.where(Account.id.in_(select(AccountRole.account_id).where(AccountRole.organisation_id == at.id)))
        roles = roles.where(AccountRole.organisation_id == at.id)
    held: dict[int, list[str]] = {}
    for row in work.session.execute(roles):
        held.setdefault(row[0].account_id, []).append(f"{row[0].role} of {row[1]}")
    return [(account, held.get(account.id, [])) for account in work.session.scalars(query)]


def revoke_sessions(work: Work, account: Account) -> int:
    """End every session and token of the account; returns how many."""
    ended = _end(work, _of(account))
    audit.record(work, f"account:{account.id}", "account.revoke_sessions", after={"sessions": ended})
    return ended


def _of(account: Account) -> ColumnElement[bool]:
    return AuthSession.account_role_id.in_(select(AccountRole.id).where(AccountRole.account_id == account.id))


def _end(work: Work, which: ColumnElement[bool]) -> int:
    live = work.session.scalars(select(AuthSession).where(which, AuthSession.revoked_at.is_(None))).all()
    for one in live:
        one.revoked_at = work.now
    return len(live)


def my_roles(work: Work) -> list[tuple[AccountRole, Organisation]]:
    """Every role that whoever is signed in holds now, with its organisation, oldest first."""
    mine = (
        select(AccountRole.account_id)
        .join(AuthSession, AuthSession.account_role_id == AccountRole.id)
        .where(AuthSession.id == work.actor.session_id)
        .scalar_subquery()
    )
    query = (
        select(AccountRole, Organisation)
        .join(Organisation, Organisation.id == AccountRole.organisation_id)
        .where(AccountRole.account_id == mine, AccountRole.withdrawn_at.is_(None))
        .order_by(AccountRole.id)
    )
    return [(row[0], row[1]) for row in work.session.execute(query)]


def my_current_role(work: Work) -> int | None:
    return work.session.get_one(AuthSession, work.actor.session_id).account_role_id


def switch_role(work: Work, account_role_id: int | None) -> None:
    """Go on in another of one's own roles, in the same session."""
    chosen = next((role for role, _ in my_roles(work) if role.id == account_role_id), None)
    if chosen is None:
        raise Forbidden("That is not one of your roles.")
    work.session.get_one(AuthSession, work.actor.session_id).account_role_id = chosen.id


def my_account(work: Work) -> Account:
    """The account of whoever is signed in."""
    return work.session.get_one(Account, work.actor.account_id)


def check_length(password: str, field: str) -> None:
    """:class:`Invalid` where a password is too short, or too long to be one."""
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(FieldError(field, "TOO_SHORT", f"A password has at least {SHORTEST_PASSWORD} characters."))
    if len(password) > LONGEST_PASSWORD:
        raise Invalid(FieldError(field, "TOO_LONG", f"A password has at most {LONGEST_PASSWORD} characters."))


def end_sessions(work: Work, account: Account, *, except_id: int | None = None) -> int:
    """End an account's sessions, but for one; returns how many."""
    return _end(work, _of(account) & (AuthSession.id != (except_id or 0)))
