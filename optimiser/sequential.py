"""One referral after another takes the earliest eligible place: the greedy plan, and the rivals measured against.

Buckets of a service are visited by day and part; a union-find over each service jumps over full ones, so that a
million referrals take seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimiser.arrays import I64, ranges
from optimiser.compiling import Shard
from optimiser.jit import kernel
from optimiser.pairs import Pairs, allowed, pairs_of

NEVER = 1 << 30
"""A day after every horizon."""


class Places(NamedTuple):
    """Free places of the B buckets of a shard (or of a part of them), as they are taken."""

    left: I64
    jump: I64  # [B + 1] where to look on for a bucket with a place: itself if it has one


def places_of(capacity: I64) -> Places:
    """All of these places free."""
    left = capacity.astype(np.int64)
    jump = np.arange(len(left) + 1, dtype=np.int64)
    jump[:-1] += left <= 0
    return Places(left, jump)


@kernel
def first(jump: I64, bucket: int) -> int:
    """The first bucket from this one on with a free place (the number of buckets if none)."""
    root = bucket
    while jump[root] != root:
        root = jump[root]
    while jump[bucket] != root:
        onward = jump[bucket]
        jump[bucket] = root
        bucket = onward
    return root


@kernel
def take(places: Places, bucket: int) -> None:
    """Take one place."""
    places.left[bucket] -= 1
    if places.left[bucket] <= 0:
        places.jump[bucket] = bucket + 1


@kernel
def earliest(p: Pairs, row: int, places: Places, before: int) -> tuple[int, int]:
    """(bucket, day) of the earliest free eligible place, the nearest service if several; (-1, before) if none.

    Days from ``before`` on are not looked at.
    """
    best, best_day, best_way = -1, before, 0
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        way = p.travel[entry]
        bucket = first(places.jump, p.first[entry])
        while bucket < p.last[entry]:
            day = p.day[bucket]
            if day > best_day or (day == best_day and (best < 0 or way >= best_way)):
                break
            if allowed(p, row, bucket):
                best, best_day, best_way = bucket, day, way
                break
            bucket = first(places.jump, bucket + 1)
    return best, best_day


@kernel
def seat_in_turn(p: Pairs, order: I64, places: Places, out: I64) -> None:
    """Rows take the earliest place in this order; what they get goes to ``out``."""
    for row in order:
        bucket, _ = earliest(p, row, places, NEVER)
        if bucket >= 0:
            take(places, bucket)
            out[row] = bucket


def in_turn(shard: Shard, order: I64, capacity: I64) -> I64:
    """Bucket of each row (-1: none) when rows take the earliest place in this order."""
    out = np.full(len(shard.rows), -1, np.int64)
    seat_in_turn(pairs_of(shard), order, places_of(capacity), out)
    return out


def greedy_order(shard: Shard) -> I64:
    """Priority, then due date, then longest wait, then key."""
    due = shard.target - shard.waited
    return np.lexsort((shard.key, -shard.waited, due, -shard.priority.astype(np.int64)))


def greedy_buckets(shard: Shard) -> tuple[I64, I64]:
    """Bucket and cost of each row under the greedy rule."""
    bucket = in_turn(shard, greedy_order(shard), shard.capacity)
    return bucket, bucket_costs(shard, bucket)


def bucket_costs(shard: Shard, bucket: I64) -> I64:
    """Cost of giving each row its bucket (-1: unplaced), keep bonus included."""
    out = shard.unplaced.copy()
    row = np.flatnonzero(bucket >= 0)
    chosen = bucket[row]
    counts = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row)), counts)
    at = ranges(shard.entry_indptr[row], counts)
    mine = (shard.entry_a[at] <= chosen[pair]) & (chosen[pair] < shard.entry_b[at])
    out[row] = shard.table[shard.kind[row], shard.day[chosen]] + shard.entry_travel[at[mine]] + shard.tie(row, chosen)
    kept = bucket[shard.keep_row] == shard.keep_bucket
    out[shard.keep_row[kept]] -= shard.policy.keep
    return out
