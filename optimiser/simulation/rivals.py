"""The usual ways to hand out slots, day by day: each patient is asked on the day the rule says, the soonest first."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from optimiser.arrays import I64, Array
from optimiser.problem import Priority
from optimiser.simulation.settings import PUBLISHED_DAYS
from optimiser.simulation.state import State, history

OFFERS = 3  # shown by every rule here, as by ours with three
FENCE_EXTRA = 1.2  # as ``optimiser.rivals``: the share of the last weeks and a fifth on top
FENCE_HISTORY_DAYS = 28
FENCE_RELEASE_DAYS = 5  # what a fence still keeps so many days ahead is open to all


class Rule(Protocol):
    """How patients are asked."""

    def publish(self, state: State, fresh: I64) -> None:
        """Sessions have been published."""

    def ask(self, state: State) -> None:
        """Ask whoever is to be asked today."""


class Open:
    """First come, first served: who comes is asked the same day."""

    def publish(self, state: State, fresh: I64) -> None:
        """Nothing to prepare."""

    def ask(self, state: State) -> None:
        for person in in_line(state, self.order(state)):
            offers = soonest(state, person, state.free > 0)
            if offers:
                state.ask(person, offers)

    def order(self, state: State) -> Array:
        """By day of referral."""
        people = np.array(state.waiting(), np.int64)
        return people[np.lexsort((people, state.clock[people]))]


class PriorityLongestWait(Open):
    """Each day two-week-wait, then urgent, then routine; the longest wait first within each."""

    def order(self, state: State) -> Array:
        """By priority, then wait."""
        people = np.array(state.waiting(), np.int64)
        priority = state.world.people.priority[people].astype(np.int64)
        return people[np.lexsort((people, state.clock[people], -priority))]


class CalledInTurn(PriorityLongestWait):
    """The same from a list, booked only so many days ahead: the others stay on the list, with no date.

    Partial booking, as many hospitals do it; a stronger rival than those that book as far ahead as they can.
    """

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead

    def ask(self, state: State) -> None:
        full: set[int] = set()
        for person in in_line(state, self.order(state)):
            specialty = int(state.world.people.specialty[person])
            if specialty in full and not state.world.people.unsuitable[person]:
                continue
            offers = soonest(state, person, state.free > 0, self.ahead)
            if offers:
                state.ask(person, offers)
            elif not self._any(state, specialty):
                full.add(specialty)

    def _any(self, state: State, specialty: int) -> bool:
        services = np.flatnonzero(state.world.specialty_of == specialty).tolist()
        return any((state.free[state.sessions_of(s, 1, self.ahead)] > 0).any() for s in services)


class RingFenced:
    """Places kept for two-week-wait and urgent; each priority first come, first served from its own.

    The shares are those of the service's referrals of the last weeks and a fifth on top, set when a session is
    published. Two-week-wait or urgent patients whose own places are full or too late may take routine ones; what a
    fence still keeps some days before the session is open to all.
    """

    def __init__(self) -> None:
        self._left = np.zeros((3, 0), np.int64)  # free places by priority and session
        self._fence: dict[int, int] = {}  # whose place each booked person is on

    def publish(self, state: State, fresh: I64) -> None:
        """Set the fences of new sessions."""
        if self._left.shape[1] == 0:
            self._left = np.zeros((3, len(state.free)), np.int64)
            self._carried = np.zeros((2, len(state.world.weekly_places)))
        recent = history(state)[:, :, -FENCE_HISTORY_DAYS:].sum(axis=2)
        share = FENCE_EXTRA * recent[:, 1:] / np.maximum(recent.sum(axis=1, keepdims=True), 1)
        for session in fresh.tolist():
            service, places = int(state.world.sessions.service[session]), int(state.world.sessions.places[session])
            self._carried[:, service] += np.minimum(share[service], 0.5) * places
            kept = self._carried[:, service].astype(np.int64)
            self._carried[:, service] -= kept
            self._left[1:, session] = kept
            self._left[0, session] = places + state.extra[session] - kept.sum()

    def ask(self, state: State) -> None:
        """Those who come today, in order of referral."""
        people = np.array(state.waiting(), np.int64)
        left = self._free(state)
        near = (state.world.sessions.day > state.day) & (state.world.sessions.day <= state.day + FENCE_RELEASE_DAYS)
        for person in in_line(state, people[np.lexsort((people, state.clock[people]))]):
            priority = int(state.world.people.priority[person])
            due = int(state.clock[person]) + state.behaviour.target_days[priority]
            own = (left[priority] > 0) | (near & (state.free > 0))
            offers = soonest(state, person, own)
            if priority != Priority.ROUTINE and (not offers or state.world.sessions.day[offers[0]] > due):
                offers = soonest(state, person, own | (left[Priority.ROUTINE] > 0))
            chosen = state.ask(person, offers) if offers else -1
            if chosen >= 0:
                order = (priority, Priority.ROUTINE, Priority.URGENT, Priority.TWO_WEEK_WAIT)
                fence = next(f for f in order if left[f, chosen] > 0)
                left[fence, chosen] -= 1
                self._fence[person] = fence

    def _free(self, state: State) -> I64:
        """Free places by priority: each session's fences less those booked on them."""
        left = self._left.copy()
        for person, fence in list(self._fence.items()):
            session = int(state.session[person])
            if session < 0:
                del self._fence[person]
            else:
                left[fence, session] -= 1
        left[:, state.free <= 0] = 0
        return left


def in_line(state: State, order: Array) -> list[int]:
    """Those whose clinic was cancelled, then the others in order."""
    first = state.take_displaced()
    ahead = set(first)
    return first + [person for person in order.tolist() if person not in ahead]


def soonest(state: State, person: int, open_: Array, ahead: int = PUBLISHED_DAYS) -> list[int]:
    """The soonest session, then others that are the soonest at another provider or time of day; up to three."""
    people, sessions = state.world.people, state.world.sessions
    unsuitable = int(people.unsuitable[person])
    found: list[tuple[int, float, int]] = []
    for service, km in zip(people.services[person].tolist(), people.km[person].tolist(), strict=True):
        if service < 0:
            break
        own = state.sessions_of(service, 1, ahead)
        fine = open_[own]
        if unsuitable:
            fine = fine & ((unsuitable >> sessions.part[own].astype(np.int64)) & 1 == 0)
        at = own[fine]
        if len(at) == 0:
            continue
        others = at[sessions.part[at] % 3 != sessions.part[at[0]] % 3]
        found += [(int(sessions.day[s]), km, int(s)) for s in (at[0], *others[:1])]
    return [session for _, _, session in sorted(found)[:OFFERS]]
