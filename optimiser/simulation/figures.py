"""What came of a run, in numbers, over the days measured: the warm-up counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from optimiser.arrays import Array, Bool
from optimiser.problem import Priority
from optimiser.simulation.state import Clock, State, Where

WEEKS = 40  # of the distribution of waits; the last one is that long or longer
OPEN_END = 1 << 30

# Every figure, with what it is; those of the priorities have the priority's name behind them.
BY_PRIORITY = {
    "breaches": "people who passed their target unseen on a day measured",
    "due": "people whose target fell on a day measured",
    "breach_share": "breaches of those due",
    "breaches_after_declining": "of the breaches, those who had declined a time within the target",
    "offered_mean": "days from clock start to the soonest appointment shown, when first asked on a day measured",
    "wait_mean": "days from clock start to the appointment, for appointments due on the days measured",
    "wait_p95": "95th percentile of the same",
    "wait_p99": "99th percentile of the same",
    "wait_longest": "longest of the same",
    "appointments": "appointments due on the days measured, kept or missed",
}
OVERALL = {
    "places": "places held at clinics that took place, without those overbooked",
    "extra_places": "places overbooked",
    "seen": "people seen",
    "utilisation": "places in which somebody was seen",
    "booked_share": "places booked, those overbooked included, of the places held",
    "wasted": "places in which nobody was seen",
    "no_shows": "appointments missed",
    "no_show_share": "of the appointments due",
    "cancelled": "appointments cancelled by patients",
    "displaced": "appointments lost with their clinic",
    "asked": "times that somebody was offered appointments",
    "declines": "of these, all declined",
    "decline_share": "declines of times asked",
    "returned": "referrals returned after declining too often",
    "shown_per_asking": "appointments shown at a time",
    "shown_per_patient": "appointments shown, over the patients asked",
    "first_offer_days": "mean days from clock start to the first offer",
    "choice_of_provider": "patients who could choose between providers when first asked",
    "choice_of_day": "the same, between days a week apart",
    "choice_of_time": "the same, between times of day",
    "waiting_at_end": "people on the list without an appointment after the last day",
    "clinics": "clinics held",
    "clinics_over": "clinics that ran over",
    "shared_slots": "slots for which two came",
    "overtime_minutes": "minutes all clinics ran over",
    "overtime_per_clinic": "mean minutes over",
    "overtime_longest": "longest a clinic ran over, minutes",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: ``values`` by name (``breaches``, ``breaches.urgent``), ``waits`` in appointments by week of wait."""

    policy: str
    seed: int
    values: dict[str, float]
    waits: dict[str, list[int]]
    ends: dict[str, int]  # referrals by where they are after the last day
    plans: int = 0
    plan_seconds: float = field(default=0.0, compare=False)


