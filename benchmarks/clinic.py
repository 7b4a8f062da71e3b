"""A clinic of 200 booked patients is cancelled while 8 people are booking there and elsewhere: what becomes of each.

    python -m benchmarks.clinic [--booked 200] [--clients 8] [--workers 4] [--database sqlite|postgresql] [--json FILE]

Through HTTP under gunicorn, on both databases. The provider previews and cancels, again where somebody has booked in
between; then the small plan that the cancellation asked for runs, as the scheduler runs it. Ends with 1 if anybody was
lost: no message, no worklist entry, no new offers, a place on a withdrawn slot, a 5xx.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.common import Client, analyse, databases, machine
from benchmarks.population import SECRET, Population, populate
from booking.config import ROOT, Config
from booking.db import Database
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, Role, SlotStatus, Worklist
from booking.keys import Keys
from booking.models import (
    Account,
    AccountRole,
    AuthSession,
    Booking,
    Offer,
    OutboxMessage,
    PlanRun,
    Referral,
    Slot,
)
from booking.services import audit, booking
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import servers

SERVICES = 4
FREE = 40
"""Free places of the clinic beside those booked."""
PROVIDER_TOKEN = "bench-provider-token-" + "p" * 24
LONGEST = 60.0
Chosen = tuple[int, datetime, datetime]


@dataclass(slots=True)
class Attempt:
    """One press of "book"."""

    referral: int
    at_clinic: bool
    status: int
    answer: dict[str, Any]
    cancelled_before: bool
    """The clinic had been cancelled when it was sent."""


@dataclass(slots=True)
class Cancelled:
    seconds: float = 0.0
    previews: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def prepare(database: Database, people: Population, booked: int) -> list[Chosen]:
    """Sign the provider in and book the clinic: slots of service 1 by time. Returns the clinic's slots."""
    clinic = [slot for n, slot in enumerate(people.slots) if n % SERVICES == 0][: booked + FREE]
    now, keys = datetime.now(UTC), Keys(SECRET)
    config = Config(database_url=database.url, secret_key=SECRET)
    with database.unit_of_work() as session:
        account = Account(username="bench", name="Bench", password_hash=None)
        session.add(account)
        session.flush()
        role = AccountRole(account_id=account.id, organisation_id=2, role=Role.PROVIDER_ADMIN)
        session.add(role)
        session.flush()
        session.add(
            AuthSession(
                token_hash=keys.hash("session", PROVIDER_TOKEN), account_role_id=role.id, created_at=now,
                last_seen_at=now + timedelta(hours=1), expires_at=now + timedelta(hours=9), idle_minutes=None,
            )
        )  # fmt: skip
    for n in range(booked):
        with database.unit_of_work() as session:
            actor = Actor("patient", Role.PATIENT, referral_id=n + 1)
            booking.book(Work(session, actor, now, config, keys), people.ubrns[n], Choice(*clinic[n]))
    analyse(database)
    database.dispose()
    return clinic


