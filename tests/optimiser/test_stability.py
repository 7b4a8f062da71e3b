"""Who is moved by a new plan without need, and what sparing them costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.stability import churned, curve, generated, sound
from optimiser import Policy, Problem
from optimiser.stability import stability

from .conftest import problem, shortlists, slots


def two(free: tuple[tuple[int, int, int, int], ...], previous: list[int], waited: list[int]) -> Problem:
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": waited, "previous_slot": previous}
    policy = Policy(horizon_days=28, keep=0, alternatives=0)
    return problem(refs, shortlists([1], [1]), slots(*free), policy)


def test_whose_slot_is_gone_moves_with_need_and_the_other_stays() -> None:
    old = sound(two(((10, 1, 2, 9), (20, 1, 4, 9)), [-1, -1], [9, 5]))
    assert old.slots_for(np.array([1, 2])).tolist() == [10, 20]
    after = two(((20, 1, 4, 9), (30, 1, 5, 9)), [10, 20], [9, 5])
    new = sound(replace(after, policy=replace(after.policy, keep=10**6)))
    found = stability(old, new_problem := replace(after, policy=new.policy), new, sound(after))
    assert (found.stayed, found.moved_with_need, found.moved_without_need) == (1, 1, 0)
    assert found.cost >= found.best
    assert new_problem.policy.keep == 10**6


def test_an_earlier_slot_moves_somebody_without_need_and_the_bonus_stops_it() -> None:
    old = sound(two(((10, 1, 4, 9), (20, 1, 5, 9)), [-1, -1], [9, 5]))
    after = two(((10, 1, 4, 9), (20, 1, 5, 9), (30, 1, 3, 9)), [10, 20], [9, 5])
    fresh = sound(after)
    moved = stability(old, after, fresh, fresh)
    assert moved.moved_without_need >= 1
    assert moved.loss_share == 0
    firm = after.with_policy(replace(after.policy, keep=10**7))
    kept = stability(old, firm, sound(firm), fresh)
    assert kept.moved_share == 0
    assert kept.loss_share > 0
    assert kept.loss_in_time > 0


def test_a_target_met_by_moving_is_a_need() -> None:
    old = sound(two(((10, 1, 2, 9), (20, 1, 20, 9)), [-1, -1], [120, 1]))
    assert old.slots_for(np.array([1, 2])).tolist() == [10, 20]
    late = two(((20, 1, 20, 9), (30, 1, 3, 9)), [20, 20], [120, 1])
    old = replace(old, slot_key=np.array([20, -1]))
    found = stability(old, late, new := sound(late), new)
    assert found.moved_with_need == 1
    assert found.moved_without_need == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_one_percent_of_churn_moves_few_and_more_without_a_bonus(seed: int) -> None:
    """The published goal, by the default policy: 1.5 % moved without need, for less than 0.1 % of the objective.

    At 1,500 people it is not met (``docs/choice.md``).
    """
    free, kept = curve(generated(5_000, 0.95, seed), [0, Policy().keep], 0.01, seed)
    assert kept["moved_percent"] <= 1.5 < free["moved_percent"]
    assert 0 <= kept["loss_percent"] < 0.1


def test_churn_changes_its_share_of_people_and_slots() -> None:
    before, after = churned(generated(1_010, 1.0, 3), 0.01, 3)
    assert len(before.referrals) == len(after.referrals) == 1_000
    assert len(np.intersect1d(before.referrals.key, after.referrals.key)) == 990
    assert len(np.intersect1d(before.slots.key, after.slots.key)) == pytest.approx(0.99 * len(after.slots), abs=2)
