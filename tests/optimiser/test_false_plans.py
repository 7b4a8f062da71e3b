"""Plans that claim what is not so: the checker or the certificate refuses each; and what a deadline leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from optimiser import (
    NO_LIMIT,
    Alternatives,
    Expected,
    Plan,
    PlanError,
    Policy,
    Problem,
    Referrals,
    Shortlists,
    Slots,
    certify,
    check,
    greedy,
    solve,
)
from optimiser.audit_rest import arrivals
from optimiser.compiling import expected_rows
from optimiser.costs import unplaced_cost
from optimiser.generate import generate
from optimiser.measure import at_least, unavoidable
from optimiser.plan import Blocks


@pytest.fixture(scope="module")
def problem() -> Problem:
    made = generate(300, seed=3, specialties=1, limits=False, load=0.9).canonical()
    services = np.unique(made.slots.service)[:3]
    days = np.tile([2, 9, 16], len(services))
    several = np.repeat(services, 3)
    forecast = Expected.build(
        specialty=np.full(len(several), int(made.slots.specialty[0])), service=several,
        priority=np.full(len(several), 1), arrival_day=days, count=np.full(len(several), 4),
    )  # fmt: skip
    return replace(made, expected=forecast).canonical()


@pytest.fixture(scope="module")
def plan(problem: Problem) -> Plan:
    made = solve(problem)
    assert made.certified
    assert made.reserved.sum() > 0
    assert check(problem, made) == []
    return made


def rules(problem: Problem, plan: Plan) -> set[str]:
    return {fault.rule for fault in check(problem, plan)}


def test_a_cost_of_the_reserve_can_not_hide_somebody_left_out(problem: Problem, plan: Plan) -> None:
    row = int(np.flatnonzero(plan.slot_key >= 0)[0])
    refs = problem.referrals
    worse = int(unplaced_cost(problem.policy, refs.priority, refs.waited_days, refs.target_days)[row])
    slot, cost, reason = plan.slot_key.copy(), plan.cost.copy(), plan.unplaced_reason.copy()
    saved, cost[row], slot[row], reason[row] = worse - int(cost[row]), worse, -1, 9
    false = replace(
        plan, slot_key=slot, cost=cost, unplaced_reason=reason, expected_cost=plan.expected_cost - saved,
        alternatives=Alternatives.none(len(slot)),
    )  # fmt: skip
    assert rules(problem, false) == {"reserve_cost"}


def test_nobody_is_blocked_all_year(problem: Problem, plan: Plan) -> None:
    refs, slots = problem.referrals, problem.slots
    n = len(refs)
    first, last = int(slots.start_minute.min()), int(slots.end_minute.max())
    cost = unplaced_cost(problem.policy, refs.priority, refs.waited_days, refs.target_days)
    false = replace(
        plan, slot_key=np.full(n, -1), cost=cost, unplaced_reason=np.full(n, 8, np.int8), certified=False,
        alternatives=Alternatives.none(n), blocks=Blocks(refs.key.copy(), np.full(n, first), np.full(n, last)),
        objective=int(cost.sum()) + plan.expected_cost,
    )  # fmt: skip
    assert rules(problem, false) == {"block"}


def test_places_are_kept_for_those_forecast_only(problem: Problem, plan: Plan) -> None:
    used = np.isin(plan.priced_slot_key, plan.slot_key)
    full = np.where(used, 0, problem.slots.capacity[np.searchsorted(problem.slots.key, plan.priced_slot_key)])
    none = replace(problem, expected=Expected())
    empty = replace(plan, reserved=full.astype(np.int64), alternatives=Alternatives.none(len(plan.referral_key)))
    assert "reserve" in rules(none, empty)
    assert "reserve" in rules(problem, empty)
    negative = plan.reserved.copy()
    negative[np.flatnonzero(used)[0]] = -1
    assert "reserve" in rules(problem, replace(plan, reserved=negative))


@pytest.mark.parametrize("shift", [-(10**9), -10_000, 10_000])
def test_a_regret_is_what_the_plan_loses(problem: Problem, plan: Plan, shift: int) -> None:
    shown = plan.alternatives
    assert len(shown.regret) > 0
    false = replace(plan, alternatives=replace(shown, regret=shown.regret + shift))
    assert "alternative_regret" in rules(problem, false)


def test_the_checkers_arrivals_are_the_planners(problem: Problem) -> None:
    for percent in (0, 33, 80, 100, 120, 175):
        scaled = problem.with_policy(replace(problem.policy, expected_percent=percent))
        _, count = expected_rows(scaled, int(problem.slots.specialty[0]))
        assert sum(arrivals(scaled).values()) == int(count.sum())


def test_weights_beyond_64_bits_are_refused_by_name() -> None:
    huge = Policy(wait_square=(10**13,) * 3)
    made = generate(50, seed=1, specialties=1, limits=False, policy=huge)
    refs = replace(made.referrals, waited_days=np.full(50, 3816, np.int32))
    for planner in (solve, greedy):
        with pytest.raises(PlanError, match="beyond 64 bits"):
            planner(replace(made, referrals=refs))


def test_weights_beyond_the_flow_solver_leave_the_greedy_plan() -> None:
    made = generate(50, seed=1, specialties=1, limits=False, policy=Policy(wait_square=(10**13,) * 3))
    made = replace(made, referrals=replace(made.referrals, waited_days=np.full(50, 800, np.int32)))
    with pytest.raises(PlanError, match="too large for specialty"):
        solve(made)
    assert check(made, greedy(made)) == []


def test_breaches_no_plan_avoids_are_peoples_not_the_forecasts(problem: Problem, plan: Plan) -> None:
    found = at_least(problem, plan)
    assert found <= unavoidable(problem)["breaches"]
    alone = replace(problem, expected=Expected())
    assert found == at_least(alone, plan)


def test_after_the_deadline_whoever_gives_way_takes_what_is_left() -> None:
    """Two referrals of one patient meet on day 3; the service of the lesser need has another place on day 9."""
    minute = [day * 1440 + 540 for day in (3, 3, 9)]
    slots = Slots.build(
        key=[1, 2, 3], service=[7, 8, 8], specialty=[1, 2, 2], provider=[7, 8, 8], day=[3, 3, 9], part=[9, 9, 9],
        start_minute=minute, end_minute=[one + 30 for one in minute],
    )  # fmt: skip
    refs = Referrals.build(
        key=[1, 2], priority=[1, 0], waited_days=[10, 10], specialty=[1, 2], patient=[5, 5]
    )  # fmt: skip
    lists = Shortlists(
        np.array([0, 1, 2]), np.array([7, 8]), np.zeros(2, np.float32), np.zeros(2, np.int32),
        np.full(2, NO_LIMIT, np.int32),
    )  # fmt: skip
    made = Problem(date(2025, 1, 6), refs, lists, slots, Policy())
    late = solve(made, deadline=0.0)
    assert late.slot_key.tolist() == [1, 3] == solve(made).slot_key.tolist()
    assert not late.finished
    assert not late.certified
    assert certify(made, solve(made)).valid
    assert check(made, late) == []