def figures(state: State, policy: str) -> Figures:
    """Measure a state that has been run to the last day of its settings."""
    settings = state.world.settings
    values: dict[str, float] = {}
    waits: dict[str, list[int]] = {}
    clocks = [*state.record.clocks, *_open(state)]
    table = np.array(
        [(c.person, c.started, c.ended, c.end, c.lead, c.declined_in_time) for c in clocks], np.int64
    ).reshape(-1, 6)
    priority = state.world.people.priority[table[:, 0]]
    groups: list[tuple[str, Bool]] = [("", np.ones(len(table), np.bool_))]
    groups += [(f".{p.name.lower()}", priority == p) for p in reversed(Priority)]
    target = np.asarray(state.behaviour.target_days)[priority]
    for name, mask in groups:
        part, waited = _waits(table[mask], target[mask], settings.warm_up, settings.last_day)
        values |= {f"{key}{name}": value for key, value in part.items()}
        if name:
            waits[name[1:]] = np.bincount(np.minimum(waited // 7, WEEKS - 1), minlength=WEEKS).tolist()
    values |= _offered(state) | _clinics(state) | _asking(state)
    counts = state.counts()
    ends = {where.name.lower(): int(counts[where]) for where in Where}
    return Figures(policy, state.world.seed, values, waits, ends, state.record.plans, state.record.plan_seconds)


def _open(state: State) -> Iterator[Clock]:
    """The waits that have not ended yet."""
    for person in np.flatnonzero((state.where == Where.WAITING) | (state.where == Where.BOOKED)).tolist():
        declined = bool(state.declined_in_time[person])
        yield Clock(person, int(state.clock[person]), OPEN_END, Where.WAITING, -1, declined)


def _waits(table: Array, target: Array, first: int, last: int) -> tuple[dict[str, float], Array]:
    passed = table[:, 1] + target + 1  # the day on which it is too late
    due = (passed >= first) & (passed < last)
    breach = due & (table[:, 2] >= passed)
    attended = (table[:, 4] >= 0) & (table[:, 2] >= first) & (table[:, 2] < last)
    waited = (table[:, 2] - table[:, 1])[attended]
    p95, p99 = np.percentile(waited, (95, 99), method="higher") if len(waited) else (0, 0)
    return {
        "breaches": int(breach.sum()),
        "due": int(due.sum()),
        "breach_share": _ratio(breach.sum(), due.sum()),
        "breaches_after_declining": int((breach & (table[:, 5] == 1)).sum()),
        "wait_mean": float(waited.mean()) if len(waited) else 0.0,
        "wait_p95": int(p95),
        "wait_p99": int(p99),
        "wait_longest": int(waited.max(initial=0)),
        "appointments": len(waited),
    }, waited


def _offered(state: State) -> dict[str, float]:
    """How soon patients could have been seen; the waits are what they chose."""
    first = [a for a in state.record.asked if a.first and a.day >= state.world.settings.warm_up]
    soonest = np.array([a.soonest for a in first], np.float64)
    priority = state.world.people.priority[np.array([a.person for a in first], np.int64)]
    groups = [("", np.ones(len(first), np.bool_)), *((f".{p.name.lower()}", priority == p) for p in Priority)]
    return {f"offered_mean{name}": float(soonest[mask].mean()) if mask.any() else 0.0 for name, mask in groups}


def _clinics(state: State) -> dict[str, float]:
    settings = state.world.settings
    held = [c for c in state.record.clinics if settings.warm_up <= c.day < settings.last_day]
    places, booked = sum(c.places for c in held), sum(c.booked for c in held)
    came, shared = sum(c.came for c in held), sum(c.shared for c in held)
    over = sum(c.overtime for c in held)
    return {
        "places": places,
        "extra_places": sum(c.extra for c in held),
        "seen": came,
        "utilisation": _ratio(came - shared, places),
        "booked_share": _ratio(booked, places),
        "wasted": places - (came - shared),
        "no_shows": booked - came,
        "no_show_share": _ratio(booked - came, booked),
        "cancelled": sum(day >= settings.warm_up for day in state.record.cancelled),
        "displaced": sum(day >= settings.warm_up for day in state.record.displaced),
        "clinics": len(held),
        "clinics_over": sum(c.overtime > 0 for c in held),
        "shared_slots": shared,
        "overtime_minutes": over,
        "overtime_per_clinic": _ratio(over, len(held)),
        "overtime_longest": max((c.overtime for c in held), default=0),
    }


def _asking(state: State) -> dict[str, float]:
    first_day = state.world.settings.warm_up
    asked = [a for a in state.record.asked if a.day >= first_day]
    first = [a for a in asked if a.first]
    shown, declines = sum(a.shown for a in asked), sum(not a.took for a in asked)
    people = np.array([a.person for a in first], np.int64)
    until = state.first_asked[people] - state.world.people.day[people]
    return {
        "asked": len(asked),
        "declines": declines,
        "decline_share": _ratio(declines, len(asked)),
        "returned": sum(c.end is Where.RETURNED and c.ended >= first_day for c in state.record.clocks),
        "shown_per_asking": _ratio(shown, len(asked)),
        "shown_per_patient": _ratio(shown, len({a.person for a in asked})),
        "first_offer_days": float(until.mean()) if len(until) else 0.0,
        "choice_of_provider": _ratio(sum(a.providers for a in first), len(first)),
        "choice_of_day": _ratio(sum(a.days for a in first), len(first)),
        "choice_of_time": _ratio(sum(a.times for a in first), len(first)),
        "waiting_at_end": int((state.where == Where.WAITING).sum()),
    }


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
