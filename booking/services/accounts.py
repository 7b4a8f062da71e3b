"""Staff accounts and the tokens of system clients."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, OrganisationKind, Role
from booking.keys import hash_password
from booking.models import Account, AccountRole, AuthSession, Organisation
from booking.services import audit, sign_in
from booking.services.work import Work

SHORTEST_PASSWORD = 12

ROLES_AT = {
    OrganisationKind.PRACTICE: REFERRERS,
    OrganisationKind.PROVIDER: PROVIDERS,
    OrganisationKind.COMMISSIONER: COMMISSIONERS,
}


def create_account(work: Work, username: str, name: str, password: str | None) -> Account:
    """A person (with a password) or a system client (without). The username is kept in lower case."""
    tidy = username.strip().lower()
    if not tidy or len(tidy) > 100:
        raise Invalid(FieldError("username", "LENGTH", "A username has 1 to 100 characters."))
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise Invalid(FieldError("password", "TOO_SHORT", f"A password has at least {SHORTEST_PASSWORD} characters."))
    if work.session.scalar(select(Account.id).where(Account.username == tidy)) is not None:
        raise Conflict(f"There is an account {tidy!r} already.", code="ACCOUNT_EXISTS")
    account = Account(username=tidy, name=name.strip(), password_hash=hash_password(password) if password else None)
    work.session.add(account)
    work.session.flush()
    audit.record(work, f"account:{account.id}", "account.create")
    return account


def find_account(work: Work, username: str) -> Account:
    found = work.session.scalars(select(Account).where(Account.username == username.strip().lower())).first()
    if found is None:
        raise NotFound(f"There is no account {username!r}.")
    return found


def grant_role(work: Work, account: Account, role: Role, ods_code: str) -> AccountRole:
    """Give a role at an organisation whose kind has that role."""
    organisation = work.session.scalars(select(Organisation).where(Organisation.ods_code == ods_code.upper())).first()
    if organisation is None:
        raise NotFound(f"There is no organisation {ods_code!r}.")
    if role not in ROLES_AT[organisation.kind]:
        raise Invalid(FieldError("role", "ROLE", f"A {organisation.kind.lower()} has no {role}."))
    row = AccountRole(account_id=account.id, organisation_id=organisation.id, role=role)
    work.session.add(row)
    work.session.flush()
    audit.record(work, f"account:{account.id}", "account.grant", after={"role": role, "organisation": ods_code.upper()})
    return row


def issue_token(work: Work, role: AccountRole, *, days: int) -> sign_in.SignedIn:
    """A bearer token for a system client, shown once."""
    if not 1 <= days <= 730:
        raise Invalid(FieldError("days", "RANGE", "A token lives 1 to 730 days."))
    made = sign_in.system_token(work, role.id, days=days)
    audit.record(work, f"account:{role.account_id}", "token.issue", after={"role": role.role, "days": days})
    return made


def revoke_sessions(work: Work, account: Account) -> int:
    """End every session and token of the account; returns how many."""
    live = list(
        work.session.scalars(
            select(AuthSession)
            .join(AccountRole, AccountRole.id == AuthSession.account_role_id)
            .where(AccountRole.account_id == account.id, AuthSession.revoked_at.is_(None))
        )
    )
    for one in live:
        one.revoked_at = work.now
    audit.record(work, f"account:{account.id}", "account.revoke_sessions", after={"sessions": len(live)})
    return len(live)


def my_roles(work: Work) -> list[tuple[AccountRole, Organisation]]:
    """Every role of whoever is signed in, with its organisation, oldest first."""
    mine = (
        select(AccountRole.account_id)
        .join(AuthSession, AuthSession.account_role_id == AccountRole.id)
        .where(AuthSession.id == work.actor.session_id)
        .scalar_subquery()
    )
    query = (
        select(AccountRole, Organisation)
        .join(Organisation, Organisation.id == AccountRole.organisation_id)
        .where(AccountRole.account_id == mine)
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
    audit.record(work, f"session:{work.actor.session_id}", "session.switch_role", after={"role": chosen.role})
