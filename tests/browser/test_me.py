"""Sessions that end in mid-form, deep links, a carer on a phone, Welsh and large print: in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from booking.domain.words import Role
from booking.models import Account, AuthSession, Patient, Referral, ReferralEvent
from booking.services import accounts
from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, accessible, choices, fill_in, sign_in
from tests.browser.states import staff
from tests.factories import PASSWORD

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
both = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
KEPT = "What you filled in is still here"


def end_sessions(clinic: Clinic) -> None:
    """What the server does to a session that rests too long."""
    with clinic.database.unit_of_work() as session:
        unit = clinic.work(session)
        session.execute(update(AuthSession).where(AuthSession.revoked_at.is_(None)).values(revoked_at=unit.now))


def mobile(clinic: Clinic, letter: Letter) -> str | None:
    with clinic.database.unit_of_work(write=False) as session:
        query = select(Patient.mobile).join(Referral).where(Referral.ubrn == letter.reference)
        return session.scalar(query)


def events(clinic: Clinic, letter: Letter) -> list[tuple[str, str | None]]:
    with clinic.database.unit_of_work(write=False) as session:
        query = select(ReferralEvent.actor, ReferralEvent.on_behalf_of).join(Referral)
        rows = session.execute(query.where(Referral.ubrn == letter.reference).order_by(ReferralEvent.id))
        return [(row.actor, row.on_behalf_of) for row in rows]


def half_filled(page: Page) -> None:
    page.goto("/me/contact")
    page.get_by_label("By text message").check()
    page.get_by_label("Mobile number").fill("07700 900123")


@both
def test_a_patients_session_ends_in_mid_form(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter, page = clinic.letter(), opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    half_filled(page)
    end_sessions(clinic)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    if javascript:
        accessible(page)
    fill_in(page, letter)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(KEPT)
    if javascript:
        accessible(page)
    assert mobile(clinic, letter) is None  # seen by the patient before it is sent
    page.get_by_text("Show what I filled in").click()
    expect(page.locator("li", has_text="07700 900123")).to_be_visible()
    again = page.get_by_role("button", name="Send it now")
    again.dblclick() if javascript else again.click()  # a second sending may meet the first, saved already
    expect(page.get_by_role("heading", level=1)).to_have_text("About you")
    assert mobile(clinic, letter) == "07700 900123"
    with clinic.database.unit_of_work(write=False) as session:
        version = session.scalar(select(Patient.version).join(Referral).where(Referral.ubrn == letter.reference))
    assert version == 2  # once, though the button was pressed twice


def test_somebody_else_who_signs_in_does_not_see_it(clinic: Clinic, opened: Open) -> None:
    letter, other, page = clinic.letter(), clinic.letter(), opened()
    sign_in(page, letter)
    half_filled(page)
    end_sessions(clinic)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    fill_in(page, other)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your appointment")
    expect(page.get_by_text("07700 900123")).to_have_count(0)
    assert mobile(clinic, letter) is None
    assert mobile(clinic, other) is None


def test_a_page_of_a_session_before_can_be_sent_again(clinic: Clinic, opened: Open) -> None:
    """Two windows: signing in anew in one makes the other's page too old. It says so, and sends once more."""
    letter, page = clinic.letter(), opened()
    sign_in(page, letter)
    half_filled(page)
    second = page.context.new_page()
    sign_in(second, letter)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(KEPT)
    accessible(page)
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("About you")
    assert mobile(clinic, letter) == "07700 900123"


@both
def test_a_deep_link_returns_after_signing_in(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter, page = clinic.letter(), opened(PHONE, javascript=javascript)
    page.goto("/me/times")
    expect(page).to_have_url(f"{clinic.url}/sign-in?next=/me/times")
    page.get_by_role("button", name="Cymraeg").click()  # and another language on the way does not lose it
    expect(page.locator("html")).to_have_attribute("lang", "cy")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    fill_in(page, letter)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{clinic.url}/me/times")


def test_a_deep_link_of_staff_goes_through_choosing_a_role(clinic: Clinic, opened: Open) -> None:
    with clinic.database.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.username == "referring_clinician@p81001")).one()
        accounts.grant_role(clinic.work(session), account, Role.REFERRING_ADMIN, "P81001")
        username = account.username
    page = opened(DESKTOP)
    page.goto("/staff/refer")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Which role are you in today?")
    page.get_by_role("button", name="Referring administrator").click()
    expect(page).to_have_url(f"{clinic.url}/staff/refer")


def test_a_session_of_staff_ends_in_mid_form(clinic: Clinic, opened: Open) -> None:
    page = opened(DESKTOP)
    staff(page, "referring_admin@p81001")
    page.goto("/staff/role")
    page.goto("/staff/refer")
    box = page.get_by_role("textbox").first
    box.fill("943 476 5919")
    end_sessions(clinic)
    page.locator("main form").first.get_by_role("button").first.click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_label("User name").fill("referring_admin@p81001")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(KEPT)
    page.get_by_text("Show what I filled in").click()
    expect(page.locator("li", has_text="943 476 5919")).to_be_visible()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", name=KEPT)).to_have_count(0)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@both
def test_a_daughter_books_for_her_mother(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter, page = clinic.letter(), opened(PHONE, javascript=javascript)
    page.goto("/sign-in")
    fill_in(page, letter)
    page.get_by_text("I am doing this for the patient").click()
    page.get_by_label("Your own name").fill("Zoë O’Hara 🌿 שלום")
    page.get_by_label("What you are to the patient").select_option("CHILD")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    bar = page.get_by_text("Zoë O’Hara 🌿 שלום (daughter or son) is doing this for the patient.")
    expect(bar).to_be_visible()
    choices(page).first.click()
    page.get_by_role("button", name="Confirm this appointment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    expect(bar).to_be_visible()
    assert events(clinic, letter)[-1][1] == "patient"
    assert events(clinic, letter)[-1][0].startswith("child #")
    page.get_by_role("link", name="Change who is doing this").click()
    page.get_by_role("button", name="It is the patient now").click()
    expect(page.get_by_text("At the moment: the patient.")).to_be_visible()
    expect(bar).to_have_count(0)


@both
def test_welsh_and_large_print_on_a_phone(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter, page = clinic.letter(), opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    html = page.locator("html")
    page.get_by_role("button", name="Cymraeg").click()
    expect(html).to_have_attribute("lang", "cy")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dewiswch eich apwyntiad")
    page.get_by_role("button", name="Print bras").click()
    expect(html).to_have_class("app-large")
    if javascript:
        accessible(page)
    choices(page).first.wait_for(state="detached")  # nothing English is left to press
    page.locator("form[action='/choose'] button").first.click()
    page.locator("form[action^='/confirm/'] button").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Apwyntiad wedi’i gadarnhau")
    if javascript:
        accessible(page)


def test_times_that_never_suit_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    letter, page = clinic.letter(), opened(DESKTOP)
    sign_in(page, letter)
    page.goto("/me/times")
    page.get_by_role("checkbox").first.focus()
    for n in range(21):
        if n % 3 == 0:
            page.keyboard.press("Space")
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("About you")
    expect(page.get_by_text("Monday: morning")).to_be_visible()
    expect(page.get_by_text("Sunday: morning")).to_be_visible()
