"""For an analyst: what else a referral could have had, why not, and what would change the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimiser.arrays import I64
from optimiser.costs import unplaced_cost
from optimiser.errors import PlanError
from optimiser.explain import Explainer, Explanation
from optimiser.problem import Busy, Priority, Referrals

MOST = 5
LONGEST = 90
"""So many days of waiting more are tried."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A half-day that the referral could have had, and did not get.

    ``cost`` is what it would cost there, ``price`` what a place there is worth to others, ``loss`` what the whole plan
    would lose by giving it (0 or more; 0 is a tie). ``reason``: ``needed_more``, better for this patient, and worth
    more to somebody else; ``worse``, later or farther or both, at no gain to others.
    """

    service: int
    day: int
    part: int
    cost: int
    price: int
    loss: int
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something that, all else and all prices staying, would give another half-day: the lever, and what it gives.

    Levers: ``one_more_place`` there; ``times``, ``needs``, ``practitioner``, ``busy``, if that limit fell;
    ``waited`` so many days more (``by``); ``priority``, if it were of the next one up. ``saved`` is by how much the
    answer then is better, in units of the policy.
    """

    lever: str
    service: int
    day: int
    saved: int
    by: int | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The explanation, the best of what was rejected, how many half-days each limit rules out, what would change it."""

    explanation: Explanation
    rejected: tuple[Rejected, ...]
    ruled_out: dict[str, int]
    changes: tuple[Change, ...]


class Analyst(Explainer):
    """Analyses a plan of a problem, a referral at a time, in about a millisecond each."""

    def analysis(self, referral: int, *, most: int = MOST) -> Analysis:
        """Everything about one referral (by key). Raises PlanError for an unknown key."""
        why = self.guaranteed(referral)
        i = self._row(referral)
        bucket, km, faults = self._reached(i)
        out = np.logical_or.reduce(list(faults.values()))
        bucket, cost = _best_of_each(bucket[~out], self._costs(i, bucket[~out], km[~out]))
        price = self._bucket_price()[bucket] if len(bucket) else bucket
        value = int(self._plan.cost[i]) + why.price
        loss = cost + price - value
        mine = bucket == self._seat(i)
        if bool((loss[~mine] < 0).any()) and self._plan.certified and not len(self._plan.blocks.referral):
            raise PlanError("the plan's prices prove nothing: a slot not given would have been better")
        at = np.flatnonzero(~mine)
        order = at[np.lexsort((bucket[at], loss[at]))][:most]
        rejected = tuple(
            Rejected(
                int(self._buckets.service[bucket[k]]), int(self._buckets.day[bucket[k]]),
                int(self._buckets.part[bucket[k]]), int(cost[k]), int(price[k]), int(loss[k]),
                "needed_more" if cost[k] < self._plan.cost[i] else "worse",
            )
            for k in order.tolist()
        )  # fmt: skip
        counts = {name: int(mask.sum()) for name, mask in faults.items() if mask.any()}
        return Analysis(why, rejected, counts, tuple(self._changes(i, bucket, cost, value)))

    def _seat(self, i: int) -> int:
        """The bucket of the guaranteed slot, -1 for none."""
        if self._plan.slot_key[i] == -1:
            return -1
        slots = self._problem.slots
        return int(self._buckets.of_slot[int(np.searchsorted(slots.key, self._plan.slot_key[i]))])

    def _changes(self, i: int, bucket: I64, cost: I64, value: int) -> Iterator[Change]:
        if len(cost) and int(cost.min()) < int(self._plan.cost[i]):
            best = int(bucket[np.lexsort((bucket, cost))[0]])
            yield self._change("one_more_place", best, int(self._plan.cost[i]) - int(cost.min()))
        one = self._problem.referrals.take(np.array([i]))
        for lever, changed in _otherwise(one):
            found = self._better(i, changed)
            if found is not None:
                yield self._change(lever, *found)
        yield from self._sooner(i, one)
        if one.priority[0] < Priority.TWO_WEEK_WAIT:
            up = int(one.priority[0]) + 1
            target = np.array([self._problem.policy.target_days[up]], np.int32)
            found = self._better(i, replace(one, priority=np.array([up], np.int8), target_days=target))
            if found is not None:
                yield self._change("priority", *found)

    def _sooner(self, i: int, one: Referrals) -> Iterator[Change]:
        """The fewest days of waiting more that would give another half-day."""
        for days in range(1, LONGEST + 1):
            found = self._better(i, replace(one, waited_days=one.waited_days + np.int32(days)))
            if found is not None:
                yield replace(self._change("waited", *found), by=days)
                return

    def _better(self, i: int, changed: Referrals) -> tuple[int, int] | None:
        """The best bucket of a referral changed, prices included, if it beats its own; and by how much."""
        bucket, _, cost = self._eligible(i, changed)
        if len(bucket) == 0:
            return None
        total = cost + self._bucket_price()[bucket]
        if self._plan.slot_key[i] == -1:
            own = int(
                unplaced_cost(self._problem.policy, changed.priority, changed.waited_days, changed.target_days)[0]
            )
        else:
            own = int(total[bucket == self._seat(i)].min(initial=np.iinfo(np.int64).max))
        at = int(np.lexsort((bucket, total))[0])
        return (int(bucket[at]), own - int(total[at])) if int(total[at]) < own else None

    def _change(self, lever: str, bucket: int, saved: int) -> Change:
        return Change(lever, int(self._buckets.service[bucket]), int(self._buckets.day[bucket]), saved)


def _otherwise(one: Referrals) -> Iterator[tuple[str, Referrals]]:
    """The referral without each limit that it has."""
    limits: tuple[tuple[str, str, Any], ...] = (
        ("times", "unsuitable", 0), ("needs", "needs", 0), ("practitioner", "practitioner", -1),
    )  # fmt: skip
    for lever, name, free in limits:
        if getattr(one, name)[0] != free:
            yield lever, replace(one, **{name: np.full_like(getattr(one, name), free)})
    if len(one.busy.start_minute):
        yield "busy", replace(one, busy=Busy.none(1))


def _best_of_each(bucket: I64, cost: I64) -> tuple[I64, I64]:
    """Each bucket once, at its least cost."""
    order = np.lexsort((cost, bucket))
    found, first = np.unique(bucket[order], return_index=True)
    return found, cost[order][first]
