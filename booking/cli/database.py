"""``flask db …``: bring the schema up to date, check it, check the audit trail."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from booking import migrate
from booking.edge.flask_app import BookingApp, current_app
from booking.services import audit

group = AppGroup("db", help="The database's schema and its integrity.")


@group.command("upgrade")
def upgrade() -> None:
    """Bring the database to the newest schema."""
    migrate.upgrade(current_app().database)
    click.echo(f"Schema is at {migrate.current(current_app().database)}.")


@group.command("check")
def check() -> None:
    """Fail where models and migrations have drifted apart."""
    differences = migrate.differences(current_app().database)
    for difference in differences:
        click.echo(str(difference), err=True)
    if differences:
        raise click.ClickException("Models and migrations differ: write a migration.")
    click.echo("Models and migrations agree.")


@group.command("audit-verify")
def audit_verify() -> None:
    """Walk the audit chains and seals; fail where an entry was changed, added or removed."""
    with current_app().database.unit_of_work(write=False) as session:
        faults = audit.verify(session)
    for fault in faults:
        click.echo(f"{fault.where}: {fault.what}", err=True)
    if faults:
        raise click.ClickException(f"{len(faults)} faults in the audit trail.")
    click.echo("The audit trail is whole.")


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
