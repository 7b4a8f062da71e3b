"""Signing in and out as a patient: the same answer whatever is wrong, throttling, links, sessions, CSRF."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import Clock
from tests.web.conftest import Referred, Visitor, forms

Newcomer = Callable[[], Visitor]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.parametrize("wrong", ["reference", "code", "birth", "reference shape", "code shape"])
def test_whatever_is_wrong_the_answer_is_the_same(visitor: Visitor, referred: Referred, wrong: str) -> None:
    given = {
        "reference": ("111122223333", referred.code, "17 5 1960"),
        "code": (referred.ubrn, "CDFGHJKMNP", "17 5 1960"),
        "birth": (referred.ubrn, referred.code, "18 5 1960"),
        "reference shape": ("abc", referred.code, "17 5 1960"),
        "code shape": (referred.ubrn, "!", "17 5 1960"),
    }[wrong]
    page = visitor.sign_in(*given)
    assert page.status_code == 422
    assert "Those details don&#39;t match a referral we hold" in page.text
    kept = next(form for form in forms(page) if form.action == "/sign-in").fields
    assert (kept["reference"], kept["access_code"]) == given[:2]
    assert kept["date_of_birth-year"] == "1960"
    assert 'href="#reference"' in page.text
    assert visitor.get("/choices").request.path == "/sign-in"


def test_empty_boxes_and_impossible_dates_are_named(visitor: Visitor) -> None:
    page = visitor.sign_in("", "", "31 2 1960")
    assert page.status_code == 422
    for words in ("Enter your booking reference number", "Enter your access code", "must be a real date"):
        assert words in page.text
    assert 'href="#date_of_birth-day"' in page.text


def test_too_many_attempts_must_wait(visitor: Visitor, referred: Referred, clock: Clock) -> None:
    for _ in range(5):
        visitor.sign_in(referred.ubrn, "WRONG")
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Too many attempts" in page.text
    clock.now += timedelta(minutes=16)
    assert visitor.sign_in(referred.ubrn, referred.code).request.path == "/choices"


@pytest.mark.parametrize(
    ("target", "ends"),
    [
        ("/times?week=2026-03-02", "/times"),
        ("https://evil.example/", "/choices"),
        ("//evil.example/", "/choices"),
        ("/\\evil.example", "/choices"),
        ("javascript:alert(1)", "/choices"),
    ],
)
def test_a_link_is_followed_after_signing_in_only_if_it_is_ours(
    visitor: Visitor, referred: Referred, target: str, ends: str
) -> None:
    page = visitor.client.get("/sign-in", query_string={"next": target})
    page = visitor.send(
        page, "/sign-in", reference=referred.ubrn, access_code=referred.code, date_of_birth__day="17",
        date_of_birth__month="5", date_of_birth__year="1960",
    )  # fmt: skip
    assert page.request.path == ends


def test_signing_in_makes_a_new_session_and_signing_out_ends_it(
    patient: Visitor, referred: Referred, newcomer: Newcomer
) -> None:
    def cookie(visitor: Visitor) -> str:
        found = visitor.client.get_cookie("choose_and_book")
        return found.value if found else ""

    stolen = cookie(patient)
    patient.sign_in(referred.ubrn, referred.code)
    assert cookie(patient) != stolen
    thief = newcomer()
    thief.client.set_cookie("choose_and_book", stolen)
    assert thief.get("/choices").request.path == "/sign-in"

    kept = cookie(patient)
    assert patient.send(patient.get("/choices"), "/sign-out").request.path == "/"
    thief.client.set_cookie("choose_and_book", kept)
    assert thief.get("/choices").request.path == "/sign-in"


@pytest.mark.parametrize(
    "path", ["/sign-in", "/staff/sign-in", "/choose", "/choices", "/appointment/cancel", "/sign-out"]
)
def test_a_form_without_its_token_is_refused(patient: Visitor, path: str) -> None:
    assert patient.client.post(path, data={}).status_code == 400
