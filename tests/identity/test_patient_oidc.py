"""Patients sign in with a provider that proved who they are, and go between their referrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.domain.words import Role
from booking.models import AuthSession, ExternalIdentity, Referral
from booking.services import referrals
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region, bearer
from tests.identity.conftest import Traveller, query
from tests.identity.provider import Provider
from tests.web.conftest import forms

API = "/api/v1"


@pytest.fixture
def referral(work: Work, region: Region) -> Referral:
    made, _ = factories.referral(work, region)
    work.session.commit()
    return made


@pytest.fixture
def second(work: Work, region: Region, referral: Referral) -> Referral:
    """A later referral of the same patient."""
    made, _ = factories.referral(work, region, reason="A second mole")
    work.session.commit()
    return made


@pytest.fixture
def known(patient_provider: Provider, region: Region) -> dict[str, Any]:
    """The region's patient, as the provider knows them."""
    patient_provider.person = {
        "sub": "p-1", "nhs_number": region.patient.nhs_number, "birthdate": "1960-05-17",
        "family_name": region.patient.family_name, "vot": "P9.Cp.Cd", "identity_proofing_level": "P9",
    }  # fmt: skip
    return patient_provider.person


def test_a_patient_with_one_referral_comes_straight_to_their_choices(
    traveller: Traveller, known: dict[str, Any], referral: Referral, region: Region, rows: Rows,
    patient_provider: Provider,
) -> None:  # fmt: skip
    assert "Sign in with Health login" in traveller.client.get("/sign-in").text
    done = traveller.sign_in("patient")
    assert (done.status_code, done.headers["Location"]) == (302, "/choices")
    assert traveller.visitor().get("/choices").status_code == 200
    assert rows(select(ExternalIdentity.patient_id)) == [region.patient.id]
    session = rows(select(AuthSession))[0]
    assert (session.referral_id, session.patient_id) == (referral.id, region.patient.id)
    assert patient_provider.asked[0]["vtr"] == '["P9.Cp.Cd"]'
    assert patient_provider.refusals == []
    # The link in a message leads where it should after signing in; never to a page for staff.
    assert traveller.sign_in("patient", "/times?week=2026-03-02").headers["Location"] == "/times?week=2026-03-02"
    assert traveller.sign_in("patient", "/staff/referrals").headers["Location"] == "/choices"


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ({"birthdate": "1960-05-18"}, "no referral of yours"),
        ({"birthdate": "17/05/1960"}, "no referral of yours"),
        ({"birthdate": None}, "no referral of yours"),
        ({"nhs_number": "9434765919"}, "no referral of yours"),
        ({"nhs_number": "not a number"}, "no referral of yours"),
        ({"nhs_number": None}, "no referral of yours"),
        ({"vot": "P5.Cp.Cd"}, "photo identification"),
        ({"identity_proofing_level": "P5"}, "photo identification"),
        ({"identity_proofing_level": "P0"}, "photo identification"),
        ({"vot": "P90"}, ""),  # higher than nine would do
        ({"vot": "Cp.Cd"}, "photo identification"),
        ({"vot": ["P9"]}, "photo identification"),
    ],
    ids=str,
)
def test_both_number_and_birth_must_match_and_be_proved(
    traveller: Traveller, known: dict[str, Any], referral: Referral, person: dict[str, Any], words: str, rows: Rows
) -> None:
    known |= person
    page = traveller.sign_in("patient")
    assert page.status_code == (403 if words else 302)
    assert words in page.text
    assert len(rows(select(AuthSession))) == (0 if words else 1)


def test_a_provider_that_states_no_level_is_believed(
    traveller: Traveller, known: dict[str, Any], referral: Referral
) -> None:
    del known["vot"], known["identity_proofing_level"]
    assert traveller.sign_in("patient").status_code == 302


def test_without_a_live_referral_the_page_says_so(
    traveller: Traveller, known: dict[str, Any], referral: Referral, region: Region, work: Work, rows: Rows
) -> None:
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    referrals.cancel_referral(practice, referral.ubrn, reason="NO_LONGER_REQUIRED", comment=None)
    work.session.commit()
    page = traveller.sign_in("patient")
    assert page.status_code == 403
    assert "There is no referral of yours here at the moment" in page.text
    assert 'href="/sign-in"' in page.text
    assert rows(select(AuthSession)) == []


def test_somebody_who_was_linked_is_never_another_patient(
    traveller: Traveller, known: dict[str, Any], referral: Referral, region: Region, work: Work, rows: Rows
) -> None:
    assert traveller.sign_in("patient").status_code == 302
    other = factories.PatientFactory(practice_id=region.practice.id)
    factories.referral(work, region, patient=other)
    work.session.commit()
    known["nhs_number"] = other.nhs_number
    assert traveller.sign_in("patient").status_code == 403
    assert rows(select(ExternalIdentity.patient_id)) == [region.patient.id]


