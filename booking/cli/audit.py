"""``flask audit …``: walk the audit trail, show a chain of it."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from booking.edge.flask_app import BookingApp, current_app
from booking.services import audit

group = AppGroup("audit", help="Who did what, and whether the record of it is whole.")


@group.command("verify")
@click.option("--expect", metavar="HASH", help="The hash of a seal noted elsewhere, which must still be there.")
def verify(expect: str | None) -> None:
    """Walk the chains and seals; fail, naming each fault, where something was changed, added or taken out."""
    with current_app().database.unit_of_work(write=False) as session:
        faults = audit.verify(session, expect=expect)
        newest = audit.newest_seal(session)
    for fault in faults:
        click.echo(f"{fault.where}: {fault.what}", err=True)
    if faults:
        raise click.ClickException(f"{len(faults)} faults in the audit trail.")
    click.echo("The audit trail is whole.")
    if newest is not None:
        click.echo(f"Newest seal: {newest.hash} of {newest.at:%Y-%m-%d %H:%M:%S} UTC. Keep it elsewhere.")


@group.command("show")
@click.option("--chain", required=True, metavar="CHAIN", help="Such as referral:12 or patient:3.")
def show(chain: str) -> None:
    """One chain, an entry a line as JSON, the oldest first."""
    with current_app().database.unit_of_work(write=False) as session:
        entries = audit.chain_of(session, chain)
    if not entries:
        raise click.ClickException(f"There is no chain {chain!r}.")
    for entry in entries:
        shown = {
            "sequence": entry.sequence, "at": audit.instant(entry.at), "action": entry.action, "actor": entry.actor,
            "role": entry.role, "organisation": entry.organisation, "on_behalf_of": entry.on_behalf_of,
            "before": entry.before, "after": entry.after, "request_id": entry.request_id, "hash": entry.hash,
        }  # fmt: skip
        click.echo(json.dumps(shown, ensure_ascii=False))


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
