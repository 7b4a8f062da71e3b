"""Many slots and patients at once, written in bulk: the ground that races and load runs stand on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert

from booking.db import Database
from booking.domain.ids import nhs_number_from
from booking.domain.referral import ReferralState
from booking.domain.words import BookingMode, OrganisationKind, Priority, Sex, Worklist
from booking.keys import Keys
from booking.models import (
    AuthSession,
    Organisation,
    Patient,
    Referral,
    ReferralService,
    Service,
    ServicePriority,
    Site,
    Slot,
    Specialty,
)

SECRET = "x" * 40
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Population:
    """Referral ``n`` (from 0) has ``ubrns[n]``, is signed in by ``tokens[n]``, may use 5 services from n % 20 + 1."""

    ubrns: list[str]
    tokens: list[str]
    slots: list[tuple[int, datetime, datetime]]
    """Key, start and end of each slot, by service and time."""


def nhs_numbers() -> Iterator[str]:
    nine = 999_000_000
    while True:
        number = nhs_number_from(nine)
        if number is not None:
            yield number
        nine += 1


def _bulk(database: Database, model: Any, rows: Iterator[dict[str, Any]]) -> None:
    while chunk := list(islice(rows, CHUNK)):
        with database.unit_of_work() as session:
            session.execute(insert(model), chunk)


def populate(database: Database, *, slots: int, referrals: int, services: int = 20, capacity: int = 1) -> Population:
    """Fill an empty, migrated database."""
    now = datetime.now(UTC)
    first = (now + timedelta(days=2)).replace(hour=8, minute=0, second=0, microsecond=0)
    _directory(database, services, now)
    made = [_slot(n, n % services + 1, first, services, capacity) for n in range(slots)]
    _bulk(database, Slot, iter(made))
    numbers = nhs_numbers()
    _bulk(database, Patient, (_patient(n, next(numbers), now) for n in range(referrals)))
    ubrns = [f"{500_000_000_000 + n}" for n in range(referrals)]
    _bulk(database, Referral, (_referral(n, ubrn, now) for n, ubrn in enumerate(ubrns)))
    shortlist = (
        {"referral_id": n + 1, "service_id": (n + place) % services + 1, "position": place + 1}
        for n in range(referrals)
        for place in range(min(5, services))
    )
    _bulk(database, ReferralService, shortlist)
    keys, tokens = Keys(SECRET), [f"bench-token-{n:08d}-{'t' * 20}" for n in range(referrals)]
    _bulk(database, AuthSession, (_session(n, keys.hash("session", token), now) for n, token in enumerate(tokens)))
    return Population(ubrns, tokens, [(n + 1, row["starts_at"], row["ends_at"]) for n, row in enumerate(made)])


def _directory(database: Database, services: int, now: datetime) -> None:
    with database.unit_of_work() as session:
        session.add(Specialty(code="330", name="Dermatology"))
        session.add(Organisation(id=1, ods_code="P00001", kind=OrganisationKind.PRACTICE, name="Practice"))
        session.add(Organisation(id=2, ods_code="R00001", kind=OrganisationKind.PROVIDER, name="Provider"))
        session.flush()
        session.add(Site(id=1, ods_code="S00001", organisation_id=2, name="Hospital", latitude=53.5, longitude=-2.2))
        session.flush()
        for n in range(1, services + 1):
            session.add(
                Service(
                    id=n,
                    organisation_id=2,
                    site_id=1,
                    name=f"Clinic {n}",
                    specialty_code="330",
                    booking_mode=BookingMode.DIRECTLY_BOOKABLE,
                    operational_from=now.date() - timedelta(days=1),
                    polling_range_days=730,
                )
            )
        session.flush()
        for n in range(1, services + 1):
            session.add(
                ServicePriority(service_id=n, priority=Priority.ROUTINE, window_from_days=0, window_to_days=730)
            )


def _slot(n: int, service: int, first: datetime, services: int, capacity: int) -> dict[str, Any]:
    turn = n // services
    start = first + timedelta(days=turn // 32, minutes=15 * (turn % 32))
    return {
        "service_id": service,
        "site_id": 1,
        "provider_slot_id": f"s{n}",
        "starts_at": start,
        "ends_at": start + timedelta(minutes=15),
        "local_date": start.date(),
        "time_zone": "UTC",
        "capacity": capacity,
    }


def _patient(n: int, number: str, now: datetime) -> dict[str, Any]:
    return {
        "nhs_number": number,
        "given_name": "P",
        "family_name": str(n),
        "date_of_birth": datetime(1960, 1, 1, tzinfo=UTC).date(),
        "sex": Sex.FEMALE,
        "practice_id": 1,
        "created_at": now,
        "latitude": 53.4,
        "longitude": -2.3,
    }


def _referral(n: int, ubrn: str, now: datetime) -> dict[str, Any]:
    return {
        "ubrn": ubrn,
        "patient_id": n + 1,
        "practice_id": 1,
        "referrer": "Dr Bench",
        "specialty_code": "330",
        "priority": Priority.ROUTINE,
        "reason": "bench",
        "rtt_clock_start": now.date(),
        "due_date": now.date() + timedelta(days=126),
        "state": ReferralState.NOT_BOOKED,
        "worklist": Worklist.AWAITING_BOOKING,
        "worklist_organisation_id": 1,
        "worklist_since": now,
        "worklist_due": now.date() + timedelta(days=14),
        "version": 1,
        "created_at": now,
    }


def _session(n: int, token_hash: str, now: datetime) -> dict[str, Any]:
    return {
        "token_hash": token_hash,
        "referral_id": n + 1,
        "created_at": now,
        "last_seen_at": now + timedelta(hours=2),
        "expires_at": now + timedelta(hours=11),
        "idle_minutes": 600,
    }
