"""What a keep bonus is worth: people moved without need by 1 % churn, and what the plan loses, weight by weight.

``python -m benchmarks.stability [--referrals 10000] [--keep 0 30000 …] [--data DIR --commissioner 00W] [--json FILE]``.
Churn of a share c: c of the people leave and as many come; c of the slots are withdrawn and as many published. The plan
before is made as if everything were new; the one after knows what everybody had. ``fresh`` is its rival with keep 0.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import machine
from booking.scenario import england
from booking.scenario.data import load
from optimiser import Plan, Problem, certify, check, solve
from optimiser.arrays import I64
from optimiser.generate import generate
from optimiser.stability import stability

KEEPS = (0, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def generated(referrals: int, load_: float, seed: int) -> Problem:
    """A seeded problem of every kind of limit."""
    return generate(referrals, seed=seed, load=load_, services=8)


def churned(whole: Problem, share: float, seed: int) -> tuple[Problem, Problem]:
    """The problem before and after: each without a different ``share`` of the people and of the slots of the whole."""
    rng = np.random.default_rng(seed)
    sides = [_without(rng, len(whole.referrals), share), _without(rng, len(whole.slots), share)]
    made = []
    for at in (0, 1):
        people, slots = sides[0][at], sides[1][at]
        some = whole.only(people)
        made.append(replace(some, slots=whole.slots.take(slots)))
    before, after = made
    nothing = np.full(len(before.referrals), -1, np.int64)
    return replace(before, referrals=replace(before.referrals, previous_slot=nothing)), after


def _without(rng: np.random.Generator, n: int, share: float) -> tuple[I64, I64]:
    order = rng.permutation(n)
    gone = round(n * share / (1 + share))
    return np.sort(order[gone:]), np.sort(np.concatenate((order[:gone], order[2 * gone :])))


def curve(whole: Problem, keeps: list[int], share: float, seed: int) -> Iterator[dict[str, Any]]:
    """Figures for each weight; every plan is checked and certified."""
    before, after = churned(whole, share, seed)
    old = sound(before)
    told = replace(after.referrals, previous_slot=old.slots_for(after.referrals.key))
    after = replace(after, referrals=told)
    fresh = sound(after.with_policy(replace(after.policy, keep=0)))
    for keep in keeps:
        began = time.perf_counter()
        problem = after.with_policy(replace(after.policy, keep=keep))
        found = stability(old, problem, fresh if keep == 0 else sound(problem), fresh)
        yield {
            "keep": keep, "stayed": found.stayed, "moved_with_need": found.moved_with_need,
            "moved_without_need": found.moved_without_need, "lost_their_place": found.lost_their_place,
            "moved_percent": round(100 * found.moved_share, 3), "loss_percent": round(100 * found.loss_share, 4),
            "loss_in_time_percent": round(100 * found.loss_in_time, 4),
            "seconds": round(time.perf_counter() - began, 1),
        }  # fmt: skip


def sound(problem: Problem) -> Plan:
    """The plan, with its proof; without alternatives, which nobody asks for here."""
    plain = problem.with_policy(replace(problem.policy, alternatives=0))
    plan = solve(plain)
    if check(plain, plan) or not certify(plain, plan).valid:
        raise RuntimeError("a plan that is not sound")
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--referrals", type=int, default=10_000)
    parser.add_argument("--load", type=float, default=1.0)
    parser.add_argument("--churn", type=float, default=0.01)
    parser.add_argument("--keep", type=int, nargs="+", default=list(KEEPS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--commissioner", action="append", default=[])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not 0 < options.churn < 0.5:
        parser.error("--churn: a share between 0 and 0.5")
    if options.data:
        data = load(options.data)
        data = data.only(options.commissioner) if options.commissioner else data
        whole = england.problem(data, england.build(data))
    else:
        whole = generated(options.referrals, options.load, options.seed)
    result: dict[str, Any] = {
        "machine": machine(), "referrals": len(whole.referrals), "slots": len(whole.slots), "churn": options.churn,
        "seed": options.seed, "data": bool(options.data), "commissioners": options.commissioner, "curve": [],
    }  # fmt: skip
    print(json.dumps({name: value for name, value in result.items() if name != "curve"}))
    for row in curve(whole.canonical(), options.keep, options.churn, options.seed):
        result["curve"].append(row)
        print(json.dumps(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
