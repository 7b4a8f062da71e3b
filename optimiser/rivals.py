"""The usual ways to hand out slots, on the same problem, to measure a plan against.

Each returns a slot index for each referral of the canonical problem (-1: none). All respect every hard limit; none
looks at a patient's other referrals, nor reserves anything for arrivals forecast.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimiser.arrays import I64, rank_in_runs
from optimiser.compiling import Buckets, Shard, fold, shards_of
from optimiser.problem import Priority, Problem
from optimiser.seating import seat
from optimiser.sequential import Places, Seeker, in_turn

FENCE_DAYS = 14  # referrals of so many days set the share of each fence
FENCE_EXTRA = 1.2  # and a fifth on top


def open_fcfs(problem: Problem) -> I64:
    """First come, first served: in order of referral date, each takes the earliest day, the nearest if several."""
    return _by_order(problem, _longest_wait)


def priority_longest_wait(problem: Problem) -> I64:
    """Two-week-wait, urgent, routine; the longest wait first within each."""
    return _by_order(problem, lambda s: np.lexsort((s.key, -s.waited, -s.priority.astype(np.int64))))


def due_date(problem: Problem) -> I64:
    """Earliest due date first, whatever the priority."""
    return _by_order(problem, lambda s: np.lexsort((s.key, -s.waited, s.target - s.waited)))


def ring_fenced_fcfs(problem: Problem) -> I64:
    """Slots kept for two-week-wait and urgent; each priority first come, first served from its own.

    The share kept at a service is the priority's share of the referrals of the last two weeks whose nearest service it
    is, plus a fifth, spread evenly over its places. A two-week-wait or urgent patient whose own slots are full, or
    all after the target, takes the earliest of those and the routine ones; what they leave goes to routine patients.
    """
    return _run(problem, _ring_fenced)


ALL: dict[str, Callable[[Problem], I64]] = {
    "open_fcfs": open_fcfs,
    "ring_fenced_fcfs": ring_fenced_fcfs,
    "priority_longest_wait": priority_longest_wait,
    "due_date": due_date,
}


def _longest_wait(shard: Shard) -> I64:
    return np.asarray(np.lexsort((shard.key, -shard.waited)), np.int64)


def _by_order(problem: Problem, order: Callable[[Shard], I64]) -> I64:
    return _run(problem, lambda shard: in_turn(shard, order(shard), shard.capacity))


def _run(problem: Problem, rule: Callable[[Shard], I64]) -> I64:
    problem = problem.canonical()
    buckets: Buckets = fold(problem)
    bucket = np.full(len(problem.referrals), -1, np.int64)
    for shard in shards_of(problem, buckets):
        own = rule(shard)
        bucket[shard.rows] = np.where(own >= 0, own + shard.first_bucket, -1)
    slot, _, _ = seat(problem, buckets, bucket, np.zeros(len(buckets.capacity), np.int64))
    return slot


def _fences(shard: Shard) -> tuple[I64, I64, I64]:
    """Places of each bucket for routine, urgent and two-week-wait."""
    services, service = np.unique(shard.service, return_inverse=True)
    row = shard.entry_row()
    order = np.lexsort((shard.entry_service, shard.entry_travel, row))
    first = order[rank_in_runs(row[order]) == 0]
    recent = first[shard.waited[row[first]] < FENCE_DAYS]
    counts = np.zeros((len(services), 3), np.float64)
    np.add.at(counts, (shard.entry_service[recent], shard.priority[row[recent]]), 1)
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


def _ring_fenced(shard: Shard) -> I64:
    out = np.full(len(shard.rows), -1, np.int64)
    if len(shard.capacity) == 0:
        return out
    routine_places, urgent_places, tww_places = _fences(shard)
    seeker, common = Seeker(shard), Places(routine_places)
    order = _longest_wait(shard)
    left = routine_places.copy()
    for priority, fence in ((Priority.TWO_WEEK_WAIT, tww_places), (Priority.URGENT, urgent_places)):
        own = Places(fence)
        for row in order[shard.priority[order] == priority].tolist():
            due = int(shard.target[row] - shard.waited[row])
            bucket, day = seeker.earliest(row, own)
            if bucket < 0 or day > due:
                other, _ = seeker.earliest(row, common, day if bucket >= 0 else 1 << 30)
                if other >= 0:
                    common.take(other)
                    out[row] = other
                    continue
            if bucket >= 0:
                own.take(bucket)
                out[row] = bucket
        left += np.asarray(own.left, np.int64)
    left += np.asarray(common.left, np.int64) - routine_places
    everything = Places(left)
    for row in order[shard.priority[order] == Priority.ROUTINE].tolist():
        bucket, _ = seeker.earliest(row, everything)
        if bucket >= 0:
            everything.take(bucket)
            out[row] = bucket
    return out
