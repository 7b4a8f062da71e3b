"""The practice’s journeys in a real browser: at most two pages to refer, drafts, booking with the patient, advice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import func, select, update

from booking.domain.words import BookingState
from booking.models import AuthSession, Booking, Patient, Referral, Service
from booking.web import say
from tests import factories
from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, accessible, choices, fits, sign_in
from tests.browser.states import staff
from tests.factories import PASSWORD
from tests.identity.matrix_world import PDF

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
BOTH = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
GP, ADMIN, SPECIALIST = "referring_clinician@p81001", "referring_admin@p81001", "provider_clinician@ra1"
SKIN = "Dermatology: Skin lesions"
MOST_FORMS = 2
"""Pages with something to fill in, for a routine referral; the letter that follows is its result."""
NAMES = ["Siân O’Neill", "D'Arcy 🌻 O'Shea-Ødegård", "أمينة בן־דוד"]


def known(clinic: Clinic, name: str = "Ada Lovelace") -> tuple[str, int]:
    """A patient of the practice: NHS number as people write it, and key."""
    given, _, family = name.partition(" ")
    with clinic.database.unit_of_work() as session, factories.using(session):
        made = factories.PatientFactory(
            practice_id=clinic.region.practice.id, given_name=given, family_name=family or "Known"
        )
        return say.nhs_number(made.nhs_number), made.id


def referrals_of(clinic: Clinic, patient_id: int) -> list[Referral]:
    with clinic.database.unit_of_work(write=False) as session:
        return list(session.scalars(select(Referral).where(Referral.patient_id == patient_id)))


def send(page: Page, name: str = "Send the referral") -> None:
    page.get_by_role("button", name=name).click()


def begin(page: Page, number: str, *, find: bool = False) -> None:
    """Patient and kind of clinic; without script the button finds what belongs to them."""
    page.goto("/staff/refer")
    page.get_by_label("NHS number").fill(number)
    page.get_by_label("Kind of clinic").select_option(label=SKIN)
    if find:
        send(page, "Find patient")


class Forms:
    """Counts the pages a visitor is sent, whichever way they are."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("response", self._note)

    def _note(self, response) -> None:  # type: ignore[no-untyped-def]
        if response.request.is_navigation_request() and response.status < 300:
            self.seen.append(response.url)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@BOTH
def test_a_routine_referral_in_two_pages(
    clinic: Clinic, opened: Open, viewport: dict[str, int], javascript: bool, tmp_path: Path
) -> None:
    """With script the whole of it is one page and the letter; without, the form comes back once with the patient."""
    number, key = known(clinic, NAMES[1])
    letter = tmp_path / "Brief “é”.pdf"
    letter.write_bytes(PDF)
    page = opened(viewport, javascript=javascript)
    staff(page, GP)
    counted = Forms(page)
    begin(page, number, find=not javascript)
    expect(page.locator("#part-patient").get_by_text(NAMES[1])).to_be_visible()
    expect(page.get_by_role("group", name="Shortlist").get_by_role("checkbox", checked=True)).to_have_count(2)
    page.get_by_label("Reason for referral").fill("A changing mole")
    page.get_by_label("Referral letter").set_input_files(letter)
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
    fits(page)
    forms = [url for url in counted.seen if url.endswith("/staff/refer")]
    assert len(forms) == (1 if javascript else 2) <= MOST_FORMS
    assert len(counted.seen) == len(forms) + 1
    [made] = referrals_of(clinic, key)
    assert not made.letter_outstanding
    page.reload()
    expect(page.get_by_role("link", name="Brief “é”.pdf")).to_be_visible()


