"""Columns: the pairs that the master problem holds, of all that are eligible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, rank_in_runs


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Pairs in the master problem, sorted by row and bucket."""

    row: I64
    bucket: I64
    cost: I64

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: I64) -> Columns:
        """The columns at these positions, which must ascend."""
        return Columns(self.row[which], self.bucket[which], self.cost[which])


def merge(buckets: int, row: I64, bucket: I64, cost: I64) -> Columns:
    """Sort pairs by row and bucket, each once."""
    ids = row * np.int64(max(buckets, 1)) + bucket
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    fresh = np.ones(len(ids), np.bool_)
    fresh[1:] = ids[1:] != ids[:-1]
    first = order[fresh]
    return Columns(row[first], bucket[first], cost[first])


def join(buckets: int, *parts: Columns) -> Columns:
    """Several sets of columns as one."""
    return merge(
        buckets,
        np.concatenate([c.row for c in parts]),
        np.concatenate([c.bucket for c in parts]),
        np.concatenate([c.cost for c in parts]),
    )


def pruned(columns: Columns, reduced: I64, most: int) -> Columns:
    """Of each row the ``most`` columns of least reduced cost (give -1 to those that must stay)."""
    order = np.lexsort((reduced, columns.row))
    stay = np.sort(order[rank_in_runs(columns.row[order]) < most])
    return columns.take(stay)
