"""The checker finds each kind of planted violation; order and processes change nothing; deadlines and errors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from optimiser import (
    Alternatives,
    Busy,
    Plan,
    Policy,
    PolicyError,
    Problem,
    ProblemError,
    Progress,
    Unplaced,
    certify,
    check,
    greedy,
    solve,
)
from optimiser.generate import generate

from .conftest import minute, problem, shortlists, shuffle, slots


def given_to(plan: Plan, referral: int, slot: int) -> Plan:
    """The plan with a slot forced on a referral."""
    keys = plan.slot_key.copy()
    keys[plan.index_of(np.array([referral]))] = slot
    return replace(plan, slot_key=keys)


def tight() -> Problem:
    """One referral with every limit, a slot that meets them all (key 1), and slots that each break one."""
    free = slots(
        (1, 7, 3, 9), (2, 9, 3, 9), (3, 7, 3, 9), (4, 7, 28, 9), (5, 7, 1, 9), (6, 7, 3, 9), (7, 7, 3, 9),
        (8, 7, 4, 9), (9, 7, 3, 9), (10, 7, 8, 9), (11, 7, 40, 9), (12, 7, 3, 9),
        specialty=[1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1], priorities=[7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7],
        offers=[3, 3, 3, 3, 3, 3, 1, 3, 3, 3, 3, 3], practitioner=[5, 5, 5, 5, 5, 5, 5, 5, 6, 5, 5, 5],
        capacity=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
    )  # fmt: skip
    busy = Busy(np.array([0, 1]), np.array([minute(8, 9)]), np.array([minute(8, 10)]))
    refs = {
        "key": [1], "priority": [0], "waited_days": [3], "needs": [2], "unsuitable": [1 << 12], "practitioner": [5],
        "earliest_day": [2], "latest_day": [20], "busy": busy,
    }  # fmt: skip
    return problem(refs, shortlists([7]), free)


@pytest.mark.parametrize(
    ("slot", "rule"),
    [
        (2, "shortlist"), (3, "specialty"), (4, "patient_dates"), (5, "patient_dates"), (6, "priority"), (7, "needs"),
        (8, "unsuitable_time"), (9, "practitioner"), (10, "busy"), (11, "horizon"), (12, "no_place"),
        (99, "unknown_slot"),
    ],
)  # fmt: skip
def test_each_limit_is_kept_and_its_breaking_found(slot: int, rule: str) -> None:
    given = tight()
    plan = solve(given)
    assert plan.slot_key.tolist() == [1]
    assert check(given, plan) == []
    assert rule in {v.rule for v in check(given, given_to(plan, 1, slot))}
    shown = Alternatives(np.array([0, 1]), np.array([slot]), np.array([0]), np.array([1], np.int8))
    assert "alternative_" + rule in {v.rule for v in check(given, replace(plan, alternatives=shown))}


def test_booking_window() -> None:
    given = tight()
    lists = replace(given.shortlists, last_day=np.array([2], np.int32))
    closed = replace(given, shortlists=lists)
    plan = solve(closed)
    assert plan.slot_key.tolist() == [-1]
    assert "window" in {v.rule for v in check(closed, given_to(plan, 1, 1))}


def _double(plan: Plan) -> Plan:
    keys = plan.slot_key.copy()
    keys[:2] = keys[keys >= 0][0]
    return replace(plan, slot_key=keys)


def _reserve(plan: Plan) -> Plan:
    return replace(plan, reserved=plan.reserved + 5)


CORRUPTIONS: list[tuple[str, Callable[[Plan], Plan]]] = [
    ("capacity", _double),
    ("capacity", _reserve),
    ("objective", lambda p: replace(p, objective=p.objective + 1)),
    ("cost", lambda p: replace(p, cost=p.cost + 10**6)),
    ("bound", lambda p: replace(p, bound=p.objective + 1)),
    ("two_guaranteed", lambda p: replace(p, referral_key=np.append(p.referral_key[:1], p.referral_key[:-1]))),
    ("missing_referral", lambda p: replace(p, referral_key=np.append(p.referral_key[:1], p.referral_key[:-1]))),
    ("unknown_referral", lambda p: replace(p, referral_key=p.referral_key + 10**9)),
    ("unplaced_reason", lambda p: replace(p, unplaced_reason=1 - np.minimum(p.unplaced_reason, 1))),
    ("alternative_code", lambda p: _shown(p, difference=p.alternatives.difference % 3 + 1)),
    ("alternative_regret", lambda p: _shown(p, regret=p.alternatives.regret + 10**12)),
    ("alternative_alike", lambda p: _shown(p, slot_key=np.repeat(p.alternatives.slot_key[:1], _number(p)))),
    ("alternative_taken", lambda p: _shown(p, slot_key=np.repeat(p.slot_key[p.slot_key >= 0][:1], _number(p)))),
]  # fmt: skip


def _number(plan: Plan) -> int:
    return len(plan.alternatives.slot_key)


def _shown(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, alternatives=replace(plan.alternatives, **changes))


@pytest.mark.parametrize(("rule", "corrupt"), CORRUPTIONS)
def test_checker_finds(rule: str, corrupt: Callable[[Plan], Plan], medium: Problem) -> None:
    plan = solve(medium)
    assert _number(plan) > 10
    assert check(medium, plan) == []
    assert rule in {v.rule for v in check(medium, corrupt(plan))}


def test_checker_finds_a_patient_in_two_places() -> None:
    refs = {"key": [1, 2], "patient": [5, 5], "priority": [0, 0], "waited_days": [30, 40]}
    given = problem(refs, shortlists([7], [8]), slots((1, 7, 3, 9), (2, 8, 3, 9), (3, 7, 9, 9)))
    plan = solve(given)
    assert check(given, plan) == []
    assert "two_places" in {v.rule for v in check(given, given_to(plan, 1, 1))}


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_input_changes_nothing(seed: int, medium: Problem) -> None:
    other = shuffle(medium, seed)
    assert other.digest() == medium.digest()
    assert solve(other).fingerprint() == solve(medium).fingerprint()
    assert greedy(other).fingerprint() == greedy(medium).fingerprint()


def test_number_of_processes_changes_nothing(medium: Problem) -> None:
    alone = solve(medium)
    for processes in (1, 2):
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            plan = solve(shuffle(medium, processes), executor=pool)
        assert plan.fingerprint() == alone.fingerprint()


def test_a_coarse_start_changes_nothing_but_time(monkeypatch: pytest.MonkeyPatch, medium: Problem) -> None:
    plain = solve(medium)
    monkeypatch.setattr("optimiser.shard_solver.MOST_LISTED", -1)
    monkeypatch.setattr("optimiser.shard_solver.SMALLEST_SAMPLE", 10)
    coarse = solve(medium)
    assert coarse.certified
    assert coarse.objective == plain.objective


def test_digest_tells_problems_apart(medium: Problem) -> None:
    assert medium.with_policy(Policy(keep=1)).digest() != medium.digest()
    earlier = replace(medium.referrals, waited_days=medium.referrals.waited_days + np.int32(1))
    assert replace(medium, referrals=earlier).digest() != medium.digest()
    assert medium.canonical().digest() == medium.digest()


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_deadline_gives_the_best_so_far(seconds: float) -> None:
    given = generate(1500, seed=8, specialties=2)
    plan = solve(given, deadline=seconds)
    assert check(given, plan) == []
    assert plan.bound is not None
    assert plan.gap is not None
    best = solve(given)
    assert plan.bound <= best.objective
    if not plan.finished:
        assert plan.gap > 0
        assert not plan.certified
    if seconds == 0.0:
        assert not plan.finished


def test_progress_is_told() -> None:
    seen: list[Progress] = []
    plan = solve(generate(100, seed=2), progress=seen.append)
    assert {p.stage for p in seen} >= {"solving", "alternatives"}
    assert seen[-1].done == seen[-1].total
    assert plan.summary()["certified"] is True


def test_alternatives_differ_and_stay_free(medium: Problem) -> None:
    plan = solve(medium)
    assert np.diff(plan.alternatives.indptr).max() <= medium.policy.alternatives
    assert (plan.alternatives.regret <= medium.policy.max_regret).all()
    assert (plan.alternatives.regret >= 0).all()
    assert not set(plan.alternatives.slot_key.tolist()) & set(plan.slot_key[plan.slot_key >= 0].tolist()) - set(
        medium.slots.key[medium.slots.capacity > 1].tolist()
    )
    assert len(solve(medium.with_policy(replace(medium.policy, alternatives=0))).alternatives.slot_key) == 0


def test_alternatives_follow_the_published_rule() -> None:
    """Own: clinic 7, day 3, morning. Shown: another clinic, another time of day, another week; not the next morning."""
    free = slots(
        (1, 7, 3, 9), (2, 7, 4, 9), (3, 7, 4, 14), (4, 7, 11, 9), (5, 8, 4, 9), (6, 8, 7, 9),
        offers=[0, 0, 0, 0, 0, 0],
    )  # fmt: skip
    given = problem({"key": [1], "priority": [0], "waited_days": [3]}, shortlists([(7, 1.0), (8, 2.0)]), free)
    plan = solve(given)
    assert plan.slot_key.tolist() == [1]
    shown = dict(zip(plan.alternatives.slot_key.tolist(), plan.alternatives.difference.tolist(), strict=True))
    assert shown == {5: 1, 3: 3, 4: 2}
    assert check(given, plan) == []


def test_no_alternative_while_the_patient_is_elsewhere() -> None:
    refs = {"key": [1, 2], "patient": [5, 5], "specialty": [1, 2], "priority": [0, 0], "waited_days": [30, 40]}
    free = slots((1, 7, 3, 9), (2, 8, 9, 9), (3, 9, 9, 9), specialty=[1, 2, 1])
    given = problem(refs, shortlists([7, 9], [8]), free)
    plan = solve(given)
    assert plan.slot_key.tolist() == [1, 2]
    assert len(plan.alternatives.slot_key) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"needs": [8]}, Unplaced.NEEDS_NOT_MET), ({"unsuitable": [2**21 - 1]}, Unplaced.TIMES_NEVER_SUIT),
        ({"practitioner": [77]}, Unplaced.OTHER_PRACTITIONER), ({"latest_day": [1]}, Unplaced.OUTSIDE_WINDOW),
        ({"specialty": [3]}, Unplaced.NO_SLOTS), ({"priority": [0]}, Unplaced.NOT_FOR_THIS_PRIORITY),
    ],
)  # fmt: skip
def test_reasons_for_no_slot(change: dict[str, Any], reason: Unplaced) -> None:
    refs = {"key": [1], "priority": [1], "waited_days": [3], **change}
    plan = solve(problem(refs, shortlists([7]), slots((1, 7, 3, 9), priorities=6)))
    assert plan.unplaced_reason.tolist() == [reason]


def test_nothing_to_plan() -> None:
    empty = generate(0, seed=1)
    assert check(empty, solve(empty)) == []
    no_list = problem({"key": [1], "priority": [0], "waited_days": [3]}, shortlists([]), slots((1, 7, 3, 9)))
    plan = solve(no_list)
    assert plan.reasons() == {"NO_SHORTLIST": 1}
    assert certify(no_list, plan).valid


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"bread": 1}, "policy.bread"), ({"keep": -1}, "policy.keep"), ({"keep": 1.5}, "policy.keep"),
        ({"keep": True}, "policy.keep"), ({"breach": [1, 2]}, "policy.breach"),
        ({"breach": [1, 2, "3"]}, "policy.breach"),
        ({"horizon_days": 0}, "policy.horizon_days"), ({"notice_days": 92}, "policy.notice_days"),
        ({"version": ""}, "policy.version"), ({"alternatives": 21}, "policy.alternatives"),
    ],
)  # fmt: skip
def test_policy_errors_name_the_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_dict(values)
    assert caught.value.field == field


def test_policy_reads_back() -> None:
    policy = Policy(keep=5, breach=(1, 2, 3))
    assert Policy.from_dict(policy.to_dict()) == policy


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("referrals", "priority", np.array([3], np.int8)), ("referrals", "waited_days", np.array([1.5])),
        ("referrals", "waited_days", np.array([-1], np.int32)), ("referrals", "needs", np.array([1, 2], np.uint32)),
        ("slots", "part", np.array([21], np.int8)), ("slots", "end_minute", np.array([0])),
        ("slots", "capacity", np.array([-1], np.int32)), ("shortlists", "indptr", np.array([0, 2])),
        ("shortlists", "distance_km", np.array([-1], np.float32)),
    ],
)  # fmt: skip
def test_problem_errors_name_the_field(part: str, field: str, value: Any) -> None:
    good = problem({"key": [1], "priority": [0], "waited_days": [3]}, shortlists([7]), slots((1, 7, 3, 9)))
    with pytest.raises(ProblemError) as caught:
        replace(good, **{part: replace(getattr(good, part), **{field: value})})
    assert caught.value.field == f"{part}.{field}"


def test_duplicates_are_refused() -> None:
    refs = {"key": [1, 1], "priority": [0, 0], "waited_days": [3, 3]}
    with pytest.raises(ProblemError, match=r"referrals\.key"):
        problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9)))
    with pytest.raises(ProblemError, match=r"shortlists\.service"):
        problem({"key": [1], "priority": [0], "waited_days": [3]}, shortlists([7, 7]), slots((1, 7, 3, 9)))
    with pytest.raises(ProblemError, match=r"slots\.provider"):
        problem(
            {"key": [1], "priority": [0], "waited_days": [3]}, shortlists([7]),
            slots((1, 7, 3, 9), (2, 7, 3, 9), provider=[1, 2]),
        )  # fmt: skip


@pytest.mark.parametrize("planner", [solve, greedy])
def test_no_slots_at_all_or_no_referrals_are_planned_too(planner: Callable[[Problem], Plan]) -> None:
    given = generate(5, seed=1)
    none = np.zeros(0, np.int64)
    for few in (replace(given, slots=given.slots.take(none)), given.only(none)):
        plan = planner(few)
        assert check(few, plan) == []
        assert certify(few, plan).valid
        assert (plan.slot_key == -1).all()


def test_a_shard_of_whole_days_gives_the_same_plan_as_of_half_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody minds the time of day here: merged or not, the cost is the same, and both are proven on half-days."""
    given = generate(600, seed=4, limits=False, specialties=1, services=3)
    days = solve(given)
    monkeypatch.setattr("optimiser.shard_solver.merged", lambda _shard: None)
    halves = solve(given)
    assert days.certified
    assert halves.certified
    assert days.objective == halves.objective
    assert days.pairs == halves.pairs
