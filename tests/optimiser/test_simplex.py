"""The simplex over all pairs: thousands of small instances against brute force, from bad starts, and its tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import orlib
from optimiser import Expected, Policy, Problem, certify, check, shard_solver, solve
from optimiser.arrays import I64
from optimiser.auction import FINEST, auction
from optimiser.columns import Columns, merge
from optimiser.compiling import Shard, fold, shards_of
from optimiser.flow import Master, solve_master
from optimiser.generate import generate
from optimiser.merging import merged
from optimiser.pairs import Pairs, every_pair, pair_cost, pairs_of
from optimiser.residual import reduced, shortest
from optimiser.shard_solver import Start, solve_shard
from optimiser.simplex import Tree, plant, seats, sweep

from .test_known_optima import built

SEEDS = st.integers(0, 10**9)
Options = list[list[tuple[int, int]]]


def least(options: Options, capacity: tuple[int, ...]) -> int:
    """Cost of the best way to give each row one of its (bucket, cost), or bucket -1, by trying all of them."""

    @cache
    def rest(row: int, left: tuple[int, ...]) -> int:
        if row == len(options):
            return 0
        return min(
            cost + rest(row + 1, left if bucket < 0 else (*left[:bucket], left[bucket] - 1, *left[bucket + 1 :]))
            for bucket, cost in options[row]
            if bucket < 0 or left[bucket] > 0
        )

    return rest(0, capacity)


def small(seed: int) -> Problem:
    """A problem of up to 6 referrals and 3 units of forecast with every kind of limit, tightly or loosely supplied."""
    rng = np.random.default_rng(seed)
    n, services = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    policy = Policy(
        horizon_days=14, tie_break=int(rng.choice((0, 1, 3, 64))), keep=int(rng.choice((0, 5_000, 10**6))),
        alternatives=0, notice_days=int(rng.integers(0, 3)),
    )  # fmt: skip
    made = generate(
        n, seed=seed, specialties=1, services=services, load=float(rng.choice((0.4, 1.0, 2.0))), horizon_days=14,
        limits=bool(rng.random() < 0.8), policy=policy,
    )  # fmt: skip
    refs = replace(made.referrals, patient=made.referrals.key)
    lines = int(rng.integers(0, 3))
    coming = Expected.build(
        specialty=0, service=rng.integers(0, services, lines), priority=rng.integers(0, 3, lines),
        arrival_day=rng.integers(1, 8, lines), count=rng.integers(1, 3, lines),
    )  # fmt: skip
    return replace(made, referrals=refs, expected=coming)


def options_of(problem: Problem) -> tuple[Options, tuple[int, ...]]:
    """What every referral and expected arrival may have, one by one from the problem's shard, and the capacities."""
    problem = problem.canonical()
    shard = shards_of(problem, fold(problem))[0]
    out: Options = [[(-1, cost)] for cost in shard.unplaced.tolist()]
    entries = list(zip(shard.entry_a.tolist(), shard.entry_b.tolist(), shard.entry_travel.tolist(), strict=True))
    kept = set(zip(shard.keep_row.tolist(), shard.keep_bucket.tolist(), strict=True))
    for row in range(len(shard)):
        for a, b, travel in entries[int(shard.entry_indptr[row]) : int(shard.entry_indptr[row + 1])]:
            for bucket in range(a, b):
                if not _open(shard, row, bucket):
                    continue
                cost = int(shard.table[shard.kind[row], shard.day[bucket]]) + travel
                cost += int(shard.tie(np.array([row]), np.array([bucket]))[0])
                out[row].append((bucket, cost - (shard.policy.keep if (row, bucket) in kept else 0)))
    for line, count in enumerate(shard.expected_supply.tolist()):
        mine = np.flatnonzero(shard.expected_row == line)
        pairs = list(zip(shard.expected_bucket[mine].tolist(), shard.expected_cost[mine].tolist(), strict=True))
        out += [[(-1, int(shard.expected_unplaced[line])), *pairs]] * count
    return out, tuple(shard.capacity.tolist())


def _open(shard: Shard, row: int, bucket: int) -> bool:
    times = slice(int(shard.busy.indptr[row]), int(shard.busy.indptr[row + 1]))
    start, end = int(shard.start[bucket]), int(shard.end[bucket])
    taken = zip(shard.busy.start_minute[times].tolist(), shard.busy.end_minute[times].tolist(), strict=True)
    return bool(
        int(shard.priorities[bucket]) >> int(shard.priority[row]) & 1
        and int(shard.needs[row]) & int(shard.offers[bucket]) == int(shard.needs[row])
        and not int(shard.unsuitable[row]) >> int(shard.part[bucket]) & 1
        and shard.practitioner[row] in (-1, shard.bucket_practitioner[bucket])
        and not any(s < end and start < e for s, e in taken)
    )


