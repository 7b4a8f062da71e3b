"""How many people a new plan moves without need, and what sparing them costs it.

Somebody moves without need if they had a place in the old plan, get another in the new one although the old one is
still there and theirs to have, and don't meet by it a target that they would have missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, INF, Bool, find
from optimiser.compiling import fold, shards_of
from optimiser.plan import Plan
from optimiser.problem import Problem
from optimiser.reseating import cost_of


@dataclass(frozen=True, slots=True)
class Stability:
    """Counts of people in both plans; costs in units."""

    stayed: int
    moved_with_need: int
    moved_without_need: int
    lost_their_place: int
    """Placed before and not now."""
    cost: int
    """Objective of the new plan, the keep bonus left out."""
    best: int
    """Objective of a plan made as if nobody had been told anything."""
    best_in_time: int
    """The part of that for people with a place that misses no target: what is left when the large costs are not."""

    @property
    def moved_share(self) -> float:
        """Of those with a place in both plans, those who moved without need."""
        people = self.stayed + self.moved_with_need + self.moved_without_need
        return self.moved_without_need / people if people else 0.0

    @property
    def loss_share(self) -> float:
        """What the new plan costs more than the best one, as a part of that."""
        return (self.cost - self.best) / self.best if self.best else 0.0

    @property
    def loss_in_time(self) -> float:
        """The same as a part of the costs of those seen in time: breaches and people without a place dwarf the rest."""
        return (self.cost - self.best) / self.best_in_time if self.best_in_time else 0.0


def stability(before: Plan, problem: Problem, after: Plan, fresh: Plan) -> Stability:
    """Compare the plan before the churn with one made after it, on the churned problem.

    ``fresh`` is the plan of the same problem under the same weights with ``keep`` 0.
    """
    problem = problem.canonical()
    slots, refs = problem.slots, problem.referrals
    old_key = before.slots_for(refs.key)
    had, has = old_key >= 0, after.slot_key >= 0
    old, new = find(slots.key, old_key), find(slots.key, after.slot_key)
    still = _still_theirs(problem, old)
    moved = had & has & (old_key != after.slot_key)
    late_before = _missed(problem, old)
    best = find(slots.key, fresh.slot_key)
    in_time = (best >= 0) & ~_missed(problem, best) & (refs.waited_days <= refs.target_days)
    need = ~still | (late_before & ~_missed(problem, new))
    return Stability(
        stayed=int((had & has & ~moved).sum()), moved_with_need=int((moved & need).sum()),
        moved_without_need=int((moved & ~need).sum()), lost_their_place=int((had & ~has).sum()),
        cost=after.objective + after.policy.keep * _kept(problem, after), best=fresh.objective,
        best_in_time=int(fresh.cost[in_time].sum()),
    )  # fmt: skip


def _missed(problem: Problem, slot: I64) -> Bool:
    refs = problem.referrals
    day = np.where(slot >= 0, problem.slots.day[slot], 0)
    in_time = refs.waited_days <= refs.target_days
    return np.asarray(in_time & (slot >= 0) & (refs.waited_days + day > refs.target_days), np.bool_)


def _still_theirs(problem: Problem, slot: I64) -> Bool:
    """Whether each referral's slot (-1: gone) is still eligible for it."""
    buckets = fold(problem)
    out = np.zeros(len(slot), np.bool_)
    bucket = np.where(slot >= 0, buckets.of_slot[slot], -1)
    for shard in shards_of(problem, buckets):
        mine = bucket[shard.rows]
        rows = np.flatnonzero(mine >= 0)
        out[shard.rows[rows]] = cost_of(shard, rows, mine[rows] - shard.first_bucket) < INF
    return out


def _kept(problem: Problem, plan: Plan) -> int:
    """How many earn the keep bonus: those on the half-day they had before."""
    buckets = fold(problem)
    previous = find(problem.slots.key, problem.referrals.previous_slot)
    now = find(problem.slots.key, plan.slot_key)
    both = (previous >= 0) & (now >= 0)
    same = buckets.of_slot[previous] == buckets.of_slot[now]
    return int((both & same & (buckets.of_slot[now] >= 0)).sum()) if len(problem.slots) else 0
