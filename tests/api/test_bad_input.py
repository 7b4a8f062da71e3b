"""Bad input: each a clear 4xx that names the field, and nothing half-written."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Priority, Sex
from booking.models import AuditEntry, Patient, Referral
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, choice, fields_at_fault, patient_body, referral_body
from tests.conftest import NOW, Clock, Rows
from tests.factories import Region

TODAY = NOW.date()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nhs_number": "943 476 5918"}, "nhs_number"),
        ({"nhs_number": "9190000000"}, "nhs_number"),
        ({"nhs_number": "12345"}, "nhs_number"),
        ({"nhs_number": 9434765919}, "nhs_number"),
        ({"nhs_number": "٩٤٣٤٧٦٥٩١٩"}, "nhs_number"),
        ({"given_name": "  "}, "given_name"),
        ({"given_name": "x" * 101}, "given_name"),
        ({"family_name": "bad\x00name"}, "family_name"),
        ({"date_of_birth": "29/02/1948"}, "date_of_birth"),
        ({"date_of_birth": "1949-02-29"}, "date_of_birth"),
        ({"date_of_birth": "2027-01-01"}, "date_of_birth"),
        ({"date_of_birth": "1701-01-01"}, "date_of_birth"),
        ({"sex": "F"}, "sex"),
        ({"email": "nobody"}, "email"),
        ({"mobile": "ring me"}, "mobile"),
        ({"latitude": 91, "longitude": 0}, "latitude"),
        ({"latitude": 51}, "longitude"),
        ({"latitude": "NaN", "longitude": 0}, "latitude"),
        ({"unsuitable_times": 2**21}, "unsuitable_times"),
        ({"unsuitable_times": "mornings"}, "unsuitable_times"),
        ({"favourite_colour": "green"}, "favourite_colour"),
        ({"step_free": "perhaps"}, "step_free"),
        ({"family_name": "\ud800😀"}, "family_name"),
        ({"email": "a@b\ud800.com"}, "email"),
        ({"postcode": "ABCDEFGHIJ"}, "postcode"),
        ({"mobile": "+" + "1" * 20}, "mobile"),
        ({"mobile": "0000000000\n"}, "mobile"),
    ],
)
def test_a_patient_with_a_fault(
    client: FlaskClient, gp: Headers, rows: Rows, changes: dict[str, Any], field: str
) -> None:
    before = len(rows(select(Patient)))
    answer = client.post(f"{API}/patients", json=patient_body(**changes), headers=gp)
    assert answer.status_code == 422, answer.json
    assert field in fields_at_fault(answer)
    assert len(rows(select(Patient))) == before


def test_every_missing_field_is_named(client: FlaskClient, gp: Headers) -> None:
    answer = client.post(f"{API}/patients", json={}, headers=gp)
    assert fields_at_fault(answer) == {"nhs_number", "given_name", "family_name", "date_of_birth", "sex"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1, 2]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 90_000, "application/json", 400),
        (b'{"given_name": ' + b"9" * 5_000 + b"}", "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"<x/>", "application/xml", 415),
        (b"{}", "text/plain", 415),
    ],
)
def test_what_is_not_a_json_object(
    client: FlaskClient, gp: Headers, body: bytes, content_type: str, status: int
) -> None:
    answer = client.post(f"{API}/patients", data=body, content_type=content_type, headers=gp)
    assert answer.status_code == status, answer.data
    assert answer.content_type == "application/problem+json"


def test_a_body_of_50_megabytes(client: FlaskClient, gp: Headers) -> None:
    body = b'{"given_name": "' + b"x" * 50_000_000 + b'"}'
    answer = client.post(f"{API}/patients", data=body, content_type="application/json", headers=gp)
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


def test_a_number_registered_already(client: FlaskClient, gp: Headers) -> None:
    assert client.post(f"{API}/patients", json=patient_body(), headers=gp).status_code == 201
    again = client.post(f"{API}/patients", json=patient_body(), headers=gp)
    assert (again.status_code, again.json["code"]) == (409, "PATIENT_EXISTS")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "specialty"),
        ("clinic_type=330-SKIN", "specialty"),
        ("specialty=999", "specialty"),
        ("specialty=330&clinic_type=320-ECG", "clinic_type"),
        ("specialty=330&within_miles=5", "within_miles"),
        ("specialty=330&within_miles=0&postcode=AM1+1AB", "within_miles"),
        ("specialty=330&priority=TWO_WEEK_WAIT&max_wait_days=10", "max_wait_days"),
        ("specialty=330&postcode=ZZ99+9ZZ", "postcode"),
        ("specialty=330&priority=SOON", "priority"),
        ("specialty=330&age=old", "age"),
        ("specialty=330&sort=price", "sort"),
        ("specialty=330&colour=green", "colour"),
    ],
)
def test_a_search_with_a_fault(client: FlaskClient, gp: Headers, query: str, field: str) -> None:
    answer = client.get(f"{API}/services?{query}", headers=gp)
    assert answer.status_code == 422, answer.json
    assert field in fields_at_fault(answer)


def _referral(changes: dict[str, Any], region: Region) -> dict[str, Any]:
    first, second = (service.id for service in region.services)
    lists = {"none": [], "twice": [first, second, first], "unknown": [first, 99_999], "many": list(range(1, 22))}
    return referral_body(
        region, **{k: lists[v] if isinstance(v, str) and v in lists else v for k, v in changes.items()}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"shortlist": "none"}, "shortlist"),
        ({"shortlist": "twice"}, "shortlist"),
        ({"shortlist": "many"}, "shortlist"),
        ({"shortlist": "unknown"}, "shortlist.1"),
        ({"shortlist": ["1"]}, "shortlist.0"),
        ({"specialty": "320", "clinic_type": None}, "clinic_type"),
        ({"specialty": "999"}, "specialty"),
        ({"clinic_type": "320-ECG"}, "clinic_type"),
        ({"priority": "WHENEVER"}, "priority"),
        ({"reason": ""}, "reason"),
        ({"named_practitioner": "C999"}, "named_practitioner"),
        ({"rtt_clock_start": str(TODAY + timedelta(days=1))}, "rtt_clock_start"),
        ({"rtt_clock_start": str(TODAY - timedelta(days=366))}, "rtt_clock_start"),
        ({"state": "BOOKED"}, "state"),
    ],
)
def test_a_referral_with_a_fault(
    client: FlaskClient, gp: Headers, region: Region, rows: Rows, changes: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{API}/referrals", json=_referral(changes, region), headers=gp)
    assert answer.status_code == 422, answer.json
    assert field in fields_at_fault(answer)
    assert len(rows(select(Referral))) == 0
    assert len(rows(select(AuditEntry))) == 0


def test_a_service_the_referral_may_not_use(client: FlaskClient, gp: Headers, region: Region, work: Work) -> None:
    site = region.services[0].site_id
    from booking.models import Site

    at = work.session.get_one(Site, site)
    wrong = {
        "CLINIC_TYPE": factories.service(work, region.provider, at, clinic_types=[]),
        "PRIORITY": factories.service(work, region.provider, at, windows={Priority.URGENT: (0, 10)}),
        "AGE": factories.service(work, region.provider, at, max_age=16),
        "SEX": factories.service(work, region.provider, at, sex=Sex.MALE),
        "CLOSED": factories.service(work, region.provider, at, operational_to=date(2025, 1, 1)),
        "SERVICE_UNKNOWN": factories.service(work, region.provider, at, nationally_visible=False),
    }
    work.session.commit()
    answer = client.post(
        f"{API}/referrals", json=referral_body(region, shortlist=[one.id for one in wrong.values()]), headers=gp
    )
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json["errors"]] == list(wrong)
    assert [error["field"] for error in answer.json["errors"]] == [f"shortlist.{n}" for n in range(6)]


def test_a_patient_without_a_practice(client: FlaskClient, gp: Headers, region: Region, work: Work) -> None:
    stray = factories.PatientFactory(practice_id=None)
    work.session.commit()
    answer = client.post(f"{API}/referrals", json=referral_body(region, stray.id), headers=gp)
    assert answer.status_code == 404


def test_an_admin_must_name_the_clinician(client: FlaskClient, admin: Headers, region: Region) -> None:
    answer = client.post(f"{API}/referrals", json=referral_body(region), headers=admin)
    assert fields_at_fault(answer) == {"referrer"}
    named = client.post(f"{API}/referrals", json=referral_body(region, referrer="Dr Ada Lake"), headers=admin)
    assert named.json["referrer"] == "Dr Ada Lake"


@pytest.mark.parametrize(
    ("changes", "status", "fault"),
    [
        ({"starts_at": "2026-03-03T09:05:00+00:00"}, 422, "starts_at"),
        ({"ends_at": "2026-03-03T10:00:00+00:00"}, 422, "ends_at"),
        ({"starts_at": "2026-03-03T09:00:00"}, 422, "starts_at"),
        ({"starts_at": "tomorrow"}, 422, "starts_at"),
        ({"slot_id": "1"}, 422, "slot_id"),
        ({"slot_id": 99_999}, 404, None),
        ({"slot_id": 2**63}, 422, "slot_id"),
        ({"slot_id": -1}, 422, "slot_id"),
        ({"colour": "green"}, 422, "colour"),
    ],
)
def test_a_booking_with_a_fault(
    client: FlaskClient,
    me: Headers,
    referral: Referral,
    free: Any,
    changes: dict[str, Any],
    status: int,
    fault: str | None,
) -> None:
    body = {**choice(free()[0]), **changes}
    answer = client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=body, headers=me)
    assert answer.status_code == status, answer.json
    if fault:
        assert fault in fields_at_fault(answer)
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).json["state"] == "NOT_BOOKED"


def test_a_slot_that_is_over(client: FlaskClient, me: Headers, referral: Referral, free: Any, clock: Clock) -> None:
    first = free()[0]
    clock.now += timedelta(days=1, minutes=1)
    me_again = client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=choice(first), headers=me)
    assert me_again.status_code == 401  # idle for a day: signed out
    assert me_again.json["code"] == "NOT_SIGNED_IN"


def test_a_cursor_we_did_not_give_out(client: FlaskClient, me: Headers, referral: Referral) -> None:
    odd = ("0001-01-01T00:00:00+14:00|1", "9999-12-31T23:59:59-14:00|1", "2026-03-02T00:00:00+00:00|" + "9" * 25)
    for cursor in ("abc", "%00", "MjAyNg==", "w7w=", *(base64.urlsafe_b64encode(o.encode()).decode() for o in odd)):
        answer = client.get(f"{API}/referrals/{referral.ubrn}/slots?cursor={cursor}", headers=me)
        assert fields_at_fault(answer) == {"cursor"}, cursor


def test_unknown_paths_and_methods(client: FlaskClient, gp: Headers) -> None:
    assert client.get(f"{API}/nothing", headers=gp).status_code == 404
    answer = client.put(f"{API}/referrals", json={}, headers=gp)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.content_type == "application/problem+json"


def test_a_reference_that_can_not_be_one(client: FlaskClient, me: Headers) -> None:
    for reference in ("%00", "x" * 40, "é", "NOSUCHREF"):
        assert client.get(f"{API}/bookings/{reference}", headers=me).status_code == 404, reference
