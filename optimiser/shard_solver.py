"""One shard to proven optimality, or to the best found by a deadline.

Four steps, each handing prices to the next:

1. *Samples.* The same on a sixteenth (a quarter …) of the referrals and places gives rough prices in no time.
2. *In turn at prices.* Greedy passes, each row taking the pair of least ``cost + price`` that has a place left, give
   columns that respect the capacities. (Columns chosen by price alone all go for the same few underpriced buckets.)
3. *Master.* OR-Tools solves the min-cost flow over these columns; its prices show which other pairs would improve it.
4. *Simplex.* The tree of the master's shortest ways is pivoted to the optimum over all pairs, none of them stored.

Where all pairs fit into memory and each bucket has few, an auction (:mod:`optimiser.auction`) stands for the first
three steps. Every step leaves a plan and a bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from optimiser.arrays import I64, U64, mix
from optimiser.auction import auction
from optimiser.certificate import dual_bound
from optimiser.columns import Columns, join, pruned
from optimiser.compiling import Shard, check_ceiling
from optimiser.errors import PlanError
from optimiser.flow import Flow, Master, solve_master
from optimiser.merging import merged
from optimiser.pairs import FAR, Pairs, every_pair, improving, most_pairs, near, pairs_of, row_minima, take_in_turn
from optimiser.residual import Shortest, reduced, shortest
from optimiser.simplex import plant, seats, sweep

SMALLEST_SAMPLE = 2000  # rows; the coarsest sample is not smaller than this
STEP = 4  # each sample is so many times as large as the one before
ROUGH_GAP = 300  # cost units a row: prices of a sample need be no better
ROUGH_ROUNDS = 1
IMPROVING = 6  # columns added for each row that gains by them
SLACK = 128
KEEP = 16  # columns of each row that survive a round
MASTER_GAP = 100  # cost units a row: above this the master is solved once more before the simplex takes over
MASTER_ROUNDS = 2
LATEST_SWEEPS = 100_000
MOST_LISTED = 10_000_000  # pairs that may be held in memory at once, at about 50 bytes each
LISTED_A_BUCKET = 500  # pairs a bucket at most, on average, for an auction to pay: a place that bids looks at them all


class Start(NamedTuple):
    """How many greedy passes, and how many pairs are drawn from so far above each row's best (cost units)."""

    passes: int
    drawn: int
    width: int


FIRST, ROUGH, LAST = Start(8, 40, 3_000_000), Start(8, 6, 20_000), Start(12, 3, 3_000)


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


def solve_shard(shard: Shard, until: float | None = None, warm: I64 | None = None) -> ShardPlan:
    """Solve a shard.

    ``until`` is a ``time.time()`` after which no new round starts (a flow solve can't be interrupted); ``warm`` are
    prices to start from. Raises PlanError if weights are beyond the solver.
    """
    began = time.perf_counter()
    check_ceiling(shard)
    days = merged(shard)
    if days is None:
        plan = _solve(shard, until, warm)
    else:
        plan = _solve(days.shard, until, None if warm is None else days.merge_prices(warm))
        bucket, reserved = days.split(shard, plan.bucket, plan.reserved)
        plan = replace(plan, bucket=bucket, reserved=reserved, price=plan.price[days.of])
    return _proven(shard, plan, time.perf_counter() - began)


def _solve(shard: Shard, until: float | None, warm: I64 | None) -> ShardPlan:
    run = _Run(shard, pairs_of(shard), until)
    if most_pairs(run.pairs) <= min(MOST_LISTED, LISTED_A_BUCKET * run.buckets):
        run.auction(warm)
        if not run.late():
            run.simplex()
        return run.finish()
    if warm is None:
        warm = _rough_prices(shard, until)
    run.start(warm, LAST if warm.any() else FIRST)
    if not run.late():
        run.master_rounds(MASTER_ROUNDS, MASTER_GAP)
        run.simplex()
    return run.finish()


def _proven(shard: Shard, plan: ShardPlan, seconds: float) -> ShardPlan:
    """The plan with what its prices prove over every eligible pair."""
    proof = dual_bound(shard, plan.price)
    bound = max(plan.bound, proof.value)
    return replace(plan, bound=bound, certified=proof.value == plan.objective, pairs=proof.pairs, seconds=seconds)


