"""``python -m tests.fuzz --requests 20000``: the fuzz for long; prints each kind of fault once."""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--caller", default="")
    parser.add_argument("--verbose", action="store_true", help="print how often each operation gave which answers")
    wanted = parser.parse_args()
    seen: dict[str, int] = {}
    shared = Path("/dev/shm")  # synced writes cost nothing there
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        fuzz = prepare(Path(folder))
        names = [name for name in fuzz.world.callers if wanted.caller in name]
        began, made, seed = time.perf_counter(), 0, wanted.seed
        while made < wanted.requests:
            for name in names:
                for fault in fuzz.batch(name, seed, wanted.batch):
                    kind = re.sub(r"\d+|'[^']*'", "#", fault.split("\n    ")[0].replace("\n", " "))[-300:]
                    seen[kind] = seen.get(kind, 0) + 1
                    if seen[kind] == 1:
                        print(f"--- {name}, seed {seed}: {fault}", flush=True)
            seed, made = seed + 1, fuzz.tally.total()
        seconds = time.perf_counter() - began
        print(f"{made:,} requests in {seconds:,.0f} s; {sum(seen.values())} faults of {len(seen)} kinds.")
        for kind, times in seen.items():
            print(f"{times:6,}  {kind}")
        if wanted.verbose:
            for (operation, status), times in sorted(fuzz.tally.items()):
                print(f"{times:6,}  {status}  {operation}")


if __name__ == "__main__":
    main()
