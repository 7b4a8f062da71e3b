"""``flask preview-policies``: what the next plan would look like under policies somebody thinks of publishing."""

from __future__ import annotations

import signal
from types import FrameType

import click
from flask.cli import with_appcontext

from booking.edge.flask_app import BookingApp, current_app


@click.command("preview-policies")
@click.option("--workers", type=click.IntRange(0, 256), help="Processes to solve in; 0 solves in this one.")
@with_appcontext
def preview_policies(workers: int | None) -> None:
    """Make every preview that waits, or that a process which died left behind. Writes no offer and no booking."""
    from booking.services.planning.preview import make_waiting  # numpy and OR-Tools only now
    from booking.services.planning.run import Planner

    app = current_app()
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        made = make_waiting(Planner(app.database, app.settings, app.keys, app.clock), workers)
    finally:
        signal.signal(signal.SIGTERM, before)
    click.echo(f"{made} previews made." if made else "No preview is waiting.")


def _stop(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that workers are killed on the way out; the preview is taken up again later.
    raise SystemExit(143)


def register(app: BookingApp) -> None:
    app.cli.add_command(preview_policies)
