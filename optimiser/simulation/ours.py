"""Our planner, day by day: the list and the free places are planned, patients offered, and what they take is booked.

A plan proposes and never books: each patient is offered the slot guaranteed to them and the alternatives, answers by
the same logit as under every other rule, and what is booked stays booked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from optimiser.arrays import I64, Bool, find, indptr_of, no_i64
from optimiser.costs import day_cost, travel_cost
from optimiser.forecast import expected_from_rates, rates
from optimiser.plan import Plan
from optimiser.policy import Policy
from optimiser.problem import NO_LIMIT, Expected, Priority, Problem, Referrals, Shortlists, Slots
from optimiser.simulation.settings import LATE_SHOW_DAYS, PUBLISHED_DAYS, SESSION_SLOTS, SLOT_MINUTES
from optimiser.simulation.state import State, history
from optimiser.solve import solve

MONDAY = date(2026, 1, 5)  # day 0
_EPOCH_DAYS = (MONDAY - date(1970, 1, 1)).days
_OPENS = np.array((540, 810, 1050), np.int64)  # minute of the day at which each part of it starts
LEFT_OVER_DAYS = 3  # places of so many days, left by those who chose others, are planned again the same day
URGENT = (Priority.URGENT, Priority.TWO_WEEK_WAIT)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a place of each session was worth to the others by the last plan."""

    session: I64 = field(default_factory=no_i64)
    price: I64 = field(default_factory=no_i64)

    def of(self, sessions: I64) -> I64:
        """Prices of these sessions, 0 for those published since."""
        at = find(self.session, sessions)
        return np.where(at >= 0, self.price[at], 0) if len(self.price) else np.zeros(len(sessions), np.int64)


