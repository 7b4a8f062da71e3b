"""``flask simulate``: ways to book side by side on simulated regions, day by day. No database is read or written."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from booking.cli.plan import Teller
from booking.edge.flask_app import BookingApp

POLICIES = (
    "open", "ring-fenced", "priority", "in-turn", "ours-one", "ours-three", "ours-no-reserve", "ours-waves",
)  # fmt: skip
"""As :mod:`optimiser.simulation` has them; a test keeps the two alike. Numpy is loaded only when the command runs."""


@click.command("simulate")
@click.option("--days", type=click.IntRange(1, 3650), default=100, show_default=True, help="Days measured.")
@click.option(
    "--warm-up", type=click.IntRange(0, 3650), default=50, show_default=True, help="Days before, not measured."
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many regions.")
@click.option("--first-seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--load", type=click.FloatRange(0.01, 3), default=1.0, show_default=True, help="Demand over places.")
@click.option("--services", type=click.IntRange(1, 200), default=8, show_default=True)
@click.option("--policies", type=click.Choice(POLICIES), multiple=True, help="May be repeated; all if none is given.")
@click.option(
    "--forecast-error", type=click.FloatRange(0, 5), default=1.0, show_default=True,
    help="Urgent referrals expected are multiplied by this.",
)  # fmt: skip
@click.option(
    "--overbook", type=click.IntRange(0, 200), default=0, show_default=True, metavar="PERCENT",
    help="Extra places, in per cent of the no-shows each service has had.",
)  # fmt: skip
@click.option("--every", type=click.IntRange(1, 60), default=1, show_default=True, help="Days from plan to plan.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here.")
@click.option("--svg", "svg_folder", type=click.Path(file_okay=False, path_type=Path), help="Write plots into it.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes; as many as processors if not given.")
def simulate(
    seeds: int, first_seed: int, policies: tuple[str, ...], json_file: Path | None, svg_folder: Path | None,
    workers: int | None, **chosen: Any,
) -> None:  # fmt: skip
    """Simulate regions day by day under several ways to book, on the same people and clinics.

    Patients choose, decline, cancel and miss appointments; clinics are cancelled; forecasts may be wrong.
    """
    from optimiser.simulation import Settings, plots, run_all, text_report  # numpy and OR-Tools only now

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.BadParameter("there is no such folder", param_hint="--json")
    if svg_folder is not None:
        svg_folder.mkdir(parents=True, exist_ok=True)
    settings, console = Settings(**chosen), Console(highlight=False)
    workers = workers or os.cpu_count() or 1
    wanted = [policy for policy in POLICIES if policy in policies] or list(POLICIES)
    console.print(
        f"Simulating {settings.last_day} days of {settings.services} services under {len(wanted)} policies with "
        f"{seeds} seeds: {len(wanted) * seeds} runs in {workers} processes.",
        soft_wrap=True,
    )
    began = time.monotonic()
    with Teller(console) as teller:

        def tell(done: int, total: int, what: str) -> None:
            left = (time.monotonic() - began) / done * (total - done)
            teller.tell("runs", done, total, f"{what} done; about {left:.0f} s left")

        results = run_all(
            settings, range(first_seed, first_seed + seeds), wanted, workers=workers, listener=tell
        )  # fmt: skip
    seconds = time.monotonic() - began
    if json_file is not None:
        found = {"command": sys.argv[1:], "seconds": round(seconds, 1), "machine": _machine(), **results.to_dict()}
        json_file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if svg_folder is not None:
        for name, picture in plots(results).items():
            (svg_folder / name).write_text(picture, encoding="utf-8")
    click.echo(text_report(results))
    click.echo(f"{seconds:.0f} seconds.")


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "python": platform.python_version(), "processors": os.cpu_count()}


def register(app: BookingApp) -> None:
    app.cli.add_command(simulate)
