"""Prices, and the proof that a plan is optimal: primal = dual over all eligible pairs.

The flow solver gives no dual values. In the residual graph of an optimal flow the shortest distance from a bucket to
the sink is what the plan loses if one of its places vanishes: its price (Ahuja, Magnanti, Orlin, *Network Flows*,
1993, ch. 9). With any prices at all, the plan can't cost less than

    sum over referrals of min(unplaced cost, min over eligible pairs of cost + price)  -  sum of capacity * price

(weak duality). A plan that reaches this bound is optimal, whoever made it. ``dual_bound`` computes it pair by pair
from the shard's own limits; it shares no code with column generation, nor with the solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimiser.arrays import I64, INF, indptr_of, ranges, segment_min
from optimiser.compiling import Shard, fold, shards_of
from optimiser.errors import PlanError
from optimiser.flow import Flow, Master

if TYPE_CHECKING:
    from optimiser.plan import Plan
    from optimiser.problem import Problem

CHUNK = 1 << 19


def prices_of(master: Master, flow: Flow) -> I64:
    """Price of one place of each bucket: Bellman-Ford to the sink, following only what changed.

    A bucket with a place to spare costs nothing. Raises PlanError if the flow was not optimal (a negative cycle).
    """
    columns, buckets = master.columns, len(master.capacity)
    held = np.bincount(columns.bucket, weights=flow.used, minlength=buckets).astype(np.int64)
    full = held >= master.capacity
    by_bucket = np.argsort(columns.bucket, kind="stable")
    column_ptr = indptr_of(np.bincount(columns.bucket, minlength=buckets))
    holding = np.flatnonzero(flow.used > 0)
    holder_ptr = indptr_of(np.bincount(columns.row[holding], minlength=len(master.supply)))

    to_free = ~full[columns.bucket]
    row_value = master.unplaced.copy()
    np.minimum.at(row_value, columns.row[to_free], columns.cost[to_free])
    price = np.where(full, INF, 0)
    rows = np.arange(len(row_value), dtype=np.int64)
    for _ in range(2 * (len(row_value) + buckets) + 4):
        at = holding[ranges(holder_ptr[rows], np.diff(holder_ptr)[rows])]
        at = at[full[columns.bucket[at]]]
        before = price[columns.bucket[at]]
        np.minimum.at(price, columns.bucket[at], row_value[columns.row[at]] - columns.cost[at])
        changed = np.unique(columns.bucket[at[price[columns.bucket[at]] < before]])
        if len(changed) == 0:
            return np.minimum(price, INF)
        at = by_bucket[ranges(column_ptr[changed], np.diff(column_ptr)[changed])]
        value = columns.cost[at] + price[columns.bucket[at]]
        better = value < row_value[columns.row[at]]
        at, value = at[better], value[better]
        np.minimum.at(row_value, columns.row[at], value)
        rows = np.unique(columns.row[at])
    raise PlanError("no prices: the flow is not optimal")


def row_values(master: Master, prices: I64) -> I64:
    """Dual value of each row: the cheapest of its columns at these prices, or staying unplaced."""
    columns = master.columns
    indptr = indptr_of(np.bincount(columns.row, minlength=len(master.supply)))
    return np.minimum(master.unplaced, segment_min(columns.cost + prices[columns.bucket], indptr))


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound on the cost of any plan of a shard, over ``pairs`` eligible pairs."""

    value: int
    pairs: int


def dual_bound(shard: Shard, prices: I64) -> Bound:
    """The bound that prices (0 or more, one for each bucket) prove, from every eligible pair.

    Raises PlanError on a negative price, which would prove nothing.
    """
    if bool((prices < 0).any()):
        raise PlanError("a price is negative")
    best = shard.unplaced.copy()
    pairs = 0
    for row, travel, bucket in _eligible(shard):
        cost = shard.table[shard.kind[row], shard.day[bucket]] + travel + shard.tie(row, bucket) + prices[bucket]
        np.minimum.at(best, row, cost)
        pairs += len(row)
    if len(shard.keep_row):
        at = np.repeat(np.arange(len(shard.keep_row)), np.diff(shard.entry_indptr)[shard.keep_row])
        entry = ranges(shard.entry_indptr[shard.keep_row], np.diff(shard.entry_indptr)[shard.keep_row])
        row, bucket = shard.keep_row[at], shard.keep_bucket[at]
        inside = (shard.entry_a[entry] <= bucket) & (bucket < shard.entry_b[entry])
        row, bucket, entry = row[inside], bucket[inside], entry[inside]
        cost = shard.table[shard.kind[row], shard.day[bucket]] + shard.entry_travel[entry] + shard.tie(row, bucket)
        np.minimum.at(best, row, cost + prices[bucket] - shard.policy.keep)
    phantom = shard.expected_unplaced.copy()
    np.minimum.at(phantom, shard.expected_row, shard.expected_cost + prices[shard.expected_bucket])
    total = int(best.sum()) + int((phantom * shard.expected_supply).sum()) - int((shard.capacity * prices).sum())
    return Bound(total, pairs)


def _eligible(shard: Shard) -> Iterator[tuple[I64, I64, I64]]:
    """Every eligible (row, travel cost, bucket) of a shard, in pieces, straight from its limits."""
    size = shard.entry_b - shard.entry_a
    total = np.cumsum(size)
    owner = shard.entry_row()
    first = 0
    while first < len(size):
        done = int(total[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(total, done + CHUNK, side="right")))
        entry = np.repeat(np.arange(first, last), size[first:last])
        bucket = ranges(shard.entry_a[first:last], size[first:last])
        row = owner[entry]
        allowed = shard.suits(row, bucket)
        allowed &= ~shard.busy_at(row, bucket)
        yield row[allowed], shard.entry_travel[entry[allowed]], bucket[allowed]
        first = last


@dataclass(frozen=True, slots=True)
class Certificate:
    """Outcome of ``certify``: the plan's cost, the bound its prices prove, and whether they meet."""

    primal: int
    dual: int
    pairs: int

    @property
    def valid(self) -> bool:
        """True if no plan can cost less."""
        return self.primal == self.dual


def certify(problem: Problem, plan: Plan) -> Certificate:
    """Check a plan against a problem by its prices alone; ``plan.blocks`` count as times the patient is busy.

    Raises PlanError if the plan is of another problem or its prices are negative. Feasibility is ``check``'s part.
    """
    problem = problem.canonical()
    if problem.digest() != plan.digest:
        raise PlanError("the plan was made from another problem")
    buckets = fold(problem)
    price = np.zeros(len(buckets.capacity), np.int64)
    at = np.flatnonzero(buckets.of_slot >= 0)
    price[buckets.of_slot[at]] = plan.slot_price[at]
    if not np.array_equal(price[buckets.of_slot[at]], plan.slot_price[at]):
        raise PlanError("slots of one half-day have different prices")
    dual = pairs = 0
    for shard in shards_of(problem, buckets):
        mine = np.isin(plan.blocks.referral, problem.referrals.key[shard.rows])
        row = np.searchsorted(problem.referrals.key[shard.rows], plan.blocks.referral[mine])
        blocked = shard.with_blocks(row, plan.blocks.start_minute[mine], plan.blocks.end_minute[mine])
        low = shard.first_bucket
        bound = dual_bound(blocked, price[low : low + len(shard.capacity)])
        dual += bound.value
        pairs += bound.pairs
    return Certificate(int(plan.cost.sum()) + plan.expected_cost, dual, pairs)
