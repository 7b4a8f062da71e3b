"""Rivals behave as defined, figures are right, explanations are true."""

from __future__ import annotations

import numpy as np
import pytest

from optimiser import PlanError, Policy, Problem, check, greedy, solve
from optimiser.explain import Explainer
from optimiser.generate import generate
from optimiser.measure import compare, measures, text_table, unavoidable
from optimiser.rivals import ALL, due_date, open_fcfs, priority_longest_wait, ring_fenced_fcfs

from .conftest import given_keys, problem, shortlists, slots

QUEUE = {"key": [1, 2, 3], "priority": [0, 1, 2], "waited_days": [30, 20, 10]}
ONE_CLINIC = slots((1, 7, 1, 9), (2, 7, 2, 9), (3, 7, 3, 9))


def test_orders_of_rivals() -> None:
    given = problem(QUEUE, shortlists([7], [7], [7]), ONE_CLINIC)
    assert given_keys(given, open_fcfs(given)) == [1, 2, 3]
    assert given_keys(given, priority_longest_wait(given)) == [3, 2, 1]
    assert given_keys(given, due_date(given)) == [3, 2, 1]
    assert greedy(given).slot_key.tolist() == [3, 2, 1]


def test_due_date_and_longest_wait_differ() -> None:
    refs = {"key": [1, 2], "priority": [0, 1], "waited_days": [120, 1]}
    given = problem(refs, shortlists([7], [7]), ONE_CLINIC)
    assert given_keys(given, due_date(given)) == [1, 2]
    assert given_keys(given, priority_longest_wait(given)) == [2, 1]


def test_earliest_day_then_nearest() -> None:
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [30, 20]}
    free = slots((1, 7, 2, 9), (2, 8, 2, 9), (3, 9, 5, 9))
    given = problem(refs, shortlists([(7, 9.0), (8, 3.0), (9, 1.0)], [(7, 9.0), (9, 1.0)]), free)
    assert given_keys(given, open_fcfs(given)) == [2, 1]


def test_ring_fence_keeps_slots_for_urgent() -> None:
    """Half of recent referrals are urgent: 60 % of the places are theirs, whoever came first; the rest go round."""
    refs = {"key": [1, 2, 3, 4], "priority": [0, 0, 1, 1], "waited_days": [13, 12, 2, 1]}
    free = slots(*((k, 7, k, 9) for k in range(1, 6)))
    given = problem(refs, shortlists([7], [7], [7], [7]), free)
    mine = given_keys(given, ring_fenced_fcfs(given))
    assert sorted(mine) == [1, 2, 3, 4]
    assert mine[:2] == [1, 3]
    assert mine[2:] == [2, 4]


def test_ring_fence_overflows_when_full() -> None:
    refs = {"key": [1, 2], "priority": [2, 0], "waited_days": [1, 200]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9), (2, 7, 4, 9)))
    mine = given_keys(given, ring_fenced_fcfs(given))
    assert sorted(mine) == [1, 2]


@pytest.mark.parametrize("name", list(ALL))
def test_rivals_respect_capacity_and_limits(name: str, medium: Problem) -> None:
    given = medium.canonical()
    slot = ALL[name](medium)
    used = np.bincount(slot[slot >= 0], minlength=len(given.slots))
    assert (used <= given.slots.capacity).all()
    rows = np.flatnonzero(slot >= 0)
    assert (given.slots.specialty[slot[rows]] == given.referrals.specialty[rows]).all()
    assert (given.referrals.needs[rows] & ~given.slots.offers[slot[rows]] == 0).all()
    assert (given.slots.priorities[slot[rows]] >> given.referrals.priority[rows].astype(np.uint8) & 1 == 1).all()


def test_breaches_leave_out_those_already_late() -> None:
    refs = {"key": [1, 2, 3], "priority": [0, 0, 0], "waited_days": [125, 126, 200]}
    given = problem(refs, shortlists([7], [7], [7]), ONE_CLINIC)
    figures = measures(given, np.array([0, 1, -1]))
    assert figures["breaches"] == 1
    assert figures["by_priority"]["routine"]["breaches"] == 1
    assert figures["by_priority"]["already_late"] == {
        "referrals": 1, "placed": 0, "unplaced": 1, "breaches": 0, "day": None, "wait": None,
    }  # fmt: skip
    assert measures(given, np.array([-1, -1, -1]))["breaches"] == 2


