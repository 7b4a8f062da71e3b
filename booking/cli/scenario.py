"""``flask scenario england``: real waiting lists, planned and booked for real. Needs an empty database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup
from rich.console import Console

from booking.cli.plan import Teller, show
from booking.edge.flask_app import BookingApp, current_app

if TYPE_CHECKING:
    from booking.scenario.run import Report

group = AppGroup("scenario", help="Try the system out on a whole region.")


@group.command("england")
@click.option("--data", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--commissioner", "commissioners", multiple=True, metavar="CODE", help="ODS code; all if none is given.")
@click.option("--seed", type=int, default=2015, show_default=True)
@click.option("--patients-book", "patients", type=click.IntRange(0), default=200, show_default=True)
@click.option("--at-once", type=click.IntRange(1, 100), default=8, show_default=True, help="Patients at the same time.")
@click.option("--server-workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--paper", is_flag=True, help="The standard day, 1 April 2015, without a database; nobody books.")
@click.option("--workers", type=click.IntRange(0, 256), help="Processes to solve in.")
@click.option("--deadline", type=click.FloatRange(1), help="Seconds after which the best plan so far is taken.")
@click.option("--wave", type=click.IntRange(0), help="Offer to this many only, greatest need first.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here.")
def england(
    paper: bool, workers: int | None, deadline: float | None, wave: int | None, json_file: Path | None, **chosen: Any
) -> None:
    """Build standard scenario 1 from public data, plan it, and let patients book through the API.

    Exits with 1 where anything happened that must never happen, such as a place booked twice.
    """
    from booking.scenario.data import DataError  # numpy and OR-Tools only now
    from booking.scenario.loader import NotEmpty
    from booking.scenario.run import Wanted, live, on_paper
    from booking.services.planning.run import Options, Planner

    app, console = current_app(), Console(highlight=False)
    # The standard scenario has no arrivals to come, so nothing is reserved for them.
    wanted = Wanted(**chosen, options=Options(workers=workers, deadline=deadline, wave=wave, reserve=False))
    with Teller(console) as teller:
        try:
            if paper:
                report = on_paper(wanted, teller.tell)
            else:
                report = live(Planner(app.database, app.settings, app.keys, app.clock, teller.tell), wanted)
        except (DataError, NotEmpty) as error:
            raise click.ClickException(str(error)) from error
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
    _show(console, report, paper=paper)
    if any(report.faults.values()):
        raise click.ClickException(f"What must never happen did: {report.faults}")


def _show(console: Console, report: Report, *, paper: bool) -> None:
    made = report.scenario

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    say(
        f"{made['scenario']}, {made['as_of']}, seed {made['seed']}: {len(made['commissioners'])} commissioners, "
        f"{made['services']:,} services, {made['referrals']:,} referrals, {made['slots']:,} slots."
    )
    if made["shifted"]:
        say(f"A live run: {made['shifted']}.")
    if paper:
        show(console, {**PAPER, **report.plan, "stages": report.seconds}, dry_run=True)
        fewest = report.plan["unavoidable"]
        say(f"Unavoidable breaches: {fewest['breaches']:,} ({'proven' if fewest['certified'] else 'not proven'}).")
    else:
        show(console, report.plan)
        say(_bookings(report.booking))
        say("Seconds of the whole run: " + ", ".join(f"{k} {v:.1f}" for k, v in report.seconds.items()) + ".")
    for fault, count in report.faults.items():
        say(f"{fault.replace('_', ' ')}: {count}")


PAPER: dict[str, Any] = {"left_out": {}, "expected_arrivals": 0, "trouble": None}
"""What only a run with a database has."""


def _bookings(made: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in made["booked_by_kind"].items())
    refused = ", ".join(f"{count:,} {code}" for code, count in made["refused_cleanly"].items()) or "none"
    times = made["milliseconds"]
    return (
        f"{made['patients']:,} patients came: {made['booked']:,} booked ({kinds}), {made['unserved']:,} found nothing; "
        f"refused cleanly: {refused}. {made['requests']:,} requests, {made['requests_a_second']} a second, "
        f"median {times['median']} ms, p95 {times['p95']} ms, p99 {times['p99']} ms."
    )


def register(app: BookingApp) -> None:
    app.cli.add_command(group)