def book_on(
    server: str, people: Population, lane: list[int], clinic: list[Chosen], over: threading.Event,
    cancelled: threading.Event,
) -> list[Attempt]:  # fmt: skip
    """One person after the other: at the clinic or elsewhere in turn, again until booked, until it is over."""
    done: list[Attempt] = []
    client, luck = Client(server), random.Random(lane[0])
    free, elsewhere = clinic[-FREE:], [slot for n, slot in enumerate(people.slots) if n % SERVICES]
    for turn, who in enumerate(lane):
        while not over.is_set():
            at_clinic = turn % 2 == 0 and not any(one.referral == who for one in done)
            slot_id, starts_at, ends_at = luck.choice(free if at_clinic else elsewhere)
            body = {"slot_id": slot_id, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
            before = cancelled.is_set()
            status, answer = client.request(
                "POST", f"/api/v1/referrals/{people.ubrns[who]}/bookings", token=people.tokens[who], body=body
            )
            done.append(Attempt(who, at_clinic, status, answer, before))
            time.sleep(luck.random() * 0.1)
            if status == 201:
                break
        if over.is_set():
            break
    return done


def cancel(server: str, clinic: list[Chosen]) -> Cancelled:
    """Preview and cancel until it is done."""
    client, made, end = Client(server), Cancelled(), time.perf_counter() + LONGEST
    selection: dict[str, Any] = {"slot_ids": [slot[0] for slot in clinic]}
    while time.perf_counter() < end:
        made.previews += 1
        status, seen = client.request(
            "POST", "/api/v1/clinics/cancellation-preview", token=PROVIDER_TOKEN, body=selection
        )
        if status != 200:
            made.refused[f"preview {status} {seen.get('code')}"] += 1
            continue
        body = {**selection, "digest": seen["digest"], "reason": "CLINICIAN_UNAVAILABLE"}
        began = time.perf_counter()
        status, answer = client.request("POST", "/api/v1/clinics/cancellations", token=PROVIDER_TOKEN, body=body)
        made.seconds = round(time.perf_counter() - began, 2)
        if status == 201:
            return made
        made.refused[f"{status} {answer.get('code')}"] += 1
    raise RuntimeError(f"the clinic could not be cancelled in {LONGEST} seconds: {made.refused}")


def plan(url: str) -> float:
    """``flask plan --requested``, as the scheduler starts it."""
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "plan", "--requested"],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return round(time.perf_counter() - began, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the database says of everybody afterwards."""

    state: dict[int, ReferralState]
    on_list: set[int]
    told: set[int]
    offered: set[int]
    references: dict[str, BookingState]
    on_withdrawn: int
    faults: int
    plan_stages: dict[str, float]


def read(database: Database) -> Outcome:
    with database.unit_of_work(write=False) as session:
        told = select(OutboxMessage.referral_id).where(OutboxMessage.kind == "appointment-cancelled-by-provider")
        kept = (
            select(Offer.referral_id)
            .join(Slot, Slot.id == Offer.slot_id)
            .join(Booking, (Booking.slot_id == Slot.id) & (Booking.referral_id == Offer.referral_id))
            .where(
                Offer.state == OfferState.OPEN, Offer.guaranteed, Slot.status == SlotStatus.PUBLISHED,
                Booking.state == BookingState.HELD, Booking.hold_kind == HoldKind.OFFER,
            )
        )  # fmt: skip
        off = (
            select(func.count())
            .select_from(Booking)
            .join(Slot, Slot.id == Booking.slot_id)
            .where(Booking.released_at.is_(None), Slot.status == SlotStatus.WITHDRAWN)
        )
        listed = select(Referral.id).where(Referral.worklist == Worklist.APPOINTMENTS_FOR_BOOKING)
        return Outcome(
            {row.id: row.state for row in session.execute(select(Referral.id, Referral.state))},
            set(session.scalars(listed)),
            {key for key in session.scalars(told) if key is not None},
            set(session.scalars(kept)),
            {
                str(row.reference): row.state
                for row in session.execute(
                    select(Booking.reference, Booking.state).where(Booking.reference.is_not(None))
                )
            },
            session.scalar(off) or 0,
            len(audit.verify(session)),
            session.scalars(select(PlanRun.summary).order_by(PlanRun.id.desc()).limit(1)).one()["stages"],
        )


def fate(attempt: Attempt, after: Outcome) -> str:
    """What became of one press of "book", in words; ``LOST`` where it should not have."""
    if attempt.status >= 500:
        return f"LOST: {attempt.status}"
    where = "at the clinic" if attempt.at_clinic else "elsewhere"
    if attempt.status != 201:
        return f"refused {where}: {attempt.status} {attempt.answer.get('code')}"
    key = attempt.referral + 1
    state = after.references.get(attempt.answer["reference"])
    if not attempt.at_clinic:
        return "booked elsewhere, and stays" if state is BookingState.BOOKED else f"LOST: elsewhere, now {state}"
    if attempt.cancelled_before:
        return "LOST: booked at a clinic that was cancelled"
    if state is BookingState.CANCELLED and key in after.told and key in after.on_list and key in after.offered:
        return "booked at the clinic, cancelled with it: told, on the worklist, offered again"
    return f"LOST: at the clinic, now {state}"


def measure(url: str, booked: int, clients: int, workers: int) -> dict[str, Any]:
    database = Database(url)
    people = populate(database, slots=(booked + FREE) * SERVICES, referrals=booked + clients * 200, services=SERVICES)
    clinic = prepare(database, people, booked)
    over, cancelled = threading.Event(), threading.Event()
    lanes = [list(range(booked + lane, len(people.ubrns), clients)) for lane in range(clients)]
    with (
        servers.gunicorn(url, workers=workers, SECRET_KEY=SECRET) as server,
        ThreadPoolExecutor(clients) as pool,
    ):
        try:
            running = [pool.submit(book_on, server.url, people, lane, clinic, over, cancelled) for lane in lanes]
            time.sleep(1.0)
            made = cancel(server.url, clinic)
            cancelled.set()
            time.sleep(1.0)
        finally:
            over.set()
        attempts = [attempt for future in running for attempt in future.result()]
    planned = plan(url)
    after = read(database)
    database.dispose()
    patients = Counter(
        "told, on the worklist, offered again"
        if key in after.told and key in after.on_list and key in after.offered
        else f"LOST: {after.state[key]}, told {key in after.told}, offered {key in after.offered}"
        for key in range(1, booked + 1)
    )
    fates = Counter(fate(attempt, after) for attempt in attempts)
    return {
        "booked": booked, "clients": clients, "workers": workers, "previews": made.previews,
        "refused": dict(made.refused), "cancellation_seconds": made.seconds, "plan_seconds": planned,
        "plan_stages": after.plan_stages,
        "patients": dict(patients), "attempts": len(attempts), "fates": dict(sorted(fates.items())),
        "on_a_withdrawn_slot": after.on_withdrawn, "audit_faults": after.faults,
        "lost": sum(n for what, n in (patients + fates).items() if what.startswith("LOST")),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--booked", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    wrong = 0
    with databases(options.database or ["sqlite", "postgresql"]) as urls:
        for kind, url in urls.items():
            results[kind] = made = measure(url, options.booked, options.clients, options.workers)
            wrong += made["lost"] + made["on_a_withdrawn_slot"] + made["audit_faults"]
            print(f"{kind}: {json.dumps(made, indent=1)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
