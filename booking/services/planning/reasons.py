"""Why each slot is proposed, in words and in figures, for many offers at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from booking.domain.offer import PENCILLED, sentences
from optimiser import Plan, Problem
from optimiser.arrays import I64, Array, Bool, find, take_rows
from optimiser.costs import day_parts, travel_cost
from optimiser.measure import nearest_km

DIFFERENCE = {0: "GUARANTEED", 1: "OTHER_PROVIDER", 2: "OTHER_DAY", 3: "OTHER_TIME_OF_DAY"}
"""First code of an offer by its difference from the guaranteed one (:class:`optimiser.Difference`, 0 is itself)."""
COSTS = ("breach", "lateness", "wait", "travel", "price")


class Reasons:
    """Knows the whole plan. ``days_left`` are the true days to the due date of those the problem counts as late."""

    def __init__(self, problem: Problem, plan: Plan, days_left: Mapping[int, int]) -> None:
        refs = problem.referrals
        self._problem, self._plan = problem, plan
        self._nearest = nearest_km(problem)
        self._earliest = earliest_day(problem)
        self._spare = refs.target_days.astype(np.int64) - refs.waited_days
        if days_left:
            at = find(refs.key, np.fromiter(days_left, np.int64, len(days_left)))
            self._spare[at] = np.fromiter(days_left.values(), np.int64, len(days_left))

    def of(self, row: I64, slot_key: I64, difference: I64, pencilled: Bool) -> Iterator[dict[str, Any]]:
        """As stored with an offer, for each row of the plan with a slot, its difference and whether it is pencilled."""
        refs, slots = self._problem.referrals, self._problem.slots
        at = np.searchsorted(slots.key, slot_key)
        day = slots.day[at].astype(np.int64)
        km = self._distance(row, slots.service[at])
        near = self._nearest[row]
        left = self._spare[row] - day
        earliest = day == self._earliest[row]
        codes = (left < 0, earliest, km <= near, slot_key == refs.previous_slot[row], pencilled)
        costs = self._costs(row, slot_key, day, km)
        columns = (difference, *codes, km, km <= near + 0.05, left, *costs)
        for kind, late, first, nearest, before, pencil, far, near_by, spare, *cost in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            said = sentences(
                guaranteed=kind == 0, earliest=first, km=far if far == far else None, nearest=near_by, spare=spare
            )
            named = [DIFFERENCE[kind], "AFTER_TARGET" if late else "WITHIN_TARGET"]
            if first:
                named.append("EARLIEST")
            if nearest:
                named.append("NEAREST")
            if before:
                named.append("AS_OFFERED_BEFORE")
            if pencil:
                named.append(PENCILLED)
            yield {"words": said, "codes": named, "cost": dict(zip(COSTS, cost, strict=True))}

    def _distance(self, row: I64, service: I64) -> Array:
        """Km from each row to the service, which is on its shortlist; not a number where unknown."""
        lists = self._problem.shortlists
        rows, back = np.unique(row, return_inverse=True)
        indptr, entry = take_rows(lists.indptr, rows)
        services = np.unique(service)
        place = find(services, lists.service[entry])
        owner = np.repeat(np.arange(len(rows)), np.diff(indptr))
        mine = place >= 0
        pair = owner[mine] * len(services) + place[mine]
        at = np.searchsorted(pair, back * len(services) + np.searchsorted(services, service))
        km: Array = lists.distance_km[entry[mine][at]].astype(np.float64)
        return km

    def _costs(self, row: I64, slot_key: I64, day: I64, km: Array) -> tuple[I64, ...]:
        """The parts of the cost by the published weights, and the price, in the order of :data:`COSTS`."""
        refs, plan = self._problem.referrals, self._plan
        parts = day_parts(plan.policy, refs.priority[row], refs.waited_days[row], refs.target_days[row], day)
        price = plan.slot_price[np.searchsorted(plan.priced_slot_key, slot_key)]
        return (*parts, travel_cost(plan.policy, km.astype(np.float32)), price)


def earliest_day(problem: Problem) -> Array:
    """The first day with any free place in each referral's windows, whoever it goes to; a far day where none."""
    lists, slots = problem.shortlists, problem.slots
    open_slots = np.flatnonzero((slots.capacity > 0) & (slots.day >= problem.policy.notice_days))
    services = np.unique(slots.service[open_slots])
    width = np.int64(1 << 20)
    place = np.unique(find(services, slots.service[open_slots]) * width + slots.day[open_slots])
    entry_service = find(services, lists.service)
    at = np.searchsorted(place, entry_service * width + lists.first_day)
    found = place[np.minimum(at, max(len(place) - 1, 0))] if len(place) else np.full(len(at), -1)
    fine = (entry_service >= 0) & (at < len(place)) & (found // width == entry_service)
    out = np.full(len(problem.referrals), width, np.int64)
    row = np.repeat(np.arange(len(out)), np.diff(lists.indptr))
    np.minimum.at(out, row[fine], found[fine] % width)
    return np.minimum(out, 10_000)
