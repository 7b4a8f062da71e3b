"""Races for real: many clients, real HTTP, several processes. One winner per place, everybody else told plainly."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from benchmarks.common import Client
from benchmarks.population import SECRET, populate
from benchmarks.race import places_taken, race
from booking.db import Database
from booking.domain.referral import ReferralState
from booking.models import AuditEntry, Booking, OutboxMessage, Referral, ReferralEvent
from booking.services import audit
from tests import servers


def test_twenty_clients_race_for_each_of_ten_slots(database: Database) -> None:
    people = populate(database, slots=10, referrals=200, services=1)
    with servers.gunicorn(database.url, workers=4, SECRET_KEY=SECRET) as server:
        answers = race(server.url, people, slots=10, clients=20)
    assert answers == {"201 BOOKED": 10, "422 SLOT_NOT_AVAILABLE": 190}
    assert places_taken(database) == (10, 0)
    with database.unit_of_work(write=False) as session:
        assert audit.verify(session) == []


def test_places_of_one_slot_are_each_taken_once(database: Database) -> None:
    people = populate(database, slots=2, referrals=40, services=1, capacity=5)
    with servers.gunicorn(database.url, workers=4, SECRET_KEY=SECRET) as server:
        answers = race(server.url, people, slots=2, clients=20)
    assert answers == {"201 BOOKED": 10, "422 SLOT_NOT_AVAILABLE": 30}
    with database.unit_of_work(write=False) as session:
        places = sorted((row.slot_id, row.place) for row in session.scalars(select(Booking)))
    assert places == [(slot, place) for slot in (1, 2) for place in range(1, 6)]


def test_one_patient_pressing_twenty_buttons_gets_one_appointment(database: Database) -> None:
    people = populate(database, slots=20, referrals=1, services=1)
    barrier = threading.Barrier(20)

    def press(turn: int) -> int:
        slot_id, starts_at, ends_at = people.slots[turn]
        body = {"slot_id": slot_id, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
        barrier.wait()
        return client.request(
            "POST", f"/api/v1/referrals/{people.ubrns[0]}/bookings", token=people.tokens[0], body=body
        )[0]

    with servers.gunicorn(database.url, workers=4, SECRET_KEY=SECRET) as server, ThreadPoolExecutor(20) as pool:
        client = Client(server.url)
        statuses = sorted(pool.map(press, range(20)))
    assert statuses == [201] + [409] * 19
    assert places_taken(database) == (1, 0)


def test_what_was_acknowledged_is_there_after_a_kill(database: Database) -> None:
    """SIGKILL in the middle of a stream of bookings: every 201 is a row, with event, audit entry and message."""
    people = populate(database, slots=400, referrals=400, services=4)
    acknowledged: list[str] = []

    def book_on(lane: int) -> None:
        for who in range(lane, 400, 4):
            slot_id, starts_at, ends_at = people.slots[who]
            body = {"slot_id": slot_id, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
            try:
                path = f"/api/v1/referrals/{people.ubrns[who]}/bookings"
                status, answer = client.request("POST", path, token=people.tokens[who], body=body)
            except (OSError, ValueError):
                return  # the server is gone
            assert status in (201, 422), answer
            if status == 201:
                acknowledged.append(answer["reference"])

    with servers.gunicorn(database.url, workers=4, SECRET_KEY=SECRET) as server:
        client = Client(server.url)
        threads = [threading.Thread(target=book_on, args=(lane,)) for lane in range(4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 40:
            time.sleep(0.01)  # wait for a stream of bookings to be under way, then pull the plug
        server.kill()
        for thread in threads:
            thread.join()
    with database.unit_of_work():
        pass  # a write of our own goes through: the killed workers left no lock
    with database.unit_of_work(write=False) as session:
        booked = {row.reference: row.referral_id for row in session.scalars(select(Booking))}
        assert set(acknowledged) <= set(booked)
        assert len(booked) - len(acknowledged) <= 4  # at most one unanswered per lane
        events = set(session.scalars(select(ReferralEvent.referral_id)))
        audited = {chain.removeprefix("referral:") for chain in session.scalars(select(AuditEntry.chain))}
        told = set(session.scalars(select(OutboxMessage.referral_id)))
        state = select(Referral.id).where(Referral.state == ReferralState.BOOKED)
        assert set(booked.values()) == events == {int(n) for n in audited} == told == set(session.scalars(state))
        assert audit.verify(session) == []
