"""Publishing by the API: upsert by the provider's own identifier, nothing altered under a patient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from booking.db import Database
from booking.domain.words import Role
from booking.models import Booking, Slot
from booking.services import audit
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock
from tests.publishing.conftest import Provider, session, slot

Table = Callable[[], list[tuple[Any, ...]]]


def results(answer: Any) -> dict[str, str]:
    return {one["provider_slot_id"]: one["result"] for one in answer["outcomes"]}


def only(answer: Any) -> tuple[str, str | None]:
    (one,) = answer["outcomes"]
    return one["result"], one["code"]


@pytest.fixture
def stored(database: Database) -> Callable[[str], Slot]:
    def read(name: str) -> Slot:
        with database.unit_of_work(write=False) as session:
            found: Slot = session.query(Slot).filter_by(provider_slot_id=name).one()
            session.expunge_all()
            return found

    return read


@pytest.fixture
def put_patient_on(work: Work, region: factories.Region, client: FlaskClient) -> Callable[..., str]:
    """Have a patient book, or only hold, a slot through the front door; the booking's reference if any."""

    def put(name: str, *, verb: str = "bookings") -> str:
        referral, _ = factories.referral(work, region)
        headers = factories.bearer(factories.patient_token(work, referral))
        found = work.session.query(Slot).filter_by(provider_slot_id=name).one()
        body = {"slot_id": found.id, "starts_at": found.starts_at.isoformat(), "ends_at": found.ends_at.isoformat()}
        work.session.commit()
        answer = client.post(f"/api/v1/referrals/{referral.ubrn}/{verb}", json=body, headers=headers)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return str(answer.get_json().get("reference"))

    return put


def test_slots_and_sessions_are_published_once(provider: Provider, slot_table: Table, database: Database) -> None:
    body: dict[str, Any] = {"slots": [slot(), slot("A2", "2026-04-07T08:20:00Z", "2026-04-07T08:40:00Z")]}
    body["sessions"] = [session(practitioner="C1234567", mode="VIDEO", priorities=["URGENT"], capacity=3)]
    before = len(slot_table())
    first = provider.publish(**body)
    assert (first["added"], first["unchanged"], first["refused"]) == (2 + 4 * 14, 0, 0)
    table = slot_table()
    assert len(table) == before + 58
    again = provider.publish(**body)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 58)
    assert slot_table() == table
    with database.unit_of_work(write=False) as reader:
        entries = reader.execute(text("SELECT chain, action FROM audit_entry WHERE chain LIKE 'publication:%'")).all()
        assert [tuple(row) for row in entries] == [(f"publication:{n}", "publish") for n in (first["id"], again["id"])]
        assert audit.verify(reader) == []


def test_local_times_become_instants_and_dates_of_the_site(provider: Provider, stored: Any) -> None:
    provider.publish(slots=[slot(start="2026-04-07T00:10", end="2026-04-07T00:30")])
    found = stored("A1")
    assert found.starts_at.isoformat() == "2026-04-06T23:10:00+00:00"
    assert found.local_date.isoformat() == "2026-04-07"
    assert (found.time_zone, found.priorities, found.version) == ("Europe/London", 7, 1)


def test_a_free_slot_is_changed_and_a_withdrawn_one_comes_back(provider: Provider, stored: Any) -> None:
    provider.publish(slots=[slot()])
    assert only(provider.publish(slots=[slot(end="2026-04-07T09:30", mode="VIDEO")])) == ("changed", None)
    assert stored("A1").version == 2
    assert only(provider.publish(withdraw=["A1"])) == ("withdrawn", None)
    assert only(provider.publish(withdraw=["A1"])) == ("unchanged", None)
    assert only(provider.publish(withdraw=["nobody"])) == ("refused", "SLOT_UNKNOWN")
    assert provider.get(service_id=provider.service_id, first_date="2026-04-07")["slots"] == []
    assert only(provider.publish(slots=[slot(end="2026-04-07T09:30", mode="VIDEO")])) == ("changed", None)
    assert stored("A1").status == "PUBLISHED"


