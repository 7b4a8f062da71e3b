"""Seconds for each report, with a year of a region's records: 100,000 referrals and all that followed from them.

The median of three runs; ``cpu`` is our own process's, in which SQLite runs and PostgreSQL does not.

python -m benchmarks.reports [--referrals 100000] [--only sqlite|postgresql] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection

from benchmarks.common import SECRET, analyse, databases, machine
from benchmarks.population import nhs_numbers
from booking.config import Config
from booking.db import Database
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    BookingMode,
    BookingState,
    Channel,
    ClockState,
    ConsultationMode,
    Language,
    OfferState,
    OrganisationKind,
    Priority,
    Role,
    Sex,
    SlotStatus,
    Worklist,
)
from booking.keys import Keys
from booking.models import (
    Booking,
    ClinicCancellation,
    Offer,
    Organisation,
    OutboxMessage,
    Patient,
    Referral,
    ReferralEvent,
    ReferralService,
    Service,
    Site,
    Slot,
    Specialty,
)
from booking.services.bulk import insert
from booking.services.reports.catalogue import REPORTS
from booking.services.reports.publish import Asked, run
from booking.services.work import HOME_ZONE, Actor, Work

COMMISSIONERS, PRACTICES, PROVIDERS, SPECIALTIES, SERVICES = 2, 60, 10, 12, 200
OFFERS, MESSAGES, DAYS = 4, 2, 365
RUNS = 3
BOOKED, DEFERRED, UNUSED = 0.8, 0.1, 0.3
FIRST_PRACTICE = COMMISSIONERS + 1
FIRST_PROVIDER = FIRST_PRACTICE + PRACTICES
TARGETS = {Priority.ROUTINE: 126, Priority.URGENT: 42, Priority.TWO_WEEK_WAIT: 14}


@dataclass(frozen=True, slots=True)
class Made:
    """One referral and what came of it, drawn once for all tables."""

    key: int
    at: datetime
    practice: int
    service: int
    priority: Priority
    seen: date | None
    outcome: BookingState


def draw(count: int, first: datetime, random: Random) -> list[Made]:
    found = []
    for key in range(1, count + 1):
        at = first + timedelta(minutes=random.randrange(DAYS * 24 * 60))
        priority = random.choices(list(TARGETS), (80, 15, 5))[0]
        seen = at.date() + timedelta(days=random.randrange(1, TARGETS[priority] + 30))
        outcome = random.choices(
            (BookingState.ATTENDED, BookingState.DID_NOT_ATTEND, BookingState.CANCELLED), (85, 8, 7)
        )[0]
        found.append(
            Made(
                key, at, FIRST_PRACTICE + random.randrange(PRACTICES), 1 + random.randrange(SERVICES), priority,
                seen if random.random() < BOOKED else None, outcome,
            )
        )  # fmt: skip
    return found


def provider_of(service: int) -> int:
    return FIRST_PROVIDER + service % PROVIDERS


def directory(connection: Connection, day: date, random: Random) -> None:
    kinds = [OrganisationKind.COMMISSIONER] * COMMISSIONERS + [OrganisationKind.PRACTICE] * PRACTICES
    kinds += [OrganisationKind.PROVIDER] * PROVIDERS
    _put(
        connection, Organisation, "id ods_code kind name commissioner_id version",
        (
            (n, f"B{n:04d}", kind, f"{kind.title()} {n}", 1 if n % 6 else 2, 1)
            if kind is OrganisationKind.PRACTICE
            else (n, f"B{n:04d}", kind, f"{kind.title()} {n}", None, 1)
            for n, kind in enumerate(kinds, 1)
        ),
    )  # fmt: skip
    _put(connection, Specialty, "code name", ((f"{100 + n}", f"Specialty {n}") for n in range(SPECIALTIES)))
    _put(
        connection, Site, "id ods_code organisation_id name latitude longitude time_zone step_free",
        (
            (n, f"T{n:04d}", FIRST_PROVIDER + n - 1, f"Hospital {n}", *_place(random), "Europe/London", True)
            for n in range(1, PROVIDERS + 1)
        ),
    )  # fmt: skip
    _put(
        connection, Service,
        "id organisation_id site_id name specialty_code booking_mode min_age max_age operational_from "
        "polling_range_days interpreters letter_required instructions nationally_visible version contact_by",
        (
            (
                n, provider_of(n), provider_of(n) - FIRST_PROVIDER + 1, f"Clinic {n}", _specialty(n),
                BookingMode.DIRECTLY_BOOKABLE, 0, 150, day, 182, True, False, "", True, 1, {},
            )
            for n in range(1, SERVICES + 1)
        ),
    )  # fmt: skip


def _specialty(service: int) -> str:
    return f"{100 + service % SPECIALTIES}"


def _place(random: Random) -> tuple[float, float]:
    return 53.2 + random.random() * 0.6, -2.6 + random.random() * 0.9


def _put(connection: Connection, model: Any, columns: str, rows: Iterator[Any]) -> int:
    return insert(connection, model.__table__, columns.split(), rows)


def slots(connection: Connection, made: list[Made], first: date, random: Random) -> int:
    """One for each booking, under the referral's own key, and others that nobody had."""

    def row(key: int, service: int, day: date, status: SlotStatus) -> tuple[Any, ...]:
        start = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(minutes=15 * (key % 32))
        return (
            key, service, provider_of(service) - FIRST_PROVIDER + 1, f"b{key}", start, start + timedelta(minutes=15),
            day, "Europe/London", "New appointment", ConsultationMode.IN_PERSON, 7, 1, status, 1,
        )  # fmt: skip

    def rows() -> Iterator[tuple[Any, ...]]:
        for one in made:
            yield row(one.key, one.service, one.seen or one.at.date(), SlotStatus.PUBLISHED)
        for key in range(len(made) + 1, len(made) + int(UNUSED * len(made)) + 1):
            status = SlotStatus.WITHDRAWN if key % 6 == 0 else SlotStatus.PUBLISHED
            day = first + timedelta(days=random.randrange(DAYS))
            yield row(key, 1 + random.randrange(SERVICES), day, status)

    return _put(
        connection, Slot,
        "id service_id site_id provider_slot_id starts_at ends_at local_date time_zone appointment_type mode "
        "priorities capacity status version",
        rows(),
    )  # fmt: skip


