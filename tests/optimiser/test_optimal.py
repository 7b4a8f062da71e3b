"""The plan is optimal, and can prove it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser import Blocks, Expected, PlanError, Policy, Problem, certify, check, greedy, solve
from optimiser.compiling import fold, shards_of
from optimiser.generate import generate
from optimiser.sequential import bucket_costs

from .conftest import SMALL, problem, shortlists, slots


def brute_force(given: Problem) -> int:
    """Least cost over every way to give buckets to referrals (patients' clashes aside)."""
    given = given.canonical()
    buckets = fold(given)
    total = 0
    for shard in shards_of(given, buckets):
        options = []
        for row in range(len(shard)):
            mine = [(-1, int(shard.unplaced[row]))]
            for bucket in range(len(shard.capacity)):
                at = range(int(shard.entry_indptr[row]), int(shard.entry_indptr[row + 1]))
                one, other = np.array([row]), np.array([bucket])
                if (
                    any(shard.entry_a[e] <= bucket < shard.entry_b[e] for e in at)
                    and shard.suits(one, other)[0]
                    and not shard.busy_at(one, other)[0]
                ):
                    chosen = np.full(len(shard), -1, np.int64)
                    chosen[row] = bucket
                    mine.append((bucket, int(bucket_costs(shard, chosen)[row])))
            options.append(mine)
        total += min(
            sum(cost for _, cost in choice)
            for choice in product(*options)
            if all(
                sum(b == bucket for b, _ in choice) <= shard.capacity[bucket] for bucket in range(len(shard.capacity))
            )
        )
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 2), st.integers(1, 2), st.sampled_from((0.5, 1.0, 1.5)))
def test_brute_force_agrees(seed: int, n: int, specialties: int, services: int, load: float) -> None:
    given = generate(n, seed=seed, specialties=specialties, services=services, load=load, horizon_days=14)
    alone = replace(given, referrals=replace(given.referrals, patient=given.referrals.key))
    plan = solve(alone)
    assert plan.objective == brute_force(alone)
    assert plan.certified
    assert plan.gap == 0
    assert check(alone, plan) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 150), st.sampled_from((0.6, 1.0, 1.6)), st.booleans())
def test_every_plan_is_legal_and_certified(seed: int, n: int, load: float, limits: bool) -> None:
    given = generate(n, seed=seed, load=load, limits=limits, horizon_days=42)
    plan = solve(given)
    assert check(given, plan) == []
    assert certify(given, plan).valid
    assert plan.certified
    assert plan.bound is not None
    assert plan.bound <= plan.objective
    quick = greedy(given)
    assert check(given, quick) == []
    assert plan.objective <= quick.objective or len(plan.blocks.referral) > 0
    assert quick.bound is not None
    assert quick.bound <= plan.objective


def test_certificate_rejects_a_plan_made_worse(medium: Problem) -> None:
    plan = solve(medium)
    at = int(np.flatnonzero(plan.slot_key >= 0)[0])
    cost = plan.cost.copy()
    cost[at] += 1
    assert not certify(medium, replace(plan, cost=cost)).valid


def test_certificate_rejects_other_prices(medium: Problem) -> None:
    plan = solve(medium)
    dear = int(np.argmax(plan.slot_price))
    same = fold(medium.canonical()).of_slot
    price = np.where(same == same[dear], plan.slot_price + 10**9, plan.slot_price)
    assert not certify(medium, replace(plan, slot_price=price)).valid
    with pytest.raises(PlanError, match="negative"):
        certify(medium, replace(plan, slot_price=np.full_like(plan.slot_price, -1)))
    with pytest.raises(PlanError, match="another problem"):
        certify(generate(5, seed=9), plan)


def test_a_price_is_what_the_plan_loses_without_the_place() -> None:
    given = generate(60, seed=5, load=1.3, limits=False, specialties=1, services=3, horizon_days=28)
    plan = solve(given)
    for key in plan.priced_slot_key[np.argsort(-plan.slot_price)][:8].tolist():
        at = int(np.flatnonzero(given.slots.key == key)[0])
        capacity = given.slots.capacity.copy()
        capacity[at] -= 1
        less = replace(given, slots=replace(given.slots, capacity=capacity))
        price = int(plan.slot_price[plan.priced_slot_key == key][0])
        assert solve(less).objective - plan.objective == price


@pytest.mark.parametrize("n", [50, 200])
def test_known_optimum_built_from_duals(n: int) -> None:
    """Costs are made so that the identity is optimal: c = u + v on the diagonal, more elsewhere."""
    from optimiser.columns import Columns
    from optimiser.flow import Master, solve_master
    from optimiser.residual import shortest

    rng = np.random.default_rng(n)
    u, v = rng.integers(0, 10**6, n), rng.integers(0, 10**6, n)
    cost = u[:, None] + v[None, :] + rng.integers(0, 1000, (n, n)) * (1 - np.eye(n, dtype=np.int64))
    row, column = np.divmod(np.arange(n * n, dtype=np.int64), n)
    one = np.ones(n, np.int64)
    master = Master(one * 10**8, one, Columns(row, column, cost.ravel().astype(np.int64)))
    flow = solve_master(master)
    price = shortest(master, flow).price
    assert flow.cost == int(u.sum() + v.sum())
    assert int((cost + price[None, :]).min(axis=1).sum() - price.sum()) == flow.cost


