"""What a plan gives, beside first come, first served on the same input; who waits longer for it; where more would help.

All of it goes into the run's summary, so all of it is bounded in size.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from booking.db import Database
from booking.services.planning.groups import read_groups
from optimiser import Plan, Problem
from optimiser.arrays import I64, find
from optimiser.fairness import PLAN, RIVAL, Groups, fairness, slots_of
from optimiser.measure import compare as measured
from optimiser.rivals import every
from optimiser.worth import SESSION_PLACES, Worth, worth

RIVALS = ("open_fcfs", "ring_fenced_fcfs")
FAIR_AGAINST = (RIVAL, "priority_longest_wait")
WEEKS_A_SERVICE, MOST_SESSIONS = 4, 2_000
"""Of the sessions a plan would welcome, so many weeks of a service are kept, and so many rows in all."""


def compare(problem: Problem, plan: Plan) -> dict[str, Any]:
    """Figures by method (plan, open_fcfs, ring_fenced_fcfs) and priority."""
    return _compared(problem, plan, _of(every(without_reserve(problem, plan)), RIVALS))


def without_reserve(problem: Problem, plan: Plan) -> Problem:
    """The problem without the places that the plan keeps for arrivals forecast.

    The people those are kept for are in nobody's figures, so the places must be in nobody's hands: otherwise the same
    people would be compared on different places.
    """
    problem = problem.canonical()
    kept = np.zeros(len(problem.slots), np.int64)
    at = find(problem.slots.key, plan.priced_slot_key)
    kept[at[at >= 0]] = plan.reserved[at >= 0]
    capacity = (problem.slots.capacity - kept).astype(np.int32)
    return replace(problem, slots=replace(problem.slots, capacity=capacity))


def report(database: Database, problem: Problem, plan: Plan) -> dict[str, Any]:
    """``comparison``, ``fairness`` and ``next_session`` of a run, ready for its summary."""
    seats = every(without_reserve(problem, plan))
    with database.unit_of_work(write=False) as session:
        groups = read_groups(session, problem.canonical().referrals.key)
    return {
        "comparison": _compared(problem, plan, _of(seats, RIVALS)),
        "fairness": _fair(problem, plan, _of(seats, FAIR_AGAINST), groups),
        "next_session": next_session(problem, plan),
    }


def _of(seats: dict[str, I64], names: tuple[str, ...]) -> dict[str, I64]:
    return {name: seats[name] for name in names}


def _compared(problem: Problem, plan: Plan, seats: dict[str, I64]) -> dict[str, Any]:
    table: dict[str, Any] = measured(problem, plan, seats)["methods"]
    return table


def _fair(problem: Problem, plan: Plan, seats: dict[str, I64], groups: Groups) -> dict[str, Any]:
    return fairness(problem, {PLAN: slots_of(problem, plan), **seats}, groups).to_dict()


def next_session(problem: Problem, plan: Plan, *, places: int = SESSION_PLACES) -> dict[str, Any] | None:
    """Where one more session helps most: the best day of each service and week; None where nothing is proven.

    A plan that is not certified has no prices that prove anything, so nothing is said of what a session is worth.
    """
    if not plan.certified:
        return None
    rows = best_weeks(worth(problem, plan, places=places))
    columns = (rows.service, rows.day, rows.people, rows.breaches, rows.value)
    return {
        "places": places,
        "sessions": [
            {
                "service": service, "day": (problem.as_of + timedelta(days=day)).isoformat(), "people": people,
                "breaches": breaches, "value": value,
            }
            for service, day, people, breaches, value in zip(*(column.tolist() for column in columns), strict=True)
        ],
    }  # fmt: skip


def best_weeks(found: Worth) -> Worth:
    """The best day of each service's best weeks, the best sessions of all first; what is worth nothing left out."""
    rows = found.best_of_weeks()
    rows = rows.take(np.flatnonzero(rows.value > 0))
    order = np.argsort(rows.service, kind="stable")
    turn = np.empty(len(rows), np.int64)
    _, first = np.unique(rows.service[order], return_index=True)
    turn[order] = np.arange(len(rows)) - np.repeat(first, np.diff(np.append(first, len(rows))))
    return rows.take(np.flatnonzero(turn < WEEKS_A_SERVICE)[:MOST_SESSIONS])
