"""The life of a referral through HTTP: what may be done is shown, done, versioned and remembered."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.referral import Action, ReferralState
from booking.domain.words import Role
from booking.models import Referral
from tests import factories
from tests.conftest import Rows
from tests.factories import bearer
from tests.life.conftest import COMMENT, Life

S = ReferralState


class Caller:
    def __init__(self, client: FlaskClient, lives: Life) -> None:
        self.client = client
        self.tokens = {role: factories.token(lives.work, lives.region, role) for role in lives.region.account_roles}
        lives.work.session.commit()

    def get(self, role: Role, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=bearer(self.tokens[role]))

    def do(self, role: Role, ubrn: str, action: str, body: dict[str, Any], version: int, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1/referrals/{ubrn}/actions/{action}", json=body,
            headers={**bearer(self.tokens[role]), "If-Match": f'"{version}"', **headers},
        )  # fmt: skip


def test_triage_from_worklist_to_booked(client: FlaskClient, lives: Life) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    ubrn, target = made.ubrn, lives.region.services[0].id
    code = factories.patient_token(lives.work, made)
    call = Caller(client, lives)
    listed = call.get(Role.PROVIDER_CLINICIAN, "worklists/REFERRALS_FOR_REVIEW").json["entries"]
    assert [one["reference"] for one in listed] == [ubrn]
    can = call.get(Role.PROVIDER_CLINICIAN, f"referrals/{ubrn}/actions").json
    assert {one["action"] for one in can["actions"]} >= {"TRIAGE_ACCEPT", "TRIAGE_RETURN", "REDIRECT"}
    answer = call.do(Role.PROVIDER_CLINICIAN, ubrn, "triage-accept", {"comment": COMMENT}, 1)
    assert (answer.status_code, answer.json["state"]) == (200, "TRIAGED_PROVIDER_TO_ACTION")
    stale = call.do(Role.PROVIDER_ADMIN, ubrn, "redirect", {"comment": COMMENT, "service_id": target}, 1)
    assert (stale.status_code, stale.json["code"]) == (409, "STALE_VERSION")
    version = int(answer.headers["ETag"].strip('"'))
    answer = call.do(Role.PROVIDER_ADMIN, ubrn, "redirect", {"comment": COMMENT, "service_id": target}, version)
    assert answer.json["state"] == "NOT_BOOKED"
    offered = client.post(f"/api/v1/referrals/{ubrn}/offers", headers=bearer(code)).json["offers"]
    choice = {name: offered[0][name] for name in ("slot_id", "starts_at", "ends_at")}
    assert client.post(f"/api/v1/referrals/{ubrn}/bookings", json=choice, headers=bearer(code)).status_code == 201
    told = call.get(Role.REFERRING_ADMIN, f"referrals/{ubrn}/history").json
    actions = [event["action"] for event in told["events"]]
    assert actions == ["SEND_FOR_TRIAGE", "TRIAGE_ACCEPT", "REDIRECT", "BOOK"]
    assert told["state"] == told["recomputed_state"] == "BOOKED"
    assert told["events"][1]["comment"] == COMMENT
    assert [tick["change"] for tick in told["clock"]["changes"]] == ["START"]


def test_one_key_is_one_effect(client: FlaskClient, lives: Life, rows: Rows) -> None:
    ubrn = lives.to(S.BOOKED).ubrn
    call = Caller(client, lives)
    version = rows(select(Referral.version).where(Referral.ubrn == ubrn))[0]
    twice = [
        call.do(Role.PROVIDER_ADMIN, ubrn, "accept", {}, version, **{"Idempotency-Key": "accept-1"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in twice] == [200, 200]
    assert twice[0].json == twice[1].json
    assert rows(select(Referral.version).where(Referral.ubrn == ubrn)) == [version + 1]


def test_an_illegal_action_names_state_and_action(client: FlaskClient, lives: Life) -> None:
    made = lives.to(S.BOOKED)
    ubrn, version = made.ubrn, made.version
    call = Caller(client, lives)
    answer = call.do(Role.PROVIDER_CLINICIAN, ubrn, "triage-return", {"comment": COMMENT}, version)
    assert (answer.status_code, answer.json["code"]) == (409, "ILLEGAL_TRANSITION")
    assert "BOOKED" in answer.json["detail"]
    assert "TRIAGE_RETURN" in answer.json["detail"]


@pytest.mark.parametrize(
    ("state", "role", "action", "body", "field"),
    [
        (S.BOOKED, Role.PROVIDER_CLINICIAN, "reject", {"reason": "CRITERIA_NOT_MET"}, "comment"),
        (S.BOOKED, Role.PROVIDER_CLINICIAN, "reject", {"reason": "BECAUSE", "comment": "x"}, "reason"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "defer-to-provider", {"reason": "NO_SLOTS"}, "service_id"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "change-shortlist", {}, "shortlist"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "change-priority", {"comment": "worse"}, "priority"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "send-for-triage", {}, "service_id"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "change-priority", {"priority": "SOON"}, "priority"),
        (S.NOT_BOOKED, Role.REFERRING_CLINICIAN, "change-priority", {"prio": "URGENT"}, "prio"),
        (S.AWAITING_TRIAGE, Role.PROVIDER_CLINICIAN, "redirect", {"comment": "x" * 2001}, "comment"),
        (S.AWAITING_TRIAGE, Role.PROVIDER_CLINICIAN, "triage-return", {"comment": "a\u0000b"}, "comment"),
    ],
)
def test_bad_input_names_the_field(
    client: FlaskClient, lives: Life, rows: Rows, state: ReferralState, role: Role, action: str, body: Any, field: str
) -> None:
    made = lives.to(state)
    ubrn, version = made.ubrn, made.version
    call = Caller(client, lives)
    answer = call.do(role, ubrn, action, body, version)
    assert answer.status_code == 422, answer.json
    assert field in answer.json["errors"][0]["field"]
    assert rows(select(Referral.version).where(Referral.ubrn == ubrn)) == [version], "nothing is half-written"


def test_every_action_has_its_route_or_a_service_of_its_own(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    routed = {
        Action(path.rsplit("/", 1)[1].upper().replace("-", "_")) for path in paths if "/actions/" in path
    }  # fmt: skip
    elsewhere = {
        Action.BOOK, Action.MOVE_APPOINTMENT, Action.CANCEL_APPOINTMENT_BY_PATIENT, Action.CANCEL_REFERRAL,
        Action.CANCEL_APPOINTMENT_BY_PROVIDER, Action.SLOT_FOUND, Action.TRANSFER_PRACTICE,
        Action.CONVERT_FROM_ADVICE, Action.REDIRECT_FOR_TRIAGE,
    }  # fmt: skip
    assert routed | elsewhere == set(Action)
    assert not routed & elsewhere


def test_a_patient_defers_from_home_when_nothing_is_free(client: FlaskClient, lives: Life) -> None:
    made = lives.refer(shortlist=[lives.full.id])
    ubrn, version, token = made.ubrn, made.version, factories.patient_token(lives.work, made)
    lives.work.session.commit()
    answer = client.post(
        f"/api/v1/referrals/{ubrn}/actions/defer-to-provider", json={"reason": "NO_SLOTS", "service_id": lives.full.id},
        headers={**bearer(token), "If-Match": f'"{version}"'},
    )  # fmt: skip
    assert (answer.status_code, answer.json["state"]) == (200, "DEFERRED_TO_PROVIDER")
