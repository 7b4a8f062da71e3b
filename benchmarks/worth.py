"""Where one more session helps most on standard scenario 1, and whether that is true: the best are really added.

python -m benchmarks.worth --data DIR --commissioner 00W [--verify N] [--places K] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from booking.scenario import england
from booking.scenario.data import load
from booking.services.planning.workers import pool
from optimiser import Policy, solve
from optimiser.worth import SESSION_PLACES, Verifier, worth


def main() -> None:
    """Read the options, measure, print a line for each session tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the five CSV files")
    parser.add_argument("--commissioner", action="append", default=[], metavar="CODE", help="ODS code; all if none")
    parser.add_argument("--seed", type=int, default=england.STANDARD_SEED)
    parser.add_argument("--places", type=int, default=SESSION_PLACES)
    parser.add_argument("--verify", type=int, default=10, help="how many services' best sessions to try")
    parser.add_argument("--workers", type=int, default=0, help="processes to solve in; 0 solves in this one")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with pool(chosen.workers) as executor:
        found = _measured(chosen, executor)
    for row in found["sessions"]:
        print(
            f"{row['day']} {row['weekday']:9} {row['function']:4} {row['site'][:40]:40} at most {row['breaches']:>3} "
            f"breaches, {row['bound']:>14,} of cost; really {row['saved']:>3}, {row['gained']:>14,}"
        )
    print(f"{found['rows']:,} sessions valued in {found['seconds_worth']} s; plan {found['seconds_plan']} s.")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _measured(chosen: argparse.Namespace, executor: Any) -> dict[str, Any]:
    data = load(chosen.data).only(chosen.commissioner)
    made = england.build(data, seed=chosen.seed)
    problem = england.problem(data, made, replace(Policy(), alternatives=0))
    began = time.perf_counter()
    plan = solve(problem, executor=executor)
    planned = time.perf_counter()
    rows = worth(problem, plan, places=chosen.places)
    valued = time.perf_counter()
    _, first = np.unique(rows.service, return_index=True)
    best, verifier = rows.take(np.sort(first)), Verifier(problem, executor)
    sessions = []
    for at in range(min(chosen.verify, len(best))):
        result = verifier.verify(best.take(np.array([at])))
        service, when = int(best.service[at]) - 1, problem.as_of + timedelta(days=int(best.day[at]))
        sessions.append(
            {
                "site": data.sites.name[int(made.service_site[service])], "day": when.isoformat(),
                "function": made.functions[int(made.service_function[service])], "weekday": f"{when:%A}",
                "people": int(best.people[at]), "breaches": int(best.breaches[at]),
                "saved": result.breaches_before - result.breaches_after, **asdict(result),
            }
        )  # fmt: skip
    return {
        "scenario": "standard scenario 1", "seed": chosen.seed, "commissioners": chosen.commissioner or "all",
        "places": chosen.places, "referrals": len(problem.referrals), "certified": plan.certified, "rows": len(rows),
        "seconds_plan": round(planned - began, 2), "seconds_worth": round(valued - planned, 2), "sessions": sessions,
    }  # fmt: skip


if __name__ == "__main__":
    main()
