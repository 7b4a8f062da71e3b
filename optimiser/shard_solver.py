"""One shard to proven optimality by column generation, or to the best found by a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, rank_in_runs
from optimiser.certificate import dual_bound, prices_of, row_values
from optimiser.compiling import Shard
from optimiser.flow import Flow, Master, solve_master
from optimiser.folding import (
    Columns,
    Groups,
    count_pairs,
    first_columns,
    group,
    join,
    keep_columns,
    merge,
    price_out,
)
from optimiser.sequential import greedy_buckets

CHEAP, SPREAD = 2, 3  # columns of each shortlist entry to start with
COARSE_ABOVE, ONE_IN = 3000, 4  # shards with more rows start from the prices of a sample
KEEP = 24  # columns of each row that survive a round
WARM = (3, 1)  # the same as CHEAP, SPREAD, given prices to start from
SLACK, NEAR = 2, 1000  # within NEAR of optimal per row, pairs within SLACK tie-breaks come in as well
PER_ROUND = 20  # columns added for each referral in a round


@dataclass(frozen=True, slots=True, eq=False)
class ShardPlan:
    """Outcome for one shard; indices are the shard's own."""

    bucket: I64  # of each row, -1 unplaced
    cost: I64
    price: I64  # of each bucket
    reserved: I64  # places of each bucket kept for expected arrivals
    expected_cost: int
    bound: int
    certified: bool
    finished: bool  # False: the deadline came first
    pairs: int
    pairs_in_memory: int
    rounds: int
    seconds: float

    @property
    def objective(self) -> int:
        """Cost of the referrals and of the reserve."""
        return int(self.cost.sum()) + self.expected_cost


def solve_shard(
    shard: Shard,
    until: float | None = None,
    warm: I64 | None = None,
    report: Callable[[int, int, int], None] | None = None,
) -> ShardPlan:
    """Solve a shard.

    ``until`` is a ``time.time()`` after which no new round starts (a flow solve can't be interrupted); ``warm`` are
    prices to start from; ``report`` is told round, cost and bound after each round. Raises PlanError if weights are
    beyond the solver.
    """
    began = time.perf_counter()
    groups = group(shard)
    supply = np.concatenate((np.ones(len(shard.rows), np.int64), shard.expected_supply))
    unplaced = np.concatenate((shard.unplaced, shard.expected_unplaced))
    start = greedy_buckets(shard)
    if warm is None and len(shard.rows) >= COARSE_ABOVE:
        warm = _coarse_prices(shard, until)
    kept = keep_columns(shard)
    columns = join(len(shard.capacity), _start(shard, groups, start, warm), kept)
    if until is not None and time.time() >= until:
        return _from_greedy(shard, start, columns, began)
    bound, most, rounds = -(2**62), 0, 0
    while True:
        rounds += 1
        most = max(most, len(columns))
        master = Master(supply, unplaced, shard.capacity, columns)
        flow = solve_master(master)
        price = prices_of(master, flow)
        dual = row_values(master, price)
        # Near the end, pairs that are almost worth it come in too: it saves rounds over mere tie-breaks.
        slack = SLACK * shard.policy.tie_break if flow.cost - bound < NEAR * len(shard.rows) else 0
        fresh, lowest = price_out(shard, groups, price, dual[: len(shard.rows)] + slack, PER_ROUND)
        lowest = np.minimum(lowest + slack, 0)
        value = int((dual * supply).sum()) - int((shard.capacity * price).sum()) + int(lowest.sum())
        bound = max(bound, value)
        if report is not None:
            report(rounds, flow.cost, bound)
        if not lowest.any() or (until is not None and time.time() >= until):
            break
        # Pricing does not know the keep bonus, so those pairs always stay in.
        columns = join(len(shard.capacity), _prune(columns, flow, price, dual), fresh, kept)
    proof = dual_bound(shard, price) if not lowest.any() else None
    pairs = proof.pairs if proof else count_pairs(shard, groups)
    return _finish(
        shard, columns, flow, price, max(bound, proof.value) if proof else bound,
        proof is not None and proof.value == flow.cost, proof is not None, pairs, most, rounds,
        time.perf_counter() - began,
    )  # fmt: skip


def _coarse_prices(shard: Shard, until: float | None) -> I64:
    """Prices to start from: those of a sample of the referrals on a sample of the places.

    A half-day without a sampled place takes the price of the next one of its service that has one.
    """
    small = shard.sample(ONE_IN)
    price = solve_shard(small, until).price
    has = np.flatnonzero(small.capacity > 0)
    if len(has) == 0:
        return price
    at = np.minimum(np.searchsorted(has, np.arange(len(price))), len(has) - 1)
    near = has[at]
    near = np.where(shard.service[near] == shard.service, near, has[np.maximum(at - 1, 0)])
    return np.where(shard.service[near] == shard.service, price[near], 0)


def _prune(columns: Columns, flow: Flow, price: I64, dual: I64) -> Columns:
    """Keep of each row what carries flow and the ``KEEP`` columns of least reduced cost."""
    reduced = columns.cost + price[columns.bucket] - dual[columns.row]
    reduced[flow.used > 0] = -1
    order = np.lexsort((reduced, columns.row))
    stay = np.sort(order[rank_in_runs(columns.row[order]) < KEEP])
    return Columns(columns.row[stay], columns.bucket[stay], columns.cost[stay])


def _start(shard: Shard, groups: Groups, start: tuple[I64, I64], warm: I64 | None) -> Columns:
    zero = np.zeros(len(shard.capacity), np.int64)
    if warm is None:
        found = first_columns(shard, groups, zero, CHEAP, SPREAD)
    else:
        found = first_columns(shard, groups, warm, WARM[0], WARM[1])
    bucket, cost = start
    at = np.flatnonzero(bucket >= 0)
    n = len(shard.rows)
    expected = merge(len(zero), shard.expected_row + n, shard.expected_bucket, shard.expected_cost)
    seeds = merge(len(zero), at, bucket[at], cost[at])
    return join(len(zero), found, seeds, expected)


def _finish(
    shard: Shard, columns: Columns, flow: Flow, price: I64, bound: int, certified: bool,
    finished: bool, pairs: int, most: int, rounds: int, seconds: float,
) -> ShardPlan:  # fmt: skip
    n = len(shard.rows)
    at = np.flatnonzero((flow.used > 0) & (columns.row < n))
    bucket, cost = np.full(n, -1, np.int64), shard.unplaced.copy()
    bucket[columns.row[at]] = columns.bucket[at]
    cost[columns.row[at]] = columns.cost[at]
    phantom = columns.row >= n
    reserved = np.bincount(columns.bucket[phantom], weights=flow.used[phantom], minlength=len(shard.capacity)).astype(
        np.int64
    )
    expected = int((flow.used * columns.cost)[phantom].sum()) + int((flow.left[n:] * shard.expected_unplaced).sum())
    return ShardPlan(bucket, cost, price, reserved, expected, bound, certified, finished, pairs, most, rounds, seconds)


def _from_greedy(shard: Shard, start: tuple[I64, I64], columns: Columns, began: float) -> ShardPlan:
    """No time for a single round: the greedy plan, with the bound that zero prices give."""
    zero = np.zeros(len(shard.capacity), np.int64)
    proof = dual_bound(shard, zero)
    expected = int((shard.expected_supply * shard.expected_unplaced).sum())
    return ShardPlan(
        *start, zero, zero, expected, proof.value, proof.value == int(start[1].sum()) + expected, False,
        proof.pairs, len(columns), 0, time.perf_counter() - began,
    )  # fmt: skip
