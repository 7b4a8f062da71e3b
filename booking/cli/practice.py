"""``flask practice …``: what becomes of a practice's patients when it closes."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from booking.domain.errors import BookingError
from booking.edge.flask_app import BookingApp, current_app
from booking.services import practices
from booking.services.work import SYSTEM, Work

group = AppGroup("practice", help="Practices.")


@group.command("close")
@click.argument("code", metavar="ODS")
@click.option("--successor", metavar="ODS", help="Who takes the patients; without one they have no practice.")
@click.option("--dry-run", is_flag=True, help="Say what would move, change nothing.")
def close(code: str, successor: str | None, dry_run: bool) -> None:
    """Close a practice from today, all or nothing."""
    app = current_app()
    try:
        with app.database.unit_of_work(write=not dry_run) as session:
            work = Work(session, SYSTEM, app.clock(), app.settings, app.keys)
            found = (practices.preview_closing if dry_run else practices.close)(work, code, successor)
    except BookingError as error:
        raise click.ClickException(error.message) from error
    where = f"to {found.successor.ods_code}" if found.successor is not None else "to no practice"
    click.echo(
        f"{found.practice.ods_code} ({found.practice.name}) {'would close' if dry_run else 'is closed'}: "
        f"{found.patients} patients {where}, {found.open_referrals} open referrals, "
        f"{found.ended_referrals} ended ones, {found.advice_requests} requests for advice; "
        f"{found.staff_roles} roles of staff end."
    )


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
