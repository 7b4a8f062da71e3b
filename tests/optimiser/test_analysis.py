"""What an analyst is told of a referral, against solving again with the thing changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimiser import PlanError, Problem, Shortlists, solve
from optimiser.analysis import Analyst
from optimiser.costs import unplaced_cost
from optimiser.fairness import slots_of
from optimiser.generate import generate

from .conftest import SMALL, problem, shortlists, slots


def forced(given: Problem, row: int, service: int, day: int, part: int) -> Problem:
    """The problem with a referral (by position) that may have nothing but that half-day at that service."""
    refs, lists = given.referrals, given.shortlists
    first, last = refs.earliest_day.copy(), refs.latest_day.copy()
    first[row] = last[row] = day
    times = refs.unsuitable.copy()
    times[row] = (1 << 21) - 1 - (1 << part)
    entry = np.repeat(np.arange(len(refs)), np.diff(lists.indptr))
    keep = (entry != row) | (lists.service == service)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(entry[keep], minlength=len(refs))))).astype(np.int64)
    some = Shortlists(indptr, lists.service[keep], lists.distance_km[keep], lists.first_day[keep], lists.last_day[keep])
    return replace(
        given, referrals=replace(refs, earliest_day=first, latest_day=last, unsuitable=times), shortlists=some
    )


def test_giving_what_was_rejected_costs_at_least_what_is_said() -> None:
    given = generate(80, seed=3, load=1.2, limits=False, specialties=1, services=3).canonical()
    plan = solve(given)
    analyst = Analyst(given, plan)
    whom = (given.referrals.priority, given.referrals.waited_days, given.referrals.target_days)
    needed = 0
    for row in range(0, 80, 9):
        found = analyst.analysis(int(given.referrals.key[row]))
        assert [one.loss for one in found.rejected] == sorted(one.loss for one in found.rejected)
        for one in found.rejected[:2]:
            assert one.loss == one.cost + one.price - int(plan.cost[row]) - found.explanation.price >= 0
            other = solve(forced(given, row, one.service, one.day, one.part))
            none = int(unplaced_cost(given.policy, *(column[row : row + 1] for column in whom))[0])
            # It may be cheaper to give them nothing at all.
            assert other.objective - plan.objective >= min(
                one.loss, none - int(plan.cost[row]) - found.explanation.price
            )
            needed += one.reason == "needed_more"
            assert (one.reason == "needed_more") == (one.cost < int(plan.cost[row]))
    assert needed


def test_limits_that_rule_slots_out_are_counted() -> None:
    refs = {
        "key": [1], "priority": [1], "waited_days": [5], "needs": [2], "unsuitable": [1 << 3], "practitioner": [9],
    }  # fmt: skip
    free = slots(
        (1, 7, 1, 9), (2, 7, 2, 9), (3, 7, 3, 9), (4, 7, 4, 9), (5, 7, 5, 9), offers=np.array([2, 2, 0, 2, 2]),
        priorities=np.array([7, 1, 7, 7, 7]), practitioner=np.array([9, 9, 9, 8, 9]),
    )  # fmt: skip
    given = problem(refs, shortlists([7]), free)
    plan = solve(given)
    assert plan.slot_key.tolist() == [5]
    found = Analyst(given, plan).analysis(1)
    assert found.ruled_out == {
        "not_for_this_priority": 1, "other_practitioner": 1, "needs_not_met": 1, "times_never_suit": 1,
    }  # fmt: skip
    assert {(change.lever, change.day) for change in found.changes} == {
        ("times", 1), ("needs", 3), ("practitioner", 4),
    }  # fmt: skip


def test_one_more_place_and_more_days_waited() -> None:
    """Two want the first day; it goes to the longer wait, until the other has waited longer still."""
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [30, 20]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 1, 9), (2, 7, 8, 9)), replace(SMALL, tie_break=0))
    plan = solve(given)
    assert plan.slot_key.tolist() == [1, 2]
    changes = {change.lever: change for change in Analyst(given, plan).analysis(2).changes}
    assert changes["one_more_place"].day == 1
    more = replace(given, slots=slots((1, 7, 1, 9), (2, 7, 8, 9), (3, 7, 1, 9)))
    assert plan.objective - solve(more).objective == changes["one_more_place"].saved
    by = changes["waited"].by
    assert by is not None
    for days, expected in ((by, [2, 1]), (by - 2, [1, 2])):
        older = replace(given, referrals=replace(given.referrals, waited_days=np.array([30, 20 + days], np.int32)))
        assert solve(older).slot_key.tolist() == expected
    assert changes["priority"].day == 1


def test_of_somebody_without_a_slot() -> None:
    given = problem(
        {"key": [1, 2], "priority": [0, 0], "waited_days": [90, 20]}, shortlists([7], [7]), slots((1, 7, 1, 9))
    )
    plan = solve(given)
    found = Analyst(given, plan).analysis(2)
    assert found.explanation.slot == -1
    assert [one.reason for one in found.rejected] == ["needed_more"]
    assert {change.lever for change in found.changes} >= {"one_more_place", "priority"}
    assert slots_of(given, plan).tolist() == [0, -1]
    with pytest.raises(PlanError, match="not in the plan"):
        Analyst(given, plan).analysis(7)


def test_every_referral_can_be_analysed(medium: Problem) -> None:
    """With every kind of limit: nothing rejected would have been better, each change names its lever once."""
    plan = solve(medium)
    analyst = Analyst(medium, plan)
    blocked = set(plan.blocks.referral.tolist())
    for key in plan.referral_key.tolist():
        found = analyst.analysis(key, most=2)
        levers = [change.lever for change in found.changes]
        assert len(levers) == len(set(levers))
        assert all(change.saved > 0 for change in found.changes)
        assert key in blocked or all(one.loss >= 0 for one in found.rejected)
