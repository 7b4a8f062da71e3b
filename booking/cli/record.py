"""``flask check``, ``flask backup``, ``flask restore``: what is stored is whole, and stays so."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError

from booking import migrate
from booking.config import normalise_url
from booking.db import Database
from booking.edge.flask_app import BookingApp, current_app
from booking.services import backup as backups
from booking.services import invariants, job_notes, stored_files
from booking.services.backup.take import fingerprint
from booking.services.job_notes import BACKUP, Note
from booking.storage import attachment_store


@click.command("check")
@click.option("--url", help="Another database than DATABASE_URL, such as a restored copy.")
@click.option("--files/--no-files", default=True, help="Whether to read the attachments too.")
@with_appcontext
def check(url: str | None, files: bool) -> None:
    """Check every invariant on the data as it is stored; fail where one does not hold."""
    app = current_app()
    database = Database(normalise_url(url)) if url else app.database
    try:
        found = _check(app, database, files=files)
    finally:
        if url:
            database.dispose()
    if found:
        raise click.ClickException(f"{found} faults.")
    click.echo("Every invariant holds.")


def _check(app: BookingApp, database: Database, *, files: bool) -> int:
    """Print each check with its count, and each fault; returns how many faults."""
    total = 0
    with database.unit_of_work(write=False) as session:
        now = app.clock()
        for name in invariants.CHECKS:
            found = invariants.faults(session, now, only={name})
            total += _say(name, found)
        if files:
            total += _say("files", list(stored_files.faults(session, attachment_store(app.settings))))
    return total


def _say(name: str, found: list[invariants.Fault]) -> int:
    click.echo(f"{name:<16}{len(found) or 'none'}")
    for fault in found:
        click.echo(f"  {fault}", err=True)
    return len(found)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_appcontext
def backup(file: Path) -> None:
    """Write database and attachments to FILE (.tar.gz), while everything runs. SECRET_KEY is not in it."""
    app = current_app()
    began = app.clock()
    try:
        made = backups.take(app.database, app.settings, file)
    except backups.BackupError as error:
        raise click.ClickException(str(error)) from error
    # After it, and only for the health page: a database of an older schema has no table for it.
    with contextlib.suppress(DBAPIError), app.database.unit_of_work() as session:
        took = round((app.clock() - began).total_seconds() * 1000)
        job_notes.write(session, [Note(BACKUP, began, finished_at=app.clock(), milliseconds=took, runs=1)])
    stored = len(made.sha256) - 1
    click.echo(f"{file}: {made.kind} at {made.revision}, {stored} attachments, {file.stat().st_size:,} bytes.")
    if made.attachments != "disk":
        click.echo("The attachments are in a bucket and not in this file: keep versions there.")
    if made.missing:
        raise click.ClickException(f"{len(made.missing)} attachments were not in the store; everything else is saved.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--into", metavar="URL", help="Another database than DATABASE_URL.")
@click.option("--force", is_flag=True, help="Overwrite a database that is not empty. Stop everything else first.")
@with_appcontext
def restore(file: Path, into: str | None, force: bool) -> None:
    """Bring a backup back, and check every invariant on it."""
    app = current_app()
    url = normalise_url(into) if into else app.database.url
    app.database.dispose()
    try:
        made = backups.restore(file, url, app.settings, force=force)
    except backups.BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Restored as it was at {made.made_at}.")
    if made.key != fingerprint(app.settings):
        click.echo("SECRET_KEY is not the one of then: access codes, tokens and sessions of then don't work.", err=True)
    if made.revision != migrate.head():
        click.echo(f"The schema is at {made.revision}: run 'db upgrade', then 'check'.")
        return
    database = Database(url)
    try:
        found = _check(app, database, files=made.attachments == "disk")
    finally:
        database.dispose()
    if found:
        raise click.ClickException(f"{found} faults in the restored copy.")
    click.echo("Every invariant holds.")


def register(app: BookingApp) -> None:
    for command in (check, backup, restore):
        app.cli.add_command(command)
