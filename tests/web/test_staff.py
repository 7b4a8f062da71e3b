"""The pages of practices, providers and commissioners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from booking.domain.words import PlanRunState, Role
from booking.models import AccountRole, PlanRun
from booking.services.work import Work
from tests.conftest import NOW
from tests.factories import Region
from tests.web.conftest import Referred, Visitor, forms

Staff = Callable[[Role], Visitor]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_wrong_name_and_wrong_password_look_the_same(visitor: Visitor, region: Region) -> None:
    pages = [visitor.staff("referring_clinician@p81001", "wrong"), visitor.staff("nobody", "wrong")]
    assert {page.status_code for page in pages} == {422}
    assert all("That name and password don&#39;t match." in page.text for page in pages)
    assert "wrong" not in pages[0].text


def test_a_practice_refers_a_new_patient_and_gets_the_letter_once(
    staff: Staff, region: Region, newcomer: Callable[[], Visitor]
) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    page = gp.send(gp.get("/staff/refer"), "/staff/refer", nhs_number="943 476 5918", do="look")
    assert "fails its check digit" in page.text
    page = gp.send(page, "/staff/refer", nhs_number="943 476 5919", clinic="330|330-SKIN", do="look")
    assert "Not registered with you yet" in page.text
    page = gp.send(page, "/staff/refer", given_name="Siân", do="send")
    assert page.status_code == 422
    assert "Enter the family name" in page.text
    letter = gp.send(
        page, "/staff/refer", given_name="Siân", family_name="O’Neill", sex="female", postcode="am1 1ab",
        date_of_birth__day="29", date_of_birth__month="2", date_of_birth__year="1948", reason="A changing mole",
        do="send",
    )  # fmt: skip
    assert "Letter for the patient" in letter.text
    assert "A changing mole" in letter.text
    ubrn, code = _codes(letter.text)
    again = gp.get(letter.request.path)
    assert code not in again.text
    assert "Make a new access code" in again.text
    fresh = gp.send(again, f"/staff/referrals/{ubrn}/code")
    assert _codes(fresh.text)[1] != code
    assert "match a referral" in newcomer().sign_in(ubrn, code, "29 2 1948").text
    assert newcomer().sign_in(ubrn, _codes(fresh.text)[1], "29 2 1948").request.path == "/choices"
    assert "Siân O’Neill" in gp.get("/staff/referrals").text


def _codes(text: str) -> tuple[str, str]:
    parts = [part.split("<")[0] for part in text.split('app-code--large">')[1:]]
    return parts[0].replace(" ", ""), parts[1]


def test_another_practices_patients_do_not_exist(
    newcomer: Callable[[], Visitor], region: Region, referred: Referred, work: Work
) -> None:
    from tests import factories

    factories.account(work, Role.REFERRING_CLINICIAN, region.other_practice, "hilltop")
    work.session.commit()
    stranger = newcomer()
    stranger.staff("hilltop")
    assert "There are no referrals on this list" in stranger.get("/staff/referrals").text
    assert "There are no referrals yet" in stranger.get("/staff/outcomes").text
    assert stranger.get(f"/staff/referrals/{referred.ubrn}").status_code == 404
    assert stranger.get(f"/staff/refer/{region.patient.id}").status_code == 404


def test_what_people_typed_is_text_not_markup(staff: Staff, other: Referred) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    for page in (gp.get("/staff/referrals"), gp.get(f"/staff/referrals/{other.ubrn}")):
        assert "<b>Bold" not in page.text
        assert "&lt;b&gt;Bold" in page.text
        assert "<script>alert" not in page.text
    wrong = gp.send(gp.get("/staff/refer"), "/staff/refer", nhs_number='"><i>', do="look")
    assert "<i>" not in wrong.text


def test_a_provider_sees_the_week_and_who_comes(staff: Staff, patient: Visitor, other: Referred) -> None:
    patient.send(patient.send(patient.get("/choices"), "/choose"), "/confirm/")
    clinic = staff(Role.PROVIDER_ADMIN)
    page = clinic.get("/staff/clinic")
    assert "Week of Monday 2 March 2026" in page.text
    assert "Booked" in page.text
    day = clinic.get("/staff/clinic/day?date=2026-03-03")
    assert "Ada Patient" in day.text
    assert "Bold" not in page.text + day.text
    assert "No times are published for this week" in clinic.get("/staff/clinic?week=2026-05-04").text
    assert clinic.get("/staff/clinic?week=never&service=0").status_code == 200


def test_a_commissioner_sees_the_plan_and_nobodys_name(staff: Staff, referred: Referred, work: Work) -> None:
    commissioner = staff(Role.COMMISSIONER)
    assert "Nothing has been planned yet" in commissioner.get("/staff/plan").text
    summary = {
        "referrals": 90, "placed": 72, "unplaced": {"NO_SLOTS": 18},
        "comparison": {
            "plan": {"breaches": 18, "wait": {"mean": 20.0}, "by_priority": {"urgent": {"breaches": 12}}},
            "open_fcfs": {"breaches": 40, "wait": None, "by_priority": {}},
        },
    }  # fmt: skip
    run = PlanRun(
        state=PlanRunState.APPLIED, started_at=NOW, heartbeat_at=NOW, finished_at=NOW, as_of=date(2026, 3, 2),
        policy_version=0, certified=True, summary=summary,
    )  # fmt: skip
    work.session.add(run)
    work.session.commit()
    page = commissioner.get("/staff/plan")
    assert "Proved" in page.text
    assert "First come, first served" in page.text
    assert "their services have no free place" in page.text
    assert "Ada" not in page.text


def test_somebody_with_two_roles_chooses(newcomer: Callable[[], Visitor], region: Region, work: Work) -> None:
    role = region.account_roles[Role.REFERRING_CLINICIAN]
    second = AccountRole(account_id=role.account_id, organisation_id=region.commissioner.id, role=Role.COMMISSIONER)
    work.session.add(second)
    work.session.commit()
    both = newcomer()
    page = both.staff("referring_clinician@p81001")
    assert "Which role are you in today?" in page.text
    page = both.send(page, "/staff/role", role=str(second.id))
    assert page.request.path == "/staff/overview"
    foreign = region.account_roles[Role.PROVIDER_ADMIN].id
    assert both.send(both.get("/staff/role"), "/staff/role", role=str(foreign)).status_code == 403


@pytest.mark.parametrize("path", ["/staff/referrals", "/staff/refer", "/staff/clinic", "/staff/plan", "/staff"])
def test_patients_and_strangers_stay_out(patient: Visitor, newcomer: Callable[[], Visitor], path: str) -> None:
    assert patient.get(path).status_code == 403
    page = newcomer().get(path)
    assert page.request.path == "/staff/sign-in"
    sign_in = next(form for form in forms(page) if form.action == "/staff/sign-in")
    assert sign_in.fields["next"] == path


def test_staff_stay_out_of_patients_pages(staff: Staff) -> None:
    page = staff(Role.PROVIDER_ADMIN).get("/choices")
    assert page.status_code == 403
    assert "This page is not for your role" in page.text