def _rough_prices(shard: Shard, until: float | None) -> I64:
    """Prices by samples of the referrals and places, each larger than the one before.

    A half-day without a sampled place takes the price of the next one of its service that has one.
    """
    price = np.zeros(len(shard.capacity), np.int64)
    one_in = 1
    while len(shard.rows) // (one_in * STEP) >= SMALLEST_SAMPLE:
        one_in *= STEP
    way = FIRST
    while one_in > 1:
        small = shard.sample(one_in)
        run = _Run(small, pairs_of(small), until)
        run.start(price, way)
        if not run.late():
            run.master_rounds(ROUGH_ROUNDS, ROUGH_GAP)
        price = _spread(shard, small, run.price)
        one_in, way = one_in // STEP, ROUGH
    return price


def _spread(shard: Shard, small: Shard, price: I64) -> I64:
    has = np.flatnonzero(small.capacity > 0)
    if len(has) == 0:
        return np.zeros(len(price), np.int64)
    at = np.minimum(np.searchsorted(has, np.arange(len(price))), len(has) - 1)
    close = has[at]
    close = np.where(shard.service[close] == shard.service, close, has[np.maximum(at - 1, 0)])
    return np.where(shard.service[close] == shard.service, price[close], 0)


@dataclass(slots=True, eq=False)
class _Run:
    """The state of one solve; ``price`` and ``bucket``/``cost`` are the best prices and plan so far."""

    shard: Shard
    pairs: Pairs
    until: float | None
    columns: Columns = field(init=False)
    price: I64 = field(init=False)
    bucket: I64 = field(init=False)
    cost: I64 = field(init=False)
    bound: int = -(2**62)
    optimal: bool = False
    most: int = 0
    rounds: int = 0
    flow: Flow = field(init=False)
    ways: Shortest = field(init=False)

    @property
    def rows(self) -> int:
        return len(self.pairs.unplaced)

    @property
    def buckets(self) -> int:
        return len(self.pairs.capacity)

    def late(self) -> bool:
        return self.until is not None and time.time() >= self.until

    def start(self, price: I64, way: Start) -> None:
        """Columns and a plan to begin with, made at these prices."""
        price = np.where(self.pairs.capacity > 0, price, FAR)
        least = self._bound(price)
        parts, best = [self._kept()], None
        for turn in range(way.passes):
            bucket, cost = np.full(self.rows, -1, np.int64), self.pairs.unplaced.copy()
            take_in_turn(self.pairs, self._order(turn), price, self.pairs.capacity.copy(), bucket, cost)
            total = int(cost.sum())
            if best is None or total < best:
                best, self.bucket, self.cost = total, bucket, cost
            at = np.flatnonzero(bucket >= 0)
            parts.append(Columns(at, bucket[at], cost[at]))
            if self.late():
                break
        out = np.empty((3, self.rows * way.drawn), np.int64)
        n = near(self.pairs, price, least, way.width, way.drawn, 1, out[0], out[1], out[2])
        self.columns = join(self.buckets, *parts, Columns(out[0, :n], out[1, :n], out[2, :n]))
        self.price = price
        self.rounds += 1

    def master_rounds(self, at_most: int, gap: int) -> None:
        """Solve the master until the gap is below ``gap`` a row, or so often; leaves its tree of shortest ways."""
        for turn in range(at_most):
            master = Master(self.pairs.unplaced, self.pairs.capacity, self.columns)
            self.most = max(self.most, len(self.columns))
            flow = solve_master(master)
            ways = shortest(master, flow)
            self._take(flow, ways.price)
            least = self._bound(ways.price)
            self.flow, self.ways = flow, ways
            self.rounds += 1
            if flow.cost - self.bound <= gap * self.rows or turn == at_most - 1 or self.late():
                return
            self._improve(flow, ways, least)

    def _improve(self, flow: Flow, ways: Shortest, least: I64) -> None:
        out = np.empty((3, self.rows * IMPROVING), np.int64)
        n = improving(self.pairs, ways.price, ways.value, least, SLACK, IMPROVING, out[0], out[1], out[2])
        columns = self.columns
        reduced = columns.cost + ways.price[columns.bucket] - ways.value[columns.row]
        reduced[flow.column[flow.column >= 0]] = -1
        fresh = Columns(out[0, :n], out[1, :n], out[2, :n])
        self.columns = join(self.buckets, pruned(columns, reduced, KEEP), fresh, self._kept())

    def auction(self, price: I64 | None) -> None:
        """A start made of every pair at once; leaves its tree."""
        self.columns = every_pair(self.pairs)
        self.most = len(self.columns)
        master = Master(self.pairs.unplaced, self.pairs.capacity, self.columns)
        flow, price = auction(master, price, self.late)
        self._take(flow, price)
        self._bound(price)
        self.flow, self.ways = flow, shortest(reduced(master, flow, price), flow)
        self.rounds += 1

    def simplex(self) -> None:
        """Pivot to the optimum, or until time is up."""
        tree = plant(self.pairs, self.columns, self.flow, self.ways)
        del self.flow, self.ways
        for turn in range(LATEST_SWEEPS):
            pivots = sweep(self.pairs, tree, _shuffled(self.rows, self.pairs.key, turn))
            price = np.maximum(tree.price[: self.buckets], 0)
            self.optimal = pivots == 0
            if self.optimal or self.late():
                self.bucket, self.cost = seats(self.pairs, tree)
                self._bound(price)
                self.rounds += 1
                self.price = price if self.optimal else self.price
                return
        raise PlanError("the simplex did not end")

    def finish(self) -> ShardPlan:
        """The best plan found; what it proves is not looked at yet."""
        n = len(self.shard.rows)
        kept = self.bucket[n:]
        reserved = np.bincount(kept[kept >= 0], minlength=self.buckets).astype(np.int64)
        price = np.where(self.pairs.capacity > 0, self.price, 0)
        return ShardPlan(
            self.bucket[:n], self.cost[:n], price, reserved, int(self.cost[n:].sum()), self.bound, False,
            self.optimal, 0, self.most, self.rounds, 0.0,
        )  # fmt: skip

    def _take(self, flow: Flow, price: I64) -> None:
        placed = np.flatnonzero(flow.column >= 0)
        bucket, cost = np.full(self.rows, -1, np.int64), self.pairs.unplaced.copy()
        bucket[placed] = self.columns.bucket[flow.column[placed]]
        cost[placed] = self.columns.cost[flow.column[placed]]
        self.bucket, self.cost = bucket, cost
        self.price = price

    def _bound(self, price: I64) -> I64:
        """Each row's least cost at these prices, and the bound that follows."""
        least = np.empty(self.rows, np.int64)
        row_minima(self.pairs, price, least)
        has = self.pairs.capacity > 0
        value = int(least.sum()) - int((self.pairs.capacity[has] * price[has]).sum())
        self.bound = max(self.bound, value)
        return least

    def _kept(self) -> Columns:
        """Pairs that earn the keep bonus."""
        row = np.flatnonzero(self.pairs.keep_bucket >= 0)
        bucket = self.pairs.keep_bucket[row]
        some = self.pairs.capacity[bucket] > 0
        return Columns(row[some], bucket[some], self.pairs.keep_cost[row[some]])

    def _order(self, turn: int) -> I64:
        """By turns greatest need first (by priority and due date, more and more roughly) and by lot."""
        shard, n = self.shard, len(self.shard.rows)
        draw = _hash(self.rows, self.pairs.key, turn)
        if turn % 2:
            return np.argsort(draw, kind="stable")
        due = np.zeros(self.rows, np.int64)
        due[:n] = shard.target.astype(np.int64) - shard.waited
        rank = np.zeros(self.rows, np.int64)
        rank[:n] = shard.priority
        due += (draw % np.uint64(1 + 3 * turn)).astype(np.int64)
        return np.lexsort((draw, due // (1 + 2 * turn), -rank))


def _hash(rows: int, key: U64, turn: int) -> U64:
    """A number for each row that depends on nothing but its key (or its place among the forecast) and the turn."""
    ids = np.arange(rows, dtype=np.uint64) + np.uint64(2**63)
    ids[: len(key)] = key
    return mix(ids ^ np.uint64((turn + 1) * 0x9E3779B9))


def _shuffled(rows: int, key: U64, turn: int) -> I64:
    return np.argsort(_hash(rows, key, turn), kind="stable")
