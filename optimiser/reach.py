"""Which places a referral may have, walked through pair by pair: see ``optimiser.waves``."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I32, I64, Bool
from optimiser.jit import kernel
from optimiser.pairs import Pairs, allowed, tie_of


@kernel
def have_room(
    p: Pairs, waited: I32, target: I32, rows: I64, own: I64, free: Bool, most_loss: int, out: Bool
) -> None:  # fmt: skip
    """Into ``out``: which rows may move from their bucket ``own`` to one that is ``free``, without coming to miss a
    target by it, for ``most_loss`` units at most. ``own`` follows ``rows``, ``free`` the buckets."""
    for at in range(len(rows)):
        row, mine = rows[at], own[at]
        limit = _cost(p, row, mine)
        out[at] = limit >= 0 and _room(p, waited[row], target[row], row, mine, free, limit + most_loss)


@kernel
def _cost(p: Pairs, row: int, bucket: int) -> int:
    """Cost of a pair, keep bonus left out; -1 where it is not eligible."""
    way = np.int64(-1)
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        if p.first[entry] <= bucket < p.last[entry] and (way < 0 or p.travel[entry] < way):
            way = np.int64(p.travel[entry])
    if way < 0 or not allowed(p, row, bucket):
        return -1
    return int(p.table[p.kind[row], p.day[bucket]] + way + tie_of(p, row, bucket))


@kernel
def _room(p: Pairs, waited: int, target: int, row: int, own: int, free: Bool, limit: int) -> bool:
    may_miss = waited > target or waited + p.day[own] > target
    cost = p.table[p.kind[row]]
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        way = p.travel[entry]
        for bucket in range(p.first[entry], p.last[entry]):
            day = p.day[bucket]
            if cost[day] + way > limit or not (may_miss or waited + day <= target):
                break  # later days cost no less
            if not free[bucket] or bucket == own or not allowed(p, row, bucket):
                continue
            if cost[day] + way + tie_of(p, row, bucket) <= limit:
                return True
    return False


@kernel
def nearest(
    p: Pairs, rows: I64, own: I64, value: I64, price: I64, may: Bool, most_regret: int, per_kind: int, row_out: I64,
    bucket_out: I64, regret_out: I64, most: int,
) -> int:  # fmt: skip
    """Write the ``most`` buckets of least regret of each row, ascending (then by bucket), of those it ``may`` have: of
    a service, week and time of day ``per_kind`` at most. How many were written.

    ``own`` and ``value`` follow all rows: each one's bucket, and its cost plus that bucket's price; a regret is cost
    plus price less that, ``most_regret`` at most.
    """
    regrets, buckets = np.empty(most, np.int64), np.empty(most, np.int64)
    best, where = np.empty((3, per_kind), np.int64), np.empty((3, per_kind), np.int64)
    size = np.zeros(3, np.int64)
    count = 0
    for row in rows:
        cost, n = p.table[p.kind[row]], 0
        for entry in range(p.indptr[row], p.indptr[row + 1]):
            way, week = p.travel[entry], -1
            for bucket in range(p.first[entry], p.last[entry]):
                day = p.day[bucket]
                if day // 7 != week:
                    n = _flush(best, where, size, regrets, buckets, n)
                    week = day // 7
                if cost[day] + way - value[row] > most_regret:
                    break  # later days cost no less
                if not may[bucket] or bucket == own[row] or not allowed(p, row, bucket):
                    continue
                regret = cost[day] + way + tie_of(p, row, bucket) + price[bucket] - value[row]
                if regret <= most_regret:
                    part = int(p.part[bucket] % np.uint32(3))
                    size[part] = _put(best[part], where[part], size[part], regret, bucket)
            n = _flush(best, where, size, regrets, buckets, n)
        for at in range(n):
            row_out[count], bucket_out[count], regret_out[count] = row, buckets[at], regrets[at]
            count += 1
    return count


@kernel
def _flush(best: I64, where: I64, size: I64, regrets: I64, buckets: I64, n: int) -> int:
    """Move what was found of each time of day into the row's list of ``n``; its new length."""
    for part in range(3):
        for at in range(size[part]):
            n = _put(regrets, buckets, n, best[part, at], where[part, at])
        size[part] = 0
    return n


@kernel
def _put(regrets: I64, buckets: I64, n: int, regret: int, bucket: int) -> int:
    """Put one into an ascending list of ``n``, which holds at most its length; the new ``n``."""
    if n == len(regrets):
        if regret > regrets[n - 1] or (regret == regrets[n - 1] and bucket > buckets[n - 1]):
            return n
        n -= 1
    at = n
    while at > 0 and (regrets[at - 1] > regret or (regrets[at - 1] == regret and buckets[at - 1] > bucket)):
        regrets[at], buckets[at] = regrets[at - 1], buckets[at - 1]
        at -= 1
    regrets[at], buckets[at] = regret, bucket
    return n + 1
