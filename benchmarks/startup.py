"""Memory of a web worker, and seconds until its first answer.

python -m benchmarks.startup [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.common import Client, databases, machine
from benchmarks.population import SECRET, populate
from booking.db import Database
from tests import servers


def _memory_mb(pid: int) -> dict[str, float]:
    """Resident and proportional (shared pages counted once among their users) memory of a process, in MB."""
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            sizes[name.lower() + "_mb"] = round(int(rest.split()[0]) / 1024, 1)
    return sizes


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


def measure(url: str) -> dict[str, Any]:
    database = Database(url)
    people = populate(database, slots=2_000, referrals=100)
    began = time.perf_counter()
    with servers.gunicorn(url, workers=1, SECRET_KEY=SECRET) as server:
        first = time.perf_counter() - began
        with urllib.request.urlopen(f"{server.url}/", timeout=10) as page:
            page.read()
        client = Client(server.url)
        fresh = _memory_mb(_children(server.process.pid)[0])
        for n in range(300):
            client.request("GET", f"/api/v1/referrals/{people.ubrns[n % 100]}/slots", token=people.tokens[n % 100])
        used = _memory_mb(_children(server.process.pid)[0])
    database.dispose()
    return {"seconds_to_first_answer": round(first, 2), "worker_fresh": fresh, "worker_after_300_requests": used}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    with databases() as urls:
        for kind, url in urls.items():
            results[kind] = measure(url)
            print(f"{kind}: {json.dumps(results[kind])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
