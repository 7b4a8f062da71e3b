"""What the checker makes of a plan's reserve, of the times it refused, and of the regrets it states."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from optimiser.audit import Facts, Ints
from optimiser.audit_cost import cost_ranges
from optimiser.plan import Plan
from optimiser.policy import Policy
from optimiser.problem import Problem

Line = tuple[int, int, int]
"""Specialty, service and priority of arrivals forecast."""
_DAY = 24 * 60


def arrivals(problem: Problem) -> dict[Line, int]:
    """How many arrivals after the plan's day the policy reckons with, by line, worked out apart from the planner.

    Of a line, the share of all arrivals up to a day is rounded up (``Policy.expected_percent``).
    """
    forecast, percent = problem.expected, problem.policy.expected_percent
    whole: Counter[Line] = Counter()
    over: Counter[Line] = Counter()
    columns = (forecast.specialty, forecast.service, forecast.priority, forecast.arrival_day, forecast.count)
    for specialty, service, priority, day, count in zip(*(column.tolist() for column in columns), strict=True):
        whole[specialty, service, priority] += count
        over[specialty, service, priority] += count if day <= 0 else 0
    return {line: -(-count * percent // 100) + -over[line] * percent // 100 for line, count in whole.items()}


def unplaced_arrival(policy: Policy, priority: int) -> int:
    """What an arrival without a place costs: a breach, and all the days it then waits."""
    wait, target = policy.horizon_days + policy.unplaced_days, policy.target_days[priority]
    late, cap = max(wait - target, 0), policy.late_cap_days
    bent = late * late if late <= cap else cap * cap + 2 * cap * (late - cap)
    cost = policy.breach[priority] + policy.late_day[priority] * late + policy.late_square[priority] * bent
    cost += policy.wait_day[priority] * wait + policy.wait_square[priority] * wait * wait // target
    return cost + policy.travel_cap_km * policy.travel_km + policy.tie_break


def reserve_faults(problem: Problem, plan: Plan, kept: Ints) -> Iterator[tuple[str, str]]:
    """Rule and message of what can't be so; ``kept`` are the places reserved of each of the problem's slots.

    What the reserve costs is known within bounds: a place kept costs nothing at least, and at most what an arrival
    without a place does. With nothing reserved the bounds are one number.
    """
    policy, slots = problem.policy, problem.slots
    if (plan.reserved < 0).any():
        yield "reserve", "fewer than no places are reserved"
    reserved: Counter[tuple[int, int]] = Counter()
    for at in np.flatnonzero(kept).tolist():
        reserved[int(slots.specialty[at]), int(slots.service[at])] += int(kept[at])
    costs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for (specialty, service, priority), count in arrivals(problem).items():
        costs[specialty, service] += [unplaced_arrival(policy, priority)] * count
    least = most = 0
    for place in sorted(costs.keys() | reserved.keys()):
        expected, number = sorted(costs[place]), reserved[place]
        if number > len(expected):
            yield "reserve", f"{number} places of service {place[1]} are kept for {len(expected)} arrivals"
        least += sum(expected[: max(len(expected) - number, 0)])
        most += sum(expected)
    if not least <= plan.expected_cost <= most:
        yield "reserve_cost", f"the arrivals cost {plan.expected_cost}, should be from {least} to {most}"


def block_faults(facts: Facts, plan: Plan) -> Iterator[tuple[int, str]]:
    """Referral and message of times refused that no other appointment of the same patient can explain."""
    blocks = plan.blocks
    at = facts.referral_of(blocks.referral)
    _, whose, times = np.unique(facts.refs.patient, return_inverse=True, return_counts=True)
    shared = times[whose[at]] > 1 if len(times) else np.zeros(len(at), np.bool_)
    length = blocks.end_minute - blocks.start_minute
    for row in np.flatnonzero((at < 0) | ~shared | (length <= 0) | (length > _DAY)).tolist():
        key = int(blocks.referral[row])
        yield key, "a time is refused, but the patient has no other referral that could need it"


def false_regrets(facts: Facts, plan: Plan, ref: Ints, row: Ints, at: Ints, slot: Ints) -> Ints:
    """Which of these alternatives (rows of the plan, positions among the alternatives, slots) state a wrong regret.

    It is what the whole plan loses: the alternative's cost, less the guaranteed slot's cost and price.
    """
    known = np.flatnonzero((slot >= 0) & (facts.slot_of(plan.slot_key[row]) >= 0))
    row, at, slot = row[known], at[known], slot[known]
    listed = facts.listed(ref[row], slot) >= 0
    row, at, slot, known = row[listed], at[listed], slot[listed], known[listed]
    price = np.zeros(len(facts.slots), np.int64)
    priced = facts.slot_of(plan.priced_slot_key)
    price[priced[priced >= 0]] = plan.slot_price[priced >= 0]
    value = plan.cost[row] + price[facts.slot_of(plan.slot_key[row])]
    low, high = cost_ranges(facts, ref[row], slot)
    stated = plan.alternatives.regret[at] + value
    return known[np.flatnonzero((stated < low) | (stated > high))]
