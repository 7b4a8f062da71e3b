"""Why this slot, in words for the patient and in numbers for an analyst; computed for one referral when asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from optimiser.arrays import F32, I64, Bool, find, ranges
from optimiser.compiling import Buckets, Days, days_of, entries, fold
from optimiser.costs import day_parts, place_salt, tie_break, travel_cost, unplaced_cost
from optimiser.errors import PlanError
from optimiser.plan import Difference, Plan, Unplaced
from optimiser.problem import Problem, Referrals

MILES_PER_KM = 0.621371

_WHY_NOT = {
    Unplaced.NO_SHORTLIST: "No clinic has been chosen for this referral yet.",
    Unplaced.NO_SLOTS: "None of the clinics chosen has a free appointment in the next {weeks} weeks.",
    Unplaced.OUTSIDE_WINDOW: "The clinics chosen have no free appointment on dates that can be booked and suit you.",
    Unplaced.NOT_FOR_THIS_PRIORITY: "The free appointments at the clinics chosen are for patients of another priority.",
    Unplaced.OTHER_PRACTITIONER: "The clinician you were referred to has no free appointment in {weeks} weeks.",
    Unplaced.NEEDS_NOT_MET: "No free appointment at the clinics chosen meets the needs you told us about.",
    Unplaced.TIMES_NEVER_SUIT: "The free appointments at the clinics chosen are all at times you said never suit you.",
    Unplaced.PATIENT_BUSY: "The free appointments at the clinics chosen clash with other appointments of yours.",
    Unplaced.TAKEN: "All free appointments at the clinics chosen go to patients whose need is more pressing.",
}  # fmt: skip


_HOW = {"provider": "at another hospital or clinic", "day": "on another day", "time_of_day": "at another time of day"}


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its parameters, for templates in any language."""

    code: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a referral was given (or shown) a slot, or none.

    ``cost`` is in parts (breach, lateness, wait, travel, keep, tie_break; their sum is the cost). ``own_best`` is the
    least cost of all eligible slots if there were no other patient; ``regret`` the cost above that; ``price`` what
    the plan loses if one place of this slot vanishes. All in units of the policy.
    """

    referral: int
    slot: int
    reasons: tuple[Reason, ...]
    sentences: tuple[str, ...]
    cost: dict[str, int]
    own_best: int | None
    regret: int | None
    price: int
    earlier_eligible: int  # places on earlier days at shortlisted services, all with others

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)


class Explainer:
    """Explains a plan of a problem. Setting up takes a second at 100,000 referrals, an explanation about 0.2 ms."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        """Raises PlanError if the plan was made from another problem."""
        self._problem = problem.canonical()
        if self._problem.digest() != plan.digest:
            raise PlanError("the plan was made from another problem")
        self._plan = plan
        self._buckets: Buckets = fold(self._problem)
        self._days: dict[int, tuple[int, Days]] = {}  # by specialty: its first bucket, and its services' days

    def guaranteed(self, referral: int) -> Explanation:
        """Why the guaranteed slot of a referral (by key), or why none. Raises PlanError for an unknown key."""
        i = self._row(referral)
        slot = int(self._plan.slot_key[i])
        return self._unplaced(i) if slot == -1 else self._explain(i, slot, None)

    def alternative(self, referral: int, slot: int) -> Explanation:
        """Why an alternative was shown. Raises PlanError if it was not."""
        i = self._row(referral)
        shown = self._plan.alternatives
        for at in range(int(shown.indptr[i]), int(shown.indptr[i + 1])):
            if int(shown.slot_key[at]) == slot:
                return self._explain(i, slot, at)
        raise PlanError(f"slot {slot} was not shown to referral {referral}")

    def _row(self, referral: int) -> int:
        i = int(self._plan.index_of(np.array([referral], np.int64))[0])
        if i < 0:
            raise PlanError(f"referral {referral} is not in the plan")
        return i

    def _unplaced(self, i: int) -> Explanation:
        problem, policy = self._problem, self._problem.policy
        refs, reason = problem.referrals, Unplaced(int(self._plan.unplaced_reason[i]))
        text = _WHY_NOT[reason].format(weeks=round(policy.horizon_days / 7))
        due = int(refs.target_days[i] - refs.waited_days[i])
        sentences = (text, _target_sentence(due, None, problem.as_of))
        row = slice(i, i + 1)
        cost = int(unplaced_cost(policy, refs.priority[row], refs.waited_days[row], refs.target_days[row])[0])
        return Explanation(
            int(refs.key[i]), -1, (Reason(reason.name.lower(), {"due_in_days": due}),), sentences,
            {"unplaced": cost}, None, None, 0, 0,
        )  # fmt: skip

    def _explain(self, i: int, slot_key: int, alternative: int | None) -> Explanation:
        problem, plan, refs, slots = self._problem, self._plan, self._problem.referrals, self._problem.slots
        slot = int(find(slots.key, np.array([slot_key], np.int64))[0])
        bucket, way, costs = self._eligible(i)
        mine = int(self._buckets.of_slot[slot])
        here = np.flatnonzero(bucket == mine)[:1]
        parts = self._parts(i, mine, way[here])
        own_best = int(costs.min())
        total = sum(parts.values())
        day = int(slots.day[slot])
        earlier = bucket[self._buckets.day[bucket] < day]
        km = float(way[here[0]])
        due = int(refs.target_days[i] - refs.waited_days[i])
        reasons = [self._first_reason(bucket, way, mine)]
        if alternative is not None:
            code = Difference(int(plan.alternatives.difference[alternative]))
            reasons.insert(0, Reason("alternative", {"differs_by": code.name.lower()}))
        reasons.append(Reason("target", {"due_in_days": due, "spare_days": due - day}))
        if parts["keep"]:
            same = slot_key == int(refs.previous_slot[i])
            reasons.append(Reason("kept", {"same_time": same}))
        sentences = (_sentence(reasons, km), _target_sentence(due, day, problem.as_of))
        return Explanation(
            int(refs.key[i]), slot_key, tuple(reasons), sentences, parts, own_best, total - own_best,
            int(plan.slot_price[slot]), int(self._buckets.capacity[earlier].sum()),
        )  # fmt: skip

    def _eligible(self, i: int, changed: Referrals | None = None) -> tuple[I64, F32, I64]:
        """Eligible buckets of a referral, how far each is, and its cost (keep bonus included).

        ``changed`` is the referral (one row) as it would be otherwise; its shortlist stays as it is.
        """
        bucket, km, faults = self._reached(i, changed)
        fine = ~np.logical_or.reduce(list(faults.values()))
        bucket, km = bucket[fine], km[fine]
        return bucket, km, self._costs(i, bucket, km, changed)

    def _costs(self, i: int, bucket: I64, km: F32, changed: Referrals | None = None) -> I64:
        """What the referral costs in each bucket, that far away."""
        problem, policy = self._problem, self._problem.policy
        refs, at = (problem.referrals, i) if changed is None else (changed, 0)
        row = np.full(len(bucket), at)
        cost = sum(
            day_parts(
                policy, refs.priority[row], refs.waited_days[row], refs.target_days[row], self._buckets.day[bucket]
            )
        )
        cost = cost + travel_cost(policy, km) + self._tie(i, bucket)
        return np.asarray(cost - policy.keep * (bucket == self._held(i)), np.int64)

    def _reached(self, i: int, changed: Referrals | None = None) -> tuple[I64, F32, dict[str, Bool]]:
        """Buckets at shortlisted services on days that may be booked, how far, and which limits rule each out."""
        problem, buckets = self._problem, self._buckets
        refs, r = (problem.referrals, i) if changed is None else (changed, 0)
        lists, one = problem.shortlists, slice(r, r + 1)
        low, days = self._days_of(int(refs.specialty[r]))
        found = entries(
            problem.policy, days, lists.indptr[i : i + 2], lists, refs.earliest_day[one], refs.latest_day[one],
            np.zeros(1, np.int64),
        )  # fmt: skip
        size = found.b - found.a
        bucket, km = ranges(found.a, size) + low, np.repeat(found.km, size)
        busy = np.zeros(len(bucket), np.bool_)
        for at in range(int(refs.busy.indptr[r]), int(refs.busy.indptr[r + 1])):
            start, end = refs.busy.start_minute[at], refs.busy.end_minute[at]
            busy |= (start < buckets.end[bucket]) & (end > buckets.start[bucket])
        return bucket, km, {
            "not_for_this_priority": (buckets.priorities[bucket] >> np.uint8(refs.priority[r])) & 1 == 0,
            "other_practitioner": (refs.practitioner[r] != -1)
            & (refs.practitioner[r] != buckets.practitioner[bucket]),
            "needs_not_met": refs.needs[r] & ~buckets.offers[bucket] != 0,
            "times_never_suit": (refs.unsuitable[r] >> buckets.part[bucket].astype(np.uint32)) & 1 == 1,
            "patient_busy": busy,
        }  # fmt: skip

    def _days_of(self, specialty: int) -> tuple[int, Days]:
        if specialty not in self._days:
            low, high = np.searchsorted(self._buckets.specialty, [specialty, specialty + 1]).tolist()
            self._days[specialty] = low, days_of(self._buckets, slice(low, high), self._problem.policy)
        return self._days[specialty]

    def _held(self, i: int) -> int:
        slot = int(find(self._problem.slots.key, self._problem.referrals.previous_slot[i : i + 1])[0])
        return int(self._buckets.of_slot[slot]) if slot >= 0 else -2

    def _tie(self, i: int, bucket: I64) -> I64:
        buckets = self._buckets
        salt = place_salt(buckets.service[bucket], buckets.day[bucket])
        return tie_break(self._problem.policy, self._problem.referrals.key[i : i + 1], salt)

    def _parts(self, i: int, bucket: int, km: F32) -> dict[str, int]:
        refs, policy = self._problem.referrals, self._problem.policy
        row, at = slice(i, i + 1), np.array([bucket], np.int64)
        breach, lateness, wait = day_parts(
            policy, refs.priority[row], refs.waited_days[row], refs.target_days[row], self._buckets.day[at]
        )
        way = travel_cost(policy, km)
        return {
            "breach": int(breach[0]), "lateness": int(lateness[0]), "wait": int(wait[0]), "travel": int(way[0]),
            "keep": -policy.keep if bucket == self._held(i) else 0, "tie_break": int(self._tie(i, at)[0]),
        }  # fmt: skip

    def _first_reason(self, bucket: I64, way: F32, mine: int) -> Reason:
        """The most telling true thing about the slot among all eligible ones."""
        buckets = self._buckets
        day, km = buckets.day[bucket], way.astype(np.float64)
        own_day = int(buckets.day[mine])
        own_km = float(km[bucket == mine][0])
        clinics = len(np.unique(buckets.service[bucket]))
        nearest = bool(own_km <= np.nanmin(km)) if not np.isnan(km).all() else False
        if bool((day >= own_day).all()):
            return Reason("earliest_of_all", {"clinics": clinics, "nearest": nearest})
        price = np.where(bucket == mine, 0, self._bucket_price()[bucket])
        if not bool(((day < own_day) & (price == 0)).any()):
            return Reason("earliest_not_needed_more", {"clinics": clinics, "nearest": nearest})
        if nearest:
            return Reason("nearest", {"clinics": clinics})
        return Reason("best_balance", {"clinics": clinics})

    def _bucket_price(self) -> I64:
        one = self._buckets.slot[self._buckets.indptr[:-1]]
        return self._plan.slot_price[one]


def _sentence(reasons: list[Reason], km: float) -> str:
    way = "" if np.isnan(km) else f", {km * MILES_PER_KM:.1f} miles from you"
    if reasons[0].code == "alternative":
        return f"This is another choice{way}: it is {_HOW[reasons[0].values['differs_by']]}."
    code = reasons[0].code
    kept = next((r for r in reasons if r.code == "kept"), None)
    if kept is not None:
        return f"This is the {'time' if kept.values['same_time'] else 'half-day'} you were offered before{way}."
    if code == "earliest_of_all":
        return f"This is the earliest appointment of all at the clinics chosen with you{way}."
    if code == "earliest_not_needed_more":
        return f"This is the earliest appointment at the clinics chosen with you that nobody needs more{way}."
    if code == "nearest":
        return f"This is at the nearest of the clinics chosen with you{way}."
    return f"This is the best balance of wait and journey at the clinics chosen with you{way}."


def _target_sentence(due: int, day: int | None, as_of: date) -> str:
    target = (as_of + timedelta(days=due)).strftime("%-d %B %Y")
    if due < 0:
        return f"Your target date, {target}, has already passed; those who have waited longest past theirs come first."
    if day is None:
        return f"Your target date is {target}; your referral stays on the list and is looked at in every plan."
    if day > due:
        return f"It is {_days(day - due)} after your target date, {target}: no earlier place could be found for you."
    if day == due:
        return f"It is on your target date, {target}."
    return f"It is {_days(due - day)} before your target date, {target}."


def _days(n: int) -> str:
    return "1 day" if n == 1 else f"{n} days"
