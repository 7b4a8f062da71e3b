"""Every eligible pair of a shard, never stored: a row's pairs are walked through where they are needed.

A row is a referral, or one unit of the reserve (an arrival forecast). Its pairs are runs of neighbouring buckets, one
run for each service of its shortlist, less those that a limit forbids. The kernels look at a pair in about a
nanosecond, which makes it cheaper to look at all of them again than to remember any.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimiser.arrays import I64, U8, U32, U64, Array, indptr_of, ranges
from optimiser.columns import Columns
from optimiser.compiling import Shard
from optimiser.jit import kernel

FAR = np.int64(2**60)
"""More than any cost: the price of a bucket without places."""


class Pairs(NamedTuple):
    """R rows, the first n of them referrals, and B buckets; costs in units, times in minutes."""

    n: int
    kind: I64
    table: I64
    day: I64
    indptr: I64
    first: Array
    last: Array
    travel: Array
    key: U64
    salt: U64
    tie: int
    masked: bool  # whether any of the next limits is set at all
    bit: U8
    open: U8
    needs: U32
    offers: U32
    never: U32
    part: U32
    named: I64
    who: I64
    busy: I64
    busy_start: I64
    busy_end: I64
    start: I64
    end: I64
    keep_bucket: I64  # -1: none
    keep_cost: I64  # with the bonus
    unit: I64  # of each row from n on: its line of the forecast
    unit_indptr: I64
    unit_bucket: I64
    unit_cost: I64
    unplaced: I64  # of every row
    capacity: I64


def pairs_of(shard: Shard) -> Pairs:
    """The pairs of a shard; forecast arrivals become rows of their own, one for each unit."""
    policy = shard.policy
    units = np.repeat(np.arange(len(shard.expected_supply), dtype=np.int64), shard.expected_supply)
    by_line = np.argsort(shard.expected_row, kind="stable")
    keep_bucket, keep_cost = _keeps(shard)
    masked = bool(
        shard.needs.any() or shard.unsuitable.any() or (shard.practitioner != -1).any() or (shard.priorities != 7).any()
        or len(shard.busy.start_minute)
    )  # fmt: skip
    return Pairs(
        len(shard.rows), shard.kind, shard.table, shard.day.astype(np.int64), shard.entry_indptr,
        shard.entry_a, shard.entry_b, shard.entry_travel, shard.key, shard.salt, max(policy.tie_break, 1), masked,
        np.left_shift(np.uint8(1), shard.priority.astype(np.uint8)), shard.priorities, shard.needs, shard.offers,
        shard.unsuitable, shard.part.astype(np.uint32), shard.practitioner, shard.bucket_practitioner,
        shard.busy.indptr, shard.busy.start_minute, shard.busy.end_minute, shard.start, shard.end,
        keep_bucket, keep_cost, units, indptr_of(np.bincount(shard.expected_row, minlength=len(shard.expected_supply))),
        shard.expected_bucket[by_line], shard.expected_cost[by_line],
        np.concatenate((shard.unplaced, shard.expected_unplaced[units])), shard.capacity,
    )  # fmt: skip


def _keeps(shard: Shard) -> tuple[I64, I64]:
    """Of each referral the half-day held before, if it may still have it, and what that costs."""
    bucket, cost = np.full(len(shard.rows), -1, np.int64), np.zeros(len(shard.rows), np.int64)
    row, kept = shard.keep_row, shard.keep_bucket
    counts = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row)), counts)
    at = ranges(shard.entry_indptr[row], counts)
    mine = (shard.entry_a[at] <= kept[pair]) & (kept[pair] < shard.entry_b[at])
    travel = shard.entry_travel[at[mine]]
    bucket[row] = kept
    cost[row] = shard.table[shard.kind[row], shard.day[kept]] + travel + shard.tie(row, kept) - shard.policy.keep
    return bucket, cost


@kernel
def scrambled(z: np.uint64) -> np.uint64:
    """``optimiser.arrays.mix`` of one number."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def tie_of(p: Pairs, row: int, bucket: int) -> int:
    """Tie-break of a referral and a bucket."""
    return int(np.int64(scrambled(p.key[row] ^ p.salt[bucket]) % np.uint64(p.tie)))


@kernel
def allowed(p: Pairs, row: int, bucket: int) -> bool:
    """Whether a bucket of the referral's shortlist passes every other limit."""
    if not p.masked:
        return True
    if p.open[bucket] & p.bit[row] == 0 or p.needs[row] & ~p.offers[bucket] != 0:
        return False
    if (p.never[row] >> p.part[bucket]) & np.uint32(1) != 0:
        return False
    if p.named[row] != -1 and p.named[row] != p.who[bucket]:
        return False
    for at in range(p.busy[row], p.busy[row + 1]):
        if p.busy_start[at] < p.end[bucket] and p.busy_end[at] > p.start[bucket]:
            return False
    return True