def test_breaches_come_before_travel_and_wait() -> None:
    """One early place: it goes to the one it saves from a breach, far away as they live."""
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [0, 121]}
    given = problem(refs, shortlists([(7, 0.0)], [(7, 90.0)]), slots((1, 7, 2, 9), (2, 7, 20, 9)))
    assert solve(given).slots_for(np.array([1, 2])).tolist() == [2, 1]


def test_two_week_wait_before_urgent_before_routine() -> None:
    refs = {"key": [1, 2, 3], "priority": [0, 1, 2], "waited_days": [120, 36, 8]}
    given = problem(refs, shortlists([7], [7], [7]), slots((1, 7, 4, 9)))
    plan = solve(given)
    assert plan.slots_for(np.array([1, 2, 3])).tolist() == [-1, -1, 1]
    assert plan.reasons() == {"TAKEN": 2}


def test_the_longest_past_target_comes_first() -> None:
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [200, 300]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 2, 9), (2, 7, 25, 9)))
    assert solve(given).slots_for(np.array([1, 2])).tolist() == [2, 1]


def test_keep_bonus_holds_against_small_gains() -> None:
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [50, 53]}
    free = slots((1, 7, 8, 9), (2, 7, 9, 9))
    lists = shortlists([7], [7])
    assert solve(problem(refs, lists, free)).slots_for(np.array([1, 2])).tolist() == [2, 1]
    kept = {**refs, "previous_slot": [1, 2]}
    assert solve(problem(kept, lists, free)).slots_for(np.array([1, 2])).tolist() == [1, 2]
    late = {**refs, "previous_slot": [1, 2], "waited_days": [50, 118]}
    assert solve(problem(late, lists, free)).slots_for(np.array([1, 2])).tolist() == [2, 1]


def test_the_very_slot_is_kept_within_its_half_day() -> None:
    refs = {"key": [1, 2], "priority": [0, 1], "waited_days": [9, 9], "previous_slot": [1, -1]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9), (2, 7, 3, 10)))
    assert solve(given).slots_for(np.array([1, 2])).tolist() == [1, 2]


@pytest.mark.parametrize("clinician", [-1, 44])
def test_reserve_keeps_a_place_and_lets_it_go(clinician: int) -> None:
    free = slots((1, 7, 12, 9), (2, 7, 26, 9), practitioner=[clinician, clinician])
    refs = {"key": [1], "priority": [0], "waited_days": [10]}
    coming = {"specialty": [1], "service": [7], "priority": [2], "count": [1]}
    lists = shortlists([7])
    soon = problem(refs, lists, free, expected=Expected.build(arrival_day=[8], **coming))
    plan = solve(soon)
    assert plan.slots_for(np.array([1])).tolist() == [2]
    assert plan.reserved.tolist() == [1, 0]
    assert check(soon, plan) == []
    assert certify(soon, plan).valid
    assert len(plan.alternatives.slot_key) == 0
    gone = problem(refs, lists, free, expected=Expected.build(arrival_day=[0], **coming))
    assert solve(gone).slots_for(np.array([1])).tolist() == [1]
    assert solve(problem(refs, lists, free)).slots_for(np.array([1])).tolist() == [1]


def test_reserve_never_before_arrival() -> None:
    coming = Expected.build(specialty=[1], service=[7], priority=[2], arrival_day=[12], count=[5])
    given = problem(
        {"key": [1], "priority": [0], "waited_days": [10]}, shortlists([7]), slots((1, 7, 12, 9)), expected=coming
    )
    plan = solve(given)
    assert plan.slots_for(np.array([1])).tolist() == [1]
    assert plan.reserved.sum() == 0


def test_two_referrals_of_one_patient_never_overlap() -> None:
    """Both want the same early morning in two specialties; the routine one gives way."""
    refs = {"key": [1, 2], "patient": [5, 5], "specialty": [1, 2], "priority": [0, 1], "waited_days": [30, 30]}
    free = slots((1, 7, 3, 9), (2, 8, 3, 9), (3, 7, 20, 9), (4, 8, 20, 14), specialty=[1, 2, 1, 2])
    given = problem(refs, shortlists([7], [8]), free)
    plan = solve(given)
    assert plan.slots_for(np.array([1, 2])).tolist() == [3, 2]
    assert plan.blocks.referral.tolist() == [1]
    assert check(given, plan) == []
    assert certify(given, plan).valid
    assert plan.certified
    assert plan.gap is not None
    assert plan.gap > 0
    assert not certify(given, replace(plan, blocks=Blocks())).valid


def test_two_referrals_in_one_specialty() -> None:
    refs = {"key": [1, 2], "patient": [5, 5], "priority": [0, 0], "waited_days": [30, 40]}
    given = problem(refs, shortlists([7], [8]), slots((1, 7, 3, 9), (2, 8, 3, 9)))
    plan = solve(given)
    assert plan.slots_for(np.array([1, 2])).tolist() == [-1, 2]
    assert plan.reasons() == {"PATIENT_BUSY": 1}


def test_weights_beyond_the_solver_are_refused() -> None:
    policy = replace(SMALL, breach=(10**13, 10**13, 10**13))
    assert solve(generate(20, seed=1, policy=policy)).certified
    huge = Policy(breach=(10**13,) * 3, late_square=(10**13,) * 3)
    with pytest.raises(PlanError, match="too large"):
        solve(generate(20, seed=1, policy=huge))
