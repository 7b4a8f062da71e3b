"""One assignment instance for every solver: the pairs of a shard, written out, with what each costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from optimiser import Policy, Problem, Referrals, Shortlists, Slots
from optimiser.arrays import I64, indptr_of, ranges
from optimiser.columns import merge
from optimiser.compiling import Shard, fold, shards_of
from optimiser.generate import AS_OF
from optimiser.pairs import FAR, improving, pairs_of
from optimiser.problem import Busy

EPOCH_DAYS = AS_OF.toordinal() - 719_163
HORIZON = 91
STARTS = (540, 780, 1020)  # minutes of the day: one place each half-day and evening
SHORTLIST = 3  # services
WINDOW = 7  # days, each patient's own
SPREAD_KM = 100.0
WEIGHTS = Policy(
    horizon_days=HORIZON, alternatives=0, breach=(1_000_000, 10_000_000, 100_000_000), late_day=(1_000, 2_000, 4_000),
    late_square=(5, 10, 20), wait_day=(100, 0, 0), wait_square=(50, 150, 800), travel_km=5, keep=1_000, tie_break=4,
)  # fmt: skip
"""The default weights in units of a hundredth: some solvers multiply costs by the square of the nodes."""


class NotSolvedError(Exception):
    """A solver ended without a proven optimum; says why."""


class NotTriedError(Exception):
    """A solver can't hold the instance, or is not installed; says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """P pairs sorted by row and bucket; R rows, each to have one pair or stay unplaced; B buckets with a capacity."""

    row: I64
    bucket: I64
    cost: I64
    unplaced: I64
    capacity: I64

    def __len__(self) -> int:
        return len(self.row)

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.unplaced)

    def objective(self, chosen: I64) -> int:
        """Exact cost of the pair chosen for each row (-1: unplaced). Raises ValueError if the choice breaks a rule."""
        placed = np.flatnonzero(chosen >= 0)
        pair = chosen[placed]
        if len(chosen) != self.rows or not np.array_equal(self.row[pair], placed):
            raise ValueError("a pair of another row was chosen")
        if bool((np.bincount(self.bucket[pair], minlength=len(self.capacity)) > self.capacity).any()):
            raise ValueError("more were placed than there are places")
        left = np.delete(self.unplaced, placed)
        return int(self.cost[pair].sum()) + int(left.sum())

    def find(self, bucket: I64) -> I64:
        """The pair that gives each row this bucket (-1: unplaced). Raises ValueError if there is none."""
        width = np.int64(len(self.capacity))
        placed = np.flatnonzero(bucket >= 0)
        ids = self.row * width + self.bucket
        wanted = placed * width + bucket[placed]
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        if not np.array_equal(ids[at], wanted):
            raise ValueError("a pair that is not eligible was chosen")
        chosen = np.full(len(bucket), -1, np.int64)
        chosen[placed] = at
        return chosen

    def lowered(self) -> tuple[I64, I64]:
        """Costs and unplaced costs less each row's least: the same choices are best, with smaller numbers."""
        least = self.unplaced.copy()
        np.minimum.at(least, self.row, self.cost)
        return self.cost - least[self.row], self.unplaced - least

    def places(self) -> tuple[I64, I64, I64]:
        """Pairs of rows and single places, for solvers without capacities: (pair, row, place)."""
        count = self.capacity[self.bucket]
        first = indptr_of(self.capacity)[:-1]
        pair = np.repeat(np.arange(len(self), dtype=np.int64), count)
        return pair, self.row[pair], ranges(first[self.bucket], count)

    def save(self, path: Path) -> None:
        """To a file that ``read`` takes."""
        np.savez(path, row=self.row, bucket=self.bucket, cost=self.cost, unplaced=self.unplaced, capacity=self.capacity)

    @classmethod
    def read(cls, path: Path) -> Instance:
        """From a file of ``save``."""
        with np.load(path) as kept:
            return cls(kept["row"], kept["bucket"], kept["cost"], kept["unplaced"], kept["capacity"])


def written_out(shard: Shard) -> Instance:
    """Every eligible pair of a shard without forecast."""
    count = shard.entry_b.astype(np.int64) - shard.entry_a
    entry = np.repeat(np.arange(len(count), dtype=np.int64), count)
    row, bucket = shard.entry_row()[entry], ranges(shard.entry_a, count)
    fine = shard.suits(row, bucket) & ~shard.busy_at(row, bucket)
    entry, row, bucket = entry[fine], row[fine], bucket[fine]
    cost = shard.table[shard.kind[row], shard.day[bucket]] + shard.entry_travel[entry] + shard.tie(row, bucket)
    width = np.int64(len(shard.capacity))
    held = np.isin(row * width + bucket, shard.keep_row * width + shard.keep_bucket)
    cost -= np.where(held, shard.policy.keep, 0)
    order = np.lexsort((bucket, row))
    return Instance(row[order], bucket[order], cost[order], shard.unplaced, shard.capacity)


def one_specialty(problem: Problem) -> Problem:
    """The same with every service of one specialty, so that one solver gets all of it; shortlists stay."""
    refs, slots = problem.referrals, problem.slots
    return replace(
        problem, referrals=replace(refs, specialty=np.ones_like(refs.specialty)),
        slots=replace(slots, specialty=np.ones_like(slots.specialty)),
    )  # fmt: skip


