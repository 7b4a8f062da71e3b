"""What a placement must cost by the published policy, worked out apart from the planner."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from optimiser.audit import Facts, Ints, Mask

_ALIKE = ("service", "specialty", "day", "part", "practitioner", "offers", "priorities")
"""Slots alike in these are one half-day: the keep bonus is for all of them."""

Numbers = npt.NDArray[Any]
"""Whole numbers of 64 bits, or of Python's own if the policy's weights need more."""


def cost_ranges(facts: Facts, ref: Ints, slot: Ints) -> tuple[Numbers, Numbers]:
    """Least and greatest cost of giving each referral its slot (positions; -1: none); the tie-break is between."""
    policy, none = facts.policy, slot < 0
    wide = _type(facts)
    last = policy.horizon_days + policy.unplaced_days
    slots = facts.slots
    day = np.where(none, last, slots.day[slot] if len(slots) else last).astype(wide)
    low = _day_cost(facts, ref, day, none)
    low[none] += policy.travel_cap_km * policy.travel_km + policy.tie_break
    some = ~none
    low[some] += (_way(facts, ref[some], slot[some]) - policy.keep * _kept(facts, ref[some], slot[some])).astype(wide)
    return low, low + np.where(none, 0, max(policy.tie_break - 1, 0))


def _type(facts: Facts) -> type[Any]:
    """64 bits where no cost can exceed them, with room to spare."""
    policy, refs = facts.policy, facts.refs
    if len(refs) == 0:
        return np.int64
    wait = int(refs.waited_days.max()) + policy.horizon_days + policy.unplaced_days
    most = max(policy.breach) + wait * max(policy.late_day) + 2 * wait * wait * max(policy.late_square)
    most += wait * max(policy.wait_day) + wait * wait * max(policy.wait_square)
    most += policy.travel_cap_km * policy.travel_km + policy.keep
    return np.int64 if most < 2**62 else np.object_


def _day_cost(facts: Facts, ref: Ints, day: Numbers, always_breach: Mask) -> Numbers:
    refs, policy = facts.refs, facts.policy
    waited, target = refs.waited_days[ref].astype(day.dtype), refs.target_days[ref].astype(day.dtype)
    priority = refs.priority[ref]

    def weight(three: tuple[int, int, int]) -> Numbers:
        return np.array(three, day.dtype)[priority]

    wait = waited + day
    missed = always_breach | ((waited <= target) & (target < wait)).astype(np.bool_)
    cost = np.where(missed, weight(policy.breach), 0)
    late, now, cap = np.maximum(wait - target, 0), np.maximum(waited - target, 0), policy.late_cap_days
    cost = cost + weight(policy.late_day) * (late - now)
    cost = cost + weight(policy.late_square) * (_square(late, cap) - _square(now, cap))
    cost = cost + weight(policy.wait_day) * day
    total: Numbers = cost + weight(policy.wait_square) * (wait * wait - waited * waited) // target
    return total


def _square(late: Numbers, cap: int) -> Numbers:
    return np.where((late <= cap).astype(np.bool_), late * late, cap * cap + 2 * cap * (late - cap))


def _way(facts: Facts, ref: Ints, slot: Ints) -> Ints:
    """Cost of the way there; nothing where the service is not on the shortlist."""
    policy, entry = facts.policy, facts.listed(ref, slot)
    km = np.zeros(len(ref), np.float64)
    km[entry >= 0] = facts.lists.distance_km[entry[entry >= 0]]
    km[np.isnan(km)] = policy.unknown_km
    way: Ints = np.rint(np.minimum(km, policy.travel_cap_km) * policy.travel_km).astype(np.int64)
    return way


def _kept(facts: Facts, ref: Ints, slot: Ints) -> Ints:
    """1 where the slot's half-day is that of the slot held before, which still has a place; else 0."""
    out = np.zeros(len(ref), np.int64)
    before = facts.slot_of(facts.refs.previous_slot[ref])
    at = np.flatnonzero(before >= 0)
    left, right = before[at], slot[at]
    same = facts.slots.capacity[left] > 0
    for name in _ALIKE:
        column = getattr(facts.slots, name)
        same &= column[left] == column[right]
    out[at[same]] = 1
    return out
