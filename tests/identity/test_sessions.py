"""Sessions: limits, where somebody is signed in, signing out there, and everywhere when an account or role goes."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.words import Role
from booking.models import Account, AuditEntry, AuthSession
from booking.services import accounts
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import PASSWORD, Region, bearer

API = "/api/v1"


def sign_in(client: FlaskClient, username: str = "referring_clinician@p81001") -> dict[str, str]:
    answer = client.post(f"{API}/sessions", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 201, answer.json
    return bearer(answer.json["token"])


def sessions(client: FlaskClient, headers: dict[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get(f"{API}/me/sessions", headers=headers).json["sessions"]
    return found


def test_an_idle_session_ends_and_a_busy_one_ends_too(client: FlaskClient, region: Region, clock: Clock) -> None:
    idle, busy = sign_in(client), sign_in(client)
    for _ in range(29):  # every 25 minutes, up to five minutes past twelve hours
        assert client.get(f"{API}/referrals", headers=busy).status_code == 200
        clock.now += timedelta(minutes=25)
        if clock.now >= clock.now.replace(hour=21, minute=0):
            break
    assert client.get(f"{API}/referrals", headers=busy).status_code == 401
    assert client.get(f"{API}/referrals", headers=idle).status_code == 401


def test_somebody_sees_and_ends_their_own_sessions_only(client: FlaskClient, region: Region, rows: Rows) -> None:
    phone, desk = sign_in(client), sign_in(client)
    stranger = sign_in(client, "referring_admin@p81001")
    mine = sessions(client, desk)
    assert [one["current"] for one in mine] == [True, False]
    assert set(mine[0]) == {"id", "current", "system_client", "created_at", "last_seen_at", "expires_at"}
    theirs = sessions(client, stranger)[0]["id"]
    assert client.delete(f"{API}/me/sessions/{theirs}", headers=desk).status_code == 404
    assert client.delete(f"{API}/me/sessions/{mine[1]['id']}", headers=desk).status_code == 204
    assert client.delete(f"{API}/me/sessions/{mine[1]['id']}", headers=desk).status_code == 404
    assert client.get(f"{API}/referrals", headers=phone).status_code == 401
    assert len(sessions(client, desk)) == 1
    again = sign_in(client)
    assert client.delete(f"{API}/me/sessions", headers=again).status_code == 204
    for headers in (desk, again):
        assert client.get(f"{API}/referrals", headers=headers).status_code == 401
    assert client.get(f"{API}/referrals", headers=stranger).status_code == 200
    assert rows(select(AuditEntry.after).where(AuditEntry.action == "session.end")) == [
        {"sessions": 1}, {"sessions": 2}
    ]  # fmt: skip


def test_a_session_that_rests_too_long_is_not_listed(client: FlaskClient, region: Region, clock: Clock) -> None:
    sign_in(client)
    clock.now += timedelta(minutes=20)
    second = sign_in(client)
    clock.now += timedelta(minutes=15)
    assert len(sessions(client, second)) == 1


def test_a_patient_by_code_sees_sessions_by_code(client: FlaskClient, region: Region, work: Work, rows: Rows) -> None:
    from booking.services import sign_in as service

    referral, _ = factories.referral(work, region)
    by_code = bearer(factories.patient_token(work, referral))
    proved = service.open_session(
        work, role=Role.PATIENT, referral_id=referral.id, patient_id=referral.patient_id
    )  # fmt: skip
    work.session.commit()
    assert len(sessions(client, by_code)) == 1
    assert client.delete(f"{API}/me/sessions/{proved.session_id}", headers=by_code).status_code == 404
    assert len(sessions(client, bearer(proved.token))) == 2
    assert client.delete(f"{API}/me/sessions", headers=bearer(proved.token)).status_code == 204
    assert rows(select(AuthSession.id).where(AuthSession.revoked_at.is_(None))) == []


def test_shutting_out_and_withdrawing_sign_out(client: FlaskClient, region: Region, work: Work) -> None:
    role = region.account_roles[Role.REFERRING_CLINICIAN]
    account = work.session.get_one(Account, role.account_id)
    second = accounts.grant_role(work, account, Role.REFERRING_ADMIN, "P81001")
    work.session.commit()
    as_clinician = sign_in(client)
    body = {"username": account.username, "password": PASSWORD, "account_role_id": second.id}
    as_admin = bearer(client.post(f"{API}/sessions", json=body).json["token"])
    assert accounts.withdraw_role(work, account, Role.REFERRING_ADMIN, "P81001") == 1
    work.session.commit()
    assert client.get(f"{API}/referrals", headers=as_admin).status_code == 401
    assert client.post(f"{API}/sessions", json=body).status_code == 401
    assert client.get(f"{API}/referrals", headers=as_clinician).status_code == 200
    assert accounts.set_active(work, account, False) == 1
    work.session.commit()
    assert client.get(f"{API}/referrals", headers=as_clinician).status_code == 401
    accounts.set_active(work, account, True)
    work.session.commit()
    assert client.get(f"{API}/referrals", headers=as_clinician).status_code == 401  # an ended session stays ended
    assert client.get(f"{API}/referrals", headers=sign_in(client)).status_code == 200
