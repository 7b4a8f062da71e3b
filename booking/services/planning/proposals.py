"""A plan as proposals: for each referral placed, the slots to offer it and why, in words and in figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from booking.domain.offer import Candidate, words
from booking.domain.weights import Weights
from optimiser import Plan, Problem
from optimiser.arrays import I64, Array, find
from optimiser.measure import nearest_km

DIFFERENCE = {1: "OTHER_PROVIDER", 2: "OTHER_DAY", 3: "OTHER_TIME_OF_DAY"}


@dataclass(frozen=True, slots=True)
class Proposed:
    """One slot to offer. ``reasons`` is stored with the offer as it stands."""

    slot_id: int
    regret: int
    reasons: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one referral is offered: the guaranteed slot first."""

    referral_id: int
    priority: int
    offers: tuple[Proposed, ...]


def in_turn(problem: Problem, plan: Plan, wave: int) -> I64:
    """Positions in the plan of the referrals to be offered their slot now: greatest need first, ``wave`` at most.

    Need is priority, then due date; 0 is no limit. The others' slots stay pencilled: the next plan may move them.
    """
    refs = problem.referrals
    due = refs.target_days - refs.waited_days
    order = np.lexsort((refs.key, due, -refs.priority.astype(np.int64)))
    order = order[plan.slot_key[order] >= 0] if len(order) else order
    return order[:wave] if wave else order


class Proposer:
    """Knows the whole plan; makes the proposal of one referral at a time, so that memory stays flat."""

    def __init__(self, problem: Problem, plan: Plan, days_left: Mapping[int, int] | None = None) -> None:
        self._problem, self._plan, self._days_left = problem, plan, days_left or {}
        self._weights = Weights.of(plan.policy.to_dict())
        self._nearest = nearest_km(problem)
        self._earliest = earliest_day(problem)
        self._prices = dict(zip(plan.priced_slot_key.tolist(), plan.slot_price.tolist(), strict=True))

    def proposals(self, rows: I64) -> Iterator[Proposal]:
        for row in rows.tolist():
            yield self._proposal(row)

    def _proposal(self, row: int) -> Proposal:
        plan, refs = self._plan, self._problem.referrals
        shown = plan.alternatives
        others = slice(int(shown.indptr[row]), int(shown.indptr[row + 1]))
        own = self._proposed(row, int(plan.slot_key[row]), None, 0)
        rest = zip(
            shown.slot_key[others].tolist(), shown.difference[others].tolist(), shown.regret[others].tolist(),
            strict=True,
        )  # fmt: skip
        further = tuple(self._proposed(row, slot, difference, regret) for slot, difference, regret in rest)
        return Proposal(int(refs.key[row]), int(refs.priority[row]), (own, *further))

    def _proposed(self, row: int, slot_key: int, difference: int | None, regret: int) -> Proposed:
        problem, refs, slots = self._problem, self._problem.referrals, self._problem.slots
        at = int(np.searchsorted(slots.key, slot_key))
        day, km = int(slots.day[at]), self._distance(row, int(slots.service[at]))
        spare = int(refs.target_days[row]) - int(refs.waited_days[row])
        spare = self._days_left.get(int(refs.key[row]), spare)
        candidate = Candidate(
            slot_id=slot_key, provider_id=int(slots.provider[at]), day=problem.as_of + timedelta(days=day),
            part=int(slots.part[at]) % 3, distance_km=km, wait_days=int(refs.waited_days[row]) + day,
            late_days=max(0, day - spare),
        )  # fmt: skip
        nearest = float(self._nearest[row])
        said = words(
            candidate, guaranteed=difference is None, nearest_km=None if np.isnan(nearest) else nearest,
            earliest=self._date(int(self._earliest[row])), due=self._date(spare), day=problem.as_of,
        )  # fmt: skip
        codes = ["GUARANTEED" if difference is None else DIFFERENCE[difference]]
        codes.append("AFTER_TARGET" if candidate.late_days else "WITHIN_TARGET")
        if day == self._earliest[row]:
            codes.append("EARLIEST")
        if km is not None and km <= nearest:
            codes.append("NEAREST")
        if slot_key == refs.previous_slot[row]:
            codes.append("AS_OFFERED_BEFORE")
        return Proposed(slot_key, regret, {"words": said, "codes": codes, "cost": self._cost(row, slot_key, day, km)})

    def _cost(self, row: int, slot_key: int, day: int, km: float | None) -> dict[str, int]:
        refs = self._problem.referrals
        assert self._weights is not None  # noqa: S101  # the optimiser's own policy has every weight
        parts = self._weights.parts(
            int(refs.priority[row]),
            waited=int(refs.waited_days[row]),
            target=int(refs.target_days[row]),
            day=day,
            km=km,
        )
        return {**parts, "price": self._prices[slot_key]}

    def _distance(self, row: int, service: int) -> float | None:
        lists = self._problem.shortlists
        low, high = int(lists.indptr[row]), int(lists.indptr[row + 1])
        at = low + int(np.searchsorted(lists.service[low:high], service))
        km = float(lists.distance_km[at])
        return None if np.isnan(km) else km

    def _date(self, day: int) -> date:
        return self._problem.as_of + timedelta(days=day)


def earliest_day(problem: Problem) -> Array:
    """The first day with any free place in each referral's windows, whoever it goes to; a far day where none."""
    lists, slots = problem.shortlists, problem.slots
    open_slots = np.flatnonzero((slots.capacity > 0) & (slots.day >= problem.policy.notice_days))
    services = np.unique(slots.service[open_slots])
    width = np.int64(1 << 20)
    place = np.sort(find(services, slots.service[open_slots]) * width + slots.day[open_slots])
    entry_service = find(services, lists.service)
    at = np.searchsorted(place, entry_service * width + lists.first_day)
    found = place[np.minimum(at, max(len(place) - 1, 0))] if len(place) else np.full(len(at), -1)
    fine = (entry_service >= 0) & (at < len(place)) & (found // width == entry_service)
    out = np.full(len(problem.referrals), width, np.int64)
    row = np.repeat(np.arange(len(out)), np.diff(lists.indptr))
    np.minimum.at(out, row[fine], found[fine] % width)
    return np.minimum(out, 10_000)