class Ours:
    """Plan the list, offer, and serve those who come between plans by the last plan's prices.

    Only those are asked whose slot is at most ``ask_ahead`` days away; the others stay pencilled and are planned again.
    """

    def __init__(self, *, offers: int, reserve: bool, policy: Policy, ask_ahead: int = PUBLISHED_DAYS) -> None:
        self.offers = offers
        self.reserve = reserve
        self.ask_ahead = ask_ahead
        self.policy = replace(policy, alternatives=offers - 1, alternative_days=LATE_SHOW_DAYS, keep=0)
        self._prices = Prices()

    def publish(self, state: State, fresh: I64) -> None:
        """Nothing to prepare."""

    def ask(self, state: State) -> None:
        """Who lost their clinic first, by themselves; then everybody else who may be asked."""
        first = state.take_displaced()
        planned = state.day % state.world.settings.every == 0
        ahead = set(first)
        others = [person for person in state.waiting() if person not in ahead]
        for people in (first, others):
            if people and planned:
                self._plan(state, np.array(sorted(people), np.int64))
            elif people:
                self._serve(state, people)
        if planned and self.ask_ahead < PUBLISHED_DAYS and self._left_over(state):
            self._plan(state, np.array(state.waiting(), np.int64))

    def _left_over(self, state: State) -> bool:
        """Whether places of the next days are free after the answers, with people on the list who could use them."""
        near = (state.world.sessions.day > state.day) & (state.world.sessions.day <= state.day + LEFT_OVER_DAYS)
        return bool((state.free[near] > 0).any()) and bool(state.waiting())

    def _plan(self, state: State, people: I64) -> None:
        plan = solve(self.problem(state, people))
        state.record.plans += 1
        state.record.plan_seconds += plan.seconds
        self._prices = Prices(plan.priced_slot_key, plan.slot_price)
        self._offer(state, plan)

    def problem(self, state: State, people: I64) -> Problem:
        """Today's problem: these people, the free places to come, and the urgent referrals to expect."""
        world, behaviour = state.world, state.behaviour
        error = world.settings.forecast_error
        policy = replace(
            self.policy, target_days=behaviour.target_days,
            expected_percent=round(self.policy.expected_percent * error),
        )  # fmt: skip
        rows = world.people
        referrals = Referrals.build(
            key=people, specialty=rows.specialty[people], priority=rows.priority[people],
            waited_days=state.day - state.clock[people], unsuitable=rows.unsuitable[people], policy=policy,
        )  # fmt: skip
        listed = rows.services[people]
        there = listed >= 0
        size = int(there.sum())
        lists = Shortlists(
            indptr_of(there.sum(axis=1)), listed[there], rows.km[people][there], np.zeros(size, np.int32),
            np.full(size, NO_LIMIT, np.int32),
        )  # fmt: skip
        slots = self._slots(state)
        expected = self._expected(state, policy) if self.reserve else Expected()
        return Problem(MONDAY + timedelta(days=state.day), referrals, lists, slots, policy, expected)

    def _slots(self, state: State) -> Slots:
        sessions = state.world.sessions
        at = np.flatnonzero((state.free > 0) & (sessions.day > state.day))
        start = (_EPOCH_DAYS + sessions.day[at].astype(np.int64)) * 1440 + _OPENS[sessions.part[at] % 3]
        return Slots.build(
            key=at, service=sessions.service[at], specialty=sessions.specialty[at], provider=sessions.provider[at],
            day=sessions.day[at] - state.day, part=sessions.part[at], start_minute=start,
            end_minute=start + SESSION_SLOTS * SLOT_MINUTES, capacity=state.free[at],
        )  # fmt: skip

    def _expected(self, state: State, policy: Policy) -> Expected:
        """Urgent referrals to expect by the service's own history, with the margin that the product reserves."""
        counts = history(state)[:, list(URGENT)]
        days = counts.shape[2]
        service, priority = (a.ravel() for a in np.indices(counts.shape[:2]))
        urgency = np.array(URGENT, np.int64)[priority]
        found = rates(counts.reshape(-1, days), np.arange(state.day - days, state.day) % 7)
        specialty = state.world.specialty_of[service].astype(np.int64)
        margin = found.margin(specialty * len(Priority) + urgency, np.asarray(policy.target_days, np.int64)[urgency])
        tomorrow = np.arange(state.day + 1, state.day + policy.horizon_days)
        return expected_from_rates(
            policy, service=service, specialty=specialty, priority=urgency,
            rate=found.on(tomorrow % 7) * (1 + margin)[:, None], last_day=np.full(len(service), PUBLISHED_DAYS),
        )  # fmt: skip

    def _offer(self, state: State, plan: Plan) -> None:
        """Offer to those whose turn it is; the greatest need answers first. Guaranteed places wait for the answer."""
        sessions = state.world.sessions
        people, slot = plan.referral_key, plan.slot_key
        turn = (slot >= 0) & (sessions.day[np.maximum(slot, 0)] - state.day <= self.ask_ahead)
        priority = state.world.people.priority[people].astype(np.int64)
        held = np.bincount(slot[turn], minlength=len(sessions))
        kept = np.zeros(len(sessions), np.int64)
        kept[plan.priced_slot_key] = plan.reserved
        for row in np.lexsort((people, state.clock[people], -priority)).tolist():
            if not turn[row]:
                continue
            person, own = int(people[row]), int(slot[row])
            others = plan.alternatives.slot_key[plan.alternatives.indptr[row] : plan.alternatives.indptr[row + 1]]
            others = others[state.free[others] - held[others] - kept[others] > 0]
            held[own] -= 1
            state.ask(person, [own, *others.tolist()])

    def _serve(self, state: State, people: list[int]) -> None:
        """Those who come between plans: the sessions that cost them and the others least, by the last prices."""
        for person in sorted(people, key=lambda p: (-int(state.world.people.priority[p]), int(state.clock[p]), p)):
            offers = self._cheapest(state, person)
            if offers:
                state.ask(person, offers)

    def _cheapest(self, state: State, person: int) -> list[int]:
        rows, sessions = state.world.people, state.world.sessions
        own = [(s, km) for s, km in zip(rows.services[person], rows.km[person], strict=True) if s >= 0]
        parts = [state.sessions_of(int(service), 1, self.ask_ahead) for service, _ in own]
        at = np.concatenate(parts)
        km = np.repeat(np.array([km for _, km in own], np.float32), [len(part) for part in parts])
        suits = (int(rows.unsuitable[person]) >> sessions.part[at].astype(np.int64)) & 1 == 0
        fine = (state.free[at] > 0) & suits
        at, km = at[fine], km[fine]
        priority = np.full(len(at), rows.priority[person], np.int64)
        target = np.asarray(state.behaviour.target_days)[priority]
        waited = np.full(len(at), state.day - int(state.clock[person]))
        cost = day_cost(self.policy, priority, waited, target, sessions.day[at] - state.day)
        cost = cost + travel_cost(self.policy, km) + self._prices.of(at)
        order = np.lexsort((at, cost))
        return _differing(state, at[order], cost[order], self.offers, self.policy.max_regret)


def _differing(state: State, at: I64, cost: I64, most: int, regret: int) -> list[int]:
    """The first of these and the next that differ from all chosen by provider, by day or by time of day."""
    sessions = state.world.sessions
    chosen: list[int] = []
    left: Bool = cost <= cost[0] + regret if len(cost) else np.zeros(0, np.bool_)
    while len(chosen) < most and bool(left.any()):
        best = int(at[np.argmax(left)])
        chosen.append(best)
        left &= (
            (sessions.provider[at] != sessions.provider[best])
            | (np.abs(sessions.day[at] - sessions.day[best]) >= LATE_SHOW_DAYS)
            | (sessions.part[at] % 3 != sessions.part[best] % 3)
        )
    return chosen
