"""The whole way: build the scenario, fill the database, plan, let patients book, look whether all is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from booking.domain.words import BookingState
from booking.models import Booking, Patient, Referral, Slot
from booking.scenario import england
from booking.scenario.data import Data, load
from booking.scenario.loader import load as load_database
from booking.scenario.server import serving
from booking.scenario.visitors import SHARES, Manner, Visitor, Visits, visit
from booking.services import access
from booking.services.planning.figures import compare
from booking.services.planning.run import Options, Outcome, Planner
from booking.services.planning.workers import default_workers, pool
from booking.services.work import HOME_ZONE, SYSTEM, Work
from optimiser import certify, check, solve
from optimiser.measure import unavoidable

RACERS = 4
"""How many want the same time at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run."""

    folder: Path
    commissioners: tuple[str, ...] = ()
    seed: int = england.STANDARD_SEED
    patients: int = 200
    at_once: int = 8
    server_workers: int = 2
    options: Options = field(default_factory=Options)


@dataclass(slots=True)
class Report:
    """Figures, all measured in this run."""

    scenario: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    booking: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    """What must not be, and how often it is: all zero in a sound run."""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.perf_counter() - began, 2)


def on_paper(wanted: Wanted, tell: Callable[[str, int, int, str], None]) -> Report:
    """The standard day without a database: solved, checked, certified and compared; nobody books."""
    report = Report()
    with report.timed("build"):
        data = load(wanted.folder).only(wanted.commissioners)
        made = england.build(data, seed=wanted.seed)
        problem = england.problem(data, made)
    report.scenario = _described(wanted, data, made, shifted=False)
    workers = default_workers() if wanted.options.workers is None else wanted.options.workers
    with pool(workers) as executor:
        with report.timed("solve"):
            plan = solve(
                problem, executor=executor, deadline=wanted.options.deadline,
                progress=lambda at: tell(at.stage, at.done, at.total, f"cost {at.objective:,}"),
            )  # fmt: skip
        with report.timed("check"):
            report.faults["rules_broken"] = len(check(problem, plan))
            valid = plan.certified and certify(problem, plan).valid
        with report.timed("compare"):
            table = compare(problem, plan)
        with report.timed("unavoidable"):
            fewest = unavoidable(problem, executor)
    report.plan = {
        **plan.summary(), "certified": valid, "comparison": table, "unavoidable": fewest,
        "slots": len(problem.slots), "free_places": int(problem.slots.capacity.sum()),
    }  # fmt: skip
    return report


def live(planner: Planner, wanted: Wanted) -> Report:
    """The scenario of today in the planner's database (which must be empty), planned and booked for real."""
    report, now = Report(), planner.clock()
    as_of = now.astimezone(HOME_ZONE).date()
    with report.timed("build"):
        data = load(wanted.folder).only(wanted.commissioners)
        made = england.build(data, as_of=as_of, seed=wanted.seed)
    report.scenario = _described(wanted, data, made, shifted=True)
    with report.timed("load"), planner.database.unit_of_work() as session:
        loaded = load_database(Work(session, SYSTEM, now, planner.config, planner.keys), data, made, seed=wanted.seed)
    report.scenario["rows"] = loaded.rows
    with report.timed("plan"):
        outcome: Outcome = planner.plan(wanted.options)
    report.plan = outcome.summary
    with report.timed("codes"):
        visitors = choose_visitors(planner, made, wanted)
    planner.database.dispose()
    with report.timed("server_start"), serving(planner.config, wanted.server_workers) as url, report.timed("booking"):
        visits = visit(url, visitors, wanted.at_once)
    report.seconds["server_start"] = round(report.seconds["server_start"] - report.seconds["booking"], 2)
    with planner.database.unit_of_work(write=False) as session:
        report.faults = faults(session, visits)
    report.booking = _booked(visits, len(visitors), report.seconds["booking"])
    return report


def _described(wanted: Wanted, data: Data, made: england.England, *, shifted: bool) -> dict[str, Any]:
    return {
        "scenario": "standard scenario 1",
        "shifted": f"dates and holidays moved from {england.STANDARD_DAY} to {made.as_of}" if shifted else None,
        "as_of": made.as_of.isoformat(),
        "seed": wanted.seed,
        "commissioners": sorted({row.commissioner for row in data.waiting}),
        "referrals": len(made),
        "services": len(made.service_site),
        "slots": int(made.slot_places.sum()),
        "treatment_functions": len(made.functions),
    }


