"""Bookings a second through HTTP, and how slot search grows: on both databases, beside pgbench.

    python -m benchmarks.booking [--slots 200000] [--clients 8] [--seconds 20] [--workers 3] [--json FILE]

Booking: every client is a patient after the other, signed in beforehand, posting a booking of a free slot: a
transaction of row locks, hold sweep, booking, event, audit entry, message and state. Beside it pgbench runs the SQL of
that transaction by itself, on the same server with the same number of clients. Search: the same request at 2,000 slots
and at ``--slots``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.common import Client, analyse, databases, machine, percentile
from benchmarks.population import SECRET, Population, populate
from booking.db import Database
from tests import servers

SMALL = 2_000


def _book(server: str, jobs: list[tuple[str, str, dict[str, Any]]], seconds: float) -> list[tuple[float, int]]:
    """One client: book until the time is over; (milliseconds, status) of each."""
    client, done, end = Client(server), [], time.perf_counter() + seconds
    for ubrn, token, body in jobs:
        began = time.perf_counter()
        if began >= end:
            break
        status, _ = client.request("POST", f"/api/v1/referrals/{ubrn}/bookings", token=token, body=body)
        done.append(((time.perf_counter() - began) * 1000, status))
    return done


def _jobs(people: Population, clients: int) -> list[list[tuple[str, str, dict[str, Any]]]]:
    order = random.Random(7).sample(range(len(people.slots)), len(people.ubrns))
    lanes: list[list[tuple[str, str, dict[str, Any]]]] = [[] for _ in range(clients)]
    for who, turn in enumerate(order):
        # Referral n may use services n%20+1 … n%20+5; take a slot of the first.
        slot_id, starts_at, ends_at = people.slots[turn - turn % 20 + who % 20]
        body = {"slot_id": slot_id, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
        lanes[who % clients].append((people.ubrns[who], people.tokens[who], body))
    return lanes


def bookings(url: str, people: Population, clients: int, seconds: float, workers: int) -> dict[str, Any]:
    with servers.gunicorn(url, workers=workers, SECRET_KEY=SECRET) as server, ProcessPoolExecutor(clients) as pool:
        lanes = _jobs(people, clients)
        for lane in lanes:
            _book(server.url, [lane.pop() for _ in range(5)], 60)  # every worker warm
        began = time.perf_counter()
        parts = list(pool.map(_book, [server.url] * clients, lanes, [seconds] * clients))
        took = time.perf_counter() - began
    done = [one for part in parts for one in part]
    times = [ms for ms, status in done if status == 201]
    return {
        "bookings": len(times),
        "refused_because_taken": sum(status == 422 for _, status in done),
        "other_answers": sum(status not in (201, 422) for _, status in done),
        "per_second": round(len(times) / took, 1),
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
    }


def search_times(url: str, people: Population, requests: int = 300) -> dict[str, float]:
    with servers.gunicorn(url, workers=1, SECRET_KEY=SECRET) as server:
        client, times = Client(server.url), []
        for n in range(requests + 50):
            who = n % len(people.ubrns)
            began = time.perf_counter()
            status, answer = client.request(
                "GET", f"/api/v1/referrals/{people.ubrns[who]}/slots", token=people.tokens[who]
            )
            times.append((time.perf_counter() - began) * 1000)
            if status != 200 or len(answer["slots"]) != 20:
                raise RuntimeError(f"search answered {status}")
    warm = times[50:]
    return {"p50_ms": round(percentile(warm, 0.5), 2), "p99_ms": round(percentile(warm, 0.99), 2)}


PGBENCH = """\\set n random({first}, {last})
BEGIN;
SELECT id FROM auth_session WHERE id = :n;
SELECT id, state, version FROM referral WHERE id = :n FOR UPDATE;
SELECT id, starts_at, ends_at FROM slot WHERE id = :n FOR UPDATE;
UPDATE booking SET state = 'EXPIRED', released_at = now()
  WHERE slot_id = :n AND state = 'HELD' AND held_until <= now();
