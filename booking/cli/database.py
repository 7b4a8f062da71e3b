"""``flask db …``: bring the schema up to date, check it, grant what a role needs."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy.exc import ProgrammingError

from booking import migrate
from booking.edge.flask_app import BookingApp, current_app
from booking.services import grants

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


@group.command("grant")
@click.argument("role")
@click.option("--execute", is_flag=True, help="Run the statements, as the tables' owner, instead of printing them.")
def grant(role: str, execute: bool) -> None:
    """The grants for the application's own role on PostgreSQL: it can neither change nor delete the record."""
    database = current_app().database
    if database.is_sqlite:
        raise click.ClickException("The embedded database has no roles: its triggers refuse changes of the record.")
    made = grants.statements(role)
    if not execute:
        click.echo(";\n".join([*made, ""]), nl=False)
        return
    try:
        with database.engine.begin() as connection:
            grants.execute(connection, made)
    except ProgrammingError as error:
        raise click.ClickException(str(error.orig)) from error
    click.echo(f"{role} has what the application needs, and no more.")


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