@kernel
def cheapest(p: Pairs, row: int, price: I64, limit: int) -> tuple[int, int]:
    """Bucket and ``cost + price`` of the row's cheapest pair below ``limit``; (-1, limit) if there is none."""
    best, found = limit, -1
    if row >= p.n:
        line = p.unit[row - p.n]
        for at in range(p.unit_indptr[line], p.unit_indptr[line + 1]):
            value = p.unit_cost[at] + price[p.unit_bucket[at]]
            if value < best:
                best, found = value, p.unit_bucket[at]
        return found, best
    if p.keep_bucket[row] >= 0:
        value = p.keep_cost[row] + price[p.keep_bucket[row]]
        if value < best:
            best, found = value, p.keep_bucket[row]
    cost = p.table[p.kind[row]]
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        travel = p.travel[entry]
        below = best - travel
        for bucket in range(p.first[entry], p.last[entry]):
            value = cost[p.day[bucket]] + price[bucket]
            if value < below and allowed(p, row, bucket):
                value += travel + tie_of(p, row, bucket)
                if value < best:
                    best, found, below = value, bucket, value - travel
    return found, best


@kernel
def row_minima(p: Pairs, price: I64, out: I64) -> None:
    """Into ``out``: each row's cheapest ``cost + price``, staying unplaced included: its dual value."""
    for row in range(len(out)):
        out[row] = cheapest(p, row, price, p.unplaced[row])[1]


@kernel
def take_in_turn(p: Pairs, order: I64, price: I64, left: I64, bucket: I64, cost: I64) -> None:
    """In this order, each row takes its cheapest pair at these prices of those with a place ``left``.

    Fills ``bucket`` (-1: none) and ``cost`` of each row, and uses ``left`` up.
    """
    at_price = price.copy()
    for b in range(len(left)):
        if left[b] <= 0:
            at_price[b] = FAR
    for row in order:
        found, value = cheapest(p, row, at_price, p.unplaced[row])
        bucket[row] = found
        cost[row] = p.unplaced[row]
        if found >= 0:
            cost[row] = value - at_price[found]
            left[found] -= 1
            if left[found] == 0:
                at_price[found] = FAR


@kernel
def _insert(value: float, bucket: int, n: int, values: Array, buckets: I64) -> int:
    """Put a value into an ascending list of n, which holds at most ``len(values)``; the new n."""
    if n < len(values):
        at = n
        n += 1
    elif value < values[n - 1]:
        at = n - 1
    else:
        return n
    while at > 0 and values[at - 1] > value:
        values[at], buckets[at] = values[at - 1], buckets[at - 1]
        at -= 1
    values[at], buckets[at] = value, bucket
    return n


@kernel
def improving(
    p: Pairs, price: I64, value: I64, least: I64, slack: int, most: int, row_out: I64, bucket_out: I64, cost_out: I64
) -> int:
    """The ``most`` cheapest pairs of each row whose ``least`` is below ``value``; how many were written.

    ``value`` is what the row costs in the master at these prices, ``least`` what it could; pairs that cost up to
    ``slack`` more than ``value`` come along.
    """
    values, buckets = np.empty(most, np.int64), np.empty(most, np.int64)
    count = 0
    for row in range(len(value)):
        if least[row] < value[row]:
            n = _below(p, row, price, value[row] + slack, values, buckets)
            for at in range(n):
                row_out[count], bucket_out[count] = row, buckets[at]
                cost_out[count] = values[at] - price[buckets[at]]
                count += 1
    return count


@kernel
def _below(p: Pairs, row: int, price: I64, limit: int, values: I64, buckets: I64) -> int:
    """The cheapest pairs of a row below ``limit``, ascending, as many as the lists hold; how many there are."""
    n = 0
    if row >= p.n:
        line = p.unit[row - p.n]
        for at in range(p.unit_indptr[line], p.unit_indptr[line + 1]):
            value = p.unit_cost[at] + price[p.unit_bucket[at]]
            if value < limit:
                n = _insert(value, p.unit_bucket[at], n, values, buckets)
        return n
    kept = p.keep_bucket[row]
    if kept >= 0 and p.keep_cost[row] + price[kept] < limit:
        n = _insert(p.keep_cost[row] + price[kept], kept, n, values, buckets)
    cost = p.table[p.kind[row]]
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        travel = p.travel[entry]
        below = limit - travel
        for bucket in range(p.first[entry], p.last[entry]):
            value = cost[p.day[bucket]] + price[bucket]
            if value < below and bucket != kept and allowed(p, row, bucket):
                value += travel + tie_of(p, row, bucket)
                if value < limit:
                    n = _insert(value, bucket, n, values, buckets)
    return n


