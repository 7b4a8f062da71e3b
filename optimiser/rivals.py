"""The usual ways to hand out slots, on the same problem, to measure a plan against.

Each returns a slot index for each referral of the canonical problem (-1: none). All respect every hard limit; none
looks at a patient's other referrals, nor reserves anything for arrivals forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from optimiser.arrays import I64, Array
from optimiser.compiling import Shard, fold, make_shard, shard_rows
from optimiser.jit import kernel
from optimiser.pairs import Pairs, pairs_of
from optimiser.problem import Priority, Problem
from optimiser.seating import seat
from optimiser.sequential import NEVER, Places, earliest, places_of, seat_in_turn, take

FENCE_DAYS = 14  # referrals of so many days set the share of each fence
FENCE_EXTRA = 1.2  # and a fifth on top

Rule = Callable[[Shard, Pairs], I64]


def open_fcfs(problem: Problem) -> I64:
    """First come, first served: in order of referral date, each takes the earliest day, the nearest if several."""
    return _alone(problem, "open_fcfs")


def ring_fenced_fcfs(problem: Problem) -> I64:
    """Slots kept for two-week-wait and urgent; each priority first come, first served from its own.

    The share kept at a service is the priority's share of the referrals of the last two weeks whose nearest service it
    is, plus a fifth, spread evenly over its places. A two-week-wait or urgent patient whose own slots are full, or
    all after the target, takes the earliest of those and the routine ones; what they leave goes to routine patients.
    """
    return _alone(problem, "ring_fenced_fcfs")


def priority_longest_wait(problem: Problem) -> I64:
    """Two-week-wait, urgent, routine; the longest wait first within each."""
    return _alone(problem, "priority_longest_wait")


def due_date(problem: Problem) -> I64:
    """Earliest due date first, whatever the priority."""
    return _alone(problem, "due_date")


ALL: dict[str, Callable[[Problem], I64]] = {
    "open_fcfs": open_fcfs,
    "ring_fenced_fcfs": ring_fenced_fcfs,
    "priority_longest_wait": priority_longest_wait,
    "due_date": due_date,
}


def every(problem: Problem) -> dict[str, I64]:
    """All of ``ALL`` at once, each specialty made ready only once."""
    return _run(problem, _RULES)


def _alone(problem: Problem, name: str) -> I64:
    return _run(problem, {name: _RULES[name]})[name]


def _run(problem: Problem, rules: Mapping[str, Rule]) -> dict[str, I64]:
    problem = problem.canonical()
    buckets = fold(problem)
    bucket = {name: np.full(len(problem.referrals), -1, np.int64) for name in rules}
    for specialty, rows in shard_rows(problem):
        shard = make_shard(problem, buckets, specialty, rows)
        pairs = pairs_of(shard)
        for name, rule in rules.items():
            own = rule(shard, pairs)
            bucket[name][rows] = np.where(own >= 0, own + shard.first_bucket, -1)
    nothing = np.zeros(len(buckets.capacity), np.int64)
    return {name: seat(problem, buckets, chosen, nothing)[0] for name, chosen in bucket.items()}


def _longest_wait(shard: Shard) -> I64:
    return np.asarray(np.lexsort((shard.key, -shard.waited)), np.int64)


def _priority_first(shard: Shard) -> I64:
    return np.asarray(np.lexsort((shard.key, -shard.waited, -shard.priority.astype(np.int64))), np.int64)


def _due_first(shard: Shard) -> I64:
    return np.asarray(np.lexsort((shard.key, -shard.waited, shard.target - shard.waited)), np.int64)


def _by(order: Callable[[Shard], I64]) -> Rule:
    def rule(shard: Shard, pairs: Pairs) -> I64:
        out = np.full(len(shard.rows), -1, np.int64)
        seat_in_turn(pairs, order(shard), places_of(shard.capacity), out)
        return out

    return rule


def _fences(shard: Shard) -> tuple[I64, I64, I64]:
    """Places of each bucket for routine, urgent and two-week-wait."""
    services, service = np.unique(shard.service, return_inverse=True)
    recent = np.flatnonzero((shard.waited < FENCE_DAYS) & (np.diff(shard.entry_indptr) > 0))
    counts = np.zeros((len(services), 3), np.float64)
    np.add.at(counts, (shard.entry_service[_nearest(shard, recent)], shard.priority[recent]), 1)
    share = FENCE_EXTRA * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    fenced = np.minimum(share[:, Priority.URGENT] + share[:, Priority.TWO_WEEK_WAIT], 1.0)
    two_week = share[:, Priority.TWO_WEEK_WAIT] / np.maximum(
        share[:, Priority.URGENT] + share[:, Priority.TWO_WEEK_WAIT], 1e-9
    )
    total = np.cumsum(shard.capacity)
    starts = np.searchsorted(shard.service, services)
    base = (total - shard.capacity)[starts][service] if len(services) else total
    upto, before = total - base, total - base - shard.capacity
    kept_to, kept_before = (np.floor(x * fenced[service] + 1e-9) for x in (upto, before))
    tww = np.floor(kept_to * two_week[service] + 1e-9) - np.floor(kept_before * two_week[service] + 1e-9)
    urgent = kept_to - kept_before - tww
    routine = shard.capacity - urgent - tww
    return routine.astype(np.int64), urgent.astype(np.int64), tww.astype(np.int64)


def _nearest(shard: Shard, rows: I64) -> I64:
    """Shortlist entry of the nearest service of rows that have one, the first service if several."""
    out = np.empty(len(rows), np.int64)
    _nearest_entry(shard.entry_indptr, shard.entry_travel, rows, out)
    return out


@kernel
def _nearest_entry(indptr: I64, travel: Array, rows: I64, out: I64) -> None:
    for at, row in enumerate(rows):
        best = indptr[row]
        for entry in range(indptr[row], indptr[row + 1]):
            if travel[entry] < travel[best]:
                best = entry
        out[at] = best


def _ring_fenced(shard: Shard, pairs: Pairs) -> I64:
    out = np.full(len(shard.rows), -1, np.int64)
    if len(shard.capacity) == 0:
        return out
    routine_places, urgent_places, tww_places = _fences(shard)
    common, left = places_of(routine_places), np.zeros(len(routine_places), np.int64)
    order, due = _longest_wait(shard), (shard.target - shard.waited).astype(np.int64)
    for priority, fence in ((Priority.TWO_WEEK_WAIT, tww_places), (Priority.URGENT, urgent_places)):
        own = places_of(fence)
        _own_then_common(pairs, order[shard.priority[order] == priority], due, own, common, out)
        left += own.left
    routine = order[shard.priority[order] == Priority.ROUTINE]
    seat_in_turn(pairs, routine, places_of(left + common.left), out)
    return out


@kernel
def _own_then_common(p: Pairs, order: I64, due: I64, own: Places, common: Places, out: I64) -> None:
    """Rows take the earliest of their own places; of the common ones, if that is sooner and their own is too late."""
    for row in order:
        bucket, day = earliest(p, row, own, NEVER)
        if bucket < 0 or day > due[row]:
            other, _ = earliest(p, row, common, day)
            if other >= 0:
                take(common, other)
                out[row] = other
                continue
        if bucket >= 0:
            take(own, bucket)
            out[row] = bucket


_RULES: dict[str, Rule] = {
    "open_fcfs": _by(_longest_wait),
    "ring_fenced_fcfs": _ring_fenced,
    "priority_longest_wait": _by(_priority_first),
    "due_date": _by(_due_first),
}
