"""One referral after another takes the earliest eligible place: the greedy plan, and the rivals measured against.

Buckets of a service are visited by day and part; a union-find over each service jumps over full ones, so that
100,000 referrals take seconds.
"""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64, ranges
from optimiser.compiling import Shard


class Places:
    """Free places of the buckets of a shard (or of a part of them), as they are taken."""

    def __init__(self, capacity: I64) -> None:
        self.left: list[int] = capacity.tolist()
        n = len(self.left)
        self._next = list(range(n + 1))
        for bucket in range(n):
            if self.left[bucket] <= 0:
                self._next[bucket] = bucket + 1

    def first(self, bucket: int) -> int:
        """The first bucket from this one on with a free place (the number of buckets if none)."""
        jump = self._next
        root = bucket
        while jump[root] != root:
            root = jump[root]
        while jump[bucket] != root:
            jump[bucket], bucket = root, jump[bucket]
        return root

    def take(self, bucket: int) -> None:
        """Take one place."""
        self.left[bucket] -= 1
        if self.left[bucket] <= 0:
            self._next[bucket] = bucket + 1


class Seeker:
    """Finds the earliest eligible free place of a referral of a shard."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self._indptr = shard.entry_indptr.tolist()
        self._a, self._b = shard.entry_a.tolist(), shard.entry_b.tolist()
        self._travel = shard.entry_travel.tolist()
        self._day, self._part = shard.day.tolist(), shard.part.tolist()
        self._offers, self._open = shard.offers.tolist(), shard.priorities.tolist()
        self._who = shard.bucket_practitioner.tolist()
        self._needs, self._never = shard.needs.tolist(), shard.unsuitable.tolist()
        self._named = shard.practitioner.tolist()
        self._bit = (1 << shard.priority.astype(np.int64)).tolist()
        self._busy = (np.diff(shard.busy.indptr) > 0).tolist()
        self._start, self._end = shard.start.tolist(), shard.end.tolist()

    def _fits(self, row: int, bucket: int) -> bool:
        named = self._named[row]
        if (
            not self._open[bucket] & self._bit[row]
            or self._needs[row] & ~self._offers[bucket]
            or (self._never[row] >> self._part[bucket]) & 1
            or (named != -1 and named != self._who[bucket])
        ):
            return False
        if not self._busy[row]:
            return True
        busy = self.shard.busy
        mine = slice(int(busy.indptr[row]), int(busy.indptr[row + 1]))
        times = zip(busy.start_minute[mine].tolist(), busy.end_minute[mine].tolist(), strict=True)
        return not any(s < self._end[bucket] and e > self._start[bucket] for s, e in times)

    def earliest(self, row: int, places: Places, before: int = 1 << 30) -> tuple[int, int]:
        """(bucket, day) of the earliest free eligible place, the nearest service if several; (-1, before) if none.

        Days from ``before`` on are not looked at.
        """
        best, best_day, best_way, best_service = -1, before, 0, -1
        for entry in range(self._indptr[row], self._indptr[row + 1]):
            bucket, last, way = places.first(self._a[entry]), self._b[entry], self._travel[entry]
            while bucket < last:
                day = self._day[bucket]
                if day > best_day or (day == best_day and (best < 0 or way >= best_way)):
                    break
                if self._fits(row, bucket):
                    best, best_day, best_way, best_service = bucket, day, way, entry
                    break
                bucket = places.first(bucket + 1)
        del best_service
        return best, best_day


def in_turn(shard: Shard, order: I64, capacity: I64) -> I64:
    """Bucket of each row (-1: none) when rows take the earliest place in this order."""
    out = np.full(len(shard.rows), -1, np.int64)
    seeker, places = Seeker(shard), Places(capacity)
    for row in order.tolist():
        bucket, _ = seeker.earliest(row, places)
        if bucket >= 0:
            places.take(bucket)
            out[row] = bucket
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