CHANGES: list[dict[str, Any]] = [
    {"end": "2026-04-07T09:30"},
    {"start": "2026-04-07T08:50"},
    {"mode": "VIDEO"},
    {"practitioner": "C1234567"},
    {"capacity": 2},
    {"priorities": ["URGENT"]},
    {"appointment_type": "Review"},
]


@pytest.mark.parametrize(("verb", "code"), [("bookings", "SLOT_IS_BOOKED"), ("holds", "SLOT_IS_HELD")])
def test_a_slot_somebody_is_on_is_never_altered(
    provider: Provider, put_patient_on: Any, slot_table: Table, verb: str, code: str
) -> None:
    provider.publish(slots=[slot()])
    put_patient_on("A1", verb=verb)
    table = slot_table()
    for change in CHANGES:
        assert only(provider.publish(slots=[slot(**change)])) == ("refused", code), change
    assert only(provider.publish(slots=[slot()])) == ("unchanged", None)
    assert slot_table() == table


def test_withdrawing_a_booked_slot_closes_it_and_the_appointment_stands(
    provider: Provider, put_patient_on: Any, stored: Any, database: Database
) -> None:
    provider.publish(slots=[slot(capacity=2)])
    reference = put_patient_on("A1")
    assert only(provider.publish(withdraw=["A1"])) == ("withdrawn", "SLOT_IS_BOOKED")
    assert stored("A1").status == "CLOSED"
    with database.unit_of_work(write=False) as reader:
        assert reader.query(Booking).filter_by(reference=reference).one().state == "BOOKED"
    assert only(provider.publish(slots=[slot(capacity=2)])) == ("changed", None)  # opened again as it was
    assert stored("A1").status == "PUBLISHED"


def test_a_hold_past_its_time_does_not_stand_in_the_way(provider: Provider, put_patient_on: Any, clock: Clock) -> None:
    provider.publish(slots=[slot()])
    put_patient_on("A1", verb="holds")
    clock.now += timedelta(minutes=11)
    assert only(provider.publish(slots=[slot(end="2026-04-07T09:30")])) == ("changed", None)
    assert only(provider.publish(withdraw=["A1"])) == ("withdrawn", None)


def test_a_publication_may_be_all_there_is(provider: Provider, put_patient_on: Any) -> None:
    days = [slot(f"D{n}", f"2026-04-{n:02}T09:00", f"2026-04-{n:02}T09:20") for n in range(6, 12)]
    provider.publish(slots=days)
    put_patient_on("D8")
    answer = provider.publish(
        slots=[days[1], slot("NEW", "2026-04-09T11:00", "2026-04-09T11:20")],
        replaces={"first_date": "2026-04-07", "last_date": "2026-04-10"},
    )
    assert results(answer) == {
        "D8": "withdrawn", "D9": "withdrawn", "D10": "withdrawn", "D7": "unchanged", "NEW": "added",
    }  # fmt: skip
    left = provider.get(service_id=provider.service_id, first_date="2026-04-06", last_date="2026-04-12")["slots"]
    assert [one["provider_slot_id"] for one in left] == ["D6", "D7", "NEW", "D11"]


def test_a_clinician_in_two_places_is_a_named_conflict(provider: Provider, slot_table: Table) -> None:
    provider.publish(slots=[slot(practitioner="C1234567")])
    answer = provider.publish(
        slots=[
            slot("B1", "2026-04-07T09:10", "2026-04-07T09:30", practitioner="C1234567"),
            slot("B2", "2026-04-07T09:20", "2026-04-07T09:40", practitioner="C1234567"),
            slot("B3", "2026-04-07T09:30", "2026-04-07T09:50", practitioner="C1234567"),
        ]
    )
    assert results(answer) == {"B1": "refused", "B2": "added", "B3": "refused"}
    first = answer["outcomes"][0]
    assert first["code"] == "PRACTITIONER_ELSEWHERE"
    assert "'A1' of Dermatology clinic" in first["message"]