def test_unavoidable_is_what_no_plan_beats() -> None:
    given = generate(300, seed=4, load=1.4)
    least = unavoidable(given)
    assert least["certified"]
    table = compare(given, solve(given), {name: rule(given) for name, rule in ALL.items()})
    for figures in table["methods"].values():
        assert figures["breaches"] >= least["breaches"]
    assert table["methods"]["plan"]["breaches"] <= min(f["breaches"] for f in table["methods"].values())
    assert "ring_fenced_fcfs" in text_table(table)


def test_presets_trade_breaches_for_waits() -> None:
    given = generate(600, seed=6, load=1.1, limits=False)
    first, other = (compare(p, solve(p))["methods"]["plan"] for p in (given, given.with_policy(Policy.balanced())))
    assert first["breaches"] <= other["breaches"]
    left_out = first["by_priority"]["already_late"]["unplaced"]
    assert first["breaches"] + left_out == unavoidable(given, placing_late=True)["breaches"]


def test_unavoidable_counts_one_seat_for_two() -> None:
    refs = {"key": [1, 2], "priority": [2, 2], "waited_days": [11, 11]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9), (2, 7, 9, 9)))
    assert unavoidable(given)["breaches"] == 1


def test_explanation_adds_up_and_is_true(medium: Problem) -> None:
    plan = solve(medium)
    explain = Explainer(medium, plan)
    cost = dict(zip(plan.referral_key.tolist(), plan.cost.tolist(), strict=True))
    price = dict(zip(plan.priced_slot_key.tolist(), plan.slot_price.tolist(), strict=True))
    for key, slot in zip(plan.referral_key.tolist(), plan.slot_key.tolist(), strict=True):
        why = explain.guaranteed(key)
        assert sum(why.cost.values()) == cost[key]
        assert why.slot == slot
        assert why.text.count(".") >= 2
        if slot >= 0:
            assert why.price == price[slot]
            assert why.regret is not None
            assert why.regret >= 0


def test_explanations_of_alternatives(medium: Problem) -> None:
    plan = solve(medium)
    explain = Explainer(medium, plan)
    shown = plan.alternatives
    row = np.repeat(np.arange(len(plan.referral_key)), np.diff(shown.indptr))
    for at in range(20):
        why = explain.alternative(int(plan.referral_key[row[at]]), int(shown.slot_key[at]))
        assert why.reasons[0].code == "alternative"
    with pytest.raises(PlanError, match="not shown"):
        explain.alternative(int(plan.referral_key[0]), -5)
    with pytest.raises(PlanError, match="not in the plan"):
        explain.guaranteed(-5)


def test_words_for_a_patient() -> None:
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [114, 3]}
    given = problem(refs, shortlists([(7, 5.15)], [(7, 5.15)]), slots((1, 7, 3, 9)))
    plan = solve(given)
    assert check(given, plan) == []
    explain = Explainer(given, plan)
    assert explain.guaranteed(1).text == (
        "This is the earliest appointment of all at the clinics chosen with you, 3.2 miles from you. "
        "It is 9 days before your target date, 18 January 2025."
    )
    assert explain.guaranteed(2).reasons[0].code == "taken"
    assert "more pressing" in explain.guaranteed(2).text


def test_the_time_offered_before_is_called_so_only_if_it_is_the_same() -> None:
    """The bonus is for the half-day: the other one of two who had the same slot gets the next."""
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [10, 10], "previous_slot": [1, 1]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9), (2, 7, 3, 10)))
    plan = solve(given)
    explain = Explainer(given, plan)
    said = {int(slot): explain.guaranteed(key).sentences[0] for key, slot in zip((1, 2), plan.slot_key, strict=True)}
    assert said[1] == "This is the time you were offered before, 0.6 miles from you."
    assert said[2] == "This is the half-day you were offered before, 0.6 miles from you."
