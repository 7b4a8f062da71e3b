"""Instances whose optimum is known beforehand: published ones, and ones built from their own prices."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import orlib
from benchmarks.assignment import cheapest_only, generated, largest_shard, written_out
from optimiser.arrays import I64
from optimiser.columns import Columns
from optimiser.shard_solver import solve_shard

FILES = Path(os.environ["ORLIB_DIR"]) if "ORLIB_DIR" in os.environ else None


@pytest.mark.skipif(FILES is None, reason="OR-Library's files are not here: set ORLIB_DIR to their folder")
@pytest.mark.parametrize("name", orlib.OPTIMA)
def test_published_optima(name: str) -> None:
    assert FILES is not None
    path = FILES / f"{name}.txt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    outcomes = orlib.solved(path)
    assert [one.way for one in outcomes][-1] == "as forecast"
    for one in outcomes:
        assert one.exact, one


def test_both_layouts_are_read(tmp_path: Path) -> None:
    whole, sparse = tmp_path / "assign100.txt", tmp_path / "assignp800.txt"
    whole.write_text("3\n 4 1 3\n 2 0 5\n 3 2 2\n")
    sparse.write_text("3\n 1 2 1\n 3 3 2\n 2 1 2\n 2 2 0\n")
    for path in (whole, sparse):
        for made in (orlib.by_day, orlib.as_forecast)[path is sparse :]:
            plan = solve_shard(made(orlib.read(path)))
            assert (plan.objective, plan.certified) == (5, True)
    assert not orlib.solved(whole)[0].exact


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither"), ("2\n1 2 3 4.5", "whole number"), ("2\n1 2 3 4 5", "neither"), ("2\n1 1 7 2 3 8", "beyond"),
        ("2\n0 1 7", "beyond"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "assign100.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        orlib.read(path)
    assert str(path) in str(error.value)


def built(seed: int, rows: int, buckets: int, most: int, spread: int) -> tuple[I64, I64, I64, int]:
    """Costs, capacities, unplaced costs and the optimum of an instance made from prices and a plan.

    Every row's pair in the plan costs its value less the bucket's price, every other pair up to ``spread`` more; only
    full buckets have a price, and only rows whose value it is stay unplaced. So plan and prices prove each other.
    """
    rng = np.random.default_rng(seed)
    capacity = rng.integers(1, most + 1, buckets)
    places = np.repeat(np.arange(buckets), capacity)
    plan = np.full(rows, -1, np.int64)
    chosen = rng.permutation(len(places))[:rows]
    plan[: len(chosen)] = places[chosen]
    rng.shuffle(plan)
    full = np.bincount(plan[plan >= 0], minlength=buckets) == capacity
    price = np.where(full, rng.integers(0, 10**6, buckets), 0)
    value = rng.integers(0, 10**8, rows)
    cost = value[:, None] - price[None, :] + rng.integers(0, spread + 1, (rows, buckets))
    at = np.flatnonzero(plan >= 0)
    cost[at, plan[at]] = value[at] - price[plan[at]]
    unplaced = value + np.where(plan < 0, 0, rng.integers(0, spread + 1, rows))
    return cost, capacity, unplaced, int(value.sum() - (capacity * price).sum())


@pytest.mark.parametrize("spread", [0, 3, 10**6])
@pytest.mark.parametrize(
    ("rows", "buckets", "most"),
    [(1, 1, 1), (7, 3, 2), (40, 60, 1), (300, 300, 1), (600, 100, 5), (3_000, 90, 40), (9_000, 30, 250)],
)
def test_optimum_built_from_prices(rows: int, buckets: int, most: int, spread: int) -> None:
    cost, capacity, unplaced, optimum = built(rows, rows, buckets, most, spread)
    plan = solve_shard(orlib.shard_of(cost, capacity, unplaced))
    assert plan.objective == optimum
    assert plan.bound == optimum
    assert plan.certified
    assert plan.pairs == rows * buckets
    placed = np.flatnonzero(plan.bucket >= 0)
    own = unplaced.copy()
    own[placed] = cost[placed, plan.bucket[placed]]
    assert int(own.sum()) == optimum
    assert (np.bincount(plan.bucket[placed], minlength=buckets) <= capacity).all()


@pytest.mark.parametrize("rows", [5, 60, 700])
def test_perfect_matching_built_from_prices(rows: int) -> None:
    cost, _, _, optimum = built(rows, rows, rows, 1, 1_000)
    cell = np.arange(rows * rows, dtype=np.int64)
    matching = orlib.Matching(rows, Columns(cell // rows, cell % rows, cost.ravel()))
    for made in (orlib.by_day, orlib.as_forecast):
        plan = solve_shard(made(matching))
        assert (plan.objective, plan.certified) == (optimum, True)


def test_an_instance_of_the_cheapest_pairs() -> None:
    """The pairs that every solver is given in the benchmark are the shard's own, at its costs."""
    shard = largest_shard(generated(300, 1))
    whole, few = written_out(shard), cheapest_only(shard, 5)
    listed = written_out(few)
    assert np.bincount(listed.row).max() == 5
    cost = {(row, bucket): cost for row, bucket, cost in zip(whole.row, whole.bucket, whole.cost, strict=True)}
    for row in range(listed.rows):
        mine = np.flatnonzero(listed.row == row)
        assert [cost[row, bucket] for bucket in listed.bucket[mine]] == listed.cost[mine].tolist()
        least = np.sort(whole.cost[(whole.row == row) & (whole.cost < whole.unplaced[row])])[:5]
        assert np.array_equal(np.sort(listed.cost[mine]), least)
    best = solve_shard(shard)
    assert solve_shard(few).certified
    assert solve_shard(few).objective >= best.objective
    assert solve_shard(cheapest_only(shard, 10_000)).objective == best.objective