def test_a_clinic_that_runs_later_moves_as_a_whole(provider: Provider) -> None:
    def at(hour: int, minute: int) -> str:
        return f"2026-04-07T{hour}:{minute:02}"

    def clinic(minute: int) -> list[dict[str, Any]]:
        hours = range(10, 15)
        return [slot(f"C{h - 9}", at(h, minute), at(h + 1, minute), practitioner="C1234567") for h in hours]

    provider.publish(slots=clinic(0))
    assert provider.publish(slots=clinic(30))["changed"] == 5
    assert provider.publish(slots=clinic(0))["changed"] == 5
    swapped = clinic(0)
    swapped[0]["starts_at"], swapped[1]["starts_at"] = swapped[1]["starts_at"], swapped[0]["starts_at"]
    swapped[0]["ends_at"], swapped[1]["ends_at"] = swapped[1]["ends_at"], swapped[0]["ends_at"]
    assert provider.publish(slots=swapped)["changed"] == 2
    # A new slot takes the time of one that is withdrawn by the same publication.
    answer = provider.publish(slots=[{**clinic(0)[2], "provider_slot_id": "X"}], withdraw=["C3"])
    assert results(answer) == {"C3": "withdrawn", "X": "added"}


BAD_INPUT: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"slots": [slot(), slot("A2", end="2026-04-07T08:00")]}, {"slots.1.ends_at": "ENDS_BEFORE_START"}),
    ({"slots": [slot(end="2026-04-08T09:01")]}, {"slots.0.ends_at": "SLOT_TOO_LONG"}),
    ({"slots": [slot(start="2026-03-29T01:30", end="2026-03-29T02:30")]}, {"slots.0.starts_at": "TIME_DOES_NOT_EXIST"}),
    ({"slots": [slot(start="2026-10-25T00:30", end="2026-10-25T01:30")]}, {"slots.0.ends_at": "TIME_EXISTS_TWICE"}),
    ({"slots": [slot(start="2026-04-07T08:00:00+05:00")]}, {"slots.0.starts_at": "OFFSET_WRONG"}),
    ({"slots": [slot(start="0001-01-01T00:00:00+01:00")]}, {"slots.0.starts_at": "YEAR"}),
    ({"slots": [slot(end="9999-12-31T23:59:59-01:00")]}, {"slots.0.ends_at": "YEAR"}),
    ({"slots": [slot(), slot()]}, {"slots.1.provider_slot_id": "DUPLICATE"}),
    ({"slots": [slot()], "withdraw": ["A1"]}, {"withdraw.0": "DUPLICATE"}),
    ({"slots": [slot(capacity=0)]}, {"slots.0.capacity": "INVALID"}),
    ({"slots": [slot(capacity=501)]}, {"slots.0.capacity": "INVALID"}),
    ({"slots": [slot(priorities=[])]}, {"slots.0.priorities": "INVALID"}),
    ({"slots": [slot(practitioner="C7654321")]}, {"slots.0.practitioner": "PRACTITIONER_UNKNOWN"}),
    ({"slots": [slot("x" * 81)]}, {"slots.0.provider_slot_id": "INVALID"}),
    ({"slots": [{"starts_at": "soon", "colour": "red"}]}, {
        "slots.0.provider_slot_id": "REQUIRED", "slots.0.ends_at": "REQUIRED", "slots.0.starts_at": "INVALID",
        "slots.0.colour": "UNKNOWN_FIELD",
    }),
    ({"sessions": [session(ends="08:00")]}, {"sessions.0.ends": "ENDS_BEFORE_START"}),
    ({"sessions": [session(), session(practitioner="x", id="B")]}, {"sessions.1.practitioner": "PRACTITIONER_UNKNOWN"}),
    ({"sessions": [session(first_date="2026-03-29", weekdays=["sunday"], last_date="2026-03-29", starts="01:00",
                           ends="01:15")]}, {"sessions.0": "TIME_DOES_NOT_EXIST"}),
    ({"sessions": [session(weekdays=["someday"])]}, {"sessions.0.weekdays.0": "INVALID"}),
    ({"replaces": {"first_date": "2026-04-02", "last_date": "2026-04-01"}}, {"replaces.last_date": "DATES_REVERSED"}),
]  # fmt: skip


