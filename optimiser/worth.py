"""Where the next clinic session helps most: what a session that does not exist yet would be worth, everywhere at once.

The lowest prices of a plan (``optimiser.gains``) give every referral a value: what the plan pays for it, its slot's
price included, which is what would be saved if the referral were not there. Places added at a service on a day lower
the cost by at most

    the sum over the places of the largest  max(0, value of a referral - its cost there)

over those who may go there, since values and prices stay a feasible dual whatever is added (weak duality). For the
first place that is exact but for the patient's other appointments; for those after it, it is a bound, as each makes
the next worth less. ``Verifier`` solves again with the session added.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from optimiser.arrays import I32, I64, Array, find
from optimiser.costs import day_cost, place_salt, tie_break, travel_cost
from optimiser.fairness import slots_of, unplaced_day
from optimiser.gains import values
from optimiser.measure import breaches
from optimiser.plan import Plan
from optimiser.problem import Expected, Priority, Problem, Slots
from optimiser.solve import solve

SESSION_PLACES = 12
"""Half a day of appointments of twenty minutes."""
WORKING_DAYS = 5
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """What most slots of each service are like (S services, ascending): a new session is taken to be the same."""

    service: I64
    slot: I64
    """A slot of the service to copy: its commonest kind, the earliest of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """A session of ``places`` at each service on each working day: one row each, dearest first.

    ``value`` is in the policy's units. ``breaches`` counts the places that may each save one, those worth at least
    half a routine breach, and no more than the plan has in the specialty; ``people`` the places of any use. Both are at
    most what is shown.
    """

    as_of_ordinal: int
    places: int
    specialty: I32
    service: I64
    day: I32
    value: I64
    breaches: I64
    people: I64

    def __len__(self) -> int:
        return len(self.service)

    def take(self, rows: Array) -> Worth:
        """Rows chosen and put in the order given."""
        columns = {name: getattr(self, name)[rows] for name in ("specialty", "service", "day", "value")}
        return replace(self, breaches=self.breaches[rows], people=self.people[rows], **columns)

    @property
    def weekday(self) -> I64:
        """0 is Monday."""
        return np.asarray((self.as_of_ordinal + self.day.astype(np.int64) - 1) % 7, np.int64)

    @property
    def week(self) -> I64:
        """The Monday of the day's week, in days from the plan's day."""
        return np.asarray(self.day - self.weekday, np.int64)

    @property
    def month(self) -> I64:
        """Months since the year 0, of the day."""
        days = np.int64(self.as_of_ordinal - EPOCH_ORDINAL) + self.day.astype(np.int64)
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12

    def any_day(self) -> Worth:
        """The cheapest day of each service, month and weekday: what a session on any such day is worth at least.

        Dearest first. Days before notice or after the horizon are no part of their months.
        """
        last = np.lexsort((self.day, self.value, self.weekday, self.month, self.service))
        columns = np.stack((self.service, self.month, self.weekday))[:, last]
        fresh = np.ones(len(last), np.bool_)
        fresh[1:] = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
        return self.take(np.sort(last[fresh]))

    def best_of_weeks(self) -> Worth:
        """The dearest day of each service and week."""
        _, first = np.unique(np.stack((self.service, self.week)), axis=1, return_index=True)
        return self.take(np.sort(first))


def worth(problem: Problem, plan: Plan, *, places: int = SESSION_PLACES) -> Worth:
    """What a session would be worth, for every service that has slots and every working day of the horizon.

    Days of the weekend count where the service has slots on such days. Clashes with a patient's other appointments are
    not looked at, which can only raise the bound. Raises PlanError for a plan that is not certified or of another
    problem, ValueError for a session of no places.
    """
    if places < 1:
        raise ValueError("places: a session has at least one")
    problem = problem.canonical()
    kinds = usual_kinds(problem.slots)
    parts = [_of_service(problem, kinds, demand, places) for demand in _demand(problem, plan, kinds)]
    at, day, value, saved, people = _stacked(parts)
    order = np.lexsort((day, kinds.service[at], -value))
    at, specialty = at[order], problem.slots.specialty[kinds.slot[at[order]]]
    return Worth(
        problem.as_of.toordinal(), places, specialty, kinds.service[at], day[order].astype(np.int32), value[order],
        np.minimum(saved[order], _breaches_of(problem, plan, specialty)), people[order],
    )  # fmt: skip


def _breaches_of(problem: Problem, plan: Plan, specialty: I32) -> I64:
    """The plan's breaches in each of these specialties: no session saves more than there are."""
    slot = slots_of(problem, plan)
    day = np.where(slot >= 0, problem.slots.day[slot], -1) if len(problem.slots) else slot
    missed = problem.referrals.specialty[breaches(problem, day)]
    names, count = np.unique(missed, return_counts=True)
    at = find(names.astype(np.int64), specialty.astype(np.int64))
    return np.where(at >= 0, np.append(count, 0)[at], 0).astype(np.int64)


