"""Policies side by side on standard scenario 1: breaches against the wait of the worst-off group, and a search.

python -m benchmarks.frontier --data DIR --commissioner 00W [--commissioner …] [--json FILE] [--svg FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from booking.scenario import england
from booking.scenario.data import Data, DataError, load
from booking.services.planning.workers import pool
from optimiser.fairness import Labels
from optimiser.frontier import ROUNDS, Goal, Point, Study, efficient, ladder, search, sweep
from optimiser.frontier_plot import svg, table
from optimiser.policy import Policy

BREACH_DAYS = (50, 200, 1_000, 10_000)
"""What a routine breach is worth in routine days of waiting, from a trade to a rule above all others."""


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the five CSV files")
    parser.add_argument("--commissioner", action="append", default=[], metavar="CODE", help="ODS code; all if none")
    parser.add_argument(
        "--function", action="append", default=[], metavar="CODE", help="treatment function; all if none"
    )
    parser.add_argument("--seed", type=int, default=england.STANDARD_SEED)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="solves of the search at most; 0 leaves it out")
    parser.add_argument("--avoided", type=float, default=Goal().avoided, help="share of the breaches to avoid")
    parser.add_argument("--days", type=float, default=Goal().days, help="days no group may wait longer")
    parser.add_argument("--policy", type=Path, action="append", default=[], metavar="FILE", help="weights as JSON")
    parser.add_argument("--workers", type=int, default=0, help="processes to solve in; 0 solves in this one")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    chosen = parser.parse_args()
    data = _part(load(chosen.data).only(chosen.commissioner), chosen.function)
    with pool(chosen.workers) as executor:
        study = _study(data, chosen.seed)
        study.executor = executor
        made = _measured(study, chosen)
    print(made.pop("table"))
    print(f"The fewest any plan could have: {made['fewest']['unavoidable']:,}; "
          f"{made['fewest']['unavoidable_placing_late']:,} if nobody already late is left aside.")  # fmt: skip
    print(f"Search: {made['why']}.")
    picture = made.pop("svg")
    if chosen.svg is not None:
        chosen.svg.write_text(picture, encoding="utf-8")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(made, indent=1), encoding="utf-8")


def _part(data: Data, functions: list[str]) -> Data:
    """The treatment functions named, or all; no slot serves two, so a function's part of a plan is the same alone."""
    if not functions:
        return data
    unknown = set(functions) - set(data.names())
    if unknown:
        raise DataError(f"waiting.csv has no treatment function {min(unknown)!r}")
    return replace(
        data, waiting=[row for row in data.waiting if row.function in functions],
        completed={key: count for key, count in data.completed.items() if key[1] in functions},
    )  # fmt: skip


def _study(data: Data, seed: int) -> Study:
    """The scenario, with the commissioner of each referral as a group."""
    made = england.build(data, seed=seed)
    groups = {"commissioner": commissioners(data)}
    return Study(england.problem(data, made, replace(Policy(), alternatives=0)), groups)


def commissioners(data: Data) -> Labels:
    """The commissioner whose waiting list each referral is on: the scenario goes through them in order."""
    codes = sorted({row.commissioner for row in data.waiting})
    people = dict.fromkeys(codes, 0)
    for row in data.waiting:
        people[row.commissioner] += sum(row.bands)
    return Labels(np.repeat(np.arange(len(codes), dtype=np.int64), [people[code] for code in codes]), tuple(codes))


def _measured(study: Study, chosen: argparse.Namespace) -> dict[str, Any]:
    policies = {"default": Policy(), "balanced": Policy.balanced(), **ladder(Policy(), BREACH_DAYS)}
    for file in chosen.policy:
        policies[file.stem] = Policy.from_dict(json.loads(file.read_text(encoding="utf-8")))
    points: list[Point] = sweep(study, policies)
    goal, why = Goal(chosen.avoided, chosen.days), "left out"
    best: Point | None = None
    if chosen.rounds:
        found = search(study, Policy(), goal, rounds=chosen.rounds)
        points += found.points
        best, why = found.best, found.why
    about = f"{len(study.problem.referrals):,} referrals"
    return {
        "scenario": "standard scenario 1", "seed": chosen.seed, "commissioners": chosen.commissioner or "all",
        "functions": chosen.function or "all",
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "referrals": len(study.problem.referrals), "places": int(study.problem.slots.capacity.sum()),
        "ring_fenced_breaches": study.breaches, "fewest": study.fewest(), "why": why,
        "best": best.name if best else None, "frontier": [point.name for point in efficient(points)],
        "points": [point.to_dict() for point in points], "table": table(points),
        "svg": svg(points, study.breaches, goal, about=about),
    }  # fmt: skip


if __name__ == "__main__":
    main()