def test_with_several_referrals_they_choose_and_may_change(
    traveller: Traveller, known: dict[str, Any], referral: Referral, second: Referral, rows: Rows
) -> None:
    done = traveller.sign_in("patient", "/times")
    assert done.headers["Location"] == "/my-referrals?next=/times"
    page = traveller.visitor().get(done.headers["Location"])
    assert page.text.count("Go on with this referral") == 2
    assert "Dermatology" in page.text
    assert traveller.visitor().send(page, "/my-referrals", ubrn=referral.ubrn).request.path == "/times"
    assert rows(select(AuthSession.referral_id)) == [referral.id]
    assert "Your referrals" in traveller.client.get("/choices").text
    assert traveller.visitor().send(page, "/my-referrals", ubrn=second.ubrn).request.path == "/times"
    assert rows(select(AuthSession.referral_id)) == [second.id]


def test_the_same_over_the_api(
    traveller: Traveller, known: dict[str, Any], referral: Referral, second: Referral, client: FlaskClient
) -> None:
    traveller.sign_in("patient")
    me = bearer(traveller.token())
    listed = client.get(f"{API}/session/referrals", headers=me).json["referrals"]
    assert [(one["ubrn"], one["current"]) for one in listed] == [(second.ubrn, True), (referral.ubrn, False)]
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).status_code == 404
    changed = client.post(f"{API}/session/referral", json={"ubrn": referral.ubrn}, headers=me)
    assert (changed.status_code, changed.json["current"]) == (200, True)
    assert client.get(f"{API}/referrals/{referral.ubrn}", headers=me).status_code == 200
    assert client.get(f"{API}/referrals/{second.ubrn}", headers=me).status_code == 404


def test_nobody_changes_to_what_is_not_theirs(
    traveller: Traveller, known: dict[str, Any], referral: Referral, second: Referral, region: Region, work: Work,
    client: FlaskClient,
) -> None:  # fmt: skip
    other, _ = factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))
    by_code = bearer(factories.patient_token(work, referral))
    work.session.commit()
    traveller.sign_in("patient")
    for headers, ubrn, status in (
        (bearer(traveller.token()), other.ubrn, 404),
        (by_code, second.ubrn, 404),  # a code proves the one referral, not the person
        (by_code, referral.ubrn, 200),
        (by_code, "12", 422),
    ):
        answer = client.post(f"{API}/session/referral", json={"ubrn": ubrn}, headers=headers)
        assert answer.status_code == status, answer.json
    assert [one["ubrn"] for one in client.get(f"{API}/session/referrals", headers=by_code).json["referrals"]] == [
        referral.ubrn
    ]


def test_a_patient_and_a_member_of_staff_may_share_a_provider_but_not_an_identity(
    traveller: Traveller, known: dict[str, Any], referral: Referral, another: Callable[[], Traveller],
    staff_provider: Provider, patient_provider: Provider, work: Work,
) -> None:  # fmt: skip
    """The subject that is a patient's is no account, even where the e-mail address would fit."""
    from booking.models import ExternalIdentity as Identity

    work.session.add(
        Identity(
            issuer=staff_provider.issuer, subject="s-1", patient_id=referral.patient_id, created_at=work.now,
            last_seen_at=work.now,
        )
    )  # fmt: skip
    work.session.commit()
    assert another().sign_in("staff").status_code == 403
    assert query(traveller.leave("patient"))["client_id"] == patient_provider.client.client_id


def test_what_was_filled_in_waits_while_signing_in_again_with_the_provider(
    traveller: Traveller, known: dict[str, Any], referral: Referral, work: Work
) -> None:
    traveller.sign_in("patient")
    visitor = traveller.visitor()
    page = visitor.get("/me/contact")
    work.session.execute(update(AuthSession).values(revoked_at=work.now))
    work.session.commit()
    asked = visitor.send(page, "/me/contact", mobile="07700 900123", channel="SMS")
    assert 'target="_blank" rel="noopener">Sign in with Health login (opens in a new tab)</a>' in asked.text
    traveller.sign_in("patient")
    waiting = next(form for form in forms(asked) if form.action == "/sign-in")
    back = traveller.client.post("/sign-in", data=waiting.fields, headers={"Sec-Fetch-Site": "same-origin"})
    assert "What you filled in is still here" in back.text
    assert "07700 900123" in back.text
