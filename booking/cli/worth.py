"""``flask next-session``: where one more clinic session would help most. Plans, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.table import Table

from booking.cli.plan import Teller
from booking.domain.errors import Invalid
from booking.edge.flask_app import BookingApp, current_app

if TYPE_CHECKING:
    from booking.services.planning.sessions import Found, Session

PLACES = 12


@click.command("next-session")
@click.option("--places", type=click.IntRange(1, 500), default=PLACES, show_default=True, help="Places of the session.")
@click.option("--specialty", metavar="CODE", help="Only services of this treatment function.")
@click.option("--top", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many to show.")
@click.option("--verify", type=click.IntRange(0), default=0, help="Add so many of the best and plan again, each alone.")
@click.option("--workers", type=click.IntRange(0, 256), help="Processes to solve in; 0 solves in this one.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write what was found here.")
@with_appcontext
def next_session(
    places: int, specialty: str | None, top: int, verify: int, workers: int | None, json_file: Path | None
) -> None:
    """Say at which service, and when, one more session would help most.

    Exits with 1 where no plan could be proven optimal: then nothing can be said.
    """
    from booking.services.planning.run import PlanFailed, Planner  # numpy and OR-Tools only now
    from booking.services.planning.sessions import NothingProven, Wanted, find_sessions

    app, console = current_app(), Console(highlight=False)
    with Teller(console) as teller:
        planner = Planner(app.database, app.settings, app.keys, app.clock, teller.tell)
        try:
            found = find_sessions(planner, Wanted(places, specialty, top, verify, workers))
        except (NothingProven, PlanFailed) as error:
            raise click.ClickException(f"Nothing can be said of what a session is worth: {error}") from error
        except Invalid as error:
            raise click.ClickException("; ".join(f"--{one.field}: {one.message}" for one in error.errors)) from error
    if json_file is not None:
        json_file.write_text(json.dumps(found.to_dict(), indent=1), encoding="utf-8")
    _show(console, found, places)


def _show(console: Console, found: Found, places: int) -> None:
    if not found.best:
        console.print("No session is worth anything: everybody has the slot that suits them best.", soft_wrap=True)
        return
    table = Table(title=f"One more session of {places}, best day of the week, at most", title_justify="left")
    for name in ("day", "provider", "service", "specialty", "people", "breaches", "worth in days", "really"):
        table.add_column(name, justify="right" if name in ("people", "breaches", "worth in days") else "left")
    for one in found.best:
        table.add_row(
            f"{one.day:%a %d %b %Y}", one.provider, one.service, one.specialty, str(one.people), str(one.breaches),
            f"{one.value / UNITS_A_DAY:,.0f}", _really(one),
        )  # fmt: skip
    console.print(table)
    for one in found.any_day[:3]:
        console.print(one.sentence(), soft_wrap=True)
    console.print(
        "Each row stands alone: a second session is worth less. Worth in days of one routine patient waiting, a breach "
        "counted as the policy does.",
        soft_wrap=True,
    )


UNITS_A_DAY = 10_000


def _really(one: Session) -> str:
    """What planning again with the session brought."""
    made = one.verified
    if made is None:
        return "not tried"
    saved = made.breaches_before - made.breaches_after
    return f"{saved} breaches, {made.days_saved:,} days of waiting"


def register(app: BookingApp) -> None:
    app.cli.add_command(next_session)
