"""What patients get out of a plan, and out of its rivals: breaches, waits and tails, by group.

A breach: someone not yet past their target on the plan's day whose slot is after it, or who has none within the
horizon. Those already past it are reported apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np

from optimiser.arrays import I64, Array, Bool, find
from optimiser.certificate import dual_bound
from optimiser.compiling import fold, make_shard, shard_rows
from optimiser.plan import Plan
from optimiser.policy import Policy
from optimiser.problem import Expected, Priority, Problem
from optimiser.solve import solve

WAIT_BANDS = (("0-5 weeks", 0, 42), ("6-11 weeks", 42, 84), ("12-17 weeks", 84, 126), ("18+ weeks", 126, 10**6))
DISTANCE_BANDS = (("under 5 km", 0, 5), ("5-15 km", 5, 15), ("15-30 km", 15, 30), ("over 30 km", 30, 10**6))


def measures(problem: Problem, slot: I64) -> dict[str, Any]:
    """Figures for slot indices (-1: none) of the referrals of the canonical problem."""
    problem = problem.canonical()
    refs = problem.referrals
    day = np.where(slot >= 0, problem.slots.day[slot], -1) if len(problem.slots) else slot
    late = refs.waited_days > refs.target_days
    groups: dict[str, Bool] = {p.name.lower(): (refs.priority == p) & ~late for p in Priority}
    groups["already_late"] = late
    out = _figures(problem, day, np.ones(len(refs), np.bool_))
    out["by_priority"] = {name: _figures(problem, day, mask) for name, mask in groups.items()}
    out["by_wait"] = {
        name: _figures(problem, day, (refs.waited_days >= low) & (refs.waited_days < high))
        for name, low, high in WAIT_BANDS
    }
    near = nearest_km(problem)
    out["by_distance"] = {
        name: _figures(problem, day, (near >= low) & (near < high)) for name, low, high in DISTANCE_BANDS
    }
    out["travel_km"] = _travel(problem, slot)
    return out


def breaches(problem: Problem, day: Array) -> Bool:
    """Mask of breaches, given each referral's slot day (-1: none)."""
    refs = problem.referrals
    in_time = refs.waited_days <= refs.target_days
    return np.asarray(in_time & ((day < 0) | (refs.waited_days + day > refs.target_days)), np.bool_)


def _figures(problem: Problem, day: Array, mask: Bool) -> dict[str, Any]:
    placed = mask & (day >= 0)
    days = day[placed].astype(np.int64)
    waits = days + problem.referrals.waited_days[placed]
    return {
        "referrals": int(mask.sum()),
        "placed": int(placed.sum()),
        "unplaced": int((mask & (day < 0)).sum()),
        "breaches": int((breaches(problem, day) & mask).sum()),
        "day": _spread(days),
        "wait": _spread(waits),
    }


def _spread(values: I64) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    p95, p99 = np.percentile(values, (95, 99), method="higher")
    return {
        "mean": round(float(values.mean()), 2), "p95": int(p95), "p99": int(p99), "longest": int(values.max()),
    }  # fmt: skip


def nearest_km(problem: Problem) -> Array:
    """Distance to each referral's nearest shortlisted service; not a number if there is none or it is unknown."""
    lists = problem.shortlists
    row = np.repeat(np.arange(len(problem.referrals)), np.diff(lists.indptr))
    out = np.full(len(problem.referrals), np.inf)
    known = ~np.isnan(lists.distance_km)
    np.minimum.at(out, row[known], lists.distance_km[known].astype(np.float64))
    return np.where(np.isinf(out), np.nan, out)


def _travel(problem: Problem, slot: I64) -> dict[str, float] | None:
    lists = problem.shortlists
    services = np.unique(np.concatenate((lists.service, problem.slots.service)))
    row = np.repeat(np.arange(len(problem.referrals)), np.diff(lists.indptr))
    pair = row * len(services) + find(services, lists.service)
    at = np.flatnonzero(slot >= 0)
    wanted = at * len(services) + find(services, problem.slots.service[slot[at]])
    entry = find(pair, wanted)
    km = lists.distance_km[entry[entry >= 0]].astype(np.float64)
    km = km[~np.isnan(km)]
    if len(km) == 0:
        return None
    return {"mean": round(float(km.mean()), 2), "p95": round(float(np.percentile(km, 95)), 2)}


def compare(problem: Problem, plan: Plan, rivals: Mapping[str, I64] | None = None) -> dict[str, Any]:
    """Figures of the plan and of each rival (name to slot index of each referral of the canonical problem)."""
    problem = problem.canonical()
    slot = find(problem.slots.key, plan.slots_for(problem.referrals.key))
    table = {"plan": measures(problem, slot)}
    for name, other in (rivals or {}).items():
        table[name] = measures(problem, other)
    return {"as_of": problem.as_of.isoformat(), "problem": problem.digest(), "methods": table}


