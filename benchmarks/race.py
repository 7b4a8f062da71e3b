"""Twenty clients race for each of fifty slots, through HTTP, on both databases: who wins, who is refused, and how.

python -m benchmarks.race [--slots 50] [--clients 20] [--workers 8] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.common import Client, databases, machine
from benchmarks.population import SECRET, Population, populate
from booking.db import Database
from booking.domain.words import BookingState
from booking.models import Booking
from tests import servers


def race(server: str, people: Population, slots: int, clients: int) -> Counter[str]:
    """For each slot, ``clients`` patients press "book" in the same moment. Counts the answers by status and code."""
    answers: Counter[str] = Counter()
    client = Client(server)
    barrier = threading.Barrier(clients)

    def run(lane: int) -> Counter[str]:
        mine: Counter[str] = Counter()
        for turn in range(slots):
            who = turn * clients + lane
            slot_id, starts_at, ends_at = people.slots[turn]
            body = {"slot_id": slot_id, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
            barrier.wait()
            path = f"/api/v1/referrals/{people.ubrns[who]}/bookings"
            status, answer = client.request("POST", path, token=people.tokens[who], body=body)
            mine[f"{status} {answer.get('state') or answer.get('code')}"] += 1
        return mine

    with ThreadPoolExecutor(clients) as pool:
        for mine in pool.map(run, range(clients)):
            answers.update(mine)
    return answers


def places_taken(database: Database) -> tuple[int, int]:
    """Slots with a live booking, and slots with more than one."""
    live = (
        select(Booking.slot_id, func.count().label("n"))
        .where(Booking.state == BookingState.BOOKED)
        .group_by(Booking.slot_id)
        .subquery()
    )
    with database.unit_of_work(write=False) as session:
        taken = session.scalar(select(func.count()).select_from(live)) or 0
        twice = session.scalar(select(func.count()).select_from(live).where(live.c.n > 1)) or 0
    return taken, twice


def measure(url: str, slots: int, clients: int, workers: int) -> dict[str, Any]:
    database = Database(url)
    people = populate(database, slots=slots, referrals=slots * clients, services=1)
    with servers.gunicorn(url, workers=workers, SECRET_KEY=SECRET) as server:
        began = time.perf_counter()
        answers = race(server.url, people, slots, clients)
        seconds = time.perf_counter() - began
    taken, twice = places_taken(database)
    database.dispose()
    return {
        "slots": slots, "clients": clients, "workers": workers, "answers": dict(answers), "slots_booked": taken,
        "slots_double_booked": twice, "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    with databases() as urls:
        for kind, url in urls.items():
            results[kind] = measure(url, options.slots, options.clients, options.workers)
            print(f"{kind}: {json.dumps(results[kind])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
