"""A start close to the optimum where every pair fits into memory: rows bid for places, then places bid for rows.

A row takes the bucket that is cheapest for it at current prices and raises its price to the point where the next best
would do as well, and by ``eps``; whoever had the place bids again (Bertsekas, *Network Optimization*, 1998, ch. 7). A
place that nobody has and that is not free of charge then lowers its price to what the row most eager for it would
pay, which may leave a place behind: the same in reverse (Bertsekas and Castanon, *A forward/reverse auction algorithm
for asymmetric assignment problems*, 1992). ``eps`` goes from coarse to fine. The outcome is at most ``eps`` a row
from the optimum, or further where time or the bids allowed ran out; the simplex does the rest and nothing here needs
to be exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optimiser.arrays import I32, I64, indptr_of
from optimiser.flow import Flow, Master
from optimiser.jit import kernel
from optimiser.pairs import FAR
from optimiser.residual import by_bucket

COARSEST = 100  # the first eps is this part of the largest cost
FINER = 5  # each eps is this part of the one before
FINEST = 1  # cost units
WARM = 1000  # the first eps, in cost units, if there are prices to begin with
MOST_BIDS = 200  # for each row and eps; whoever is left then stays unplaced until the simplex


class Market(NamedTuple):
    """P pairs by row and by bucket, R rows, B buckets, and one entry of ``owner`` and ``bid`` for each place."""

    indptr: I64  # pairs of each row
    bucket: I64
    cost: I64
    of_bucket: I64  # pairs of each bucket: its ``pair``, ``row`` and ``paid``, the cost, once more side by side
    pair: I64
    row: I32
    paid: I64
    unplaced: I64
    place: I64  # places of each bucket, from and to
    owner: I64  # -1: nobody
    bid: I64
    price: I64  # of each bucket: the lowest bid of its places
    at: I64  # the pair of each row, -1: unplaced
    value: I64  # what a row pays, price included


def auction(master: Master, price: I64 | None = None, late: Callable[[], bool] | None = None) -> tuple[Flow, I64]:
    """A plan close to the best, and prices to go with it; the columns must be sorted by row.

    ``price`` are prices to begin with. Stops at the eps it has reached when ``late`` says so.
    """
    columns, rows = master.columns, len(master.unplaced)
    capacity = np.clip(master.capacity, 0, rows)
    places = int(capacity.sum())
    order, of_bucket = by_bucket(columns.bucket, len(capacity))
    start = np.zeros(len(capacity), np.int64) if price is None else price
    market = Market(
        indptr_of(np.bincount(columns.row, minlength=rows)), columns.bucket, columns.cost, of_bucket, order,
        columns.row[order].astype(np.int32), columns.cost[order], master.unplaced, indptr_of(capacity),
        np.empty(places, np.int64), np.empty(places, np.int64), np.where(capacity > 0, start, FAR),
        np.empty(rows, np.int64), np.empty(rows, np.int64),
    )  # fmt: skip
    owner = np.repeat(np.arange(len(capacity), dtype=np.int64), capacity)
    eps = WARM if price is not None else max(FINEST, int(master.unplaced.max(initial=0)) // COARSEST)
    while True:
        _clear(market, owner)
        bids = _rows_bid(market, eps, MOST_BIDS * rows)
        bids = max(bids, _places_bid(market, owner, eps, MOST_BIDS * rows))
        if eps <= FINEST or bids >= MOST_BIDS * rows or (late is not None and late()):
            break
        eps = max(FINEST, eps // FINER)
    placed = market.at >= 0
    cost = int(columns.cost[market.at[placed]].sum()) + int(master.unplaced[~placed].sum())
    return Flow(market.at, cost), market.price


def _clear(market: Market, bucket: I64) -> None:
    """Everybody bids anew, at the prices found so far."""
    market.owner[:] = -1
    market.at[:] = -1
    market.bid[:] = market.price[bucket]
    market.value[:] = market.unplaced


@kernel
def _rows_bid(m: Market, eps: int, most: int) -> int:
    """Rows bid until each has a place or is better off unplaced; how many bids there were, ``most`` at most."""
    rows = len(m.unplaced)
    queue = np.arange(rows)
    head, size, bids = 0, rows, 0
    while size > 0 and bids < most:
        row = queue[head]
        head = head + 1 if head + 1 < rows else 0
        size -= 1
        bids += 1
        best = second = m.unplaced[row]
        chosen = -1
        for pair in range(m.indptr[row], m.indptr[row + 1]):
            value = m.cost[pair] + m.price[m.bucket[pair]]
            if value < second:
                if value < best:
                    best, second, chosen = value, best, pair
                else:
                    second = value
        m.value[row] = second + eps if chosen >= 0 else best
        if chosen < 0:
            continue
        bucket = m.bucket[chosen]
        place = _lowest(m, bucket)
        m.at[row] = chosen
        loser = m.owner[place]
        m.owner[place], m.bid[place] = row, m.price[bucket] + second - best + eps
        m.price[bucket] = m.bid[_lowest(m, bucket)]
        if loser >= 0:
            m.at[loser] = -1
            queue[head + size if head + size < rows else head + size - rows] = loser
            size += 1
    return bids


@kernel
def _places_bid(m: Market, bucket_of: I64, eps: int, most: int) -> int:
    """Places without an owner lower their prices until somebody comes, or to 0; how many bids, ``most`` at most."""
    waiting = np.empty(len(m.owner), np.int64)
    size = bids = 0
    for place in range(len(m.owner)):
        if m.owner[place] < 0 and m.bid[place] > 0:
            waiting[size] = place
            size += 1
    while size > 0 and bids < most:
        size -= 1
        bids += 1
        place = waiting[size]
        bucket = bucket_of[place]
        best = second = np.int64(0)
        chosen = -1
        for at in range(m.of_bucket[bucket], m.of_bucket[bucket + 1]):
            row = m.row[at]
            worth = m.value[row] - m.paid[at]
            if worth > second and (m.at[row] < 0 or m.bucket[m.at[row]] != bucket):
                if worth > best:
                    best, second, chosen = worth, best, at
                else:
                    second = worth
        m.bid[place] = max(min(second, best - eps), np.int64(0))
        if best > eps:
            row = m.row[chosen]
            left = m.at[row]
            m.owner[place], m.at[row] = row, m.pair[chosen]
            m.value[row] -= best - m.bid[place]
            if left >= 0:
                empty = _of(m, m.bucket[left], row)
                m.owner[empty] = -1
                if m.bid[empty] > 0:
                    waiting[size] = empty
                    size += 1
        m.price[bucket] = m.bid[_lowest(m, bucket)]
    return bids


@kernel
def _lowest(m: Market, bucket: int) -> int:
    """The place of a bucket with the lowest bid, one without an owner first."""
    found = m.place[bucket]
    for place in range(found + 1, m.place[bucket + 1]):
        lower = m.bid[place] < m.bid[found]
        if lower or (m.bid[place] == m.bid[found] and m.owner[place] < 0 and m.owner[found] >= 0):
            found = place
    return int(found)


@kernel
def _of(m: Market, bucket: int, row: int) -> int:
    """The place of a bucket that a row has."""
    place = m.place[bucket]
    while m.owner[place] != row:
        place += 1
    return int(place)
