"""Staff sign in with their organisation's OpenID provider, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.config import Config
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.models import Account, AuditEntry, AuthSession, ExternalIdentity
from booking.services import accounts
from booking.services.work import Work
from tests.conftest import Clock, Rows
from tests.factories import Region, bearer
from tests.identity.conftest import Traveller, query
from tests.identity.provider import Provider


def test_the_first_time_links_and_later_times_know_them(
    traveller: Traveller, staff_provider: Provider, region: Region, rows: Rows, another: Callable[[], Traveller]
) -> None:
    page = traveller.client.get("/staff/sign-in?next=/staff/refer")
    assert "Sign in with Hospital ID" in page.text
    done = traveller.sign_in("staff", "/staff/refer")
    assert (done.status_code, done.headers["Location"]) == (302, "/staff/role?next=/staff/refer")
    assert traveller.visitor().get(done.headers["Location"]).request.path == "/staff/refer"
    account = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    linked = rows(select(ExternalIdentity))
    assert [(one.issuer, one.subject, one.account_id) for one in linked] == [(staff_provider.issuer, "s-1", account)]
    assert rows(select(AuditEntry.action).where(AuditEntry.chain == f"account:{account}")) == ["account.link"]
    # The provider knows them by another address now; they are still the same person.
    staff_provider.person["email"] = "married@elsewhere.example"
    assert another().sign_in("staff").headers["Location"] == "/staff/role"
    assert len(rows(select(ExternalIdentity))) == 1
    assert staff_provider.refusals == []


def test_the_request_is_as_it_must_be(traveller: Traveller, staff_provider: Provider, region: Region) -> None:
    first, second = query(traveller.leave("staff")), query(traveller.leave("staff"))
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == "http://127.0.0.1:8000/sign-in/staff/callback"
    assert first["scope"] == "openid profile email"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]
    with traveller.client.session_transaction() as session:
        assert first["nonce"] not in str(dict(session))
        assert second["nonce"] not in str(dict(session))  # sealed: the cookie tells nobody the verifier


def test_a_secret_can_stand_for_the_key(
    app: BookingApp, config: Config, staff_provider: Provider, region: Region, traveller: Traveller
) -> None:
    assert config.oidc_staff is not None
    client = app.extensions["openid"]["staff"]
    client.provider = replace(config.oidc_staff, private_key=None, client_secret="a secret: with ?&")
    staff_provider.client.secret = "a secret: with ?&"
    assert traveller.sign_in("staff").status_code == 302
    staff_provider.client.secret = "another"
    assert traveller.sign_in("staff").status_code == 403
    assert staff_provider.refusals == ["wrong secret"]


@pytest.mark.parametrize(
    "person",
    [
        {"email": "stranger@p81001"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
        {"email": ["referring_clinician@p81001"]},
    ],
)
def test_whom_nobody_gave_an_account_is_told_so(
    traveller: Traveller, staff_provider: Provider, region: Region, rows: Rows, person: dict[str, object]
) -> None:
    staff_provider.person |= person
    page = traveller.sign_in("staff")
    assert page.status_code == 403
    assert "You are known to your organisation, but not here" in page.text
    assert traveller.token() == ""
    assert rows(select(ExternalIdentity)) == []
    assert len(rows(select(Account))) == 7


def test_an_address_given_to_somebody_new_does_not_give_them_the_account(
    traveller: Traveller, another: Callable[[], Traveller], staff_provider: Provider, region: Region, rows: Rows
) -> None:
    assert traveller.sign_in("staff").status_code == 302
    staff_provider.person["sub"] = "s-2"
    page = another().sign_in("staff")
    assert page.status_code == 403
    assert "belongs to another sign-in" in page.text
    assert rows(select(ExternalIdentity.subject)) == ["s-1"]


def test_another_claim_can_be_the_user_name(
    app: BookingApp, config: Config, traveller: Traveller, staff_provider: Provider, region: Region
) -> None:
    assert config.oidc_staff is not None
    app.extensions["openid"]["staff"].provider = replace(config.oidc_staff, claim="uid")
    staff_provider.person = {"sub": "s-9", "uid": "PROVIDER_ADMIN@ra1"}
    assert traveller.sign_in("staff").status_code == 302
    assert traveller.visitor().get("/staff/clinic").status_code == 200


def test_who_is_shut_out_or_has_no_role_left_stays_out(
    traveller: Traveller, another: Callable[[], Traveller], staff_provider: Provider, region: Region, work: Work
) -> None:
    assert traveller.sign_in("staff").status_code == 302
    account = work.session.get_one(Account, region.account_roles[Role.REFERRING_CLINICIAN].account_id)
    accounts.withdraw_role(work, account, Role.REFERRING_CLINICIAN, "P81001")
    work.session.commit()
    assert traveller.client.get("/staff/referrals").status_code == 302  # signed out at once
    page = another().sign_in("staff")
    assert page.status_code == 403
    assert "has no role at present" in page.text
    accounts.grant_role(work, account, Role.REFERRING_CLINICIAN, "P81001")
    accounts.set_active(work, account, False)
    work.session.commit()
    assert "not here" in another().sign_in("staff").text


def test_a_system_client_is_nobody_who_signs_in(
    traveller: Traveller, staff_provider: Provider, region: Region, work: Work
) -> None:
    accounts.create_account(work, "feed@ra1", "Feed", None, system_client=True)
    work.session.commit()
    staff_provider.person["email"] = "feed@ra1"
    assert traveller.sign_in("staff").status_code == 403


def test_signing_in_again_in_the_same_browser_makes_a_new_session(
    traveller: Traveller, staff_provider: Provider, region: Region, rows: Rows, app: BookingApp
) -> None:
    traveller.sign_in("staff")
    first = traveller.token()
    traveller.sign_in("staff")
    assert traveller.token() not in ("", first)
    assert len(rows(select(AuthSession).where(AuthSession.revoked_at.is_(None)))) == 1
    assert app.test_client().get("/api/v1/referrals", headers=bearer(first)).status_code == 401


def test_the_provider_may_change_its_keys(
    traveller: Traveller, staff_provider: Provider, region: Region, clock: Clock
) -> None:
    assert traveller.sign_in("staff").status_code == 302
    staff_provider.change_key()
    clock.now += timedelta(minutes=1)
    assert traveller.sign_in("staff").status_code == 302


def test_a_person_with_several_roles_chooses(
    traveller: Traveller, staff_provider: Provider, region: Region, work: Work
) -> None:
    role = region.account_roles[Role.REFERRING_CLINICIAN]
    account = work.session.get_one(Account, role.account_id)
    accounts.grant_role(work, account, Role.REFERRING_ADMIN, "P81001")
    work.session.commit()
    page = traveller.visitor().get(traveller.sign_in("staff").headers["Location"])
    assert "Which role are you in today?" in page.text


def test_without_a_provider_there_is_no_button_and_no_route(
    app: BookingApp, region: Region, traveller: Traveller
) -> None:
    app.extensions["openid"].clear()
    assert "Hospital ID" not in traveller.client.get("/staff/sign-in").text
    assert traveller.client.get("/sign-in/staff/start").status_code == 404
    assert traveller.client.get("/sign-in/staff/callback").status_code == 404
