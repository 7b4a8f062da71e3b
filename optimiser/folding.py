"""Pricing all eligible pairs without holding them: entries that are alike are looked at once.

Two shortlist entries belong to one group if their referrals have the same day costs and hard limits and they mean the
same service and window. For a group, the cheapest ``day cost + price`` is found once; only entries for which that
plus their travel undercuts the referral's dual value are opened pair by pair (and only there do tie-break and busy
times, which can but raise a cost or forbid a pair, matter).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, INF, Array, indptr_of, ranges, rank_in_runs
from optimiser.compiling import Shard

CHUNK = 1 << 20  # pairs looked at together


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """G groups of entries; ``entry[indptr[g]:indptr[g + 1]]`` are the entries of g."""

    row: I64  # one referral of each group, standing for all
    a: I64
    b: I64
    entry: I64
    indptr: I64
    entry_row: I64


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Pairs in the master problem, sorted by row and bucket."""

    row: I64
    bucket: I64
    cost: I64

    def __len__(self) -> int:
        return len(self.row)


def _dense(*columns: Array) -> I64:
    """One id for each distinct combination."""
    out = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, ids = np.unique(column, return_inverse=True)
        _, out = np.unique(out * len(values) + ids, return_inverse=True)
    return out.astype(np.int64)


def group(shard: Shard) -> Groups:
    """Fold the entries of a shard."""
    row = shard.entry_row()
    n = len(row)
    if n == 0:
        none = np.zeros(0, np.int64)
        return Groups(none, none, none, none, np.zeros(1, np.int64), row)
    profile = _dense(shard.kind, shard.needs, shard.unsuitable, shard.practitioner)
    ids = _dense(profile[row] * np.int64(len(shard.capacity) + 1) + shard.entry_a, shard.entry_b)
    order = np.argsort(ids, kind="stable")
    indptr = indptr_of(np.bincount(ids))
    one = order[indptr[:-1]]
    return Groups(row[one], shard.entry_a[one], shard.entry_b[one], order.astype(np.int64), indptr, row)


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    first: int  # groups first:last
    last: int
    indptr: I64  # of ``bucket`` and ``value``, by group
    bucket: I64
    value: I64  # day cost + price, INF where not allowed


def chunks(shard: Shard, groups: Groups, prices: I64) -> Iterator[_Chunk]:
    """Groups in pieces, with day cost + price of all their buckets."""
    length = groups.b - groups.a
    total = np.cumsum(length)
    first = 0
    while first < len(length):
        done = int(total[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + CHUNK, side="right")))
        size = length[first:last]
        bucket = ranges(groups.a[first:last], size)
        row = np.repeat(groups.row[first:last], size)
        value = shard.table[shard.kind[row], shard.day[bucket]] + prices[bucket]
        value[~shard.suits(row, bucket)] = INF
        yield _Chunk(first, last, indptr_of(size), bucket, value)
        first = last


def count_pairs(shard: Shard, groups: Groups) -> int:
    """Eligible pairs of the shard (a patient's busy times aside)."""
    prices = np.zeros(len(shard.capacity), np.int64)
    total = 0
    for chunk in chunks(shard, groups, prices):
        allowed = np.add.reduceat((chunk.value < INF).astype(np.int64), chunk.indptr[:-1])
        total += int((allowed * np.diff(groups.indptr)[chunk.first : chunk.last]).sum())
    return total


def first_columns(shard: Shard, groups: Groups, prices: I64, cheap: int, spread: int) -> Columns:
    """Of each entry, the ``cheap`` best buckets at these prices and ``spread`` more over the rest of the horizon."""
    rows, buckets, costs = [], [], []
    for chunk in chunks(shard, groups, prices):
        owner = np.repeat(np.arange(chunk.last - chunk.first), np.diff(chunk.indptr))
        allowed = chunk.value < INF
        owner, bucket, value = owner[allowed], chunk.bucket[allowed], chunk.value[allowed]
        order = np.lexsort((bucket, value, owner))
        bucket = bucket[order]
        count = np.bincount(owner, minlength=chunk.last - chunk.first)
        begin = np.cumsum(count) - count
        members = ranges(groups.indptr[chunk.first : chunk.last], np.diff(groups.indptr)[chunk.first : chunk.last])
        entry = groups.entry[members]
        local = np.repeat(np.arange(chunk.last - chunk.first), np.diff(groups.indptr)[chunk.first : chunk.last])
        position = _positions(shard, entry, groups.entry_row[entry], count[local], cheap, spread)
        take = position < count[local][:, None]
        at = (begin[local][:, None] + position)[take]
        which = np.broadcast_to(entry[:, None], position.shape)[take]
        row = groups.entry_row[which]
        free = ~shard.busy_at(row, bucket[at])
        row, which, picked = row[free], which[free], bucket[at][free]
        rows.append(row)
        buckets.append(picked)
        costs.append(pair_cost(shard, row, which, picked))
    return merge(len(shard.capacity), _stack(rows), _stack(buckets), _stack(costs))


