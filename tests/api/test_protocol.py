"""Idempotency keys, versions, signing in: the protocol around the use cases."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.models import AuthSession, IdempotencyRecord, OutboxMessage, Patient, Referral
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, choice, fields_at_fault, patient_body, referral_body
from tests.conftest import Clock, Rows
from tests.factories import Region, bearer


def test_the_same_key_and_body_has_one_effect(client: FlaskClient, gp: Headers, region: Region, rows: Rows) -> None:
    headers = {**gp, "Idempotency-Key": "order-1"}
    first = client.post(f"{API}/referrals", json=referral_body(region), headers=headers)
    again = client.post(f"{API}/referrals", json=referral_body(region), headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.data == again.data
    assert (first.headers["ETag"], first.headers["Location"]) == (again.headers["ETag"], again.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(rows(select(Referral))) == 1
    stored = rows(select(IdempotencyRecord))[0]
    assert first.json["access_code"].encode() not in stored.answer  # type: ignore[operator]


def test_the_same_key_with_another_body_is_refused(
    client: FlaskClient, gp: Headers, region: Region, rows: Rows
) -> None:
    headers = {**gp, "Idempotency-Key": "order-1"}
    client.post(f"{API}/referrals", json=referral_body(region), headers=headers)
    other = client.post(f"{API}/referrals", json=referral_body(region, reason="Another"), headers=headers)
    assert other.status_code == 422
    assert fields_at_fault(other) == {"Idempotency-Key"}
    assert len(rows(select(Referral))) == 1


def test_somebody_elses_key_is_their_own(client: FlaskClient, gp: Headers, admin: Headers, region: Region) -> None:
    body = referral_body(region, referrer="Dr Ada Lake")
    made = [
        client.post(f"{API}/referrals", json=body, headers={**who, "Idempotency-Key": "one"}).json["ubrn"]
        for who in (gp, admin)
    ]
    assert made[0] != made[1]


def test_two_people_of_one_name_have_keys_of_their_own(client: FlaskClient, work: Work, region: Region) -> None:
    made = []
    for username in ("first-smith", "second-smith"):
        row = factories.account(work, Role.REFERRING_CLINICIAN, region.practice, username)
        region.account_roles[Role.REFERRING_CLINICIAN] = row
        headers = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
        work.session.commit()
        body = referral_body(region)
        made.append(client.post(f"{API}/referrals", json=body, headers={**headers, "Idempotency-Key": "one"}).json)
    assert made[0]["ubrn"] != made[1]["ubrn"]


def test_a_refused_request_does_not_use_up_its_key(client: FlaskClient, gp: Headers) -> None:
    headers = {**gp, "Idempotency-Key": "p"}
    assert client.post(f"{API}/patients", json=patient_body(nhs_number="1"), headers=headers).status_code == 422
    assert client.post(f"{API}/patients", json=patient_body(), headers=headers).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_a_key_of_the_wrong_length(client: FlaskClient, gp: Headers, key: str) -> None:
    answer = client.post(f"{API}/patients", json=patient_body(), headers={**gp, "Idempotency-Key": key})
    assert fields_at_fault(answer) == {"Idempotency-Key"}


def test_a_double_click_books_once(app: BookingApp, me: Headers, referral: Referral, free: Any, rows: Rows) -> None:
    """Two identical posts in the same moment: both are told of the one booking."""
    body, barrier, answers = choice(free()[0]), threading.Barrier(2), []

    def press() -> None:
        with app.test_client() as client:
            barrier.wait()
            headers = {**me, "Idempotency-Key": "click"}
            answers.append(client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=body, headers=headers))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json["reference"] == answers[1].json["reference"]
    kinds = rows(select(OutboxMessage.kind))
    assert kinds.count("appointment-booked") == 1


def test_a_change_needs_the_current_version(client: FlaskClient, gp: Headers, referral: Referral) -> None:
    path = f"{API}/referrals/{referral.ubrn}"
    tag = client.get(path, headers=gp).headers["ETag"]
    assert client.get(path, headers={**gp, "If-None-Match": tag}).status_code == 304
    body = {"reason": "RAISED_IN_ERROR"}
    assert client.post(f"{path}/cancel", json=body, headers=gp).status_code == 428
    for stale in ('"0"', '"99"', '"x"', "*", "²", "9" * 5_000):
        answer = client.post(f"{path}/cancel", json=body, headers={**gp, "If-Match": stale})
        assert (answer.status_code, answer.json["code"]) == (409, "STALE_VERSION"), stale
    done = client.post(f"{path}/cancel", json=body, headers={**gp, "If-Match": tag})
    assert done.json["state"] == "CANCELLED_REFERRAL"
    assert done.headers["ETag"] != tag
    after = client.post(f"{path}/cancel", json=body, headers={**gp, "If-Match": done.headers["ETag"]})
    assert (after.status_code, after.json["state"]) == (409, "CANCELLED_REFERRAL")


def test_a_reason_and_its_comment(client: FlaskClient, gp: Headers, referral: Referral) -> None:
    path = f"{API}/referrals/{referral.ubrn}"
    headers = {**gp, "If-Match": client.get(path, headers=gp).headers["ETag"]}
    assert fields_at_fault(client.post(f"{path}/cancel", json={"reason": "BORED"}, headers=headers)) == {"reason"}
    assert fields_at_fault(client.post(f"{path}/cancel", json={"reason": "OTHER"}, headers=headers)) == {"comment"}
    assert client.post(f"{path}/cancel", json={"reason": "OTHER", "comment": "x"}, headers=headers).status_code == 200


def _details(referral: Referral, **changes: str) -> dict[str, str]:
    code = referral.shown_code  # type: ignore[attr-defined]
    return {"ubrn": referral.ubrn, "access_code": code, "date_of_birth": "1960-05-17", **changes}


def test_a_patient_signs_in_however_they_type_it(client: FlaskClient, referral: Referral) -> None:
    code: str = referral.shown_code  # type: ignore[attr-defined]
    ubrn = referral.ubrn
    for changes in (
        {}, {"ubrn": f"{ubrn[:4]} {ubrn[4:8]} {ubrn[8:]}"}, {"access_code": code.lower()},
        {"access_code": f" {code[:5]}-{code[5:]} "}, {"ubrn": f"{ubrn[:4]}-{ubrn[4:8]}-{ubrn[8:]}"},
    ):  # fmt: skip
        assert client.post(f"{API}/patient-sessions", json=_details(referral, **changes)).status_code == 201, changes


def test_whatever_is_wrong_the_answer_is_the_same(client: FlaskClient, referral: Referral) -> None:
    answers = set()
    for n, changes in enumerate(
        ({"ubrn": "100000000000"}, {"access_code": "WRONGCODE1"}, {"date_of_birth": "1960-05-18"}, {"ubrn": "what"})
    ):
        address = {"REMOTE_ADDR": f"10.0.0.{n}"}
        answer = client.post(f"{API}/patient-sessions", json=_details(referral, **changes), environ_base=address)
        answers.add((answer.status_code, answer.json["detail"], answer.json["code"]))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_guessing_is_throttled_and_locks_nobody_else_out(client: FlaskClient, referral: Referral, clock: Clock) -> None:
    stranger, patient = {"REMOTE_ADDR": "10.9.9.9"}, {"REMOTE_ADDR": "10.1.1.1"}
    statuses = [
        client.post(
            f"{API}/patient-sessions",
            json=_details(referral, ubrn=f"{referral.ubrn[:n]}-{referral.ubrn[n:]}", access_code=f"GUESS{n}"),
            environ_base=stranger,
        ).status_code
        for n in range(8)
    ]
    assert statuses == [401] * 5 + [429] * 3
    refused = client.post(f"{API}/patient-sessions", json=_details(referral), environ_base=stranger)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
    assert client.post(f"{API}/patient-sessions", json=_details(referral), environ_base=patient).status_code == 201
    clock.now += timedelta(minutes=16)
    assert client.post(f"{API}/patient-sessions", json=_details(referral), environ_base=stranger).status_code == 201


def test_an_expired_and_a_replaced_access_code(
    client: FlaskClient, gp: Headers, referral: Referral, clock: Clock
) -> None:
    new = client.post(f"{API}/referrals/{referral.ubrn}/access-codes", headers=gp).json["access_code"]
    assert client.post(f"{API}/patient-sessions", json=_details(referral)).status_code == 401
    assert client.post(f"{API}/patient-sessions", json=_details(referral, access_code=new)).status_code == 201
    clock.now += timedelta(days=181)
    assert client.post(f"{API}/patient-sessions", json=_details(referral, access_code=new)).status_code == 401


def test_a_new_access_code_signs_the_old_ones_sessions_out(
    client: FlaskClient, gp: Headers, me: Headers, referral: Referral
) -> None:
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).status_code == 200
    client.post(f"{API}/referrals/{referral.ubrn}/access-codes", headers=gp)
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).status_code == 401


def test_sessions_end(client: FlaskClient, referral: Referral, clock: Clock, rows: Rows) -> None:
    signed = client.post(f"{API}/patient-sessions", json=_details(referral)).json
    headers, path = bearer(signed["token"]), f"{API}/referrals/{referral.ubrn}"
    assert signed["token"] not in str(rows(select(AuthSession.token_hash)))
    for _ in range(20):  # in use, it lives on past the idle limit
        clock.now += timedelta(minutes=29)
        assert client.get(path, headers=headers).status_code == 200
    clock.now += timedelta(minutes=31)
    assert client.get(path, headers=headers).status_code == 401
    again = client.post(f"{API}/patient-sessions", json=_details(referral)).json
    headers = bearer(again["token"])
    assert client.delete(f"{API}/sessions/current", headers=headers).status_code == 204
    assert client.get(path, headers=headers).status_code == 401


def test_staff_sign_in(client: FlaskClient, region: Region) -> None:
    from tests.factories import PASSWORD

    name = "referring_clinician@p81001"
    good = client.post(f"{API}/sessions", json={"username": name.upper(), "password": PASSWORD})
    assert (good.status_code, good.json["role"]) == (201, "REFERRING_CLINICIAN")
    assert client.get(f"{API}/referrals", headers=bearer(good.json["token"])).json == {"referrals": [], "next": None}
    for body in ({"username": name, "password": "wrong"}, {"username": "nobody", "password": PASSWORD}):
        answer = client.post(f"{API}/sessions", json=body)
        assert (answer.status_code, answer.json["code"]) == (401, "WRONG_DETAILS")


def test_nobody_sees_what_is_not_theirs(
    client: FlaskClient, work: Work, region: Region, referral: Referral, me: Headers, rows: Rows
) -> None:
    other_patient = factories.PatientFactory(practice_id=region.other_practice.id)
    theirs, _ = factories.referral(work, region, patient=other_patient)
    other_gp = factories.account(work, "REFERRING_CLINICIAN", region.other_practice, "other-gp")  # type: ignore[arg-type]
    region.account_roles["other"] = other_gp  # type: ignore[index]
    headers = bearer(factories.token(work, region, "other"))  # type: ignore[arg-type]
    work.session.commit()
    path = f"{API}/referrals/{referral.ubrn}"
    for method, where, body in (
        ("GET", path, None), ("GET", f"{path}/offers", None), ("GET", f"{path}/slots", None),
        ("POST", f"{path}/access-codes", None), ("POST", f"{path}/offers", None),
        ("GET", f"{API}/patients/{region.patient.id}", None),
        ("GET", f"{API}/patients?nhs_number={region.patient.nhs_number}", None),
        ("POST", f"{API}/referrals", referral_body(region)),
    ):  # fmt: skip
        answer = client.open(where, method=method, json=body, headers=headers)
        assert answer.status_code == 404, (method, where, answer.json)
    assert client.get(f"{API}/referrals/{theirs.ubrn}", headers=me).status_code == 404
    assert client.get(f"{API}/referrals/{theirs.ubrn}", headers=headers).status_code == 200
    assert rows(select(Patient.id))


def test_the_specification_is_valid_and_complete(client: FlaskClient, app: BookingApp) -> None:
    from openapi_spec_validator import validate

    spec = client.get("/api/openapi.json").json
    assert spec["openapi"] == "3.1.0"
    validate(spec)
    routes = {
        rule.rule.replace("<int:", "<").replace("<key:", "<").replace("<", "{").replace(">", "}")
        for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1")
    }  # fmt: skip
    assert routes == set(spec["paths"])
    errors = [
        (path, method, status)
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
        for status, answer in operation["responses"].items()
        if str(status).startswith(("4", "5")) and "application/json" in answer.get("content", {})
    ]  # fmt: skip
    assert errors == []
