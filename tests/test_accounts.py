"""Accounts and tokens from the command line."""

from __future__ import annotations

from flask.testing import FlaskClient

from booking.edge.flask_app import BookingApp
from tests.factories import Region, bearer


def run(app: BookingApp, *words: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=list(words))
    return done.exit_code, done.output


def test_a_person_is_given_an_account_and_signs_in(app: BookingApp, client: FlaskClient, region: Region) -> None:
    words = ("account", "create", "Ada@Practice", "--name", "Dr Ada Lake", "--role", "REFERRING_CLINICIAN")
    assert run(app, *words, "--organisation", "p81001", "--password", "a long enough one")[0] == 0
    body = {"username": "ada@practice", "password": "a long enough one"}
    assert client.post("/api/v1/sessions", json=body).status_code == 201
    again = run(app, *words, "--organisation", "p81001", "--password", "a long enough one")
    assert again == (1, "Error: There is an account 'ada@practice' already.\n")


def test_what_an_account_can_not_be(app: BookingApp, region: Region) -> None:
    base = ("account", "create", "x", "--name", "X", "--role")
    for role, organisation, password, words in (
        ("REFERRING_CLINICIAN", "P81001", "short", "at least 12"),
        ("REFERRING_CLINICIAN", "NOPE", "a long enough one", "no organisation"),
        ("COMMISSIONER", "P81001", "a long enough one", "has no COMMISSIONER"),
    ):
        code, said = run(app, *base, role, "--organisation", organisation, "--password", password)
        assert code == 1
        assert words in said
    assert run(app, "account", "sign-out", "x")[0] == 1  # nothing of it was stored


def test_a_system_client_works_until_it_is_signed_out(app: BookingApp, client: FlaskClient, region: Region) -> None:
    code, said = run(app, "token", "create", "feed", "--role", "PROVIDER_ADMIN", "--organisation", "RA1")
    assert code == 0
    headers = bearer(said.splitlines()[0])
    assert client.get("/api/v1/referrals", headers=headers).status_code == 200
    assert client.post("/api/v1/sessions", json={"username": "feed", "password": "x"}).status_code == 401
    assert run(app, "account", "sign-out", "feed")[1] == "1 sessions and tokens ended.\n"
    assert client.get("/api/v1/referrals", headers=headers).status_code == 401
