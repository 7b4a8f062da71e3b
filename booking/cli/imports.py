"""``flask import …``: organisations, clinicians, clinic types, services and slots from files.

A file with bad rows is refused whole, unless ``--keep-good``. The exit code is 1 where any row was refused.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from booking.domain.errors import BookingError
from booking.edge.flask_app import BookingApp, current_app
from booking.services.imports import clinics, directory, services, slots
from booking.services.imports.loading import Kind, load
from booking.services.imports.reading import TableFile
from booking.services.imports.report import BadRows, ImportRefused, Report, Step
from booking.services.refusals import translated
from booking.services.specialties import ensure_specialties
from booking.services.work import SYSTEM, Work

SHOWN = 20
PATIENCE_S = 3.0
"""No progress bar for what takes less."""

group = AppGroup("import", help="Organisations, clinicians, clinic types, services and slots from files.")
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_keep_good = click.option("--keep-good", is_flag=True, help="Store the good rows; write the others to FILE.bad.csv.")


@contextmanager
def _work() -> Iterator[Work]:
    """One transaction, as the system."""
    app = current_app()
    with translated(), app.database.unit_of_work() as session:
        yield Work(session, SYSTEM, app.clock(), app.settings, app.keys)


@contextmanager
def _progress(what: str, size: int) -> Iterator[Step]:
    """A bar with rows a second and the time left, shown on a terminal once it has taken a few seconds."""
    console = Console(stderr=True)
    rate = TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s")
    bar = Progress(
        TextColumn(what), BarColumn(), TaskProgressColumn(), rate, TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(what, total=size or 1, rows=0, rate=0.0)
    began = time.monotonic()

    def step(rows: int, position: int) -> None:
        took = time.monotonic() - began
        if console.is_terminal and took > PATIENCE_S:
            bar.start()
        bar.update(task, completed=position, rows=rows, rate=rows / max(took, 1e-6))

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()


def _show(report: Report) -> None:
    for bad in report.bad[:SHOWN]:
        click.echo(str(bad), err=True)
    if len(report.bad) > SHOWN or report.refused > len(report.bad):
        click.echo(f"… {report.refused} bad rows in all.", err=True)
    done = ", ".join(f"{number} {name}" for name, number in report.counts.items() if number) or "nothing to do"
    state = done if report.stored else "nothing was stored"
    click.echo(f"{report.file}: {report.rows} rows: {state}, {report.refused} refused.")
    for note in report.notes:
        click.echo(f"  {note}")
    if report.bad_file is not None:
        click.echo(f"  The bad rows are in {report.bad_file}: mend them and import that file.")


def _finish(reports: list[Report]) -> None:
    for report in reports:
        _show(report)
    if any(report.refused for report in reports):
        sys.exit(1)


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused as a whole is said in words, without a stack trace."""
    try:
        yield
    except ImportRefused as refused:
        _finish(list(refused.reports))
    except BookingError as error:
        raise click.ClickException(error.message) from None


def _load_all(work: Work, tables: list[tuple[TableFile, Kind]], bad: list[BadRows], *, keep_good: bool) -> list[Report]:
    reports = []
    for table, kind in tables:
        keep = BadRows(table) if keep_good else None
        if keep is not None:
            bad.append(keep)
        with _progress(table.name, table.size) as step:
            reports.append(load(work, table, kind, step, keep))
    if not keep_good and any(report.refused for report in reports):
        raise ImportRefused(*reports)
    return reports


def _import_directory(tables: list[tuple[TableFile, Kind]], *, keep_good: bool) -> list[Report]:
    """All the files in one transaction, each seeing what those before it brought."""
    bad: list[BadRows] = []
    try:
        with _work() as work:
            ensure_specialties(work)
            reports = _load_all(work, tables, bad, keep_good=keep_good)
        for report in reports:
            report.stored = True
        for report, keep in zip(reports, bad, strict=False):
            report.bad_file = keep.keep()
        return reports
    finally:
        for keep in bad:
            keep.drop()


