"""Patients in turn as plain Python: what the compiled loops are compared with. No union-find, no shards' ranges."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64
from optimiser.compiling import Shard
from optimiser.problem import Priority


def eligible(shard: Shard) -> list[list[tuple[int, int, int]]]:
    """(day, cost of the way, bucket) of every eligible pair of each row, in the order a patient would prefer."""
    out = []
    for row in range(len(shard.rows)):
        mine = []
        for entry in range(shard.entry_indptr[row], shard.entry_indptr[row + 1]):
            for bucket in range(shard.entry_a[entry], shard.entry_b[entry]):
                one, other = np.array([row]), np.array([bucket])
                if shard.suits(one, other)[0] and not shard.busy_at(one, other)[0]:
                    mine.append((int(shard.day[bucket]), int(shard.entry_travel[entry]), bucket))
        out.append(sorted(mine))
    return out


def earliest(pairs: list[tuple[int, int, int]], left: I64, before: int = 1 << 30) -> tuple[int, int]:
    """Bucket and day of the first pair with a place, (-1, before) if there is none sooner than ``before``."""
    for day, _, bucket in pairs:
        if day < before and left[bucket] > 0:
            return bucket, day
    return -1, before


def in_turn(shard: Shard, order: I64, capacity: I64) -> I64:
    """Bucket of each row, -1 for none."""
    out, left, pairs = np.full(len(shard.rows), -1, np.int64), capacity.copy(), eligible(shard)
    for row in order.tolist():
        bucket, _ = earliest(pairs[row], left)
        if bucket >= 0:
            left[bucket] -= 1
            out[row] = bucket
    return out


def ring_fenced(shard: Shard, order: I64, fences: tuple[I64, I64, I64]) -> I64:
    """The same with places for routine, urgent and two-week-wait (``fences``) kept apart."""
    out, pairs = np.full(len(shard.rows), -1, np.int64), eligible(shard)
    common, urgent, two_week_wait = (places.copy() for places in fences)
    for priority, own in ((Priority.TWO_WEEK_WAIT, two_week_wait), (Priority.URGENT, urgent)):
        for row in order[shard.priority[order] == priority].tolist():
            bucket, day = earliest(pairs[row], own)
            places = own
            if bucket < 0 or day > shard.target[row] - shard.waited[row]:
                other, _ = earliest(pairs[row], common, day)
                if other >= 0:
                    bucket, places = other, common
            if bucket >= 0:
                places[bucket] -= 1
                out[row] = bucket
    left = common + urgent + two_week_wait
    for row in order[shard.priority[order] == Priority.ROUTINE].tolist():
        bucket, _ = earliest(pairs[row], left)
        if bucket >= 0:
            left[bucket] -= 1
            out[row] = bucket
    return out
