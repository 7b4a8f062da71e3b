"""How much of ``flask plan`` is the database: ``python -m benchmarks.plan_database --referrals 100000``.

Fills an empty database of each kind with a synthetic region (``benchmarks/region.py``), plans it as the command does
(nobody stands by, nothing is compared), and prints the seconds of each stage, their shares of the whole, referrals
read and offered to a second, and the peak memory. PostgreSQL runs with fsync on. Afterwards the invariants of the
written plan are counted by SQL: any fault is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks import region
from benchmarks.common import SECRET, analyse, databases, machine
from booking.config import Config
from booking.db import Database
from booking.domain.words import BookingState, OfferState
from booking.keys import Keys
from booking.models import Booking, Offer, OutboxMessage
from booking.services.planning.run import Options, Planner

STAGES = ("read", "solve", "check", "apply", "prices")


def measure(url: str, *, referrals: int, seed: int, options: Options) -> dict[str, Any]:
    """Fill the database, plan, look whether all is well; the figures."""
    database = Database(url)
    config = Config(database_url=url, secret_key=SECRET, cookie_secure=False)
    now = datetime.now(UTC)
    planner = Planner(database, config, Keys(SECRET), lambda: datetime.now(UTC))
    try:
        began = time.perf_counter()
        loaded = region.fill(database, config, planner.keys, now, referrals=referrals, seed=seed)
        analyse(database)
        filled = time.perf_counter() - began
        began = time.perf_counter()
        summary = planner.plan(options).summary
        whole = time.perf_counter() - began
        faults = wrong(database, summary)
    finally:
        database.dispose()
    stages = {name: summary["stages"][name] for name in STAGES}
    return {
        "referrals": summary["referrals"], "slots": summary["slots"], "pairs": summary["pairs"],
        "shortlisted": loaded.rows["referral_service"], "placed": summary["placed"], "offered": summary["offered"],
        "offers": summary["offers"], "conflicts": summary["conflicts"], "certified": summary["certified"],
        "trouble": summary["trouble"], "fill": round(filled, 1), "seconds": round(whole, 1), "stages": stages,
        "share": {name: round(seconds / whole, 3) for name, seconds in stages.items()},
        "read_a_second": round(summary["referrals"] / stages["read"]),
        "offered_a_second": round(summary["offered"] / stages["apply"]),
        "peak_mb": round(_peak()), "faults": faults,
    }  # fmt: skip


def wrong(database: Database, summary: dict[str, Any]) -> list[str]:
    """What the database holds against what the run says: one hold, offers ranked from 1 and a message for each."""
    held = (Booking.state == BookingState.HELD) & Booking.released_at.is_(None)
    with database.unit_of_work(write=False) as session:
        counts = {
            "offered": session.scalar(select(func.count()).where(held)),
            "offers": session.scalar(select(func.count()).where(Offer.state == OfferState.OPEN)),
        }
        faults = [
            f"{name}: {counts[name]} rows, {summary[name]} said" for name in counts if counts[name] != summary[name]
        ]
        messages = session.scalar(select(func.count(OutboxMessage.id)).where(OutboxMessage.kind == "offers-ready"))
        if messages != summary["offered"]:
            faults.append(f"{messages} messages")
        apart = session.scalar(
            select(func.count())
            .select_from(Offer)
            .outerjoin(Booking, (Booking.referral_id == Offer.referral_id) & (Booking.slot_id == Offer.slot_id) & held)
            .where(Offer.guaranteed, Offer.state == OfferState.OPEN, Booking.id.is_(None))
        )
        if apart:
            faults.append(f"{apart} guaranteed offers without a hold")
    return faults


def _peak() -> float:
    """Megabytes of this process at its largest, with its largest worker's."""
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--referrals", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="both by default")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--deadline", type=float)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    options = Options(workers=args.workers, deadline=args.deadline, compare=False)
    said: dict[str, Any] = {"machine": machine(), "load": os.getloadavg()[0], "seed": args.seed, "databases": {}}
    with databases(args.database or ("sqlite", "postgresql")) as urls:
        for kind, url in urls.items():
            found = measure(url, referrals=args.referrals, seed=args.seed, options=options)
            said["databases"][kind] = found
            print(f"{kind}: {found['referrals']:,} referrals, {found['slots']:,} slots, {found['offers']:,} offers")
            for name in STAGES:
                print(f"  {name:7} {found['stages'][name]:8.1f} s {100 * found['share'][name]:5.1f} %")
            print(f"  whole   {found['seconds']:8.1f} s, {found['read_a_second']:,} referrals read a second, ", end="")
            print(f"{found['offered_a_second']:,} offered to a second, peak {found['peak_mb']:,} MB", flush=True)
            if found["faults"]:
                raise SystemExit("\n".join(found["faults"]))
    if args.json:
        args.json.write_text(json.dumps(said, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