def people(connection: Connection, made: list[Made], random: Random) -> None:
    numbers = nhs_numbers()
    _put(
        connection, Patient,
        "id nhs_number given_name family_name date_of_birth sex latitude longitude practice_id step_free "
        "interpreter_language video_possible unsuitable_times deprivation_decile version created_at channel language "
        "large_print",
        (
            (
                one.key, next(numbers), "P", str(one.key), date(1960, 1, 1), Sex.FEMALE, *_place(random), one.practice,
                random.random() < 0.1, "Polish" if random.random() < 0.05 else None, random.random() < 0.7, 0,
                random.choice((None, *range(1, 11))), 1, one.at, Channel.EMAIL, Language.ENGLISH, False,
            )
            for one in made
        ),
    )  # fmt: skip
    _put(
        connection, Referral,
        "id ubrn patient_id practice_id referrer specialty_code priority reason clinical_information rtt_clock_start "
        "rtt_clock_state rtt_clock_stopped_on due_date service_id state version created_at worklist "
        "worklist_organisation_id worklist_since worklist_due letter_outstanding",
        (_referral(one) for one in made),
    )  # fmt: skip
    _put(connection, ReferralService, "referral_id service_id position", ((m.key, m.service, 1) for m in made))


def _referral(one: Made) -> tuple[Any, ...]:
    done = one.seen is not None and one.outcome is BookingState.ATTENDED
    listed = (None,) * 4 if done else (Worklist.AWAITING_BOOKING, one.practice, one.at, one.at.date())
    clock = (ClockState.STOPPED, one.seen) if done else (ClockState.RUNNING, None)
    return (
        one.key, f"{500_000_000_000 + one.key}", one.key, one.practice, "Dr Bench", _specialty(one.service),
        one.priority, "bench", "", one.at.date(), *clock, one.at.date() + timedelta(days=TARGETS[one.priority]),
        one.service, ReferralState.CLOSED if done else ReferralState.NOT_BOOKED, 1, one.at, *listed, False,
    )  # fmt: skip


