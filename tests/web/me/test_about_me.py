"""About you: settings, needs and times are saved, refused with what was typed, and offers follow."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from booking.domain.words import Channel, Language, OfferState, Sex
from booking.models import Offer, Patient, Slot
from booking.services.work import Work
from tests.conftest import Rows
from tests.web.conftest import Referred, Visitor, forms


def me(rows: Rows, referred: Referred) -> Patient:
    found: Patient = rows(select(Patient).where(Patient.id == referred.referral.patient_id))[0]
    return found


def test_everything_noted_is_shown_with_a_way_to_change_it(patient: Visitor, rows: Rows) -> None:
    page = patient.get("/me")
    assert page.status_code == 200
    for words in ("About you", "Any time may do", "Nothing noted", "Any distance", "You, the patient."):
        assert words in page.text
    for path in ("/me/contact", "/me/needs", "/me/times", "/me/acting", "/me/record", "/me/access", "/me/sessions"):
        assert f'href="{path}' in page.text
        assert patient.get(path).status_code == 200


def test_contact_is_saved_and_holds_at_once(patient: Visitor, referred: Referred, rows: Rows) -> None:
    page = patient.send(
        patient.get("/me/contact"), "/me/contact", channel="SMS", mobile="07700 900123", language="cy",
        large_print="yes",
    )  # fmt: skip
    assert page.request.path == "/me"
    assert '<html lang="cy" class="app-large">' in page.text
    found = me(rows, referred)
    assert (found.channel, found.mobile, found.language, found.large_print) == (
        Channel.SMS, "07700 900123", Language.WELSH, True
    )  # fmt: skip


def test_refused_contact_keeps_what_was_typed(patient: Visitor, referred: Referred, rows: Rows) -> None:
    page = patient.get("/me/contact")
    refused = patient.send(page, "/me/contact", channel="EMAIL", email="ada at home", mobile="abc", language="en")
    assert refused.status_code == 422
    assert "Enter an e-mail address like name@example.org" in refused.text
    assert "Enter a mobile number like 07700 900123" in refused.text
    assert "<title>Error: " in refused.text
    kept = next(form for form in forms(refused) if form.action == "/me/contact").fields
    assert (kept["email"], kept["mobile"]) == ("ada at home", "abc")
    missing = patient.send(page, "/me/contact", channel="SMS", mobile="", language="en")
    assert "Enter the mobile number to use" in missing.text
    assert me(rows, referred).channel is Channel.EMAIL


def test_a_change_meanwhile_is_not_overwritten(patient: Visitor, referred: Referred, rows: Rows) -> None:
    pages = [patient.get("/me/needs"), patient.get("/me/needs")]
    patient.send(pages[0], "/me/needs", step_free="yes")
    refused = patient.send(pages[1], "/me/needs", interpreter_language="Polish")
    assert refused.status_code == 422
    assert "changed in another window" in refused.text
    assert me(rows, referred).interpreter_language is None
    done = patient.send(refused, "/me/needs", step_free="yes", interpreter_language="Polish")
    assert done.request.path == "/me"
    assert "an interpreter (Polish)" in done.text


def test_needs_are_saved(patient: Visitor, referred: Referred, rows: Rows) -> None:
    done = patient.send(
        patient.get("/me/needs"), "/me/needs", step_free="yes", clinician_sex="female", no_video="yes",
        farthest_miles="12.5",
    )  # fmt: skip
    assert "Saved: what you need" in done.text
    assert "12.5 miles" in done.text
    found = me(rows, referred)
    assert (found.step_free, found.clinician_sex, found.video_possible) == (True, Sex.FEMALE, False)
    refused = patient.send(patient.get("/me/needs"), "/me/needs", farthest_miles="-1")
    assert refused.status_code == 422
    assert "Enter a distance in miles" in refused.text


def test_times_that_never_suit_are_no_longer_offered(
    patient: Visitor, referred: Referred, rows: Rows, work: Work
) -> None:
    patient.get("/choices")
    mornings = [str(day * 3) for day in range(7)]
    page = patient.get("/me/times")
    assert page.text.count('name="never"') == 21
    token = next(form for form in forms(page) if form.action == "/me/times").fields
    done = patient.client.post(
        "/me/times", data={"csrf_token": token["csrf_token"], "version": token["version"], "never": mornings},
        follow_redirects=True,
    )  # fmt: skip
    assert "Monday: morning" in done.text
    assert me(rows, referred).unsuitable_times == sum(1 << day * 3 for day in range(7))
    starts = rows(select(Slot.starts_at).join(Offer).where(Offer.state == OfferState.OPEN))
    assert all(at.hour >= 12 for at in starts)
    again = patient.get("/me/times")
    assert again.text.count(" checked") == 7


def test_never_at_all_is_refused(patient: Visitor, referred: Referred, rows: Rows) -> None:
    fields = next(form for form in forms(patient.get("/me/times")) if form.action == "/me/times").fields
    everything = [str(n) for n in range(21)] + ["99", "x"]
    refused = patient.client.post("/me/times", data={**fields, "never": everything})
    assert refused.status_code == 422
    assert "Leave at least one time of the week free" in refused.text
    assert refused.text.count(" checked") == 21
    assert me(rows, referred).unsuitable_times == 0


@pytest.mark.parametrize("path", ["/me/record", "/me/record.pdf", "/me/record.fhir"])
def test_what_is_held_can_be_read_and_taken_away(patient: Visitor, referred: Referred, path: str) -> None:
    page = patient.get(path)
    assert page.status_code == 200
    if path == "/me/record":
        for words in ("About you", "A changing mole", "Referral sent", "A clinician of your practice"):
            assert words in page.text, words
    else:
        assert "attachment" in page.headers["Content-Disposition"]
        assert page.data[:5] in (b"%PDF-", b'{"res')


def test_the_record_in_welsh_has_welsh_headings(patient: Visitor) -> None:
    patient.send(patient.get("/me/record"), "/language", language="cy")
    page = patient.get("/me/record")
    assert '<html lang="cy"' in page.text
    assert "Amdanoch chi" in page.text
    assert patient.get("/me/record.pdf").data[:5] == b"%PDF-"


def test_who_looked_is_shown_by_role(patient: Visitor, referred: Referred, staff) -> None:  # type: ignore[no-untyped-def]
    from booking.domain.words import Role

    assert "Nobody has looked yet" in patient.get("/me/access").text
    gp = staff(Role.REFERRING_CLINICIAN)
    gp.get(f"/staff/referrals/{referred.ubrn}")
    page = patient.get("/me/access")
    assert "A clinician of your practice" in page.text
    assert "Millbrook Surgery" in page.text
    assert "Monday 2 March at 09:00" in page.text


def test_sessions_are_listed_and_ended(patient: Visitor, referred: Referred, newcomer) -> None:  # type: ignore[no-untyped-def]
    assert "You are signed in nowhere else" in patient.get("/me/sessions").text
    elsewhere, third = newcomer(), newcomer()
    for one in (elsewhere, third):
        one.sign_in(referred.ubrn, referred.code)
    page = patient.get("/me/sessions")
    assert page.text.count("Signed in elsewhere") == 2
    done = patient.send(page, "/me/sessions/", at=0)
    assert "Signed out there" in done.text
    done = patient.send(done, "/me/sessions/end-others")
    assert "Signed out everywhere else" in done.text
    for one in (elsewhere, third):
        assert one.get("/choices").request.path == "/sign-in"
    assert patient.get("/choices").status_code == 200


@pytest.mark.parametrize(("km", "shown"), [(12.345678, "7.7"), (32.18688, "20"), (160.9, "100"), (1000.0, "621.4")])
def test_saving_needs_unchanged_changes_nothing(
    patient: Visitor, referred: Referred, work: Work, km: float, shown: str
) -> None:
    mine = work.session.get_one(Patient, referred.referral.patient_id)
    mine.farthest_km = km
    work.session.commit()
    page = patient.get("/me/needs")
    assert f'value="{shown}"' in page.text
    assert f"<dd>{shown}</dd>" in patient.get("/me/record").text.replace(' class="nhsuk-summary-list__value"', "")
    patient.send(page, "/me/needs")
    work.session.expire_all()
    kept = work.session.get_one(Patient, referred.referral.patient_id)
    assert (kept.farthest_km, kept.version) == (km, mine.version)
