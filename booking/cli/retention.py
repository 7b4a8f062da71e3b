"""``flask retention …``: what has been kept for long enough, and letting go of it."""

from __future__ import annotations

import getpass

import click
from flask.cli import AppGroup
from sqlalchemy.exc import ProgrammingError

from booking.domain.retention import POLICY
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp, current_app
from booking.services import retention
from booking.services.work import Actor, Work
from booking.storage import attachment_store

group = AppGroup("retention", help="What has been kept for long enough (docs/record.md).")


@group.command("list")
def list_due() -> None:
    """What is due today, by reference. Changes nothing."""
    app = current_app()
    with app.database.unit_of_work(write=False) as session:
        unit = Work(session, Actor("operator", Role.SYSTEM), app.clock(), app.settings, app.keys)
        found = retention.due(session, unit.today)
    click.echo(
        f"Policy {POLICY}: {len(found.referrals)} referrals and {len(found.advice)} requests for advice are due."
    )
    for kind, rows in (("referral", found.referrals), ("advice", found.advice)):
        for _, reference in rows:
            click.echo(f"{kind} {reference}")
    if found.drafts:
        click.echo(f"{len(found.drafts)} drafts untouched for a year stay with their practices:")
        for ubrn in found.drafts:
            click.echo(f"draft {ubrn}")


@group.command("apply")
@click.option("--confirm", is_flag=True, help="Without it nothing is done.")
@click.option("--by", default=getpass.getuser, show_default="your user name", help="Who does it, for the audit trail.")
def apply(confirm: bool, by: str) -> None:
    """Empty what is due and pseudonymise whom nothing is left of. It can't be undone."""
    if not confirm:
        raise click.ClickException("This can't be undone. Look at 'retention list', then add --confirm.")
    app = current_app()
    referrals = advice = patients = files = 0
    store = attachment_store(app.settings)
    while True:
        try:
            with app.database.unit_of_work() as session:
                unit = Work(session, Actor(by, Role.SYSTEM), app.clock(), app.settings, app.keys)
                done = retention.apply(unit)
        except ProgrammingError as error:
            raise click.ClickException(
                "This role may not change the record: run it as the tables' owner. Nothing of this batch was changed."
            ) from error
        for key in done.files:
            store.delete(key)
        referrals, advice = referrals + done.referrals, advice + done.advice
        patients, files = patients + done.patients, files + len(done.files)
        if not (done.referrals or done.advice or done.patients):
            break
    click.echo(
        f"Policy {POLICY}: {referrals} referrals and {advice} requests for advice emptied, {files} files deleted, "
        f"{patients} patients pseudonymised."
    )


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
