"""``flask account …`` and ``flask token …``: people who work here, and systems that talk to us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from booking.domain.errors import BookingError
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Role
from booking.edge.flask_app import BookingApp, current_app
from booking.services import accounts
from booking.services.work import SYSTEM, Work

account = AppGroup("account", help="Accounts of staff.")
token = AppGroup("token", help="Tokens of system clients.")
STAFF = click.Choice(sorted(REFERRERS | PROVIDERS | COMMISSIONERS))


@contextmanager
def _work() -> Iterator[Work]:
    """One transaction as the system; refusals become plain messages."""
    app = current_app()
    try:
        with app.database.unit_of_work() as session:
            yield Work(session, SYSTEM, app.clock(), app.settings, app.keys)
    except BookingError as error:
        raise click.ClickException(error.message) from error


@account.command("create")
@click.argument("username")
@click.option("--name", required=True, help="The person's name, as referrals show it.")
@click.option("--role", required=True, type=STAFF)
@click.option("--organisation", required=True, metavar="ODS", help="ODS code of practice, provider or commissioner.")
@click.password_option(help="Asked for when left out.")
def create(username: str, name: str, role: str, organisation: str, password: str) -> None:
    """Make an account with a role at an organisation."""
    with _work() as work:
        made = accounts.create_account(work, username, name, password)
        accounts.grant_role(work, made, Role(role), organisation)
    click.echo(f"{username.lower()} may sign in as {role} of {organisation.upper()}.")


@account.command("grant")
@click.argument("username")
@click.option("--role", required=True, type=STAFF)
@click.option("--organisation", required=True, metavar="ODS")
def grant(username: str, role: str, organisation: str) -> None:
    """Give somebody a further role."""
    with _work() as work:
        accounts.grant_role(work, accounts.find_account(work, username), Role(role), organisation)
    click.echo(f"{username.lower()} is now also {role} of {organisation.upper()}.")


@account.command("withdraw")
@click.argument("username")
@click.option("--role", required=True, type=STAFF)
@click.option("--organisation", required=True, metavar="ODS")
def withdraw(username: str, role: str, organisation: str) -> None:
    """Take a role away; whoever is signed in with it is signed out."""
    with _work() as work:
        ended = accounts.withdraw_role(work, accounts.find_account(work, username), Role(role), organisation)
    click.echo(f"{username.lower()} is {role} of {organisation.upper()} no longer; {ended} sessions and tokens ended.")


@account.command("deactivate")
@click.argument("username")
def deactivate(username: str) -> None:
    """Shut an account out and end all its sessions and tokens."""
    with _work() as work:
        ended = accounts.set_active(work, accounts.find_account(work, username), active=False)
    click.echo(f"{username.lower()} is shut out; {ended} sessions and tokens ended.")


@account.command("reactivate")
@click.argument("username")
def reactivate(username: str) -> None:
    """Let an account in again."""
    with _work() as work:
        accounts.set_active(work, accounts.find_account(work, username), active=True)
    click.echo(f"{username.lower()} may sign in again.")


@account.command("list")
@click.option("--organisation", metavar="ODS", help="Only those with a role there.")
def list_accounts(organisation: str | None) -> None:
    """Everybody with their roles, one a line: user name, name, roles, and what is out of the ordinary."""
    with _work() as work:
        for account, roles in accounts.list_accounts(work, organisation):
            marks = [] if account.active else ["shut out"]
            marks += ["system client"] if account.system_client else []
            click.echo(
                "\t".join([account.username, account.name, ", ".join(roles) or "no role", ", ".join(marks)]).strip()
            )


@account.command("sign-out")
@click.argument("username")
def sign_out(username: str) -> None:
    """End all sessions and tokens of an account."""
    with _work() as work:
        ended = accounts.revoke_sessions(work, accounts.find_account(work, username))
    click.echo(f"{ended} sessions and tokens ended.")


@token.command("create")
@click.argument("name")
@click.option("--role", required=True, type=STAFF)
@click.option("--organisation", required=True, metavar="ODS")
@click.option("--days", default=365, show_default=True)
def create_token(name: str, role: str, organisation: str, days: int) -> None:
    """Make a system client and print its token, once."""
    with _work() as work:
        made = accounts.create_account(work, name, name, None, system_client=True)
        issued = accounts.issue_token(work, accounts.grant_role(work, made, Role(role), organisation), days=days)
    click.echo(issued.token)
    click.echo(f"Works until {issued.expires_at:%Y-%m-%d}. It is not shown again.", err=True)


@token.command("list")
@click.option("--organisation", metavar="ODS", help="Only those of this organisation.")
def list_tokens(organisation: str | None) -> None:
    """Tokens that work, one a line: number, client, role and organisation, last day. The secret is stored nowhere."""
    with _work() as work:
        for one in accounts.live_tokens(work, accounts.find_organisation(work, organisation) if organisation else None):
            where = f"{one.role.role} of {one.organisation.ods_code}"
            click.echo(
                "\t".join([str(one.session.id), one.account.username, where, f"{one.session.expires_at:%Y-%m-%d}"])
            )


@token.command("revoke")
@click.argument("number", type=int)
def revoke_token(number: int) -> None:
    """End one token, by its number in the list."""
    with _work() as work:
        accounts.revoke_token(work, number)
    click.echo(f"Token {number} works no longer.")


def register(app: BookingApp) -> None:
    app.cli.add_command(account)
    app.cli.add_command(token)
