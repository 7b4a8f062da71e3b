"""``flask plan``: propose appointments to all who are choosing. It holds places and makes offers; it never books."""

from __future__ import annotations

import json
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from booking.domain.policy import AUTOMATIC
from booking.domain.words import PlanRunState
from booking.edge.flask_app import BookingApp, current_app
from booking.models import PlanRun
from booking.services.planning.prices import of_the_region
from booking.services.planning.words import fairness_text

PRIORITIES = ("two_week_wait", "urgent", "routine", "already_late")
METHODS = {
    "plan": "this plan", "open_fcfs": "first come, first served", "ring_fenced_fcfs": "the same, ring-fenced",
}  # fmt: skip


class Wave(click.IntRange):
    """A number of referrals, or ``auto``."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return AUTOMATIC if value in ("auto", AUTOMATIC) else super().convert(value, param, ctx)


@click.command("plan")
@click.option("--workers", type=click.IntRange(0, 256), help="Processes to solve in; 0 solves in this one.")
@click.option(
    "--executor", type=click.Choice(("processes", "dask", "none")), default="processes", show_default=True,
    help="Where to solve: processes of this machine, a Dask cluster, or this process.",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS",
    help="The Dask scheduler, like tcp://host:8786; without it a cluster of --workers processes on this machine.",
)  # fmt: skip
@click.option("--deadline", type=click.FloatRange(1), help="Seconds after which the best plan so far is taken.")
@click.option("--dry-run", is_flag=True, help="Plan and report, write nothing.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option(
    "--wave", type=Wave(), metavar="N|auto",
    help="Offer to this many only, greatest need first; 0 is everybody, auto as many as leave enough to choose from.",
)  # fmt: skip
@click.option("--if-none", is_flag=True, help="Only where nothing has been planned yet.")
@click.option("--requested", is_flag=True, help="Only for those for whom a plan was asked for: a cancelled clinic's.")
@click.option("--replan-open", is_flag=True, help="Plan again those whose offer is still open.")
@click.option("--reserve/--no-reserve", default=True, help="Keep places for the urgent arrivals to expect.")
@click.option("--compare/--no-compare", default=True, help="Measure first-come-first-served on the same input too.")
@click.option("--take-over-after", type=click.FloatRange(0), default=5, show_default=True, help="Minutes of silence.")
@with_appcontext
def plan(json_file: Path | None, take_over_after: float, if_none: bool, executor: str, **options: Any) -> None:
    """Propose appointments to everybody who is choosing; nothing is booked by it.

    Exits with 0 and says so where another planner is at work, with 1 where no sound plan could be made.
    """
    from booking.services.planning.run import Ending, Options, PlanFailed, Planner  # numpy and OR-Tools only now
    from booking.services.planning.workers import NoExecutor, Where

    if if_none and _planned():
        click.echo("There is a plan already.")
        return
    app, console = current_app(), Console(highlight=False)
    try:
        chosen = Options(take_over_after=timedelta(minutes=take_over_after), executor=Where(executor), **options)
    except ValueError as error:
        raise click.UsageError(f"--{error}") from error
    before = signal.signal(signal.SIGTERM, _stop)
    with Teller(console) as teller:
        planner = Planner(app.database, app.settings, app.keys, app.clock, teller.tell)
        try:
            outcome = planner.plan(chosen)
        except (PlanFailed, NoExecutor) as error:
            raise click.ClickException(str(error)) from error
        finally:
            signal.signal(signal.SIGTERM, before)
    if outcome.ending is Ending.ANOTHER_AT_WORK:
        console.print("Another planner is at work: nothing to do.")
        return
    if outcome.ending is Ending.NOTHING_REQUESTED:
        console.print("Nobody asked for a plan.")
        return
    if json_file is not None:
        json_file.write_text(json.dumps({"run": outcome.run_id, **outcome.summary}, indent=1), encoding="utf-8")
    show(console, outcome.summary, dry_run=outcome.ending is Ending.DRY_RUN)


def _planned() -> bool:
    with current_app().database.unit_of_work(write=False) as session:
        applied = select(PlanRun.id).where(PlanRun.state == PlanRunState.APPLIED, of_the_region())
        return session.scalar(applied.limit(1)) is not None


def _stop(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that the run is ended as failed and the workers are killed on the way out.
    raise SystemExit(143)


class Teller:
    """Progress as a moving bar on a terminal, as plain lines (one a second and stage at most) anywhere else."""

    def __init__(self, console: Console) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage, self._said = "", 0.0
        if console.is_terminal:
            columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True)

    def __enter__(self) -> Teller:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, stage: str, done: int, total: int, note: str) -> None:
        fresh, self._stage = stage != self._stage, stage
        if self._bar is not None:
            if fresh or self._task is None:
                self._task = self._bar.add_task(stage, total=total, note=note)
            self._bar.update(self._task, completed=done, total=total, note=note)
        elif fresh or time.monotonic() - self._said > 1:
            self._said = time.monotonic()
            count = f" {done:,} of {total:,}" if total > 1 else ""
            print(f"{stage}{count}{f' ({note})' if note else ''}", file=sys.stderr, flush=True)


def show(console: Console, summary: dict[str, Any], *, dry_run: bool = False) -> None:
    """The figures of a run, for people."""

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    say(
        f"{summary['referrals']:,} referrals, {summary['free_places']:,} free places in {summary['slots']:,} slots, "
        f"{summary['pairs']:,} eligible pairs."
    )
    say(f"Placed {summary['placed']:,}; unplaced {_counts(summary['unplaced'])}.")
    if dry_run:
        say("Dry run: nothing was written.")
    else:
        say(
            f"Offered {summary['offered']:,} ({summary['offers']:,} offers), kept {summary['kept']:,}, "
            f"pencilled {summary['pencilled']:,}; left out as things had changed: {_counts(summary['conflicts'])}."
        )
        had = summary["choice"]
        say(
            f"Of {had['asked']:,} asked {had['any']:.0%} had a choice: of provider {had['provider']:.0%}, "
            f"of day {had['day']:.0%}, of time of day {had['time_of_day']:.0%}."
        )
    say(f"Not planned: {_counts(summary['left_out'])}.")
    if summary["expected_arrivals"]:
        kept, coming = summary["reserved"], summary["expected_arrivals"]
        say(f"{kept:,} places kept for {coming:,} urgent arrivals expected, here and in what is compared below.")
    say(_proof(summary))
    if summary["trouble"]:
        say(f"Trouble: {summary['trouble']}.")
    if summary["comparison"]:
        console.print(_table(summary["comparison"]))
    if summary.get("fairness"):
        say(fairness_text(summary["fairness"]))
    say("Seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in summary["stages"].items()) + ".")


def _proof(summary: dict[str, Any]) -> str:
    """How good the plan is, and how that is known."""
    if not summary["finished"]:
        ends = "the deadline came first: this is the best plan so far"
    else:
        ends = "certified" if summary["certified"] else "NOT certified"
    bound = "no bound"
    if summary["bound"] is not None:
        share = summary["gap"] / summary["objective"] if summary["objective"] else 0.0
        bound = f"proven bound {summary['bound']:,}, gap {summary['gap']:,} ({share:.2%} of the cost at most)"
    return f"Objective {summary['objective']:,}, {bound}, {ends} ({summary['method']}, policy {summary['policy']})."


def _counts(counts: dict[str, int]) -> str:
    said = [f"{count:,} {name.lower().replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(said) or "none"


def _table(comparison: dict[str, Any]) -> Table:
    table = Table(title="Breaches (mean day of the slot)", title_justify="left")
    table.add_column("")
    for name in ("all", *PRIORITIES):
        table.add_column(name.replace("_", " "), justify="right")
    for method, figures in comparison.items():
        cells = [str(figures["breaches"])]
        for name in PRIORITIES:
            group = figures["by_priority"][name]
            mean = f"{group['day']['mean']:.1f}" if group["day"] else "-"
            cells.append(f"{group['breaches']} ({mean})")
        table.add_row(METHODS.get(method, method), *cells)
    return table


def register(app: BookingApp) -> None:
    app.cli.add_command(plan)
