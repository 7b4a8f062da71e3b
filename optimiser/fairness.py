"""Who waits longer for a plan: waits and breaches group by group, beside the usual ways on the same input.

One rule throughout: somebody without a slot counts as seen ``unplaced_days`` after the horizon, for the plan and for
every rival alike. Leaving them out would reward a plan for dropping people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from optimiser.arrays import I64, Array, Bool, find
from optimiser.measure import DISTANCE_BANDS, WAIT_BANDS, breaches, nearest_km
from optimiser.plan import Plan
from optimiser.problem import Priority, Problem

PLAN, RIVAL = "plan", "ring_fenced_fcfs"
JUDGED_FROM = 10
"""Groups of fewer people are shown but not judged: one person's slot moves their mean by days."""
LONGER_DAYS = 1.0
WORST = 10
"""Of a breakdown with more groups than this (commissioners), so many are named: those that lose most."""
UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Which group each referral of the canonical problem is in: positions in ``names`` (n,), -1 where not known."""

    codes: I64
    names: tuple[str, ...]

    @classmethod
    def of_bands(cls, values: Array, bands: Iterable[tuple[str, int, int]]) -> Labels:
        """Bands (name, from, below); a value in none of them is not known."""
        codes, names = np.full(len(values), -1, np.int64), []
        for at, (name, low, high) in enumerate(bands):
            codes[(values >= low) & (values < high)] = at
            names.append(name)
        return cls(codes, tuple(names))


Groups = Mapping[str, Labels]
"""Breakdowns by name: priority, deprivation, commissioner …"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one group under one method: days of the slot from the plan's day, and waits from the clock start to it."""

    unplaced: int
    breaches: int
    mean_day: float
    mean_wait: float
    p95: int
    p99: int
    longest: int


