"""What was typed as a session ended: whose it is, what is kept of it, and who gets to see and send it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from booking.config import Config
from booking.domain.words import Role
from booking.models import AuthSession, Patient
from booking.services.work import Work
from booking.web import kept
from tests.conftest import Clock
from tests.factories import Region
from tests.web.conftest import Referred, Visitor, forms

Newcomer = Callable[[], Visitor]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
OURS = {"Sec-Fetch-Site": "same-origin"}
STILL_HERE = "What you filled in is still here"


def post(visitor: Visitor, page: TestResponse, action: str, **changes: str) -> TestResponse:
    """As a browser sends a form of our page, redirects not followed."""
    found = next(form for form in forms(page) if form.method == "post" and form.action.startswith(action))
    return visitor.client.post(found.action, data={**found.fields, **changes}, headers=OURS)


def end_sessions(work: Work) -> None:
    work.session.execute(update(AuthSession).values(revoked_at=work.now))
    work.session.commit()


def mobiles(work: Work) -> set[str | None]:
    try:
        return set(work.session.scalars(select(Patient.mobile)))
    finally:
        work.session.rollback()


def test_a_form_of_one_person_never_goes_into_anothers_record(
    patient: Visitor, referred: Referred, other: Referred, work: Work
) -> None:
    page = patient.get("/me/contact")
    patient.sign_in(other.ubrn, other.code)  # in another tab of the same browser
    refused = post(patient, page, "/me/contact", mobile="07700 900123", channel="SMS")
    assert refused.status_code == 400
    assert "This page belonged to another sign-in. Nothing was sent." in refused.text
    assert STILL_HERE not in refused.text
    assert "07700 900123" not in refused.text
    assert "07700 900123" not in mobiles(work)


def test_a_form_of_ones_own_can_be_sent_again(patient: Visitor, referred: Referred) -> None:
    page = patient.get("/me/contact")
    patient.sign_in(referred.ubrn, referred.code)
    again = post(patient, page, "/me/contact", mobile="07700 900123", channel="SMS")
    assert STILL_HERE in again.text
    assert "07700 900123" in again.text
    whose = [form.fields["whose"] for form in forms(again) if form.action == "/me/contact"]
    assert whose  # the page's own, not a field of what is sent again
    assert [value for value in kept.SECRETS if f'<textarea name="{value}"' in again.text] == []


def test_a_form_of_one_of_the_staff_never_goes_in_under_anothers_name(
    newcomer: Newcomer, referred: Referred, region: Region
) -> None:
    someone = newcomer()
    someone.staff("referring_clinician@p81001")
    page = someone.get("/staff/account")
    action = next(form.action for form in forms(page) if form.method == "post" and form.action.startswith("/staff"))
    someone.staff("referring_admin@p81001")
    refused = post(someone, page, action)
    assert refused.status_code == 400
    assert "This page belonged to another sign-in" in refused.text


def test_a_sign_in_form_that_is_too_old_is_never_shown_again(visitor: Visitor, referred: Referred) -> None:
    page = visitor.get("/sign-in")
    visitor.sign_in(referred.ubrn, referred.code)
    answer = post(visitor, page, "/sign-in", reference=referred.ubrn, access_code="CDFGH-JKMNP")
    assert answer.status_code == 400
    assert "CDFGH-JKMNP" not in answer.text
    assert STILL_HERE not in answer.text


@pytest.mark.parametrize("text", ["А" * 5000, "ا" * 5000, "𝔸" * 5000])
def test_text_in_any_script_is_kept(patient: Visitor, referred: Referred, work: Work, text: str) -> None:
    page = patient.get("/me/contact")
    end_sessions(work)
    asked = post(patient, page, "/me/contact", email=text)
    assert asked.status_code == 422
    assert "What you filled in is kept." in asked.text
    back = patient.send(
        asked, "/sign-in", reference=referred.ubrn, access_code=referred.code, date_of_birth__day="17",
        date_of_birth__month="5", date_of_birth__year="1960",
    )  # fmt: skip
    assert STILL_HERE in back.text
    assert text in back.text


def test_what_is_too_large_to_be_kept_is_said(patient: Visitor, work: Work) -> None:
    page = patient.get("/me/contact")
    end_sessions(work)
    asked = post(patient, page, "/me/contact", email="x" * kept.LARGEST)
    assert "What you filled in is too long to be kept, and was not sent." in asked.text
    assert 'name="kept"' not in asked.text


def test_staff_without_a_session_go_to_their_own_sign_in(app, visitor: Visitor) -> None:  # type: ignore[no-untyped-def]
    app.config["WTF_CSRF_ENABLED"] = False
    sent = visitor.client.post("/staff/refer", data={"reason": "x"})
    assert sent.headers["Location"] == "/staff/sign-in"
    assert visitor.client.get("/staff/refer").headers["Location"] == "/staff/sign-in?next=/staff/refer"


def test_whoever_signed_in_in_another_tab_goes_on_here(patient: Visitor, referred: Referred, work: Work) -> None:
    """As with an OpenID provider, whose answer comes without what was filled in."""
    page = patient.get("/me/contact")
    end_sessions(work)
    asked = post(patient, page, "/me/contact", mobile="07700 900123", channel="SMS")
    patient.sign_in(referred.ubrn, referred.code)
    back = post(patient, asked, "/sign-in")
    assert back.status_code == 200
    assert STILL_HERE in back.text
    assert "07700 900123" in back.text


def test_somebody_else_who_signed_in_in_another_tab_does_not(
    patient: Visitor, referred: Referred, other: Referred, work: Work
) -> None:
    page = patient.get("/me/contact")
    end_sessions(work)
    asked = post(patient, page, "/me/contact", mobile="07700 900123", channel="SMS")
    patient.sign_in(other.ubrn, other.code)
    back = post(patient, asked, "/sign-in")
    assert back.status_code == 400
    assert "07700 900123" not in back.text


def test_a_carer_need_not_say_again_who_they_are(patient: Visitor, work: Work) -> None:
    patient.send(patient.get("/me/acting"), "/me/acting", acting_name="Bo Carer", acting_relation="CARER")
    page = patient.get("/me/contact")
    end_sessions(work)
    asked = post(patient, page, "/me/contact", mobile="07700 900123")
    fields = next(form for form in forms(asked) if form.action == "/sign-in").fields
    assert (fields["acting_name"], fields["acting_relation"]) == ("Bo Carer", "CARER")


def test_a_page_that_looks_again_by_itself_does_not_keep_a_session_alive(
    staff: Callable[[Role], Visitor], config: Config, clock: Clock
) -> None:
    left, used = staff(Role.PROVIDER_ADMIN), staff(Role.PROVIDER_ADMIN)
    for _ in range(config.session_minutes // 5 + 1):
        clock.now += timedelta(minutes=5)
        left.client.get("/staff/desk", headers={"X-Live": "1"})
        used.client.get("/staff/desk")
    assert left.client.get("/staff/desk", headers={"X-Live": "1"}).status_code == 302
    assert used.client.get("/staff/desk").status_code == 200
