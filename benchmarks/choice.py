"""How many have a choice: everybody asked at once, and in automatic waves that show what is only pencilled.

``python -m benchmarks.choice [--referrals 5000] [--load 1.0] [--data DIR --commissioner 00W] [--json FILE]``.
Of those asked, the shares with a choice of provider, of day (a week apart) and of time of day; the same people with
free places only.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import machine
from benchmarks.stability import generated
from booking.scenario import england
from booking.scenario.data import load
from optimiser import Plan, Problem, solve
from optimiser.arrays import I64, take_rows
from optimiser.choice import choice
from optimiser.waves import automatic, in_order, shown


def figures(problem: Problem) -> dict[str, Any]:
    """The shares for everybody at once, and for an automatic wave with and without what is pencilled."""
    plan = solve(problem)
    everybody, asked = in_order(problem, plan), automatic(problem, plan)
    began = time.perf_counter()
    found = shown(problem, plan, asked)
    seconds = round(time.perf_counter() - began, 1)
    return {
        "referrals": len(problem.referrals), "places": int(problem.slots.capacity.sum()),
        "everybody_at_once": _free(problem, plan, everybody),
        "automatic_wave_free_places_only": _free(problem, plan, asked),
        "automatic_wave": {
            **_shares(problem, plan, asked, found.indptr, found.slot_key),
            "shown": len(found.slot_key), "of_them_pencilled": int(found.pencilled.sum()), "seconds": seconds,
        },
    }  # fmt: skip


def _free(problem: Problem, plan: Plan, asked: I64) -> dict[str, float]:
    indptr, at = take_rows(plan.alternatives.indptr, asked)
    return _shares(problem, plan, asked, indptr, plan.alternatives.slot_key[at])


def _shares(problem: Problem, plan: Plan, asked: I64, indptr: I64, others: I64) -> dict[str, float]:
    who = np.concatenate((asked, np.repeat(asked, np.diff(indptr))))
    return choice(problem, who, np.concatenate((plan.slot_key[asked], others)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--referrals", type=int, default=5_000)
    parser.add_argument("--load", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--commissioner", action="append", default=[])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.data:
        data = load(options.data)
        data = data.only(options.commissioner) if options.commissioner else data
        problem = england.problem(data, england.build(data))
    else:
        problem = generated(options.referrals, options.load, options.seed)
    result = {"machine": machine(), "seed": options.seed, **figures(problem.canonical())}
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
