"""One patient served between plans, through the service with all of its SQL, at a million slots.

``python -m benchmarks.one_patient [--slots 1000000] [--database postgresql] [--json FILE]`` fills an empty database of
each kind: services with 500 slots each, the soonest tenth of every service booked, people waiting who list 10 services
each, and the prices of a plan. Then, each time for another referral and in a transaction of its own with its commit:
offers for a new referral; a guaranteed offer declined, with fresh ones made; a booking given back, with the place
offered to the next in line. Times are from the beginning of the transaction to after its commit.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Table, insert, select

from benchmarks.common import SECRET, analyse, databases, machine, percentile
from benchmarks.population import nhs_numbers
from booking.config import Config
from booking.db import Database
from booking.domain.referral import ReferralState
from booking.domain.words import (
    BookingMode,
    BookingState,
    OrganisationKind,
    PlanRunState,
    Priority,
    Role,
    Sex,
    SlotStatus,
    Worklist,
)
from booking.keys import Keys
from booking.models import (
    Base,
    Booking,
    Organisation,
    Patient,
    PlanPrice,
    PlanRun,
    Referral,
    ReferralService,
    Service,
    ServicePriority,
    Site,
    Slot,
    Specialty,
)
from booking.services import answers, booking, bulk, offers, referrals
from booking.services.planning.prices import pack
from booking.services.work import Actor, Work
from optimiser import Policy

SLOTS_A_SERVICE = 500
DAYS = 91
LISTED = 10
BOOKED_PART = 10
"""One in so many of the slots is booked, the soonest."""
WAITING = 20_000
WARM_UP = 50
PLACES_A_DAY = 8


def fill(database: Database, slots: int, seed: int) -> tuple[list[str], list[str]]:
    """A region of so many slots; UBRNs of those waiting, and references of the bookings, in random order."""
    random, now = Random(seed), datetime.now(UTC)
    services = max(slots // SLOTS_A_SERVICE, LISTED)
    booked = slots // SLOTS_A_SERVICE * (SLOTS_A_SERVICE // BOOKED_PART)
    put = _Put(database)
    put(Specialty, [{"code": "330", "name": "Dermatology"}])
    put(Organisation, _organisations(services))
    put(Site, _sites(services, random))
    put(Service, _services(services, now))
    put(ServicePriority, _windows(services))
    put(Slot, _slots(services, now))
    numbers = nhs_numbers()
    put(Patient, _patients(WAITING + booked, numbers, random, now))
    put(Referral, _referrals(booked, now))
    put(ReferralService, _shortlists(WAITING + booked, services))
    put(Booking, _bookings(services, booked, now))
    put(PlanRun, [_run(now)])
    put.finish()
    with database.unit_of_work() as session:
        session.execute(insert(PlanPrice), list(_prices(services, random, now.date())))
    analyse(database)
    waiting = [f"{500_000_000_000 + n}" for n in range(WAITING)]
    references = [_reference(n) for n in range(booked)]
    random.shuffle(waiting)
    random.shuffle(references)
    return waiting, references


class _Put:
    """Rows into tables in bulk, with the model's own defaults for what they leave out."""

    def __init__(self, database: Database) -> None:
        self.database, self.tables = database, list[Table]()

    def __call__(self, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
        table: Any = model.__table__
        rows = iter(rows)
        first = next(rows)
        constant = {
            column.name: column.default.arg
            for column in table.columns
            if column.name not in first and column.default is not None and not callable(column.default.arg)
        }
        empty: dict[str, Any] = {c.name: {} for c in table.columns if c.default is not None and callable(c.default.arg)}
        columns = [*first, *constant, *(name for name in empty if name not in first)]
        tail = [*constant.values(), *(value for name, value in empty.items() if name not in first)]
        with self.database.unit_of_work() as session:
            every = ([*row.values(), *tail] for row in itertools.chain([first], rows))
            bulk.insert(session.connection(), table, columns, every)
        self.tables.append(table)

    def finish(self) -> None:
        with self.database.unit_of_work() as session:
            bulk.continue_keys(session.connection(), [table for table in self.tables if "id" in table.c])


def _organisations(services: int) -> Iterator[dict[str, Any]]:
    yield {"id": 1, "ods_code": "P00001", "kind": OrganisationKind.PRACTICE, "name": "Practice"}
    for n in range(2, services // 4 + 3):
        yield {"id": n, "ods_code": f"R{n:05d}", "kind": OrganisationKind.PROVIDER, "name": f"Provider {n}"}


def _sites(services: int, random: Random) -> Iterator[dict[str, Any]]:
    for n in range(2, services // 4 + 3):
        yield {
            "id": n, "ods_code": f"S{n:05d}", "organisation_id": n, "name": f"Hospital {n}",
            "latitude": 51 + random.random() * 3, "longitude": -3 + random.random() * 3,
        }  # fmt: skip


def _services(services: int, now: datetime) -> Iterator[dict[str, Any]]:
    for n in range(1, services + 1):
        yield {
            "id": n, "organisation_id": n // 4 + 2, "site_id": n // 4 + 2, "name": f"Clinic {n}",
            "specialty_code": "330", "booking_mode": BookingMode.DIRECTLY_BOOKABLE,
            "operational_from": now.date() - timedelta(days=1), "polling_range_days": 182,
        }  # fmt: skip


def _windows(services: int) -> Iterator[dict[str, Any]]:
    for n, priority in itertools.product(range(1, services + 1), Priority):
        yield {"service_id": n, "priority": priority, "window_from_days": 0, "window_to_days": 182}


def _starts(now: datetime) -> list[datetime]:
    """Of the slots of one service: eight a day, from the day after tomorrow on."""
    first = (now + timedelta(days=2)).replace(hour=8, minute=0, second=0, microsecond=0)
    return [first + timedelta(days=n // PLACES_A_DAY, minutes=45 * (n % PLACES_A_DAY)) for n in range(SLOTS_A_SERVICE)]


def _slots(services: int, now: datetime) -> Iterator[dict[str, Any]]:
    starts = _starts(now)
    for n, (service, start) in enumerate(itertools.product(range(1, services + 1), starts)):
        yield {
            "id": n + 1, "service_id": service, "site_id": service // 4 + 2, "provider_slot_id": f"s{n}",
            "starts_at": start, "ends_at": start + timedelta(minutes=30), "local_date": start.date(),
            "time_zone": "Europe/London", "status": SlotStatus.PUBLISHED,
        }  # fmt: skip


def _patients(count: int, numbers: Iterator[str], random: Random, now: datetime) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {
            "id": n + 1, "nhs_number": next(numbers), "given_name": "P", "family_name": str(n),
            "date_of_birth": date(1960, 1, 1), "sex": Sex.FEMALE, "practice_id": 1, "created_at": now,
            "latitude": 51 + random.random() * 3, "longitude": -3 + random.random() * 3,
        }  # fmt: skip


def _referrals(booked: int, now: datetime) -> Iterator[dict[str, Any]]:
    for n in range(WAITING + booked):
        start = now.date() - timedelta(days=n % 100)
        state = ReferralState.NOT_BOOKED if n < WAITING else ReferralState.BOOKED
        yield {
            "id": n + 1, "ubrn": f"{500_000_000_000 + n}", "patient_id": n + 1, "practice_id": 1,
            "referrer": "Dr Bench", "specialty_code": "330", "priority": Priority.ROUTINE, "reason": "bench",
            "rtt_clock_start": start, "due_date": start + timedelta(days=126), "state": state,
            "worklist": Worklist.AWAITING_BOOKING, "worklist_organisation_id": 1, "worklist_since": now,
            "worklist_due": now.date() + timedelta(days=14), "version": 1, "created_at": now,
        }  # fmt: skip


def _shortlists(count: int, services: int) -> Iterator[dict[str, Any]]:
    for n, place in itertools.product(range(count), range(LISTED)):
        yield {"referral_id": n + 1, "service_id": (n * 7 + place) % services + 1, "position": place + 1}


def _reference(n: int) -> str:
    return f"B{n:07d}"


def _bookings(services: int, booked: int, now: datetime) -> Iterator[dict[str, Any]]:
    starts, each = _starts(now), booked // services
    for n in range(booked):
        service, turn = divmod(n, each)
        start = starts[turn]
        yield {
            "reference": _reference(n), "referral_id": WAITING + n + 1, "patient_id": WAITING + n + 1,
            "slot_id": service * SLOTS_A_SERVICE + turn + 1, "place": 1, "starts_at": start,
            "ends_at": start + timedelta(minutes=30), "state": BookingState.BOOKED, "created_at": now,
            "booked_at": now,
        }  # fmt: skip


def _run(now: datetime) -> dict[str, Any]:
    return {
        "id": 1, "state": PlanRunState.APPLIED, "started_at": now, "heartbeat_at": now, "finished_at": now,
        "as_of": now.date(), "policy_version": 0, "certified": True, "summary": {"weights": Policy().to_dict()},
    }  # fmt: skip


def _prices(services: int, random: Random, today: date) -> Iterator[dict[str, Any]]:
    for service in range(1, services + 1):
        table = [
            (today + timedelta(days=day), part, random.randrange(1, 2_000_000) // (day + 1))
            for day in range(1, DAYS)
            for part in (0, 1)
        ]
        yield {"plan_run_id": 1, "service_id": service, "prices": pack(table)}


class Times(NamedTuple):
    """Milliseconds of one call."""

    with_commit_ms: float
    service_ms: float
    """The call with its SQL, before the commit."""
    commit_ms: float
    """What making it durable takes: the disk's time, mostly."""
    cpu_ms: float
    """This process's processor time; SQLite's work is in it, PostgreSQL's is not."""


class Clinic:
    """What is measured: each use case as its edge would call it."""

    def __init__(self, database: Database, waiting: Sequence[str], references: Sequence[str]) -> None:
        self._database, self._keys = database, Keys(SECRET)
        self._config = Config(database_url=database.url, secret_key=SECRET, cookie_secure=False, testing=True)
        self._waiting, self._references = iter(waiting), iter(references)
        self._offered: list[tuple[str, int]] = []

    def propose(self) -> Callable[[Work], None]:
        """Offers for a referral that has none."""
        ubrn = next(self._waiting)

        def call(work: Work) -> None:
            made = offers.ensure_offers(work, referrals.lock_own_referral(work, ubrn))
            if not made or not made[0].guaranteed or len(made) < 2:
                raise RuntimeError("nothing was offered")
            self._offered.append((ubrn, made[0].id))

        return call

    def decline(self) -> Callable[[Work], None]:
        """A guaranteed offer turned down; fresh ones at once."""
        ubrn, offer_id = self._offered.pop(0)

        def call(work: Work) -> None:
            _, left = answers.decline(work, ubrn, offer_id)
            if not left or not left[0].guaranteed:
                raise RuntimeError("nothing was offered instead")

        return call

    def free(self) -> Callable[[Work], None]:
        """An appointment given back; the place kept for, and offered to, the next in line."""
        reference = next(self._references)

        def call(work: Work) -> None:
            booking.cancel_booking(work, reference, reason="UNABLE_TO_ATTEND", comment=None)

        return call

    def times(self, case: Callable[[], Callable[[Work], None]], count: int) -> list[Times]:
        """Of so many calls, each in a transaction of its own; a warm-up is left out."""
        found = []
        for _ in range(WARM_UP + count):
            call, actor = case(), Actor("bench", Role.REFERRING_CLINICIAN, 1, "P00001")
            cpu, began = time.process_time(), time.perf_counter()
            with self._database.unit_of_work() as session:
                call(Work(session, actor, datetime.now(UTC), self._config, self._keys))
                session.flush()
                called = time.perf_counter()
            ended = time.perf_counter()
            marks = (ended - began, called - began, ended - called, time.process_time() - cpu)
            found.append(Times(*(mark * 1000 for mark in marks)))
        return found[WARM_UP:]

    def asked(self) -> int:
        """Places given back that were offered to somebody."""
        with self._database.unit_of_work(write=False) as session:
            return len(session.scalars(select(Booking.id).where(Booking.hold_kind == "FREED")).all())


def figures(times: Sequence[Times]) -> dict[str, Any]:
    """Percentiles, in milliseconds, and the machine's load (processes at work) over the last minute."""
    out: dict[str, Any] = {"calls": len(times), "load": round(os.getloadavg()[0], 1)}
    for name, values in zip(Times._fields, zip(*times, strict=True), strict=True):
        out[name] = {f"p{p}": round(percentile(values, p / 100), 2) for p in (50, 95, 99)}
    return out


def measure(url: str, slots: int, calls: int, seed: int) -> dict[str, Any]:
    database = Database(url)
    began = time.perf_counter()
    waiting, references = fill(database, slots, seed)
    result: dict[str, Any] = {"slots": slots, "fill_seconds": round(time.perf_counter() - began, 1)}
    service = Clinic(database, waiting, references)
    result["new_referral"] = figures(service.times(service.propose, calls))
    result["declined"] = figures(service.times(service.decline, calls - WARM_UP))
    result["freed"] = figures(service.times(service.free, calls))
    result["freed"]["offered_to_somebody"] = service.asked()
    database.dispose()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=1_050)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.slots < LISTED * SLOTS_A_SERVICE:
        parser.error(f"--slots: at least {LISTED * SLOTS_A_SERVICE}")
    if not WARM_UP < options.calls <= WAITING - WARM_UP:
        parser.error(f"--calls: from {WARM_UP + 1} to {WAITING - WARM_UP}")
    results: dict[str, Any] = {"machine": machine(), "seed": options.seed}
    for kind in options.database or ["sqlite", "postgresql"]:
        with databases([kind]) as urls:
            results[kind] = measure(urls[kind], options.slots, options.calls, options.seed)
        print(f"{kind}: {json.dumps(results[kind])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
