"""``python -m tests.machine --steps 100000``: the state machine for long, on a database file in memory if possible."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from booking import migrate
from booking.db import Database
from tests.machine.rules import Living

PER_EXAMPLE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--verbose", action="store_true", help="print what was done and refused, and how often")
    wanted = parser.parse_args()
    shared = Path("/dev/shm")  # synced writes cost nothing there
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        began = time.perf_counter()
        _run(Path(folder), wanted.steps)
        seconds = time.perf_counter() - began
    print(f"{Living.steps:,} steps in {seconds:,.0f} s; every invariant held after each.")
    if wanted.verbose:
        for what, times in sorted(Living.tally.items(), key=lambda item: -item[1]):
            print(f"{times:9,}  {what}")


def _run(folder: Path, steps: int) -> None:
    empty = folder / "empty.db"
    made = Database(f"sqlite:///{empty}")
    migrate.upgrade(made)
    made.dispose()
    path = folder / "machine.db"

    class Machine(Living):
        def __init__(self) -> None:
            super().__init__()
            shutil.copy(empty, path)
            self.database = Database(f"sqlite:///{path}")
            if Living.steps // 5_000 != getattr(Living, "_said", 0):
                Living._said = Living.steps // 5_000  # type: ignore[attr-defined]
                print(f"    {Living.steps:,} steps", flush=True)

        def teardown(self) -> None:
            self.database.dispose()

    while Living.steps < steps:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=min(200, 1 + (steps - Living.steps) // PER_EXAMPLE),
                stateful_step_count=PER_EXAMPLE, deadline=None, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip


if __name__ == "__main__":
    main()
