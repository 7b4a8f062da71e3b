"""Breaches against the wait of the worst-off group: what policies give, and a policy that gives what is wanted.

With the same slots filled the sum of all waits is fixed, so no plan shortens everybody's. A limit on the mean wait of a
group, put into the objective with a multiplier, is a factor on what a day costs the group (Lagrangian duality; Boyd,
Vandenberghe, *Convex Optimization*, 2004, ch. 5), so the problem stays a flow. ``search`` finds such factors for the
three priorities and for those already late, by a few solves along the subgradient; they are plain weights of the
published policy, alike for everybody of a priority wherever they live.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from optimiser.arrays import I64
from optimiser.fairness import PLAN, RIVAL, Fairness, Groups, Labels, Row, fairness, own_groups, slots_of
from optimiser.measure import unavoidable
from optimiser.policy import Policy
from optimiser.problem import Priority, Problem
from optimiser.rivals import ring_fenced_fcfs
from optimiser.solve import solve

F64 = npt.NDArray[np.float64]
ROUNDS = 8
AIM = 0.75
"""Multipliers push down from this share of the allowed days, so that the search ends inside the limit, not on it."""
STRONGEST = 1.0
"""A factor changes by e to this power at most in one round."""
MOST = 10**9
_LATE = len(Priority)


@dataclass(frozen=True, slots=True)
class Goal:
    """Share of the ring-fenced breaches to avoid, and by how many days no group's mean wait may be longer."""

    avoided: float = 0.9
    days: float = 1.0


@dataclass(frozen=True, slots=True)
class Point:
    """What one policy gives."""

    name: str
    policy: Policy
    report: Fairness
    certified: bool
    seconds: float

    @property
    def breaches(self) -> int:
        return self.report.everybody.methods[PLAN].breaches

    @property
    def avoided(self) -> float:
        """Share of the breaches under ring-fenced slots that are avoided."""
        return self.report.avoided()

    @property
    def worst(self) -> Row:
        """The group that waits longest beyond what it waits under ring-fenced slots."""
        return self.report.worst()

    @property
    def extra_days(self) -> float:
        """How many days longer that is."""
        return self.worst.extra_days()

    def meets(self, goal: Goal) -> bool:
        """Whether the goal is met."""
        return self.avoided >= goal.avoided and self.extra_days <= goal.days

    def distance(self, goal: Goal) -> float:
        """How far the goal is missed: breaches in shares of those allowed, and days in shares of those allowed."""
        breaches = max(0.0, goal.avoided - self.avoided) / max(1 - goal.avoided, 1e-9)
        return breaches + max(0.0, self.extra_days - goal.days) / max(goal.days, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "name": self.name, "breaches": self.breaches, "avoided": round(self.avoided, 4),
            "worst_group": f"{self.worst.breakdown}: {self.worst.group}", "extra_days": round(self.extra_days, 2),
            "longer_than_a_day": self.report.longer(), "certified": self.certified,
            "seconds": round(self.seconds, 2), "policy": self.policy.to_dict(), "fairness": self.report.to_dict(),
        }  # fmt: skip


@dataclass(slots=True)
class Study:
    """One problem, its groups, and the ring-fenced seats it is measured against; made once for many policies."""

    problem: Problem
    groups: Groups = field(default_factory=dict)
    executor: Executor | None = None
    rival: I64 = field(init=False)
    breaches: int = field(init=False)
    """Under ring-fenced slots."""

    def __post_init__(self) -> None:
        self.problem = self.problem.canonical()
        self.rival = ring_fenced_fcfs(self.problem)
        self.breaches = fairness(self.problem, {PLAN: self.rival}).everybody.methods[PLAN].breaches

    def point(self, name: str, policy: Policy) -> Point:
        """Solve under a policy and measure. Alternatives are left out: they change nobody's guaranteed slot."""
        began = time.perf_counter()
        given = self.problem.with_policy(replace(policy, alternatives=0))
        plan = solve(given, executor=self.executor)
        report = fairness(given, {PLAN: slots_of(given, plan), RIVAL: self.rival}, self.groups)
        return Point(name, policy, report, plan.certified, time.perf_counter() - began)

    def fewest(self) -> dict[str, Any]:
        """The fewest breaches any plan could have, and the fewest without leaving anybody already late aside."""
        free, placing = (unavoidable(self.problem, self.executor, placing_late=late) for late in (False, True))
        return {
            "unavoidable": free["breaches"], "unavoidable_placing_late": placing["breaches"],
            "certified": free["certified"] and placing["certified"],
        }  # fmt: skip


def sweep(study: Study, policies: Mapping[str, Policy]) -> list[Point]:
    """A point for each policy, in the order given."""
    return [study.point(name, policy) for name, policy in policies.items()]


def ladder(policy: Policy, days: Iterable[int]) -> dict[str, Policy]:
    """The policy with a routine breach worth so many routine days of waiting, urgent 10 and two-week-wait 100 times it.

    Raises PolicyError where a weight leaves its range.
    """
    made = {}
    for number in days:
        one = number * policy.wait_day[Priority.ROUTINE]
        made[f"breach {number:,} days"] = replace(policy, breach=(one, 10 * one, 100 * one))
    return made


