"""Which slot of its half-day bucket each referral gets, and which places stay free or are kept in reserve."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64, find, indptr_of, ranges, rank_in_runs
from optimiser.compiling import Buckets
from optimiser.problem import Problem


def seat(problem: Problem, buckets: Buckets, bucket: I64, reserved: I64) -> tuple[I64, I64, I64]:
    """Slot index of each referral (-1: none), reserved places and free places of each slot.

    Whoever held a slot of the bucket before keeps that slot; then the times go out in order of priority, due date and
    key; the reserve takes the last ones. The problem must be canonical, ``bucket`` global.
    """
    refs, slots = problem.referrals, problem.slots
    slot = np.full(len(refs), -1, np.int64)
    free = np.zeros(len(slots), np.int64)
    free[buckets.slot] = slots.capacity[buckets.slot]

    held = find(slots.key, refs.previous_slot)
    stay = np.flatnonzero((bucket >= 0) & (held >= 0))
    stay = stay[buckets.of_slot[held[stay]] == bucket[stay]]
    stay = stay[np.argsort(held[stay], kind="stable")]
    stay = stay[rank_in_runs(held[stay]) < slots.capacity[held[stay]]]
    slot[stay] = held[stay]
    np.subtract.at(free, held[stay], 1)

    rest = np.flatnonzero((bucket >= 0) & (slot < 0))
    due = refs.target_days[rest] - refs.waited_days[rest]
    rest = rest[np.lexsort((refs.key[rest], due, -refs.priority[rest].astype(np.int64), bucket[rest]))]
    places, indptr = _places(buckets, free)
    slot[rest] = places[indptr[bucket[rest]] + rank_in_runs(bucket[rest])]
    np.subtract.at(free, slot[rest], 1)

    places, indptr = _places(buckets, free)
    last = places[ranges(indptr[1:] - reserved, reserved)]
    kept = np.bincount(last, minlength=len(slots)).astype(np.int64)
    return slot, kept, free - kept


def _places(buckets: Buckets, free: I64) -> tuple[I64, I64]:
    """Every free place as its slot, in order of bucket and time, with pointers by bucket."""
    counts = free[buckets.slot]
    owner = np.repeat(np.arange(len(buckets.capacity)), np.diff(buckets.indptr))
    by_bucket = np.bincount(owner, weights=counts, minlength=len(buckets.capacity)).astype(np.int64)
    return np.repeat(buckets.slot, counts), indptr_of(by_bucket)
