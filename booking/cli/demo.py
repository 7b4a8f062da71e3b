"""``flask demo …``: the invented region to try things out in, and how to sign in there."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from booking.edge.flask_app import BookingApp, current_app
from booking.services.work import SYSTEM, Work

group = AppGroup("demo", help="A region of invented people and clinics.")


@group.command("seed")
@click.option("--seed", "number", default=1, show_default=True, help="Another number makes another region.")
def seed(number: int) -> None:
    """Make the region. Where it is there already, nothing is changed."""
    from booking.demo import seed as demo
    from booking.demo import sign_ins
    from booking.demo.region import REGION

    app, began = current_app(), time.perf_counter()
    with app.database.unit_of_work() as session:
        work = Work(session, SYSTEM, datetime.now(UTC), app.settings, app.keys)
        if demo.is_there(work):
            click.echo("The demo region is there already.")
            return
        if demo.is_in_use(work):
            raise click.ClickException("This database holds other organisations: the demo goes into an empty one only.")
        made = demo.seed(work, number)
    sign_ins.write(made, sign_ins.file_of(app.settings.database_url))
    click.echo(f"{REGION} is ready ({time.perf_counter() - began:.1f} s).")


@group.command("sign-ins")
def show() -> None:
    """Show how to sign in."""
    from booking.demo import sign_ins

    found = sign_ins.read(sign_ins.file_of(current_app().settings.database_url))
    if found is None:
        raise click.ClickException(f"There is no {sign_ins.NAME}: seed an empty database first.")
    click.echo("Patients (at /sign-in):")
    for one in found.patients:
        born = "{day} {month} {year}".format(**one.date_of_birth)
        click.echo(f"  {one.name}: reference {one.reference}, access code {one.access_code}, born {born}")
        click.echo(f"      {one.about}")
    click.echo("Staff (at /staff/sign-in):")
    for person in found.staff:
        click.echo(f"  {person.role} {person.name}: user name {person.username}, password {person.password}")


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