SELECT place FROM booking WHERE slot_id = :n AND released_at IS NULL;
INSERT INTO booking (reference, referral_id, patient_id, slot_id, place, starts_at, ends_at, state, created_at,
  booked_at, released_at)
  SELECT substr(md5(random()::text), 1, 12), :n, :n, id, 1, starts_at, ends_at, 'CANCELLED', now(), now(), now()
  FROM slot WHERE id = :n;
UPDATE referral SET version = version + 1 WHERE id = :n;
INSERT INTO referral_event (referral_id, sequence, action, to_state, actor, role, at, detail)
  SELECT :n, 1000000 + nextval('referral_event_id_seq'), 'BOOK', 'BOOKED', 'pgbench', 'PATIENT', now(), '{{}}';
SELECT sequence, hash FROM audit_entry WHERE chain = 'referral:' || :n ORDER BY sequence DESC LIMIT 1;
INSERT INTO audit_entry (chain, sequence, at, actor, role, action, previous_hash, hash)
  SELECT 'pgbench:' || :n, 1000000 + nextval('audit_entry_id_seq'), now(), 'pgbench', 'PATIENT', 'book',
  repeat('0', 64), repeat('0', 64);
INSERT INTO outbox_message (event_key, kind, payload, created_at, next_attempt_at, attempts)
  VALUES (md5(random()::text), 'pgbench', '{{}}', now(), now(), 0);
COMMIT;
"""


def pgbench(url: str, referrals: int, clients: int, seconds: float) -> dict[str, float]:
    """The same transaction's statements by themselves: what the database alone can do."""
    where = make_url(url)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)
    program = next(map(str, folders), None) or shutil.which("pgbench")
    if program is None:
        raise RuntimeError("pgbench is not on this machine: apt-get install postgresql-contrib")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(PGBENCH.format(first=referrals // 2, last=referrals))
        script.flush()
        words = [
            program,
            "-n",
            "-M",
            "prepared",
            "-f",
            script.name,
            "-c",
            str(clients),
            "-j",
            "2",
            "-T",
            str(int(seconds)),
            "-h",
            "127.0.0.1",
            "-p",
            str(where.port),
            "-U",
            "postgres",
            "-r",
            str(where.database),
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    latency = re.search(r"latency average = ([\d.]+)", done.stdout)
    if rate is None or latency is None:
        raise RuntimeError(done.stdout + done.stderr)
    return {"per_second": round(float(rate[1]), 1), "mean_ms": round(float(latency[1]), 1)}


def measure(kind: str, small_url: str, url: str, options: argparse.Namespace) -> dict[str, Any]:
    small, large = Database(small_url), Database(url)
    few = populate(small, slots=SMALL, referrals=100)
    many = populate(large, slots=options.slots, referrals=options.referrals)
    analyse(small)
    analyse(large)
    result: dict[str, Any] = {"slots": options.slots, "clients": options.clients, "workers": options.workers}
    result["search_at_2000"] = search_times(small_url, few)
    result[f"search_at_{options.slots}"] = search_times(url, many)
    result["search_ratio_p50"] = round(
        result[f"search_at_{options.slots}"]["p50_ms"] / result["search_at_2000"]["p50_ms"], 2
    )
    result["booking"] = bookings(url, many, options.clients, options.seconds, options.workers)
    print(json.dumps(result), flush=True)
    if kind == "postgresql":
        result["pgbench"] = pgbench(url, options.referrals, options.clients, options.seconds)
        result["share_of_pgbench"] = round(result["booking"]["per_second"] / result["pgbench"]["per_second"], 2)
    small.dispose()
    large.dispose()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=200_000)
    parser.add_argument("--referrals", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = options.database or ["sqlite", "postgresql"]
    results: dict[str, Any] = {"machine": machine()}
    for kind in kinds:
        with databases([kind]) as small, databases([kind]) as large:
            results[kind] = measure(kind, small[kind], large[kind], options)
        print(f"{kind}: {json.dumps(results[kind])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
