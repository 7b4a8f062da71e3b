"""What another place would cost somebody, and whether it would be too late: what moving people is judged by."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I64, INF, Bool, ranges
from optimiser.compiling import Shard


def cost_of(shard: Shard, row: I64, bucket: I64) -> I64:
    """Cost of any pairs of rows and buckets (keep bonus left out), INF where they are not eligible."""
    count = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row), dtype=np.int64), count)
    entry = ranges(shard.entry_indptr[row], count)
    there = (shard.entry_a[entry] <= bucket[pair]) & (bucket[pair] < shard.entry_b[entry])
    out = np.full(len(row), INF, np.int64)
    np.minimum.at(out, pair[there], shard.entry_travel[entry[there]])
    at = np.flatnonzero(out < INF)
    at = at[shard.suits(row[at], bucket[at]) & ~shard.busy_at(row[at], bucket[at])]
    cost = np.full(len(row), INF, np.int64)
    r, b = row[at], bucket[at]
    cost[at] = out[at] + shard.table[shard.kind[r], shard.day[b]] + shard.tie(r, b)
    return cost


def missed(shard: Shard, row: I64, bucket: I64) -> Bool:
    """Whether the bucket's day is past the row's target, for those not late already."""
    waited, target = shard.waited[row], shard.target[row]
    return np.asarray((waited <= target) & (waited + shard.day[bucket] > target), np.bool_)