def test_bad_input_is_named_by_its_path_and_nothing_is_written(provider: Provider, slot_table: Table) -> None:
    table = slot_table()
    for body, faults in BAD_INPUT:
        answer = provider.publish(422, **body)
        assert {error["field"]: error["code"] for error in answer["errors"]} == faults
    assert slot_table() == table


def test_another_providers_service_and_slot_are_not_there(
    provider: Provider, region: factories.Region, slot_table: Table
) -> None:
    table = slot_table()
    assert provider.publish(404, service_id=provider.other_service_id, slots=[slot()])["code"] == "NOT_FOUND"
    assert provider.publish(404, service_id=987654321)["code"] == "NOT_FOUND"
    theirs = next(one for one in region.slots if one.service_id == provider.other_service_id)
    answer = provider.client.post(f"/api/v1/slots/{theirs.id}/withdraw", headers=provider.headers)
    assert answer.status_code == 404
    assert {one["service_id"] for one in provider.get()["slots"]} == {provider.service_id}
    assert slot_table() == table


def test_a_practice_publishes_nothing(provider: Provider, work: Work, region: factories.Region) -> None:
    headers = factories.bearer(factories.token(work, region, Role.REFERRING_ADMIN))
    work.session.commit()
    body = {"service_id": provider.service_id}
    assert provider.client.post("/api/v1/slots/publications", json=body, headers=headers).status_code == 403
    assert provider.client.get("/api/v1/slots", headers=headers).status_code == 403


def test_own_slots_are_paged_and_counted(provider: Provider, put_patient_on: Any) -> None:
    provider.publish(slots=[slot(capacity=3)])
    put_patient_on("A1")
    put_patient_on_other = provider.get(first_date="2026-04-07", last_date="2026-04-07")["slots"]
    assert [(one["free"], one["held"], one["booked"]) for one in put_patient_on_other] == [(2, 0, 1)]
    seen: list[int] = []
    cursor = None
    while True:
        page = provider.get(limit=7, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["slots"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 31
    bad = provider.client.get("/api/v1/slots?cursor=zz", headers=provider.headers)
    assert (bad.status_code, bad.get_json()["errors"][0]["field"]) == (422, "cursor")


def test_one_slot_is_withdrawn_by_its_key(provider: Provider, put_patient_on: Any) -> None:
    provider.publish(slots=[slot(), slot("A2", "2026-04-07T10:00", "2026-04-07T10:20")])
    put_patient_on("A2")
    keys = {one["provider_slot_id"]: one["id"] for one in provider.get(first_date="2026-04-07")["slots"]}
    for name, code in (("A1", None), ("A2", "SLOT_IS_BOOKED")):
        answer = provider.client.post(f"/api/v1/slots/{keys[name]}/withdraw", headers=provider.headers)
        assert answer.status_code == 200
        assert (answer.get_json()["result"], answer.get_json()["code"]) == ("withdrawn", code)


def test_the_same_key_publishes_once(provider: Provider, slot_table: Table) -> None:
    headers = {**provider.headers, "Idempotency-Key": "tonight"}
    body = {"service_id": provider.service_id, "slots": [slot()]}
    first = provider.client.post("/api/v1/slots/publications", json=body, headers=headers)
    second = provider.client.post("/api/v1/slots/publications", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.get_json() == first.get_json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_the_template_is_a_file_to_fill_in(provider: Provider) -> None:
    answer = provider.client.get("/api/v1/slots/template.csv", headers=provider.headers)
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert answer.get_data(as_text=True).startswith("slot_id,provider,service,date,start,end")


def test_two_at_once_do_not_make_a_slot_twice(provider: Provider, slot_table: Table) -> None:
    before, statuses = len(slot_table()), []
    barrier = threading.Barrier(2)

    def go() -> None:
        client = provider.client.application.test_client()
        barrier.wait()
        body = {"service_id": provider.service_id, "sessions": [session()]}
        answer = client.post("/api/v1/slots/publications", json=body, headers=provider.headers)
        statuses.append((answer.status_code, answer.get_json()["added"]))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [(201, 0), (201, 56)]
    assert len(slot_table()) == before + 56
