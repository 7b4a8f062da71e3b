"""The staff's pages in a real browser: a referral from the GP's hands to the patient's; all pages accessible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, accessible, choices, fits, sign_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)


def staff(page: Page, username: str) -> None:
    page.goto("/staff/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.wait_for_load_state()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_gp_refers_and_the_patient_books(clinic: Clinic, opened: Open, viewport: dict[str, int]) -> None:
    number = "943 476 5838" if viewport is DESKTOP else "943 476 5846"
    page, look = opened(viewport), accessible if viewport is DESKTOP else fits
    staff(page, "referring_clinician@p81001")
    look(page)
    page.get_by_role("main").get_by_role("link", name="Refer a patient").click()
    page.get_by_label("NHS number").fill(number)
    page.get_by_label("Given name").fill("Siân")
    page.get_by_label("Family name").fill("O’Neill")
    for name, value in (("Day", "17"), ("Month", "5"), ("Year", "1960")):
        page.get_by_label(name).fill(value)
    page.get_by_label("Female", exact=True).check()
    page.get_by_label("Postcode").fill("am1 1ab")
    look(page)
    page.get_by_label("Kind of clinic").select_option(label="Dermatology: Skin lesions")
    expect(page.get_by_role("group", name="Shortlist")).to_be_visible()
    page.get_by_role("button", name="Send the referral").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    look(page)
    page.get_by_label("Reason for referral").fill("A changing mole")
    page.get_by_role("button", name="Send the referral").dblclick()
    expect(page.get_by_role("heading", name="Letter for the patient")).to_be_visible()
    look(page)
    reference, code = (part.inner_text() for part in page.locator(".app-code--large").all())

    patient = opened(viewport)
    sign_in(patient, Letter(reference, code))
    choices(patient).first.click()
    patient.get_by_role("button", name="Confirm this appointment").click()
    expect(patient.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    page.reload()
    look(page)
    expect(page.get_by_text(code)).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_provider_and_commissioner(clinic: Clinic, opened: Open, viewport: dict[str, int]) -> None:
    page = opened(viewport)
    page.goto("/staff/sign-in")
    accessible(page)
    for username, heading in (("provider_admin@ra1", "Worklists"), ("commissioner@00x", "Overview")):
        staff(page, username)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        accessible(page)
    page.goto("/choices")
    expect(page.get_by_role("heading", level=1)).to_have_text("This page is not for your role")
    accessible(page)