@contextmanager
def never_listed() -> Iterator[None]:
    """No shard is small enough for all of its pairs at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_solver, "MOST_LISTED", -1)
        yield


@settings(max_examples=2_000, deadline=None)
@given(SEEDS, st.booleans())
def test_brute_force_agrees_on_thousands(seed: int, listed: bool) -> None:
    problem = small(seed)
    with nullcontext() if listed else never_listed():
        plan = solve(problem)
    assert plan.objective == least(*options_of(problem))
    assert plan.certified
    assert certify(problem, plan).valid
    assert check(problem, plan) == []


@contextmanager
def bad_masters() -> Iterator[None]:
    """One greedy pass, one drawn column a row, one master whatever its gap."""
    poor = Start(1, 1, 1)
    with never_listed(), pytest.MonkeyPatch.context() as patch:
        for name in ("FIRST", "ROUGH", "LAST"):
            patch.setattr(shard_solver, name, poor)
        patch.setattr(shard_solver, "MASTER_ROUNDS", 1)
        patch.setattr(shard_solver, "ROUGH_ROUNDS", 1)
        yield


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(1, 6), st.sampled_from((0, 2, 1000, 10**7)))
def test_bad_masters_end_optimal_all_the_same(seed: int, rows: int, buckets: int, most: int, spread: int) -> None:
    cost, capacity, unplaced, optimum = built(seed, rows, buckets, most, spread)
    shard = orlib.shard_of(cost, capacity, unplaced)
    with bad_masters():
        plan = solve_shard(shard)
    assert (plan.objective, plan.certified, plan.finished) == (optimum, True, True)


@pytest.mark.parametrize("seed", range(3))
def test_bad_masters_on_real_limits(seed: int) -> None:
    problem = generate(600, seed=seed, load=(0.7, 1.0, 1.4)[seed])
    best = solve(problem)
    with bad_masters():
        plan = solve(problem)
    assert plan.objective == best.objective
    assert plan.certified
    assert certify(problem, plan).valid
    assert check(problem, plan) == []


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 60), st.integers(1, 12), st.integers(1, 6), st.sampled_from((0, 2, 1000, 10**7)))
def test_an_auction_ends_within_its_finest_eps(seed: int, rows: int, buckets: int, most: int, spread: int) -> None:
    cost, capacity, unplaced, optimum = built(seed, rows, buckets, most, spread)
    pairs = pairs_of(orlib.shard_of(cost, capacity, unplaced))
    flow, _ = auction(Master(pairs.unplaced, pairs.capacity, every_pair(pairs)))
    assert optimum <= flow.cost <= optimum + rows * FINEST


@pytest.mark.parametrize("load", [0.7, 1.4])
def test_all_pairs_at_once_or_none_the_same_objective(load: float) -> None:
    problem = generate(3_000, seed=5, load=load)
    with never_listed():
        plan = solve(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_solver, "LISTED_A_BUCKET", 10**9)
        listed = solve(problem)
    assert listed.pairs_in_memory > plan.pairs_in_memory
    assert listed.objective == plan.objective
    assert listed.certified
    assert certify(problem, listed).valid


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 60), st.sampled_from((0.5, 1.0, 2.0)))
def test_whole_days_cost_what_half_days_cost(seed: int, n: int, load: float) -> None:
    problem = generate(n, seed=seed, specialties=1, services=3, load=load, limits=False, horizon_days=21).canonical()
    shard = shards_of(problem, fold(problem))[0]
    whole = solve_shard(shard)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_solver, "merged", lambda _: None)
        halves = solve_shard(shard)
    assert whole.objective == halves.objective
    assert whole.certified
    assert halves.certified


def test_days_are_merged_at_all() -> None:
    problem = generate(60, seed=1, specialties=1, services=3, limits=False, horizon_days=21).canonical()
    shard = shards_of(problem, fold(problem))[0]
    days = merged(shard)
    assert days is not None
    assert len(days.shard.capacity) < len(shard.capacity)


def planted(shard: Shard, columns: Columns) -> tuple[Pairs, Tree]:
    """The tree of the master that knows only these columns."""
    pairs = pairs_of(shard)
    master = Master(pairs.unplaced, pairs.capacity, columns)
    flow = solve_master(master)
    return pairs, plant(pairs, columns, flow, shortest(master, flow))


def bought(shard: Shard) -> tuple[Pairs, Tree]:
    """The tree of an auction that stops at its coarsest."""
    pairs = pairs_of(shard)
    columns = every_pair(pairs)
    master = Master(pairs.unplaced, pairs.capacity, columns)
    flow, price = auction(master, late=lambda: True)
    return pairs, plant(pairs, columns, flow, shortest(reduced(master, flow, price), flow))


def few_columns(shard: Shard, seed: int) -> Columns:
    """Some pairs, drawn at random: none at all, or far from what is needed."""
    options, _ = options_of_shard(shard)
    rng = np.random.default_rng(seed)
    some = [pair for pair in options if rng.random() < 0.3]
    row, bucket, cost = np.array(some, np.int64).reshape(-1, 3).T
    return merge(len(shard.capacity), row, bucket, cost)


def options_of_shard(shard: Shard) -> tuple[list[tuple[int, int, int]], int]:
    """Every pair of a shard as (row, bucket, cost), units of forecast after the referrals."""
    pairs = pairs_of(shard)
    out = []
    for row in range(len(pairs.unplaced)):
        for bucket in range(len(pairs.capacity)):
            if row < pairs.n and not _open(shard, row, bucket):
                continue
            cost = int(pair_cost(pairs, row, bucket))
            if cost < 2**59:
                out.append((row, bucket, cost))
    return out, len(pairs.unplaced)


def sound(pairs: Pairs, tree: Tree) -> None:
    """The tree is one, its flow serves everybody within capacity, its prices are tight, and it is strongly feasible."""
    rows, buckets = len(pairs.unplaced), len(pairs.capacity)
    root = rows + buckets
    parent, flow, cost = tree.parent.tolist(), tree.flow.tolist(), tree.cost.tolist()
    price = tree.price.tolist()
    assert parent[root] == -1
    assert price[buckets] == 0
    inward: Counter[int] = Counter()  # of rows into each bucket; "nobody" included
    children: dict[int, set[int]] = {node: set() for node in range(root + 1)}
    for row in range(rows):
        above = parent[row]
        assert rows <= above <= root
        inward[above] += flow[row]
        children[above].add(row)
        real = pairs.unplaced[row] if above == root else pair_cost(pairs, row, above - rows)
        assert cost[row] == real
    for node in range(rows, root):
        above = parent[node]
        assert above < rows or above == root
        children[above].add(node)
        if above < rows:
            assert cost[node] == pair_cost(pairs, above, node - rows)
            assert cost[node] + price[node - rows] == cost[above] + price[parent[above] - rows]
        else:
            assert price[node - rows] == 0
        assert inward[node] + flow[node] == pairs.capacity[node - rows]
        assert flow[node] > 0  # one unit more can go up: strongly feasible
    for row in range(rows):
        assert flow[row] >= 0
        assert flow[row] + sum(flow[bucket] for bucket in children[row]) == 1
    for node in range(root):
        steps, x = 0, node
        while x != root:
            x = parent[x]
            steps += 1
            assert steps <= root
        if node >= rows:
            assert tree.depth[node] - tree.depth[root] == steps
    lists(tree, rows, root, children)


def lists(tree: Tree, rows: int, root: int, children: dict[int, set[int]]) -> None:
    """The lists of children hold the buckets, and the rows with children, and nobody else."""
    for node in range(root + 1):
        found: list[int] = []
        x, before = int(tree.child[node]), -1
        while x >= 0:
            assert tree.before[x] == before
            assert tree.listed[x]
            found.append(x)
            x, before = int(tree.after[x]), x
        assert len(found) == len(set(found))
        assert set(found) == {x for x in children[node] if x >= rows or children[x]}


@settings(max_examples=400, deadline=None)
@given(SEEDS, st.booleans(), st.booleans())
def test_the_tree_stays_sound(seed: int, real: bool, auctioned: bool) -> None:
    if real:
        problem = small(seed).canonical()
        shard = shards_of(problem, fold(problem))[0]
    else:
        rng = np.random.default_rng(seed)
        rows, buckets, most, spread = (int(rng.integers(1, top)) for top in (14, 8, 4, 30))
        cost, capacity, unplaced, _ = built(seed, rows, buckets, most, spread)
        shard = orlib.shard_of(cost, capacity, unplaced)
    pairs, tree = bought(shard) if auctioned else planted(shard, few_columns(shard, seed))
    sound(pairs, tree)
    total = cost_of(pairs, tree)
    order = np.random.default_rng(seed).permutation(len(pairs.unplaced))
    for _ in range(1000):
        pivots = sweep(pairs, tree, order)
        sound(pairs, tree)
        now = cost_of(pairs, tree)
        assert now <= total
        total = now
        if pivots == 0:
            break
    assert pivots == 0
    assert total == solve_shard(shard).objective


def cost_of(pairs: Pairs, tree: Tree) -> int:
    """Cost of the plan of a tree, which keeps to the capacities."""
    bucket, cost = seats(pairs, tree)
    given_: I64 = np.bincount(bucket[bucket >= 0], minlength=len(pairs.capacity))
    assert (given_ <= pairs.capacity).all()
    return int(cost.sum())