@BOTH
@pytest.mark.parametrize("name", NAMES, ids=["apostrophe", "emoji", "right-to-left"])
def test_a_new_patient_is_referred_and_books(clinic: Clinic, opened: Open, javascript: bool, name: str) -> None:
    number = next(_fresh)
    given, _, family = name.partition(" ")
    page = opened(javascript=javascript)
    staff(page, GP)
    begin(page, number, find=not javascript)
    page.get_by_label("Given name").fill(given)
    page.get_by_label("Family name").fill(family)
    for part, value in (("Day", "17"), ("Month", "5"), ("Year", "1960")):
        page.get_by_label(part).fill(value)
    page.get_by_label("Female", exact=True).check()
    page.get_by_label("Reason for referral").fill("A changing mole")
    button = page.get_by_role("button", name="Send the referral")
    button.dblclick() if javascript else button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
    expect(page.get_by_text(f"Dear {name}")).to_be_visible()
    reference, code = (part.inner_text() for part in page.locator(".app-code--large").all())
    patient = opened(PHONE)
    sign_in(patient, Letter(reference, code))
    choices(patient).first.click()
    patient.get_by_role("button", name="Confirm this appointment").click()
    expect(patient.get_by_role("heading", level=1)).to_contain_text("confirmed")
    with clinic.database.unit_of_work(write=False) as session:
        wanted = select(func.count(Referral.id)).join(Patient).where(Patient.nhs_number == number.replace(" ", ""))
        assert session.scalar(wanted) == 1


def test_what_is_typed_while_the_page_looks_things_up_stays(clinic: Clinic, opened: Open) -> None:
    page = opened()
    staff(page, GP)
    page.goto("/staff/refer")
    page.get_by_label("NHS number").fill("943 476 5986")
    name = page.get_by_label("Given name")
    expect(name).to_be_visible()
    slow: list[Route] = []
    page.route("**/staff/refer", lambda route: route.continue_() if slow else slow.append(route))
    with page.expect_request("**/staff/refer"):
        page.get_by_label("Kind of clinic").select_option(label=SKIN)
    name.fill("Nora")
    page.get_by_label("Reason for referral").fill("A changing mole")
    slow[0].continue_()
    expect(page.get_by_role("group", name="Shortlist")).to_be_visible()
    expect(name).to_have_value("Nora")


def test_a_double_click_without_script_refers_once(clinic: Clinic, opened: Open) -> None:
    """The browser may throw the first answer away with its code: the page says that it was sent, and how to go on."""
    number, key = known(clinic)
    page = opened(javascript=False)
    staff(page, GP)
    begin(page, number, find=True)
    page.get_by_label("Reason for referral").fill("A changing mole")
    page.get_by_role("button", name="Send the referral").dblclick()
    page.wait_for_url("**/staff/referrals/*")
    expect(page.get_by_text("Where it stands")).to_be_visible()
    assert len(referrals_of(clinic, key)) == 1


_fresh = iter(["943 476 5919", "943 476 5870", "943 476 5900", "943 476 5897", "943 476 5889", "943 476 5927"])


@BOTH
def test_a_refused_form_keeps_everything_typed(clinic: Clinic, opened: Open, javascript: bool, tmp_path: Path) -> None:
    number, key = known(clinic)
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(PDF)
    page = opened(javascript=javascript)
    staff(page, ADMIN)
    begin(page, number)
    page.get_by_label("Clinical information").fill("Since “June” <b>\nSecond line")
    page.get_by_label("Referral letter").set_input_files(letter)
    send(page)
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    expect(page.get_by_label("Clinical information")).to_have_value("Since “June” <b>\nSecond line")
    expect(page.get_by_label("Kind of clinic").locator("option:checked")).to_have_text(SKIN)
    expect(page.get_by_text("“letter.pdf” could not be kept on the page: choose it again.")).to_be_visible()
    expect(page.locator("#part-patient").get_by_text("Ada Lovelace")).to_be_visible()
    page.get_by_role("link", name="Enter the reason for referral").click()
    expect(page.get_by_label("Reason for referral")).to_be_focused()
    accessible(page) if javascript else fits(page)
    assert referrals_of(clinic, key) == []


@BOTH
def test_a_draft_is_gone_on_with_and_sent(clinic: Clinic, opened: Open, javascript: bool) -> None:
    number, key = known(clinic)
    page = opened(javascript=javascript)
    staff(page, GP)
    begin(page, number, find=not javascript)
    expect(page.get_by_role("group", name="Shortlist")).to_be_visible()
    send(page, "Save as draft")
    expect(page.get_by_role("heading", level=1)).to_have_text("Go on with a draft")
    page.goto("/staff/outcomes?group=DRAFT")
    page.get_by_role("link", name="Ada Lovelace").first.click()
    page.get_by_label("Reason for referral").fill("A changing mole")
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
    page.go_back()
    page.go_back()
    [made] = referrals_of(clinic, key)
    assert made.state == "NOT_BOOKED"