@dataclass(frozen=True, slots=True)
class Row:
    """One group: its people, and its figures by method."""

    breakdown: str
    group: str
    people: int
    methods: Mapping[str, Figures]

    @property
    def judged(self) -> bool:
        """Whether the group is large enough for its mean to mean something."""
        return self.people >= JUDGED_FROM

    def extra_days(self, rival: str = RIVAL) -> float:
        """Days that the plan makes the group wait longer on average than a rival does; below 0 it is sooner."""
        return self.methods[PLAN].mean_day - self.methods[rival].mean_day

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, in days rounded to hundredths."""
        methods = {name: asdict(figures) for name, figures in self.methods.items()}
        for figures in methods.values():
            figures.update({name: round(figures[name], 2) for name in ("mean_day", "mean_wait")})
        out = {"group": self.group, "people": self.people, "judged": self.judged, "methods": methods}
        if RIVAL in self.methods:
            out["extra_days"] = round(self.extra_days(), 2)
        return out


@dataclass(frozen=True, slots=True)
class Fairness:
    """The report: everybody, then every group of every breakdown."""

    unplaced_day: int
    everybody: Row
    rows: tuple[Row, ...]

    def longer(self, days: float = LONGER_DAYS, rival: str = RIVAL) -> list[str]:
        """Judged groups whose mean wait is more than ``days`` longer than under the rival, worst first."""
        found = [row for row in self.rows if row.judged and row.extra_days(rival) > days]
        return [f"{row.breakdown}: {row.group}" for row in sorted(found, key=lambda row: -row.extra_days(rival))]

    def worst(self, rival: str = RIVAL) -> Row:
        """The judged group that loses most against the rival (everybody, where no group is large enough)."""
        return max(
            (row for row in self.rows if row.judged), key=lambda row: row.extra_days(rival), default=self.everybody
        )

    def avoided(self, rival: str = RIVAL) -> float:
        """Share of the rival's breaches that the plan does not have; 0 where the rival has none."""
        theirs = self.everybody.methods[rival].breaches
        return 1 - self.everybody.methods[PLAN].breaches / theirs if theirs else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able and bounded: of breakdowns with many groups only the worst are named."""
        breakdowns: dict[str, list[Row]] = {}
        for row in self.rows:
            breakdowns.setdefault(row.breakdown, []).append(row)
        out: dict[str, Any] = {
            "unplaced_day": self.unplaced_day, "judged_from": JUDGED_FROM, "everybody": [self.everybody.to_dict()],
            "breakdowns": {
                name: {"groups": len(rows), "named": [row.to_dict() for row in _named(rows)]}
                for name, rows in breakdowns.items()
            },
        }  # fmt: skip
        if RIVAL in self.everybody.methods:
            out["against"] = RIVAL
            out["breaches_avoided"] = round(self.avoided(), 4)
            out["longer_than_a_day"] = self.longer()
        return out


def groups_with_longer_mean_wait(report: Fairness, days: float = LONGER_DAYS) -> list[str]:
    """Names of the groups whose mean day of the slot is more than ``days`` later than under ring-fenced slots.

    Groups of fewer than ``JUDGED_FROM`` people are left out; who has no slot counts as in ``fairness``.
    """
    return report.longer(days)


def fairness(problem: Problem, methods: Mapping[str, I64], groups: Groups | None = None) -> Fairness:
    """Count every group of every breakdown under every method.

    ``methods`` are slot indices (-1: none) of the canonical problem's referrals, by name: the plan's, as ``PLAN``,
    and any rivals'. ``groups`` come on top of ``own_groups``. Raises ValueError if the plan is missing, or slots or
    labels are not one for each referral.
    """
    problem = problem.canonical()
    n = len(problem.referrals)
    if PLAN not in methods:
        raise ValueError(f"methods: {PLAN!r} is missing")
    for name, slot in methods.items():
        if len(slot) != n:
            raise ValueError(f"methods: {name!r} has {len(slot)} slots for {n} referrals")
    counts = {name: _Count(problem, slot) for name, slot in methods.items()}
    everybody = Labels(np.zeros(n, np.int64), ("everybody",))
    rows: list[Row] = []
    for breakdown, labels in {**own_groups(problem), **(groups or {})}.items():
        if len(labels.codes) != n:
            raise ValueError(f"groups: {breakdown!r} has {len(labels.codes)} labels for {n} referrals")
        rows += _rows(breakdown, labels, counts)
    one = next(_rows("everybody", everybody, counts), Row("everybody", "everybody", 0, dict.fromkeys(methods, _NOBODY)))
    return Fairness(unplaced_day(problem), one, tuple(rows))


def unplaced_day(problem: Problem) -> int:
    """The day on which somebody without a slot counts as seen, as in the cost of having none."""
    return problem.policy.horizon_days + problem.policy.unplaced_days


def own_groups(problem: Problem) -> dict[str, Labels]:
    """The breakdowns that need no more than the problem: priority (already late apart), weeks waited, distance."""
    problem = problem.canonical()
    refs = problem.referrals
    late = refs.waited_days > refs.target_days
    kinds = (*(p.name.lower() for p in Priority), "already_late")
    return {
        "priority": Labels(np.where(late, len(Priority), refs.priority).astype(np.int64), kinds),
        "weeks_waited": Labels.of_bands(refs.waited_days, WAIT_BANDS),
        "distance": Labels.of_bands(nearest_km(problem), DISTANCE_BANDS),
    }


def slots_of(problem: Problem, plan: Plan) -> I64:
    """Slot index of each referral of the canonical problem under a plan, -1 for none."""
    problem = problem.canonical()
    return find(problem.slots.key, plan.slots_for(problem.referrals.key))


_NOBODY = Figures(0, 0, 0.0, 0.0, 0, 0, 0)


class _Count:
    """One method's day, wait and breach of every referral; adds up any grouping of them."""

    def __init__(self, problem: Problem, slot: I64) -> None:
        placed = slot >= 0
        day = np.full(len(slot), unplaced_day(problem), np.int64)
        day[placed] = problem.slots.day[slot[placed]]
        self._day = day
        self._wait: I64 = day + problem.referrals.waited_days
        self._unplaced: Bool = ~placed
        self._breach = breaches(problem, np.where(placed, day, -1))
        self._span = int(self._wait.max(initial=0)) + 1

    def figures(self, code: I64, groups: int) -> list[Figures]:
        """Figures of groups 0 to ``groups - 1``; each must have somebody. One histogram of waits for each."""
        waits = np.bincount(code * self._span + self._wait, minlength=groups * self._span).reshape(groups, -1)
        people = waits.sum(axis=1)
        sums = (np.bincount(code, weights=values, minlength=groups) for values in (self._day, self._wait))
        mean_day, mean_wait = (total / people for total in sums)
        unplaced, breach = (np.bincount(code[mask], minlength=groups) for mask in (self._unplaced, self._breach))
        so_far = waits.cumsum(axis=1)
        # The shortest wait within which that share of the people were seen (nearest rank).
        p95, p99, longest = ((so_far * 100 >= share * people[:, None]).argmax(axis=1) for share in (95, 99, 100))
        columns = (unplaced, breach, mean_day, mean_wait, p95, p99, longest)
        return [Figures(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _rows(breakdown: str, labels: Labels, counts: Mapping[str, _Count]) -> Iterator[Row]:
    """A row for each group that has anybody, those not known last."""
    codes = np.where(labels.codes < 0, len(labels.names), labels.codes)
    present, code, people = np.unique(codes, return_inverse=True, return_counts=True)
    if len(present) == 0:
        return
    figures = {name: count.figures(code.ravel(), len(present)) for name, count in counts.items()}
    for at, which in enumerate(present.tolist()):
        name = labels.names[which] if which < len(labels.names) else UNKNOWN
        yield Row(breakdown, name, int(people[at]), {method: rows[at] for method, rows in figures.items()})


def _named(rows: list[Row]) -> list[Row]:
    if len(rows) <= WORST or RIVAL not in rows[0].methods:
        return rows[:WORST]
    judged = sorted((row for row in rows if row.judged), key=lambda row: (-row.extra_days(), row.group))
    return judged[:WORST]
