"""An organisation manages its own people and the tokens of its systems, and nobody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import OrganisationKind, Role
from booking.edge.flask_app import BookingApp
from booking.models import Account, AccountRole, AuditEntry, AuthSession, ReferralEvent
from booking.services import accounts, audit
from booking.services.work import Work
from tests import factories
from tests.api.conftest import fields_at_fault, referral_body
from tests.conftest import Rows
from tests.factories import PASSWORD, Region, bearer
from tests.test_accounts import run

ORGANISATION = "/api/v1/organisation"
Headers = dict[str, str]


@pytest.fixture
def tokens(work: Work, region: Region) -> dict[Role, Headers]:
    made = {role: bearer(factories.token(work, region, role)) for role in region.account_roles}
    work.session.commit()
    return made


@pytest.fixture
def boss(tokens: dict[Role, Headers]) -> Headers:
    return tokens[Role.REFERRING_ADMIN]


def person(**changes: Any) -> dict[str, Any]:
    return {
        "username": "Bo@Practice.example", "name": "Bo O’Neill 🩺", "password": "a long enough one",
        "roles": ["REFERRING_CLINICIAN"], **changes,
    }  # fmt: skip


def test_somebody_is_taken_on_works_and_leaves(client: FlaskClient, boss: Headers, rows: Rows) -> None:
    made = client.post(f"{ORGANISATION}/people", json=person(), headers=boss)
    assert made.status_code == 201, made.json
    where = made.headers["Location"]
    assert client.get(where, headers=boss).json == made.json
    assert (made.json["username"], made.json["roles"]) == ("bo@practice.example", ["REFERRING_CLINICIAN"])
    sign_in = {"username": "bo@practice.example", "password": "a long enough one"}
    bo = bearer(client.post("/api/v1/sessions", json=sign_in).json["token"])
    assert client.get("/api/v1/referrals", headers=bo).status_code == 200
    assert client.get(f"{ORGANISATION}/people", headers=bo).status_code == 403

    more = client.post(f"{where}/roles", json={"role": "REFERRING_ADMIN"}, headers=boss)
    assert more.json["roles"] == ["REFERRING_ADMIN", "REFERRING_CLINICIAN"]
    less = client.delete(f"{where}/roles/REFERRING_CLINICIAN", headers=boss)
    assert less.json["roles"] == ["REFERRING_ADMIN"]
    assert client.get("/api/v1/referrals", headers=bo).status_code == 401
    assert client.delete(f"{where}/roles/REFERRING_CLINICIAN", headers=boss).status_code == 404
    back = client.post(f"{where}/roles", json={"role": "REFERRING_CLINICIAN"}, headers=boss)
    assert back.json["roles"] == ["REFERRING_ADMIN", "REFERRING_CLINICIAN"]

    assert client.post(f"{where}/deactivate", headers=boss).json["active"] is False
    assert client.post("/api/v1/sessions", json=sign_in).status_code == 401
    listed = client.get(f"{ORGANISATION}/people", headers=boss).json["people"]
    assert [(one["username"], one["active"]) for one in listed if one["id"] == made.json["id"]] == [
        ("bo@practice.example", False)
    ]
    assert client.post(f"{where}/reactivate", headers=boss).json["active"] is True
    assert client.post("/api/v1/sessions", json=sign_in).status_code == 201
    written = rows(select(AuditEntry).where(AuditEntry.chain == f"account:{made.json['id']}").order_by(AuditEntry.id))
    assert [entry.action for entry in written] == [
        "account.create", "account.grant", "account.grant", "account.withdraw", "account.grant",
        "account.deactivate", "account.reactivate",
    ]  # fmt: skip
    assert {(entry.role, entry.organisation) for entry in written} == {(Role.REFERRING_ADMIN, "P81001")}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"roles": ["PROVIDER_ADMIN"]}, "role"),
        ({"roles": ["PATIENT"]}, "roles.0"),
        ({"roles": ["SYSTEM"]}, "roles.0"),
        ({"roles": []}, "roles"),
        ({"password": "short"}, "password"),
        ({"username": " "}, "username"),
        ({"name": ""}, "name"),
        ({"administrator": True}, "administrator"),
    ],
    ids=str,
)
def test_what_can_not_be(client: FlaskClient, boss: Headers, changes: Any, field: str, rows: Rows) -> None:
    answer = client.post(f"{ORGANISATION}/people", json=person(**changes), headers=boss)
    assert answer.status_code == 422
    assert field in fields_at_fault(answer)
    assert len(rows(select(Account))) == 7


def test_each_kind_of_organisation_has_its_manager(
    client: FlaskClient, tokens: dict[Role, Headers], region: Region
) -> None:
    managers = {Role.REFERRING_ADMIN: 2, Role.PROVIDER_ADMIN: 3, Role.COMMISSIONER: 2}
    for role, headers in tokens.items():
        answer = client.get(f"{ORGANISATION}/people", headers=headers)
        assert answer.status_code == (200 if role in managers else 403), role
        if role in managers:
            assert len(answer.json["people"]) == managers[role]


def test_other_organisations_people_do_not_exist(
    client: FlaskClient, tokens: dict[Role, Headers], boss: Headers, region: Region
) -> None:
    theirs = region.account_roles[Role.PROVIDER_CLINICIAN].account_id
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/roles", {"role": "REFERRING_CLINICIAN"}),
        ("DELETE", "/roles/PROVIDER_CLINICIAN", None),
        ("POST", "/deactivate", None),
        ("POST", "/reactivate", None),
    ):
        answer = client.open(f"{ORGANISATION}/people/{theirs}{path}", method=method, json=body, headers=boss)
        assert answer.status_code == 404, (method, path, answer.json)
    answer = client.delete(
        f"{ORGANISATION}/people/{region.account_roles[Role.REFERRING_CLINICIAN].account_id}/roles/KING", headers=boss
    )
    assert answer.status_code == 404


def test_somebody_always_remains_to_manage(client: FlaskClient, boss: Headers, region: Region) -> None:
    mine = region.account_roles[Role.REFERRING_ADMIN].account_id
    me = f"{ORGANISATION}/people/{mine}"
    for method, path in (("DELETE", "/roles/REFERRING_ADMIN"), ("POST", "/deactivate")):
        answer = client.open(f"{me}{path}", method=method, headers=boss)
        assert (answer.status_code, answer.json["code"]) == (409, "LAST_MANAGER")
    # A system client with the role is nobody who could manage.
    body = {"client": "feed", "role": "REFERRING_ADMIN"}
    assert client.post(f"{ORGANISATION}/tokens", json=body, headers=boss).status_code == 201
    assert client.delete(f"{me}/roles/REFERRING_ADMIN", headers=boss).json["code"] == "LAST_MANAGER"
    other = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    client.post(f"{ORGANISATION}/people/{other}/roles", json={"role": "REFERRING_ADMIN"}, headers=boss)
    refused = client.post(f"{me}/deactivate", headers=boss)
    assert (refused.status_code, refused.json["code"]) == (409, "OWN_ACCOUNT")
    assert client.delete(f"{me}/roles/REFERRING_ADMIN", headers=boss).status_code == 200
    assert client.get(f"{ORGANISATION}/people", headers=boss).status_code == 401


def test_two_managers_can_not_take_the_role_from_each_other_at_once(
    app: BookingApp, region: Region, work: Work, boss: Headers, rows: Rows
) -> None:
    second = factories.account(work, Role.REFERRING_ADMIN, region.practice, "second@p81001")
    from booking.services import sign_in

    other = bearer(sign_in.open_session(work, account_role_id=second.id, role=Role.REFERRING_ADMIN).token)
    work.session.commit()
    first = region.account_roles[Role.REFERRING_ADMIN].account_id
    pairs = [(boss, second.account_id), (other, first)]

    def withdraw(pair: tuple[Headers, int]) -> int:
        path = f"{ORGANISATION}/people/{pair[1]}/roles/REFERRING_ADMIN"
        return app.test_client().delete(path, headers=pair[0]).status_code

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(withdraw, pairs))
    assert done[0] == 200
    assert done[1] in (401, 409)  # signed out by the other just before, or refused as the last
    left = rows(
        select(AccountRole.account_id).where(
            AccountRole.role == Role.REFERRING_ADMIN, AccountRole.withdrawn_at.is_(None)
        )
    )
    assert len(left) == 1


def test_who_works_for_two_organisations_is_shut_out_by_neither(
    client: FlaskClient, boss: Headers, region: Region, work: Work
) -> None:
    account = work.session.get_one(Account, region.account_roles[Role.REFERRING_CLINICIAN].account_id)
    accounts.grant_role(work, account, Role.REFERRING_CLINICIAN, "P81002")
    work.session.commit()
    where = f"{ORGANISATION}/people/{account.id}"
    assert client.post(f"{where}/deactivate", headers=boss).json["code"] == "ROLES_ELSEWHERE"
    assert client.get(where, headers=boss).json["roles"] == ["REFERRING_CLINICIAN"]
    assert client.delete(f"{where}/roles/REFERRING_CLINICIAN", headers=boss).json["roles"] == []
    answer = client.post("/api/v1/sessions", json={"username": account.username, "password": PASSWORD})
    assert answer.status_code == 201  # at the other practice


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(
    client: FlaskClient, tokens: dict[Role, Headers], region: Region, rows: Rows
) -> None:
    boss = tokens[Role.PROVIDER_ADMIN]
    body = {"client": "Slot feed", "role": "SERVICE_DEFINER", "days": 30}
    made = client.post(f"{ORGANISATION}/tokens", json=body, headers=boss)
    assert made.status_code == 201, made.json
    secret, number = made.json["token"], made.json["id"]
    feed = bearer(secret)
    assert client.get("/api/v1/slots", headers=feed).status_code == 200
    assert client.get("/api/v1/plan-runs/latest", headers=feed).status_code == 403  # the one role, and no other
    listed = client.get(f"{ORGANISATION}/tokens", headers=boss)
    assert [(one["id"], one["client"], one["role"]) for one in listed.json["tokens"]] == [
        (number, "Slot feed", "SERVICE_DEFINER")
    ]
    assert secret not in listed.text
    assert secret not in str(rows(select(AuthSession.token_hash)))
    again = client.post(f"{ORGANISATION}/tokens", json=body, headers=boss)  # to change it over without a gap
    assert len(client.get(f"{ORGANISATION}/tokens", headers=boss).json["tokens"]) == 2
    assert len(rows(select(Account).where(Account.system_client))) == 1
    assert client.delete(f"{ORGANISATION}/tokens/{number}", headers=boss).status_code == 204
    assert client.delete(f"{ORGANISATION}/tokens/{number}", headers=boss).status_code == 404
    assert client.get("/api/v1/slots", headers=feed).status_code == 401
    assert client.get("/api/v1/slots", headers=bearer(again.json["token"])).status_code == 200
    other = tokens[Role.REFERRING_ADMIN]
    assert client.get(f"{ORGANISATION}/tokens", headers=other).json["tokens"] == []
    assert client.delete(f"{ORGANISATION}/tokens/{again.json['id']}", headers=other).status_code == 404


def test_a_token_may_not_be_for_another_kind_of_organisation_or_for_ever(
    client: FlaskClient, tokens: dict[Role, Headers]
) -> None:
    for body, field in (
        ({"client": "x", "role": "COMMISSIONER"}, "role"),
        ({"client": "x", "role": "PROVIDER_ADMIN", "days": 731}, "days"),
        ({"client": "x", "role": "PROVIDER_ADMIN", "days": 0}, "days"),
        ({"role": "PROVIDER_ADMIN"}, "client"),
    ):
        answer = client.post(f"{ORGANISATION}/tokens", json=body, headers=tokens[Role.PROVIDER_ADMIN])
        assert answer.status_code == 422
        assert fields_at_fault(answer) == {field}


def test_a_system_client_manages_nobody(client: FlaskClient, boss: Headers) -> None:
    body = {"client": "feed", "role": "REFERRING_ADMIN"}
    feed = bearer(client.post(f"{ORGANISATION}/tokens", json=body, headers=boss).json["token"])
    for path, sent in (("people", person()), ("tokens", body)):
        answer = client.post(f"{ORGANISATION}/{path}", json=sent, headers=feed)
        assert (answer.status_code, answer.json["code"]) == (403, "NOT_FOR_SYSTEMS")


def test_the_same_key_issues_one_token(client: FlaskClient, boss: Headers, rows: Rows) -> None:
    headers = {**boss, "Idempotency-Key": "once-only"}
    body = {"client": "feed", "role": "REFERRING_CLINICIAN"}
    first = client.post(f"{ORGANISATION}/tokens", json=body, headers=headers)
    second = client.post(f"{ORGANISATION}/tokens", json=body, headers=headers)
    assert first.json == second.json
    assert len(rows(select(AuthSession).where(AuthSession.idle_minutes.is_(None)))) == 1


def test_an_admin_acts_for_a_clinician_and_it_is_written_down(
    client: FlaskClient, tokens: dict[Role, Headers], region: Region, rows: Rows, work: Work
) -> None:
    admin = tokens[Role.REFERRING_ADMIN]
    body = referral_body(region, referrer="Dr Siân O’Neill")
    plain = client.post("/api/v1/referrals", json=body, headers=admin)
    assert plain.status_code == 201, plain.json
    named = {**admin, "X-On-Behalf-Of": "Dr Brónagh O’Hara".encode().decode("latin-1")}
    second = client.post("/api/v1/referrals", json=body, headers=named)
    assert second.status_code == 201, second.json
    events = rows(select(ReferralEvent.on_behalf_of).order_by(ReferralEvent.id))
    assert events == ["Dr Siân O’Neill", "Dr Brónagh O’Hara"]
    written = rows(select(AuditEntry.on_behalf_of).where(AuditEntry.chain.like("referral:%")).order_by(AuditEntry.id))
    assert set(written) == set(events)
    assert audit.verify(work.session) == []
    work.session.rollback()
    gp = client.post("/api/v1/referrals", json=body, headers=tokens[Role.REFERRING_CLINICIAN])
    assert gp.status_code == 201
    assert rows(select(ReferralEvent.on_behalf_of).order_by(ReferralEvent.id.desc()))[0] is None


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\x7fb"])
def test_whom_an_admin_acts_for_has_a_name(client: FlaskClient, boss: Headers, name: str) -> None:
    answer = client.get("/api/v1/referrals", headers={**boss, "X-On-Behalf-Of": name})
    assert answer.status_code == 422
    assert fields_at_fault(answer) == {"X-On-Behalf-Of"}


def test_only_an_admin_acts_for_somebody(client: FlaskClient, tokens: dict[Role, Headers]) -> None:
    headers = {**tokens[Role.REFERRING_CLINICIAN], "X-On-Behalf-Of": "Dr Somebody"}
    assert fields_at_fault(client.get("/api/v1/referrals", headers=headers)) == {"X-On-Behalf-Of"}


def test_the_command_line_does_all_of_it(app: BookingApp, client: FlaskClient, region: Region) -> None:
    at = ("--organisation", "P81001")
    words = ("account", "create", "bo", "--name", "Bo", "--role", "REFERRING_CLINICIAN", *at, "--password", PASSWORD)
    assert run(app, *words)[0] == 0
    assert run(app, "account", "grant", "bo", "--role", "REFERRING_ADMIN", *at)[0] == 0
    assert "bo\tBo\tREFERRING_CLINICIAN of P81001, REFERRING_ADMIN of P81001\n" in run(app, "account", "list", *at)[1]
    client.post("/api/v1/sessions", json={"username": "bo", "password": PASSWORD})
    said = run(app, "account", "withdraw", "bo", "--role", "REFERRING_CLINICIAN", *at)
    assert said == (0, "bo is REFERRING_CLINICIAN of P81001 no longer; 1 sessions and tokens ended.\n")
    assert run(app, "account", "withdraw", "bo", "--role", "REFERRING_CLINICIAN", *at)[0] == 1
    assert run(app, "account", "deactivate", "bo") == (0, "bo is shut out; 0 sessions and tokens ended.\n")
    assert "bo\tBo\tREFERRING_ADMIN of P81001\tshut out\n" in run(app, "account", "list")[1]
    assert run(app, "account", "reactivate", "bo") == (0, "bo may sign in again.\n")

    secret = run(app, "token", "create", "feed", "--role", "PROVIDER_ADMIN", "--organisation", "RA1")[1].splitlines()[0]
    listed = run(app, "token", "list")[1]
    number = listed.split("\t")[0]
    assert listed == f"{number}\tfeed\tPROVIDER_ADMIN of RA1\t2027-03-02\n"
    assert run(app, "token", "list", *at) == (0, "")
    assert run(app, "token", "revoke", number) == (0, f"Token {number} works no longer.\n")
    assert run(app, "token", "revoke", number)[0] == 1
    assert client.get("/api/v1/referrals", headers=bearer(secret)).status_code == 401


def test_every_kind_of_organisation_has_a_manager() -> None:
    from booking.services.people import MANAGER_OF

    assert set(MANAGER_OF) == set(OrganisationKind)
    assert all(role in accounts.ROLES_AT[kind] for kind, role in MANAGER_OF.items())