_FIRST = 10**11
"""Cost of a breach where nothing else may weigh against it: far above what a chain of moved patients costs."""


def unavoidable(problem: Problem, executor: Executor | None = None, *, placing_late: bool = False) -> dict[str, Any]:
    """The fewest breaches any plan could have, proven with breaches alone as cost.

    Those already late are left out, as if they needed no slot; with ``placing_late`` they count one each if they get
    none, so that the figure is the fewest breaches without leaving anybody already late aside (where all of them get
    one, as usual). Nothing is reserved for arrivals forecast and a patient's two referrals may clash: both can only
    lower the figure, so it is a bound anyway.

    Solved with a breach far above all else, since breaches alone leave almost every choice open; the prices, rounded
    to whole breaches, then prove the figure by the certificate's own bound. Returns ``breaches``, the ``bound``
    proven, ``certified`` (whether they meet) and seconds.
    """
    began = time.perf_counter()
    problem = problem.canonical()
    refs = problem.referrals
    some = problem if placing_late else problem.only(refs.waited_days <= refs.target_days)
    alone = replace(some.referrals, patient=some.referrals.key)
    policy = replace(problem.policy, breach=(_FIRST,) * 3, keep=0, alternatives=0)
    given = Problem(problem.as_of, alone, some.shortlists, some.slots, policy)
    plan = solve(given, executor=executor)
    slot = find(given.slots.key, plan.slot_key)
    day = np.where(slot >= 0, given.slots.day[slot], -1) if len(given.slots) else slot
    late_without = (alone.waited_days > alone.target_days) & (slot < 0)
    found = int((breaches(given, day) | late_without).sum())
    bound = _proven(given.with_policy(_pure(policy)), (plan.slot_price + _FIRST // 2) // _FIRST)
    return {
        "breaches": found, "bound": bound, "certified": bound == found, "seconds": time.perf_counter() - began,
    }  # fmt: skip


def at_least(problem: Problem, plan: Plan) -> int:
    """Breaches that no plan can avoid, as far as this plan's own prices prove it: no further solve.

    A place whose price is worth a good part of a breach counts as one breach; any prices prove something, so the
    best of several roundings is taken. Those already late are left out, as in ``unavoidable``.
    """
    problem = problem.canonical()
    refs = problem.referrals
    some = problem.only(refs.waited_days <= refs.target_days).with_policy(_pure(problem.policy))
    some = replace(some, expected=Expected())  # arrivals forecast miss targets too, and are not counted
    least = min(problem.policy.breach)
    return max(_proven(some, (plan.slot_price * 100 > least * share).astype(np.int64)) for share in (10, 50, 90))


def _pure(policy: Policy) -> Policy:
    """Breaches alone as cost."""
    return replace(
        policy, breach=(1, 1, 1), late_day=(0, 0, 0), late_square=(0, 0, 0), wait_day=(0, 0, 0),
        wait_square=(0, 0, 0), travel_km=0, tie_break=0, keep=0, alternatives=0,
    )  # fmt: skip


def _proven(problem: Problem, slot_price: I64) -> int:
    """The bound that these prices prove."""
    buckets = fold(problem)
    price = np.zeros(len(buckets.capacity), np.int64)
    at = np.flatnonzero(buckets.of_slot >= 0)
    price[buckets.of_slot[at]] = slot_price[at]
    total = 0
    for specialty, rows in shard_rows(problem):
        shard = make_shard(problem, buckets, specialty, rows)
        total += dual_bound(shard, price[shard.first_bucket : shard.first_bucket + len(shard.capacity)]).value
    return total


def text_table(comparison: dict[str, Any]) -> str:
    """The comparison in lines of text: breaches, then mean, 95th percentile and longest wait of each group."""
    groups = [*(p.name.lower() for p in Priority), "already_late"]
    lines = ["{:24}{:>10}{:>10}".format("method", "breaches", "unplaced") + "".join(f"{g:>24}" for g in groups)]
    for name, figures in comparison["methods"].items():
        cells = []
        for group in groups:
            wait, day = (figures["by_priority"][group][w] for w in ("wait", "day"))
            cells.append(f"{day['mean']:.1f} {wait['p95']} {wait['longest']}" if wait else "-")
        lines.append(
            f"{name:24}{figures['breaches']:>10}{figures['unplaced']:>10}" + "".join(f"{c:>24}" for c in cells)
        )
    lines.append("columns of groups: mean day of the slot, 95th percentile and longest wait from the clock start")
    return "\n".join(lines)


__all__ = ["breaches", "compare", "measures", "nearest_km", "text_table", "unavoidable"]