def what_happened(connection: Connection, made: list[Made], random: Random) -> None:
    _put(
        connection, Booking,
        "reference referral_id patient_id slot_id place starts_at ends_at state created_at booked_at released_at",
        (_booking(one) for one in made if one.seen is not None),
    )  # fmt: skip
    _put(
        connection, Offer,
        "referral_id slot_id rank guaranteed state reasons regret created_at expires_at",
        (
            (
                one.key, one.key if rank == 1 else 1 + random.randrange(len(made)), rank, rank == 1,
                OfferState.SUPERSEDED, {}, 0, one.at + timedelta(hours=1), one.at + timedelta(days=3),
            )
            for one in made
            for rank in range(1, OFFERS + 1)
        ),
    )  # fmt: skip
    _put(
        connection, ReferralEvent,
        "referral_id sequence action from_state to_state actor role at reason_code detail",
        (event for one in made for event in _events(one, random)),
    )  # fmt: skip
    _put(
        connection, OutboxMessage,
        "event_key kind referral_id payload created_at next_attempt_at attempts delivered_at failed_at channel",
        (
            (
                f"b:{one.key}:{n}", ("referral-ready", "appointment-booked")[n], one.key, {}, one.at, one.at, 1,
                one.at if one.key % 50 else None, None if one.key % 50 else one.at, Channel.EMAIL,
            )
            for one in made
            for n in range(MESSAGES)
        ),
    )  # fmt: skip
    _put(
        connection, ClinicCancellation,
        "organisation_id reason_code cancelled_at cancelled_by slots appointments",
        (
            (provider_of(one.service), "CLINICIAN_UNAVAILABLE", one.at, "Somebody", 8, 6)
            for one in made[: len(made) // 100]
        ),
    )  # fmt: skip


def _booking(one: Made) -> tuple[Any, ...]:
    day = one.seen or one.at.date()
    start = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(minutes=15 * (one.key % 32))
    released = one.at + timedelta(hours=3) if one.outcome is BookingState.CANCELLED else None
    return (
        f"B{one.key:07d}", one.key, one.key, one.key, 1, start, start + timedelta(minutes=15), one.outcome, one.at,
        one.at + timedelta(hours=2), released,
    )  # fmt: skip


def _events(one: Made, random: Random) -> Iterator[tuple[Any, ...]]:
    new, free, deferred = ReferralState.DRAFT, ReferralState.NOT_BOOKED, ReferralState.DEFERRED_TO_PROVIDER
    yield one.key, 1, Action.ISSUE, new, free, "Dr Bench", Role.REFERRING_CLINICIAN, one.at, None, {}
    if random.random() < DEFERRED:
        yield one.key, 2, Action.DEFER_TO_PROVIDER, free, deferred, "patient", Role.PATIENT, one.at, "NO_SLOTS", {}


def fill(database: Database, referrals: int, now: datetime) -> float:
    """The region's year, ending with the last month that is over; the seconds it took."""
    began, random = time.perf_counter(), Random(2026)
    last = now.astimezone(HOME_ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = last - timedelta(days=DAYS)
    made = draw(referrals, first, random)
    for step in (
        lambda c: directory(c, first.date(), random), lambda c: slots(c, made, first.date(), random),
        lambda c: people(c, made, random), lambda c: what_happened(c, made, random),
    ):  # fmt: skip
        with database.unit_of_work() as session:
            step(session.connection())
    analyse(database)
    return round(time.perf_counter() - began, 1)


def measure(url: str, referrals: int) -> dict[str, Any]:
    database, now = Database(url), datetime.now(UTC)
    found: dict[str, Any] = {"fill_seconds": fill(database, referrals, now), "reports": {}}
    config, keys = Config(database_url=url, secret_key=SECRET), Keys(SECRET)
    actor = Actor("bench", Role.COMMISSIONER, 1, "B0001")
    year = now.astimezone(HOME_ZONE).date().replace(day=1) - timedelta(days=1)
    start = (year - timedelta(days=340)).replace(day=1)
    for name, report in REPORTS.items():
        asked = Asked(start, year) if report.of_a_period else Asked()
        seconds, cpu, rows = [], [], 0
        for _ in range(RUNS):
            began, spent = time.perf_counter(), time.process_time()
            with database.unit_of_work(write=False) as session:
                rows = len(run(Work(session, actor, now, config, keys), name, asked).rows)
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - spent)
        found["reports"][name] = {
            "seconds": round(sorted(seconds)[RUNS // 2], 2), "cpu": round(sorted(cpu)[RUNS // 2], 2), "rows": rows,
        }  # fmt: skip
        print(f"  {name}: {found['reports'][name]}", flush=True)
    database.dispose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--referrals", type=int, default=100_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "referrals": options.referrals}
    with databases((options.only,) if options.only else ("sqlite", "postgresql")) as urls:
        for kind, url in urls.items():
            print(f"{kind}:", flush=True)
            results[kind] = measure(url, options.referrals)
            print(f"  filled in {results[kind]['fill_seconds']} s", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