def choose_visitors(planner: Planner, made: england.England, wanted: Wanted) -> list[Visitor]:
    """Who books: drawn by the seed, each with an access code of their own; racers share practice and specialty."""
    rng = np.random.default_rng([wanted.seed, 2])
    count = min(wanted.patients, len(made))
    racers = _racers(made, rng, count * SHARES[Manner.RACE] // 100 // RACERS)
    taken = {row for group in racers for row in group}
    order = [row for row in rng.permutation(len(made)).tolist() if row not in taken][: count - len(taken)]
    calm = [manner for manner, share in SHARES.items() if manner is not Manner.RACE for _ in range(share)]
    people = [(row, Manner.RACE, group) for group, rows in enumerate(racers) for row in rows]
    people += [(row, calm[int(rng.integers(len(calm)))], -1) for row in order]
    found = []
    with planner.database.unit_of_work() as session:
        work = Work(session, SYSTEM, planner.clock(), planner.config, planner.keys)
        for row, manner, group in people:
            referral = session.get_one(Referral, row + 1)
            born = session.get_one(Patient, referral.patient_id).date_of_birth
            found.append(Visitor(referral.ubrn, access.issue(work, referral), born, manner, group))
    return found


def _racers(made: england.England, rng: np.random.Generator, groups: int) -> list[list[int]]:
    """Groups of referrals with the same shortlist, so that the same times are free to them."""
    pair = made.practice * len(made.functions) + made.function
    order = np.argsort(pair, kind="stable")
    _, first, count = np.unique(pair[order], return_index=True, return_counts=True)
    large = np.flatnonzero(count >= RACERS)
    chosen = rng.permutation(large)[:groups]
    return [order[first[at] : first[at] + RACERS].tolist() for at in chosen.tolist()]


def faults(session: Session, visits: Visits) -> dict[str, int]:
    """What must never be, counted from the database itself and from what patients were told."""
    live_place = (
        select(Booking.slot_id)
        .where(Booking.released_at.is_(None))
        .group_by(Booking.slot_id, Booking.place)
        .having(func.count() > 1)
    )
    too_many = (
        select(Slot.id)
        .join(Booking, Booking.slot_id == Slot.id)
        .where(Booking.released_at.is_(None))
        .group_by(Slot.id, Slot.capacity)
        .having(func.count() > Slot.capacity)
    )
    one, other = aliased(Booking), aliased(Booking)
    two_places = (
        select(one.id)
        .join(other, (other.patient_id == one.patient_id) & (other.id > one.id))
        .where(
            one.state == BookingState.BOOKED, other.state == BookingState.BOOKED,
            one.starts_at < other.ends_at, other.starts_at < one.ends_at,
        )
    )  # fmt: skip
    real = 0
    for start in range(0, len(visits.references), 500):
        part = visits.references[start : start + 500]
        real += session.scalar(
            select(func.count()).where(Booking.reference.in_(part), Booking.state == BookingState.BOOKED)
        ) or 0  # fmt: skip
    booked = session.scalar(select(func.count()).where(Booking.state == BookingState.BOOKED)) or 0
    return {
        "places_booked_twice": _count(session, live_place),
        "slots_overfull": _count(session, too_many),
        "patients_in_two_places": _count(session, two_places),
        "told_booked_without_a_booking": len(visits.references) - real,
        "booked_without_being_told": booked - real,
        "promises_broken": visits.promises_broken,
        "answers_broken": sum(visits.broken.values()),
    }


def _count(session: Session, query: Any) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _booked(visits: Visits, visitors: int, seconds: float) -> dict[str, Any]:
    times = sorted(visits.seconds)
    return {
        "patients": visitors,
        "booked": sum(visits.booked.values()),
        "booked_by_kind": dict(visits.booked),
        "refused_cleanly": dict(visits.refused),
        "broken": dict(visits.broken),
        "unserved": visits.unserved,
        "requests": len(times),
        "requests_a_second": round(len(times) / seconds, 1) if seconds else None,
        "milliseconds": {
            name: round(1000 * times[min(int(len(times) * share), len(times) - 1)], 1) if times else None
            for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
    }
