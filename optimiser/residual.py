"""Prices of a solved master, and the tree of shortest ways to the sink that they come from.

In the residual graph of an optimal flow the shortest distance from a bucket to the sink is what the plan loses if one
of its places vanishes: its price (Ahuja, Magnanti, Orlin, *Network Flows*, 1993, ch. 9). A bucket with a place to
spare costs nothing. From a full one the way leads through an occupant to where else that row would go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, Bool, indptr_of
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
    by_bucket = np.argsort(columns.bucket, kind="stable")
    indptr = indptr_of(np.bincount(columns.bucket, minlength=buckets))
    price = np.where(full, FAR, 0)
    value, goes = master.unplaced.copy(), np.full(rows, -1, np.int64)
    leaves = np.full(buckets, -1, np.int64)
    done = _search(
        columns.row, columns.bucket, columns.cost, by_bucket, indptr, at, cost, full, price, value, leaves, goes
    )
    if not done:
        raise PlanError("no prices: the flow is not optimal")
    return Shortest(price, value, leaves, goes)


@kernel
def _search(
    row: I64, bucket: I64, cost: I64, by_bucket: I64, indptr: I64, at: I64, paid: I64, full: Bool, price: I64,
    value: I64, leaves: I64, goes: I64,
) -> bool:  # fmt: skip
    rows = len(value)
    for column in range(len(row)):
        if not full[bucket[column]] and cost[column] < value[row[column]]:
            value[row[column]], goes[row[column]] = cost[column], column
    queue = np.empty(rows + 1, np.int64)
    queued = np.ones(rows, np.bool_)
    for one in range(rows):
        queue[one] = one
    head, tail, size, steps = 0, rows, rows, 0
    while size > 0:
        steps += 1
        if steps > 4000 * (rows + 1000):
            return False
        one = queue[head]
        head = head + 1 if head < rows else 0
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
                    queue[tail] = other
                    tail = tail + 1 if tail < rows else 0
                    size += 1
    return True