def cheapest_only(shard: Shard, most: int) -> Shard:
    """A shard without forecast with the ``most`` cheapest pairs of each referral that are better than no slot.

    Every pair is a run of one bucket whose way costs what the pair does; no limit is left to look at.
    """
    pairs = pairs_of(shard)
    rows, buckets = len(shard), len(shard.capacity)
    price = np.where(shard.capacity > 0, 0, FAR)
    row, bucket, cost = np.empty((3, rows * most), np.int64)
    n = improving(pairs, price, shard.unplaced, np.full(rows, -FAR), 0, most, row, bucket, cost)
    found = merge(buckets, row[:n], bucket[:n], cost[:n])
    nothing = np.zeros(rows, np.uint32)
    none = np.zeros(0, np.int64)
    return replace(
        shard, policy=replace(shard.policy, tie_break=0), table=np.zeros((1, shard.table.shape[1]), np.int64),
        kind=np.zeros(rows, np.int64), needs=nothing, unsuitable=nothing, practitioner=np.full(rows, -1, np.int64),
        priorities=np.full(buckets, 7, np.uint8), busy=Busy.none(rows), keep_row=none, keep_bucket=none,
        entry_indptr=indptr_of(np.bincount(found.row, minlength=rows)), entry_service=np.zeros(n, np.int32),
        entry_travel=found.cost, entry_a=found.bucket.astype(np.int32), entry_b=(found.bucket + 1).astype(np.int32),
        bucket_practitioner=np.arange(buckets),  # tells half-days apart: they may not be merged into days
    )  # fmt: skip


def largest_shard(problem: Problem) -> Shard:
    """The specialty with most referrals."""
    problem = problem.canonical()
    return max(shards_of(problem, fold(problem)), key=len)


def generated(referrals: int, seed: int) -> Problem:
    """One specialty, as many places as referrals, each a half-day of its own; 30 to 60 eligible pairs a referral.

    Services lie at random in a square of 100 km; a referral lists the three nearest and has a week of its own in
    which to come. A fifth have times that never suit.
    """
    rng = np.random.default_rng(seed)
    working = np.array([d for d in range(1, HORIZON + 1) if (d + AS_OF.weekday()) % 7 < 5], np.int64)
    services = max(SHORTLIST, round(referrals / (len(working) * len(STARTS))))
    policy = WEIGHTS
    return Problem(
        AS_OF, _referrals(rng, referrals, policy), _lists(rng, referrals, services), _slots(working, services), policy
    )


def _slots(working: I64, services: int) -> Slots:
    halves = len(working) * len(STARTS)
    service = np.repeat(np.arange(services), halves)
    day = np.tile(np.repeat(working, len(STARTS)), services)
    part = np.tile(np.arange(len(STARTS)), len(working) * services)
    start = (EPOCH_DAYS + day) * 1440 + np.asarray(STARTS)[part]
    return Slots.build(
        key=np.arange(len(day)) + 1, service=service + 1, specialty=1, provider=service + 1, day=day,
        part=day % 7 * 3 + part, start_minute=start, end_minute=start + 30,
    )  # fmt: skip


def _referrals(rng: np.random.Generator, n: int, policy: Policy) -> Referrals:
    waited = np.minimum(rng.exponential(50, n), 400).astype(np.int64)
    priority = np.where(waited < 14, rng.choice(3, n, p=(0.73, 0.15, 0.12)), 0)
    opens = rng.integers(0, HORIZON - WINDOW, n)
    return Referrals.build(
        policy=policy, key=np.arange(n) + 1, specialty=1, priority=priority, waited_days=waited, earliest_day=opens,
        latest_day=opens + WINDOW, unsuitable=np.where(rng.random(n) < 0.2, rng.integers(0, 2**21, n), 0),
    )  # fmt: skip


def _lists(rng: np.random.Generator, n: int, services: int) -> Shortlists:
    sites = rng.random((services, 2)) * SPREAD_KM
    service = np.empty((n, SHORTLIST), np.int64)
    km = np.empty((n, SHORTLIST), np.float32)
    for low in range(0, n, 10_000):
        home = rng.random((min(10_000, n - low), 2)) * SPREAD_KM
        far = np.sqrt(((home[:, None, :] - sites) ** 2).sum(axis=2))
        near = np.argsort(far, axis=1)[:, :SHORTLIST]
        service[low : low + len(home)] = near + 1
        km[low : low + len(home)] = np.take_along_axis(far, near, axis=1)
    size = np.full(n, SHORTLIST, np.int64)
    return Shortlists(
        indptr_of(size), service.ravel(), km.ravel(), np.zeros(n * SHORTLIST, np.int32),
        np.full(n * SHORTLIST, HORIZON, np.int32),
    )  # fmt: skip


def first_rows(problem: Problem, referrals: int) -> Problem:
    """Part of a problem: so many referrals, evenly spread, and the same share of the places of each service."""
    n = len(problem.referrals)
    if referrals >= n:
        return problem
    rows = np.unique(np.arange(referrals, dtype=np.int64) * n // referrals)
    total = np.cumsum(problem.slots.capacity.astype(np.int64))
    capacity = total * referrals // n - (total - problem.slots.capacity) * referrals // n
    return replace(problem.only(rows), slots=replace(problem.slots, capacity=capacity.astype(np.int32)))