@kernel
def near(
    p: Pairs, price: I64, least: I64, width: int, most: int, draw: int, row_out: I64, bucket_out: I64, cost_out: I64
) -> int:
    """``most`` pairs of each row drawn from those within ``width`` of its cheapest, cheap ones more likely.

    Drawn by a hash of the pair, so that rows that are alike don't all draw the same bucket; how many were written.
    """
    ranks, buckets = np.empty(most, np.float64), np.empty(most, np.int64)
    count = 0
    for row in range(len(least)):
        n = 0
        limit = least[row] + width
        if row >= p.n:
            line = p.unit[row - p.n]
            for at in range(p.unit_indptr[line], p.unit_indptr[line + 1]):
                value = p.unit_cost[at] + price[p.unit_bucket[at]]
                if value <= limit:
                    n = _insert(np.float64(value - least[row]), p.unit_bucket[at], n, ranks, buckets)
        else:
            cost = p.table[p.kind[row]]
            for entry in range(p.indptr[row], p.indptr[row + 1]):
                travel = p.travel[entry]
                for bucket in range(p.first[entry], p.last[entry]):
                    value = cost[p.day[bucket]] + price[bucket] + travel
                    if value <= limit and bucket != p.keep_bucket[row] and allowed(p, row, bucket):
                        hashed = scrambled(scrambled(p.key[row] ^ p.salt[bucket]) + np.uint64(draw))
                        share = np.float64(hashed >> np.uint64(11)) / np.float64(2**53)
                        rank = share * (0.15 + np.float64(value - least[row]) / np.float64(width))
                        n = _insert(rank, bucket, n, ranks, buckets)
        for at in range(n):
            row_out[count], bucket_out[count] = row, buckets[at]
            cost_out[count] = pair_cost(p, row, buckets[at])
            count += 1
    return count


def most_pairs(pairs: Pairs) -> int:
    """How many pairs there are at most."""
    ranges_of_rows = int(pairs.last.sum(dtype=np.int64) - pairs.first.sum(dtype=np.int64))
    return ranges_of_rows + int(np.diff(pairs.unit_indptr)[pairs.unit].sum()) + len(pairs.unplaced)


def every_pair(pairs: Pairs) -> Columns:
    """Every pair that is cheaper than staying unplaced, as columns sorted by row."""
    row, bucket, cost = np.empty((3, most_pairs(pairs)), np.int64)
    count = _every(pairs, row, bucket, cost)
    return Columns(row[:count].copy(), bucket[:count].copy(), cost[:count].copy())


@kernel
def _every(p: Pairs, row_out: I64, bucket_out: I64, cost_out: I64) -> int:
    """Write every pair; how many there are."""
    count = 0
    for row in range(len(p.unplaced)):
        limit = p.unplaced[row]
        if row >= p.n:
            line = p.unit[row - p.n]
            for at in range(p.unit_indptr[line], p.unit_indptr[line + 1]):
                row_out[count], bucket_out[count], cost_out[count] = row, p.unit_bucket[at], p.unit_cost[at]
                if p.unit_cost[at] < limit and p.capacity[p.unit_bucket[at]] > 0:
                    count += 1
            continue
        kept = p.keep_bucket[row]
        if kept >= 0 and p.capacity[kept] > 0:
            row_out[count], bucket_out[count], cost_out[count] = row, kept, p.keep_cost[row]
            count += 1
        table = p.table[p.kind[row]]
        for entry in range(p.indptr[row], p.indptr[row + 1]):
            for bucket in range(p.first[entry], p.last[entry]):
                if p.capacity[bucket] > 0 and bucket != kept and allowed(p, row, bucket):
                    cost = table[p.day[bucket]] + p.travel[entry] + tie_of(p, row, bucket)
                    row_out[count], bucket_out[count], cost_out[count] = row, bucket, cost
                    if cost < limit:
                        count += 1
    return count


@kernel
def pair_cost(p: Pairs, row: int, bucket: int) -> int:
    """Cost of an eligible pair, keep bonus included."""
    if row >= p.n:
        line = p.unit[row - p.n]
        for at in range(p.unit_indptr[line], p.unit_indptr[line + 1]):
            if p.unit_bucket[at] == bucket:
                return int(p.unit_cost[at])
        return int(FAR)
    if bucket == p.keep_bucket[row]:
        return int(p.keep_cost[row])
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        if p.first[entry] <= bucket < p.last[entry]:
            return int(p.table[p.kind[row], p.day[bucket]] + p.travel[entry] + tie_of(p, row, bucket))
    return int(FAR)
