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
        made = accounts.create_account(work, name, name, None)
        issued = accounts.issue_token(work, accounts.grant_role(work, made, Role(role), organisation), days=days)
    click.echo(issued.token)
    click.echo(f"Works until {issued.expires_at:%Y-%m-%d}. It is not shown again.", err=True)


def register(app: BookingApp) -> None:
    app.cli.add_command(account)
    app.cli.add_command(token)