@dataclass(frozen=True, slots=True)
class Found:
    """Where a search came to: the best point, whether it meets the goal, why not, and the way there."""

    best: Point
    met: bool
    why: str
    points: tuple[Point, ...]


def search(study: Study, start: Policy, goal: Goal | None = None, *, rounds: int = ROUNDS) -> Found:
    """Find factors on the days of each priority, and of those already late, that meet the goal.

    Each round raises what a day costs those in a group above its limit, the others relative to routine patients
    staying as they are; ends when the goal is met, when nothing is above its limit, or after ``rounds`` solves.
    """
    goal = goal or Goal()
    share = _shares(study)
    factor, step = np.zeros(_LATE + 1), 1.0
    points: list[Point] = []
    for number in range(1, rounds + 1):
        point = study.point(f"round {number}", scaled(start, np.exp(factor)))
        if points and point.distance(goal) > points[-1].distance(goal):
            step /= 2  # overshot: a subgradient need not descend
        points.append(point)
        pressure = _pressure(point.report, share, goal)
        if point.meets(goal) or not pressure.any():
            break
        factor += np.clip(step * pressure, 0, STRONGEST)
        factor -= factor[Priority.ROUTINE]
    best = min(points, key=lambda point: (not point.meets(goal), point.distance(goal), point.breaches))
    return Found(best, best.meets(goal), _why(study, best, goal, len(points)), tuple(points))


def scaled(policy: Policy, factor: Sequence[float] | F64) -> Policy:
    """The policy with the cost of a day multiplied: routine, urgent, two-week-wait, already late (lateness)."""
    by_priority = [float(one) for one in factor[:_LATE]]
    late = [float(factor[_LATE])] * _LATE
    return replace(
        policy, wait_day=_times(policy.wait_day, by_priority), wait_square=_times(policy.wait_square, by_priority),
        late_day=_times(policy.late_day, late), late_square=_times(policy.late_square, late),
    )  # fmt: skip


def _times(weights: tuple[int, int, int], factors: Sequence[float]) -> tuple[int, int, int]:
    """Weights times their factors, to two significant digits: nobody can read more into them."""
    routine, urgent, two_week = (_rounded(weight * factor) for weight, factor in zip(weights, factors, strict=True))
    return routine, urgent, two_week


def _rounded(value: float) -> int:
    unit = int(10 ** max(math.floor(math.log10(max(value, 1))) - 1, 0))
    return min(round(value / unit) * unit, MOST)


def _shares(study: Study) -> dict[tuple[str, str], F64]:
    """For each group, which share of its people is of each priority or already late: four numbers that add up to 1."""
    base = own_groups(study.problem)["priority"].codes
    out: dict[tuple[str, str], F64] = {}
    for breakdown, labels in {**own_groups(study.problem), **study.groups}.items():
        for at, name in enumerate(labels.names):
            kinds = np.bincount(base[labels.codes == at], minlength=_LATE + 1)
            out[breakdown, name] = kinds / max(int(kinds.sum()), 1)
    return out


def _pressure(report: Fairness, share: Mapping[tuple[str, str], F64], goal: Goal) -> F64:
    """For each priority and those already late, the days too many of the worst group made up of them."""
    out = np.zeros(_LATE + 1)
    for row in report.rows:
        over = row.extra_days() - AIM * goal.days
        if row.judged and over > 0 and (row.breakdown, row.group) in share:
            out = np.maximum(out, over * share[row.breakdown, row.group])
    return out


def _why(study: Study, best: Point, goal: Goal, rounds: int) -> str:
    """What was met, or what stands in the way."""
    if best.meets(goal):
        return f"met after {rounds} solves"
    parts = []
    if best.avoided < goal.avoided:
        fewest = study.fewest()
        most = 1 - fewest["unavoidable"] / study.breaches if study.breaches else 0.0
        parts.append(
            f"{best.avoided:.1%} of {study.breaches:,} breaches avoided, {goal.avoided:.0%} wanted; no plan avoids "
            f"more than {most:.1%} ({fewest['unavoidable']:,} people can't be seen in time, "
            f"{fewest['unavoidable_placing_late']:,} if nobody already late is left aside)"
        )
    if best.extra_days > goal.days:
        parts.append(
            f"{best.worst.breakdown}: {best.worst.group} waits {best.extra_days:.1f} days longer, "
            f"{goal.days:g} allowed; {rounds} solves found nothing closer"
        )
    return "; ".join(parts)


def efficient(points: Iterable[Point]) -> list[Point]:
    """The frontier: points that no other beats on both counts, by days, each pair of figures once."""
    chosen: list[Point] = []
    for point in sorted(points, key=lambda point: (point.extra_days, point.breaches)):
        if not chosen or point.breaches < chosen[-1].breaches:
            chosen.append(point)
    return chosen


__all__ = ["Found", "Goal", "Labels", "Point", "Study", "efficient", "ladder", "scaled", "search", "sweep"]
