"""Prices of a solved master, and the tree of shortest ways to the sink that they come from.

In the residual graph of an optimal flow the shortest distance from a bucket to the sink is what the plan loses if one
of its places vanishes: its price (Ahuja, Magnanti, Orlin, *Network Flows*, 1993, ch. 9). A bucket with a place to
spare costs nothing. From a full one the way leads through an occupant to where else that row would go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, Bool, indptr_of
from optimiser.columns import Columns
from optimiser.errors import PlanError
from optimiser.flow import Flow, Master
from optimiser.jit import kernel
from optimiser.pairs import FAR


@dataclass(frozen=True, slots=True, eq=False)
class Shortest:
    """Distances to the sink and where each way goes on."""

    price: I64  # of each bucket
    value: I64  # of each row: the cheapest of its columns at these prices, or staying unplaced
    leaves: I64  # of each bucket: the row that would leave it, -1 if it has a place to spare
    goes: I64  # of each row: the column it would take then, -1 for staying unplaced


def shortest(master: Master, flow: Flow) -> Shortest:
    """Label-correcting search from the sink. Raises PlanError if the flow was not optimal (a negative cycle)."""
    columns, buckets, rows = master.columns, len(master.capacity), len(master.unplaced)
    used = flow.column
    placed = np.flatnonzero(used >= 0)
    at = np.full(rows, -1, np.int64)
    at[placed] = columns.bucket[used[placed]]
    cost = np.zeros(rows, np.int64)
    cost[placed] = columns.cost[used[placed]]
    full = np.bincount(at[placed], minlength=buckets) >= master.capacity
    order, indptr = by_bucket(columns.bucket, buckets)
    price = np.where(full, FAR, 0)
    value, goes = master.unplaced.copy(), np.full(rows, -1, np.int64)
    leaves = np.full(buckets, -1, np.int64)
    done = _search(columns.row, columns.bucket, columns.cost, order, indptr, at, cost, full, price, value, leaves, goes)
    if not done:
        raise PlanError("no prices: the flow is not optimal")
    return Shortest(price, value, leaves, goes)


def reduced(master: Master, flow: Flow, price: I64) -> Master:
    """The same at prices that almost prove the flow: what each column costs beyond what the row pays, never below 0.

    ``shortest`` finds a tree in it even if the flow is not quite optimal.
    """
    columns = master.columns
    placed = np.flatnonzero(flow.column >= 0)
    pays = master.unplaced.copy()
    pays[placed] = (columns.cost + price[columns.bucket])[flow.column[placed]]
    cost = np.maximum(columns.cost + price[columns.bucket] - pays[columns.row], 0)
    return Master(np.maximum(master.unplaced - pays, 0), master.capacity, Columns(columns.row, columns.bucket, cost))


def by_bucket(bucket: I64, buckets: int) -> tuple[I64, I64]:
    """Positions of columns by bucket, in their order, and the pointers to each bucket's."""
    indptr = indptr_of(np.bincount(bucket, minlength=buckets))
    order = np.empty(len(bucket), np.int64)
    _count_out(bucket, indptr[:-1].copy(), order)
    return order, indptr


@kernel
def _count_out(bucket: I64, next_at: I64, order: I64) -> None:
    for at in range(len(bucket)):
        order[next_at[bucket[at]]] = at
        next_at[bucket[at]] += 1


@kernel
def _search(
    row: I64, bucket: I64, cost: I64, by_bucket: I64, indptr: I64, at: I64, paid: I64, full: Bool, price: I64,
    value: I64, leaves: I64, goes: I64,
) -> bool:  # fmt: skip
    rows = len(value)
    for column in range(len(row)):
        if not full[bucket[column]] and cost[column] < value[row[column]]:
            value[row[column]], goes[row[column]] = cost[column], column
    queue = np.argsort(value - paid, kind="mergesort")
    queued = np.ones(rows, np.bool_)
    head, size, steps = 0, rows, 0
    while size > 0:
        steps += 1
        if steps > 4000 * (rows + 1000):
            return False
        one = queue[head]
        head = head + 1 if head + 1 < rows else 0
        size -= 1
        queued[one] = False
        here = at[one]
        if here < 0 or not full[here] or value[one] - paid[one] >= price[here]:
            continue
        price[here], leaves[here] = value[one] - paid[one], one
        for position in range(indptr[here], indptr[here + 1]):
            column = by_bucket[position]
            other = row[column]
            if cost[column] + price[here] < value[other]:
                value[other], goes[other] = cost[column] + price[here], column
                if not queued[other]:
                    queued[other] = True
                    first = queue[head]
                    if size > 0 and value[other] - paid[other] < value[first] - paid[first]:
                        head = head - 1 if head > 0 else rows - 1
                        queue[head] = other
                    else:
                        queue[head + size if head + size < rows else head + size - rows] = other
                    size += 1
    return True