def _positions(shard: Shard, entry: I64, row: I64, count: I64, cheap: int, spread: int) -> I64:
    near = np.broadcast_to(np.arange(cheap, dtype=np.int64), (len(entry), cheap))
    if spread == 0:
        return near.copy()
    rest = np.maximum(count - cheap, 1)
    # The offset differs by patient and service, so that together they cover every half-day.
    offset = (shard.key[row] * np.uint64(7) + shard.entry_service[entry].astype(np.uint64) * np.uint64(13)) % np.uint64(
        9973
    )
    share = (np.arange(spread)[None, :] + offset.astype(np.float64)[:, None] / 9973.0) / spread
    far = cheap + (share * rest[:, None]).astype(np.int64)
    return np.concatenate((near, far), axis=1)


def pair_cost(shard: Shard, row: I64, entry: I64, bucket: I64) -> I64:
    """Cost of eligible pairs, keep bonus left out."""
    return shard.table[shard.kind[row], shard.day[bucket]] + shard.entry_travel[entry] + shard.tie(row, bucket)


def keep_columns(shard: Shard) -> Columns:
    """Pairs that earn the keep bonus, at their full cost."""
    row, bucket = shard.keep_row, shard.keep_bucket
    counts = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row)), counts)
    at = ranges(shard.entry_indptr[row], counts)
    mine = (shard.entry_a[at] <= bucket[pair]) & (bucket[pair] < shard.entry_b[at])
    cost = pair_cost(shard, row, at[mine], bucket) - shard.policy.keep
    return merge(len(shard.capacity), row, bucket, cost)


def merge(buckets: int, row: I64, bucket: I64, cost: I64) -> Columns:
    """Sort pairs by row and bucket; of the same pair the cheapest stays."""
    ids = row * np.int64(max(buckets, 1)) + bucket
    order = np.lexsort((cost, ids))
    first = order[rank_in_runs(ids[order]) == 0]
    return Columns(row[first], bucket[first], cost[first])


def join(buckets: int, *columns: Columns) -> Columns:
    """Several sets of columns as one."""
    return merge(
        buckets,
        np.concatenate([c.row for c in columns]),
        np.concatenate([c.bucket for c in columns]),
        np.concatenate([c.cost for c in columns]),
    )


def price_out(shard: Shard, groups: Groups, prices: I64, dual: I64, most: int) -> tuple[Columns, I64]:
    """Pairs of negative reduced cost, at most ``most`` of each row, and the lowest reduced cost of each row (≤ 0)."""
    lowest = np.zeros(len(shard.rows), np.int64)
    rows: list[I64] = []
    buckets: list[I64] = []
    costs: list[I64] = []
    for chunk in chunks(shard, groups, prices):
        span = slice(chunk.first, chunk.last)
        best = np.minimum.reduceat(chunk.value, chunk.indptr[:-1])
        sizes = np.diff(groups.indptr)[span]
        entry = groups.entry[ranges(groups.indptr[:-1][span], sizes)]
        local = np.repeat(np.arange(chunk.last - chunk.first), sizes)
        row = groups.entry_row[entry]
        hit = best[local] + shard.entry_travel[entry] < dual[row]
        for part in _pieces(entry[hit], local[hit], chunk):
            _open(shard, groups, chunk, dual, part, most, lowest, (rows, buckets, costs))
    row, bucket, cost = _stack(rows), _stack(buckets), _stack(costs)
    order = np.lexsort((bucket, cost + prices[bucket], row))
    order = order[rank_in_runs(row[order]) < most]
    return merge(len(shard.capacity), row[order], bucket[order], cost[order]), lowest


def _pieces(entry: I64, local: I64, chunk: _Chunk) -> Iterator[tuple[I64, I64]]:
    """Opened entries in pieces of at most about CHUNK pairs."""
    total = np.cumsum(np.diff(chunk.indptr)[local])
    first = 0
    while first < len(entry):
        done = int(total[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + CHUNK, side="right")))
        yield entry[first:last], local[first:last]
        first = last


def _open(
    shard: Shard, groups: Groups, chunk: _Chunk, dual: I64, part: tuple[I64, I64], most: int, lowest: I64,
    out: tuple[list[I64], list[I64], list[I64]],
) -> None:  # fmt: skip
    """Look at every pair of some entries; add those of negative reduced cost to ``out`` and ``lowest``."""
    entry, local = part
    size = np.diff(chunk.indptr)[local]
    at = ranges(chunk.indptr[:-1][local], size)
    row = np.repeat(groups.entry_row[entry], size)
    reduced = chunk.value[at] + np.repeat(shard.entry_travel[entry], size) - dual[row]
    near = np.flatnonzero(reduced < 0)
    row, bucket = row[near], chunk.bucket[at[near]]
    entry_of = np.repeat(entry, size)[near]
    reduced = reduced[near] + shard.tie(row, bucket)
    good = np.flatnonzero((reduced < 0) & ~shard.busy_at(row, bucket))
    row, bucket, entry_of, reduced = row[good], bucket[good], entry_of[good], reduced[good]
    order = np.lexsort((bucket, reduced, entry_of))
    order = order[rank_in_runs(entry_of[order]) < most]
    row, bucket, entry_of, reduced = row[order], bucket[order], entry_of[order], reduced[order]
    np.minimum.at(lowest, row, reduced)
    out[0].append(row)
    out[1].append(bucket)
    out[2].append(pair_cost(shard, row, entry_of, bucket))


def _stack(parts: list[I64]) -> I64:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