def usual_kinds(slots: Slots) -> Kinds:
    """The commonest kind of slot of each service (places count), and the earliest slot of that kind."""
    columns = (slots.service, slots.practitioner, slots.priorities, slots.offers, slots.part % 3)
    order = np.lexsort((slots.start_minute, *columns[::-1]))
    fresh = np.ones(len(order), np.bool_)
    if len(order):
        fresh[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    first = np.flatnonzero(fresh)
    one = order[first]
    weight = np.add.reduceat(slots.capacity[order].astype(np.int64), first) if len(first) else first
    best = np.lexsort((-weight, slots.service[one]))
    service, at = np.unique(slots.service[one][best], return_index=True)
    return Kinds(service, one[best[at]].astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Demand:
    """Who could go to a session at one service (position in ``Kinds``): referrals of the list, and expected ones."""

    at: int
    row: I64
    entry: I64
    value: I64
    expected: I64
    expected_value: I64


def _demand(problem: Problem, plan: Plan, kinds: Kinds) -> Iterator[_Demand]:
    refs, lists, slots = problem.referrals, problem.shortlists, problem.slots
    paid = values(problem, plan)
    row = np.repeat(np.arange(len(refs), dtype=np.int64), np.diff(lists.indptr))
    at, coming = find(kinds.service, lists.service), find(kinds.service, problem.expected.service)
    order, order_coming = (np.argsort(one, kind="stable") for one in (at, coming))
    for number, slot in enumerate(kinds.slot.tolist()):
        low, high = np.searchsorted(at[order], [number, number + 1])
        entry = order[low:high]
        mine = row[entry]
        fits = (
            (refs.specialty[mine] == slots.specialty[slot])
            & ((slots.priorities[slot] >> refs.priority[mine].astype(np.uint8)) & 1 == 1)
            & (refs.needs[mine] & ~slots.offers[slot] == 0)
            & ((refs.practitioner[mine] == -1) | (refs.practitioner[mine] == slots.practitioner[slot]))
        )
        low, high = np.searchsorted(coming[order_coming], [number, number + 1])
        phantom = order_coming[low:high]
        open_to = (slots.priorities[slot] >> problem.expected.priority[phantom].astype(np.uint8)) & 1 == 1
        phantom = phantom[open_to & (problem.expected.specialty[phantom] == slots.specialty[slot])]
        yield _Demand(number, mine[fits], entry[fits], paid.referral[mine[fits]], phantom, paid.expected[phantom])


def _of_service(problem: Problem, kinds: Kinds, who: _Demand, places: int) -> tuple[I64, I64, I64, I64, I64]:
    """Service position, day, value, breaches saved and people of each day at one service."""
    policy = problem.policy
    days = _working_days(problem, kinds, who.at)
    gain = np.concatenate((_gains(problem, kinds, who, days), _expected_gains(problem, who, days, places)))
    if len(gain) > places:
        gain = np.partition(gain, len(gain) - places, axis=0)[len(gain) - places :]
    saves = 2 * gain >= max(policy.breach[Priority.ROUTINE], 1)
    value, saved, people = (
        np.asarray(c, np.int64) for c in (gain.sum(axis=0), saves.sum(axis=0), (gain > 0).sum(axis=0))
    )
    return np.full(len(days), who.at, np.int64), days, value, saved, people


def _working_days(problem: Problem, kinds: Kinds, at: int) -> I64:
    policy, slots = problem.policy, problem.slots
    days = np.arange(policy.notice_days, policy.horizon_days + 1, dtype=np.int64)
    used = np.unique(slots.part[slots.service == kinds.service[at]] // 3)
    weekday = (problem.as_of.weekday() + days) % 7
    return days[(weekday < WORKING_DAYS) | np.isin(weekday, used)]


def _gains(problem: Problem, kinds: Kinds, who: _Demand, days: I64) -> I64:
    """What each referral of the list (rows) would gain from a place on each day (columns), 0 where none."""
    refs, lists, slots, policy = problem.referrals, problem.shortlists, problem.slots, problem.policy
    near = who.value - travel_cost(policy, lists.distance_km[who.entry])
    some = near > 0
    row, entry, near = who.row[some], who.entry[some], near[some]
    kind, which = np.unique(
        np.stack((refs.priority[row], refs.waited_days[row], refs.target_days[row])), axis=1, return_inverse=True
    )
    table = day_cost(policy, kind[0][:, None], kind[1][:, None], kind[2][:, None], days[None, :])
    gain = near[:, None] - table[which.ravel()]
    held = find(slots.key, refs.previous_slot[row])
    again = (held >= 0) & (slots.service[held] == kinds.service[who.at])
    gain += policy.keep * (again[:, None] & (slots.day[held][:, None] == days[None, :]))
    first, last = (np.asarray(limit, np.int64) for limit in (refs.earliest_day[row], refs.latest_day[row]))
    first, last = np.maximum(first, lists.first_day[entry]), np.minimum(last, lists.last_day[entry])
    weekday = (problem.as_of.weekday() + days) % 7
    part = (weekday * 3 + slots.part[kinds.slot[who.at]] % 3).astype(np.uint32)
    open_to = (first[:, None] <= days[None, :]) & (days[None, :] <= last[:, None])
    open_to &= (refs.unsuitable[row][:, None] >> part[None, :]) & 1 == 0
    gain[~open_to] = 0
    some_row, at_day = np.nonzero(gain > 0)
    salt = place_salt(np.full(len(days), kinds.service[who.at]), days)
    gain[some_row, at_day] -= tie_break(policy, refs.key[row[some_row]], salt[at_day])
    return np.asarray(np.maximum(gain, 0), np.int64)


def _expected_gains(problem: Problem, who: _Demand, days: I64, places: int) -> I64:
    """The same for the referrals expected, each row as often as it is expected (``places`` times at most)."""
    policy, coming = problem.policy, problem.expected
    count = np.minimum(coming.scaled(policy.expected_percent)[who.expected], places)
    priority = coming.priority[who.expected]
    target = np.asarray(policy.target_days, np.int32)[priority]
    after = days[None, :] - coming.arrival_day[who.expected].astype(np.int64)[:, None]
    waited = np.zeros((1, 1), np.int32)
    cost = day_cost(policy, priority[:, None], waited, target[:, None], np.maximum(after, 0))
    gain = np.where(after > 0, np.maximum(who.expected_value[:, None] - cost, 0), 0)
    return np.repeat(gain, count, axis=0)


def _stacked(parts: list[tuple[I64, I64, I64, I64, I64]]) -> list[I64]:
    empty = np.zeros(0, np.int64)
    return [np.concatenate([empty, *(part[at] for part in parts)]) for at in range(5)]


@dataclass(frozen=True, slots=True)
class Verified:
    """A session really added and its specialty solved again: the bound, and what came of it."""

    bound: int
    gained: int
    breaches_before: int
    breaches_after: int
    unplaced_before: int
    unplaced_after: int
    days_saved: int
    """Of all waits together, somebody without a slot counting as in the cost of having none."""


class Verifier:
    """Solves the specialty of a session with and without it. What is solved without is remembered."""

    def __init__(self, problem: Problem, executor: Executor | None = None) -> None:
        self._problem = problem.canonical()
        self._kinds = usual_kinds(self._problem.slots)
        self._executor = executor
        self._without: dict[int, _Outcome] = {}

    def verify(self, row: Worth) -> Verified:
        """What the first session of ``row`` brings. Another specialty's share of a patient's clashes stays out."""
        service, day, specialty = int(row.service[0]), int(row.day[0]), int(row.specialty[0])
        if specialty not in self._without:
            self._without[specialty] = _solved(_only_specialty(self._problem, specialty), self._executor)
        before = self._without[specialty]
        with_it = with_session(self._problem, self._kinds, service, day, row.places)
        after = _solved(_only_specialty(with_it, specialty), self._executor)
        return Verified(
            int(row.value[0]), before.cost - after.cost, before.breaches, after.breaches, before.unplaced,
            after.unplaced, before.days - after.days,
        )  # fmt: skip


def with_session(problem: Problem, kinds: Kinds, service: int, day: int, places: int) -> Problem:
    """The problem with a slot of so many places more at the service, of its usual kind and time, on that day."""
    slots = problem.slots
    slot = int(kinds.slot[find(kinds.service, np.array([service], np.int64))[0]])
    later = (day - int(slots.day[slot])) * 1440
    part = (problem.as_of.weekday() + day) % 7 * 3 + int(slots.part[slot]) % 3
    new = {
        "key": int(slots.key.max()) + 1, "day": day, "part": part, "capacity": places,
        "start_minute": int(slots.start_minute[slot]) + later, "end_minute": int(slots.end_minute[slot]) + later,
    }  # fmt: skip
    columns = {n: np.append(getattr(slots, n), new.get(n, getattr(slots, n)[slot])) for n in Slots.DTYPES}
    return replace(problem, slots=Slots.build(**columns)).canonical()


@dataclass(frozen=True, slots=True)
class _Outcome:
    cost: int
    breaches: int
    unplaced: int
    days: int


def _solved(problem: Problem, executor: Executor | None) -> _Outcome:
    plan = solve(problem, executor=executor)
    slot = slots_of(problem, plan)
    placed = slot >= 0
    day = np.full(len(slot), unplaced_day(problem), np.int64)
    day[placed] = problem.slots.day[slot[placed]]
    missed = int(breaches(problem, np.where(placed, day, -1)).sum())
    return _Outcome(plan.objective, missed, int((~placed).sum()), int(day.sum()))


def _only_specialty(problem: Problem, specialty: int) -> Problem:
    """One specialty's part of a problem, without alternatives, which cost time and move nobody."""
    refs, slots, coming = problem.referrals, problem.slots, problem.expected
    part = problem.only(refs.specialty == specialty)
    return replace(
        part, slots=slots.take(np.flatnonzero(slots.specialty == specialty)),
        expected=Expected(*(getattr(coming, n)[coming.specialty == specialty] for n in Expected.DTYPES)),
        policy=replace(problem.policy, alternatives=0),
    )  # fmt: skip
