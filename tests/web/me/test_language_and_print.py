"""The language and the size of print: chosen on any page, kept through signing in and out, remembered if wished."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.words import Language, Role
from booking.models import Patient
from booking.services.work import Work
from tests.conftest import Rows
from tests.web.conftest import Referred, Visitor


def test_chosen_before_signing_in_it_stays(visitor: Visitor, referred: Referred, rows: Rows) -> None:
    page = visitor.send(visitor.get("/sign-in?next=/times"), "/language", language="cy")
    assert page.request.path == "/sign-in"
    assert page.request.args["next"] == "/times"
    assert '<html lang="cy">' in page.text
    assert 'lang="en">English</button>' in page.text
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert '<html lang="cy">' in page.text
    assert rows(select(Patient.language).where(Patient.id == referred.referral.patient_id)) == [Language.ENGLISH]
    remembered = visitor.send(page, "/language", at=1, language="cy")
    assert rows(select(Patient.language).where(Patient.id == referred.referral.patient_id)) == [Language.WELSH]
    assert 'name="remember"' not in remembered.text
    out = visitor.send(remembered, "/sign-out")
    assert '<html lang="cy">' in out.text
    assert '<html lang="en">' in visitor.send(out, "/language", language="en").text


def test_the_record_says_and_the_browser_may_say_otherwise(visitor: Visitor, referred: Referred, work: Work) -> None:
    mine = work.session.get_one(Patient, referred.referral.patient_id)
    mine.language, mine.large_print = Language.WELSH, True
    work.session.commit()
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert '<html lang="cy" class="app-large">' in page.text
    page = visitor.send(page, "/language", large_print="no")
    assert '<html lang="cy">' in page.text
    page = visitor.send(page, "/language", language="en")
    assert '<html lang="en">' in page.text
    assert 'name="remember"' in page.text


def test_errors_are_in_the_language_too(visitor: Visitor, referred: Referred) -> None:
    visitor.send(visitor.get("/sign-in"), "/language", language="cy")
    page = visitor.send(visitor.get("/sign-in"), "/sign-in")
    assert page.status_code == 422
    assert '<html lang="cy">' in page.text
    assert "Enter your" not in page.text
    missing = visitor.get("/nothing-here")
    assert missing.status_code == 404
    assert '<html lang="cy">' in missing.text


def test_it_leads_nowhere_else(visitor: Visitor) -> None:
    for target in ("https://evil.example/", "//evil.example", "/language", "/nothing", "/choose"):
        page = visitor.get("/sign-in")
        done = visitor.send(page, "/language", language="cy", next=target)
        assert done.request.path == "/"
        assert done.status_code == 200


def test_staff_pages_stay_english(staff) -> None:  # type: ignore[no-untyped-def]
    someone = staff(Role.REFERRING_ADMIN)
    page = someone.get("/staff/referrals")
    assert '<html lang="en">' in page.text
    assert "Cymraeg" not in page.text


def test_staff_can_change_the_size_of_print_back(newcomer, region) -> None:  # type: ignore[no-untyped-def]
    someone = newcomer()
    someone.send(someone.get("/sign-in"), "/language", large_print="yes")
    page = someone.staff("referring_admin@p81001")
    assert 'class="app-large"' in page.text
    back = someone.send(page, "/language", large_print="no")
    assert 'class="app-large"' not in back.text
    assert back.request.path == page.request.path


def test_why_a_time_was_offered_is_in_the_language_of_the_record(patient: Visitor) -> None:
    patient.send(patient.get("/choices"), "/language", language="cy")
    record = patient.get("/me/record").text
    assert "We are keeping this time for you." not in record
    assert "Rydym yn cadw&#39;r amser hwn i chi." in record


def test_a_name_that_is_refused_is_refused_in_the_language(patient: Visitor) -> None:
    patient.send(patient.get("/choices"), "/language", language="cy")
    page = patient.send(patient.get("/me/acting"), "/me/acting", acting_name="a\u202eb", acting_relation="CHILD")
    assert page.status_code == 422
    assert "Give your name" not in page.text
    assert "Rhowch eich enw mewn llythrennau" in page.text