@BOTH
def test_booked_while_the_patient_sits_there(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter = clinic.letter()
    ubrn = letter.reference.replace(" ", "")
    page = opened(javascript=javascript)
    staff(page, ADMIN)
    page.goto(f"/staff/referrals/{ubrn}")
    page.get_by_role("link", name="Book with the patient").click()
    page.get_by_role("button", name="Propose times now").click()
    page.get_by_role("button", name="Choose this time").first.click()
    expect(page.get_by_text("This is not booked yet.")).to_be_visible()
    page.get_by_role("button", name="Book for").dblclick()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Referral")
    with clinic.database.unit_of_work(write=False) as session:
        mine = select(func.count(Booking.id)).join(Referral).where(Referral.ubrn == ubrn)
        assert session.scalar(mine.where(Booking.state == BookingState.BOOKED)) == 1
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    sign_in(patient := opened(PHONE), letter)
    patient.goto("/appointment")
    expect(patient.get_by_role("heading", level=1)).to_contain_text("ppointment")


def test_advice_is_asked_answered_and_referred(clinic: Clinic, opened: Open) -> None:
    with clinic.database.unit_of_work() as session:
        session.get_one(Service, clinic.region.services[0].id).gives_advice = True
    number, key = known(clinic, "Grace Hopper")
    gp, specialist = opened(), opened(javascript=False)
    staff(gp, GP)
    staff(specialist, SPECIALIST)
    gp.goto("/staff/advice/ask")
    gp.get_by_label("NHS number").fill(number)
    gp.get_by_label("Specialty").select_option(label="Dermatology")
    send(gp, "Show services")
    gp.get_by_role("group", name="Service", exact=True).get_by_role("radio").first.check()
    gp.get_by_label("What it is about").fill("A rash")
    gp.get_by_label("Your question").fill("What now?")
    gp.get_by_role("button", name="Send the question").dblclick()
    expect(gp.get_by_role("heading", level=1)).to_have_text("A rash")
    where = gp.url
    specialist.goto("/staff/advice")
    specialist.get_by_role("link", name="Grace Hopper").click()
    specialist.get_by_label("What you want to say").fill("She should be seen")
    send(specialist, "Answer")
    expect(specialist.get_by_text("Sent to the practice.")).to_be_visible()
    gp.goto("/staff/referrals?list=ADVICE")
    gp.get_by_role("link", name="Grace Hopper").click()
    expect(gp.get_by_text("She should be seen")).to_be_visible()
    gp.get_by_role("link", name="Refer the patient after all").click()
    send(gp)
    expect(gp.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
    assert len(referrals_of(clinic, key)) == 1
    gp.goto(where)
    expect(gp.get_by_text("Became a referral")).to_be_visible()


def test_a_form_survives_the_end_of_the_session(clinic: Clinic, opened: Open) -> None:
    number, key = known(clinic)
    page = opened(javascript=False)
    staff(page, GP)
    begin(page, number, find=True)
    page.get_by_label("Reason for referral").fill("A changing mole")
    with clinic.database.unit_of_work() as session:
        session.execute(update(AuthSession).values(revoked_at=datetime.now(UTC)))
    send(page)
    page.get_by_label("User name").fill(GP)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    assert referrals_of(clinic, key) == []
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
    assert len(referrals_of(clinic, key)) == 1


def test_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    number, key = known(clinic)
    page = opened()
    staff(page, GP)
    page.goto("/staff/refer")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.get_by_label("NHS number").focus()
    page.keyboard.type(number)
    expect(page.locator("#part-patient").get_by_text("Ada Lovelace")).to_be_visible()
    page.get_by_label("Kind of clinic").focus()
    page.keyboard.type("Derm")
    page.keyboard.press("Tab")
    expect(page.get_by_role("group", name="Shortlist")).to_be_visible()
    expect(page.get_by_label("Routine", exact=True)).to_be_focused()
    page.get_by_label("Reason for referral").focus()
    page.keyboard.type("A changing mole")
    page.keyboard.press("Enter")  # finds, never sends: sending is a button
    expect(page.get_by_role("heading", level=1)).to_have_text("Refer a patient")
    assert referrals_of(clinic, key) == []
    page.get_by_role("button", name="Send the referral").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter for the patient")