@group.command("directory")
@click.option("--commissioners", type=_FILE, help=",".join(directory.COMMISSIONERS))
@click.option("--practices", type=_FILE, help=",".join(directory.PRACTICES))
@click.option("--sites", type=_FILE, help=",".join(directory.SITES))
@_keep_good
def import_directory(commissioners: Path | None, practices: Path | None, sites: Path | None, keep_good: bool) -> None:
    """Commissioners, practices, sites with their providers, and the specialties."""
    given: list[tuple[Path | None, tuple[str, ...], Kind]] = [
        (commissioners, directory.COMMISSIONERS, directory.Commissioners()),
        (practices, directory.PRACTICES, directory.Practices()),
        (sites, directory.SITES, directory.Sites()),
    ]
    if not any(path for path, _, _ in given):
        raise click.UsageError("Give at least one of --commissioners, --practices and --sites.")
    with _refusals():
        tables = [(directory.open_table(path, columns), kind) for path, columns, kind in given if path is not None]
        _finish(_import_directory(tables, keep_good=keep_good))


@group.command("epraccur")
@click.argument("file", type=_FILE)
@_keep_good
def import_epraccur(file: Path, keep_good: bool) -> None:
    """GP practices from the Organisation Data Service's epraccur.csv."""
    kind = directory.Epraccur()
    with _refusals():
        table = directory.open_table(file, directory.EPRACCUR, header=False)
        reports = _import_directory([(table, kind)], keep_good=keep_good)
        reports[0].notes = kind.notes()
        _finish(reports)


@group.command("practitioners")
@click.argument("file", type=_FILE)
@_keep_good
def import_practitioners(file: Path, keep_good: bool) -> None:
    """Clinicians of providers that are in the directory; needs organisation,identifier,name and may have sex."""
    with _refusals():
        table = TableFile(file, required=clinics.PRACTITIONERS, optional=clinics.PRACTITIONERS_OPTIONAL)
        _finish(_import_directory([(table, clinics.Practitioners())], keep_good=keep_good))


@group.command("clinic-types")
@click.argument("file", type=_FILE)
@_keep_good
def import_clinic_types(file: Path, keep_good: bool) -> None:
    """Clinic types, which services offer and referrals name; needs code,specialty,name."""
    with _refusals():
        table = directory.open_table(file, clinics.CLINIC_TYPES)
        _finish(_import_directory([(table, clinics.ClinicTypes())], keep_good=keep_good))


@group.command("services")
@click.argument("file", type=_FILE)
@_keep_good
def import_services(file: Path, keep_good: bool) -> None:
    """Services of providers that are in the directory; needs provider,site,name,specialty,operational_from.

    docs/imports.md explains these and the other columns.
    """
    with _refusals():
        table = TableFile(file, required=services.REQUIRED, optional=services.OPTIONAL)
        _finish(_import_directory([(table, services.Services())], keep_good=keep_good))


@group.command("slots")
@click.argument("file", type=_FILE)
@click.option("--service", help="All rows are for this one: its key, or RA1/Its name.")
@_keep_good
def import_slots(file: Path, service: str | None, keep_good: bool) -> None:
    """Slots; docs/slots-csv.md explains the columns."""
    with _refusals():
        with current_app().database.unit_of_work(write=False) as session:
            opened = slots.open_slots(session, file, service=service)
        if not keep_good:
            with _progress("Checking", opened.table.size) as step:
                checked = slots.check_slots(opened, step)
            if checked.refused:
                raise ImportRefused(checked)
        click.echo(f"Storing {opened.table.name} ({opened.table.encoding}) …", err=True)
        _finish([_store(opened, keep_good=keep_good)])


def _store(opened: slots.SlotFile, *, keep_good: bool) -> Report:
    keep = BadRows(opened.table) if keep_good else None
    try:
        with _work() as work, _progress("Storing", opened.table.size) as step:
            report = slots.store_slots(work, opened, step, keep=keep)
        if keep is not None:
            report.bad_file = keep.keep()
        return report
    finally:
        if keep is not None:
            keep.drop()


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
