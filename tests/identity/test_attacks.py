"""What somebody may try with a sign-in, and what a provider may get wrong. Nobody gets in; nobody sees a 500."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from booking.edge.flask_app import BookingApp
from booking.models import AuthSession, ExternalIdentity
from tests.conftest import NOW, Clock, Rows
from tests.factories import Region
from tests.identity.conftest import Traveller, query
from tests.identity.provider import Provider

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
LATER = int(NOW.timestamp())


@pytest.fixture
def nobody_in(rows: Rows, region: Region) -> Callable[[], None]:
    def check() -> None:
        assert rows(select(AuthSession)) == []
        assert rows(select(ExternalIdentity)) == []

    return check


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "x" * 43},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "third"]},
        {"aud": ["booking-staff", "another-client"]},  # several, and not said that it is ours
        {"aud": ["booking-staff", "another-client"], "azp": "another-client"},
        {"aud": None},
        {"iss": "http://127.0.0.1:1/realm"},
        {"iss": None},
        {"exp": LATER - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": LATER + 3600},
        {"nbf": LATER + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in(
    traveller: Traveller, staff_provider: Provider, claims: dict[str, Any], nobody_in: Callable[[], None]
) -> None:
    staff_provider.spoil.claims = claims
    page = traveller.sign_in("staff")
    assert page.status_code == 403
    assert "could not be trusted" in page.text
    nobody_in()


@pytest.mark.parametrize("how", ["none", "hmac", "another key", "unknown kid"])
def test_an_id_token_the_provider_did_not_sign(
    traveller: Traveller, staff_provider: Provider, how: str, nobody_in: Callable[[], None]
) -> None:
    if how == "none":
        staff_provider.spoil.algorithm = "none"
    elif how == "hmac":  # with the public key as the secret, which everybody has
        staff_provider.spoil.algorithm = "HS256"
    elif how == "another key":
        staff_provider.spoil.key = RSAKey.generate_key(2048, {"kid": "first"})
    else:
        traveller.leave("staff")  # keys are remembered from here
        staff_provider.change_key()
    assert traveller.sign_in("staff").status_code == 403
    nobody_in()


def test_a_state_that_is_not_ours(
    traveller: Traveller, another: Callable[[], Traveller], staff_provider: Provider, nobody_in: Callable[[], None]
) -> None:
    back = traveller.at_provider(traveller.leave("staff"))
    stolen = back.replace(query(back)["state"], "A" * 43)
    assert traveller.arrive(stolen).status_code == 400
    # Somebody else's answer brought to this browser, or this answer to somebody else's: signs nobody in.
    other = another()
    assert other.arrive(back).status_code == 400
    other.leave("staff")
    assert other.arrive(back).status_code == 400
    assert other.arrive("/sign-in/staff/callback").status_code == 400
    assert staff_provider.token_requests == 0
    nobody_in()
    assert traveller.arrive(back).status_code == 302  # and the true one still works


def test_an_answer_works_once(
    traveller: Traveller, another: Callable[[], Traveller], staff_provider: Provider, region: Region
) -> None:
    away = traveller.leave("staff")
    before = traveller.client.get_cookie("choose_and_book")
    assert before is not None
    back = traveller.at_provider(away)
    assert traveller.arrive(back).status_code == 302
    assert traveller.arrive(back).status_code == 400
    # With the cookie as it was before: now it is the provider that refuses the code.
    thief = another()
    thief.client.set_cookie("choose_and_book", before.value)
    assert thief.arrive(back).status_code == 403
    assert staff_provider.refusals == ["the code was used before"]
    assert thief.token() == ""


def test_a_code_without_its_verifier_is_worth_nothing(
    traveller: Traveller, another: Callable[[], Traveller], staff_provider: Provider, nobody_in: Callable[[], None]
) -> None:
    victim = query(traveller.at_provider(traveller.leave("staff")))
    thief = another()
    mine = query(thief.leave("staff"))
    page = thief.arrive(f"/sign-in/staff/callback?code={victim['code']}&state={mine['state']}")
    assert page.status_code == 403
    assert staff_provider.refusals == ["wrong verifier"]
    nobody_in()


def test_a_patients_answer_is_none_for_staff(
    traveller: Traveller, staff_provider: Provider, patient_provider: Provider, nobody_in: Callable[[], None]
) -> None:
    patient_provider.person = {"sub": "s-1", "email": "referring_clinician@p81001", "email_verified": True}
    back = traveller.at_provider(traveller.leave("patient"))
    assert traveller.arrive(back.replace("/patient/", "/staff/")).status_code == 400
    # Begun as staff, answered by the other provider (a mix-up, RFC 9207): the iss parameter gives it away …
    state = query(traveller.leave("staff"))["state"]
    code = query(back)["code"]
    mixed = f"/sign-in/staff/callback?code={code}&state={state}&iss={patient_provider.issuer}"
    assert traveller.arrive(mixed).status_code == 400
    # … and without it the code is nothing to the provider that is asked.
    state = query(traveller.leave("staff"))["state"]
    assert traveller.arrive(f"/sign-in/staff/callback?code={code}&state={state}").status_code == 403
    assert staff_provider.refusals == ["unknown code"]
    nobody_in()


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/%0d%0aX: y", "\\\\evil"],
)
def test_nobody_is_led_away_after_signing_in(
    traveller: Traveller, staff_provider: Provider, region: Region, target: str
) -> None:
    location = traveller.sign_in("staff", target).headers["Location"]
    assert location.startswith("/staff/role")
    assert "evil" not in traveller.visitor().get(location).request.url
    assert "\r" not in location


def test_too_late(traveller: Traveller, staff_provider: Provider, clock: Clock, nobody_in: Callable[[], None]) -> None:
    back = traveller.at_provider(traveller.leave("staff"))
    clock.now += timedelta(minutes=16)
    page = traveller.arrive(back)
    assert page.status_code == 400
    assert "took too long" in page.text
    nobody_in()


def test_pressing_cancel_at_the_provider(
    traveller: Traveller, staff_provider: Provider, nobody_in: Callable[[], None]
) -> None:
    staff_provider.spoil.deny = True
    page = traveller.sign_in("staff")
    assert page.status_code == 403
    assert "stopped before it was complete" in page.text
    assert 'href="/staff/sign-in"' in page.text
    nobody_in()


@pytest.mark.parametrize("when", ["start", "callback"])
def test_a_provider_that_is_down(
    traveller: Traveller, staff_provider: Provider, when: str, clock: Clock, nobody_in: Callable[[], None]
) -> None:
    back = "" if when == "start" else traveller.at_provider(traveller.leave("staff"))
    staff_provider.spoil.down = True
    page = traveller.arrive(back) if back else traveller.client.get("/sign-in/staff/start")
    assert page.status_code == 502
    assert "does not answer at the moment" in page.text
    staff_provider.spoil.down = False
    nobody_in()
    assert traveller.sign_in("staff").status_code == 302


@pytest.mark.parametrize(
    "answer", ["", "[]", "not json", "{}", '{"access_token": "x", "token_type": "Bearer"}', '{"id_token": 7}',
               '{"access_token": "x", "token_type": "Bearer", "id_token": "a.b.c"}',
               '{"access_token": "x", "token_type": "Bearer", "id_token": "…"}',
               '{"access_token": ["x"], "token_type": "Bearer", "id_token": {}}']
)  # fmt: skip
def test_a_token_endpoint_that_talks_nonsense(
    traveller: Traveller, staff_provider: Provider, answer: str, nobody_in: Callable[[], None]
) -> None:
    staff_provider.spoil.token_answer = answer
    assert traveller.sign_in("staff").status_code in (403, 502)
    nobody_in()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://somebody.else.example"},
        {"token_endpoint": None},
        {"token_endpoint": "ftp://x/"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "http://127.0.0.1:1/nobody-there"},
    ],
    ids=str,
)
def test_a_provider_that_describes_itself_wrongly(
    traveller: Traveller, staff_provider: Provider, metadata: dict[str, Any], nobody_in: Callable[[], None]
) -> None:
    staff_provider.spoil.metadata = metadata
    page = traveller.client.get("/sign-in/staff/start")
    if page.status_code == 302:
        page = traveller.arrive(traveller.at_provider(page.headers["Location"]))
    assert page.status_code == 502
    nobody_in()


def test_userinfo_about_somebody_else(
    traveller: Traveller, staff_provider: Provider, nobody_in: Callable[[], None]
) -> None:
    staff_provider.spoil.userinfo = {"sub": "s-2"}
    assert traveller.sign_in("staff").status_code == 403
    nobody_in()


def test_userinfo_does_not_overrule_the_id_token(
    traveller: Traveller, staff_provider: Provider, region: Region
) -> None:
    staff_provider.person["email"] = "stranger@p81001"
    staff_provider.spoil.userinfo = {"email": "referring_clinician@p81001"}
    assert traveller.sign_in("staff").status_code == 403


def test_nothing_is_held_while_the_provider_is_asked(
    app: BookingApp, traveller: Traveller, staff_provider: Provider, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow provider must not hold the one writer of SQLite, nor a transaction on PostgreSQL."""
    client = app.extensions["openid"]["staff"]
    true, seen = client.identify, []

    def watched(*args: Any) -> Any:
        with app.database.unit_of_work() as session:  # a second writer in this thread would raise
            seen.append(session.scalar(select(1)))
        return true(*args)

    monkeypatch.setattr(client, "identify", watched)
    assert traveller.sign_in("staff").status_code == 302
    assert seen == [1]
