"""The patient's journey in a real browser: desktop and phone, with and without JavaScript, racing, going back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from booking.domain.words import BookingState
from booking.models import Booking, Referral
from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, accessible, choices, fill_in, fits, sign_in

ONE_DATABASE = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
MOST_PAGES, MOST_TAPS = 4, 6


def appointments(clinic: Clinic, *letters: Letter) -> int:
    """How many live appointments these patients have."""
    mine = [letter.reference for letter in letters]
    query = (
        select(func.count(Booking.id))
        .join(Referral, Referral.id == Booking.referral_id)
        .where(Referral.ubrn.in_(mine), Booking.state == BookingState.BOOKED)
    )
    with clinic.database.unit_of_work(write=False) as session:
        return session.scalar(query) or 0


class Counted:
    """A visitor whose pages and taps are counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps, self.pages = page, 0, 1

    def tap(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()
        self.page.wait_for_load_state()
        self.taps, self.pages = self.taps + 1, self.pages + 1


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@ONE_DATABASE
def test_sign_in_choose_confirm(clinic: Clinic, opened: Open, viewport: dict[str, int], javascript: bool) -> None:
    letter = clinic.letter()
    page = opened(viewport, javascript=javascript)
    page.goto("/sign-in")
    fill_in(page, letter)
    visitor = Counted(page)
    visitor.tap("Sign in")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your appointment")
    visitor.tap("Choose this time")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check and confirm")
    assert appointments(clinic, letter) == 0
    visitor.tap("Confirm this appointment")
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    assert appointments(clinic, letter) == 1
    assert visitor.pages <= MOST_PAGES
    assert visitor.taps <= MOST_TAPS

    with page.expect_download() as download:
        page.get_by_role("link", name="Add to my calendar").click()
    assert download.value.suggested_filename == "appointment.ics"
    page.get_by_role("link", name="Change or cancel this appointment").click()
    page.get_by_label("I can't make this time").check()
    page.get_by_role("button", name="Cancel this appointment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your appointment")
    expect(choices(page).first).to_be_visible()
    assert appointments(clinic, letter) == 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    page.goto("/choices")
    expect(page).to_have_url(f"{clinic.url}/sign-in?next=/choices")


def test_two_browsers_race_for_one_slot(clinic: Clinic, opened: Open) -> None:
    """Both have the last step open for the same slot; one is told it is confirmed, the other gets fresh times."""
    letters = [clinic.letter(), clinic.letter()]
    pages = [opened(), opened()]
    for page, letter in zip(pages, letters, strict=True):
        sign_in(page, letter)
        page.goto("/times")
    buttons = [page.locator("form[action='/choose']") for page in pages]
    shared = {button.locator("[name=slot_id]").input_value() for button in buttons[0].all()} & {
        button.locator("[name=slot_id]").input_value() for button in buttons[1].all()
    }
    slot = max(shared, key=int)
    for page in pages:  # both send before either is answered
        page.locator(f"form[action='/choose']:has([name=slot_id][value='{slot}'])").evaluate("form => form.submit()")
    headings = []
    for page in pages:
        page.wait_for_url(lambda url: "/times" not in url)
        headings.append(page.get_by_role("heading", level=1).inner_text())
    assert sorted(headings) == ["Check and confirm", "Choose your appointment"]
    winner, loser = pages if headings[0] == "Check and confirm" else pages[::-1]
    expect(loser.get_by_text("has just been taken by somebody else. Nothing was booked.")).to_be_visible()
    winner.get_by_role("button", name="Confirm this appointment").click()
    expect(winner.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    choices(loser).first.click()
    loser.get_by_role("button", name="Confirm this appointment").click()
    expect(loser.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    assert appointments(clinic, *letters) == 2


@ONE_DATABASE
def test_a_double_click_books_once(clinic: Clinic, opened: Open) -> None:
    letter = clinic.letter()
    page = opened(javascript=False)  # without JavaScript nothing holds the second click back
    sign_in(page, letter)
    choices(page).first.dblclick()
    page.get_by_role("button", name="Confirm this appointment").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    assert appointments(clinic, letter) == 1


@ONE_DATABASE
def test_the_back_button_does_no_harm(clinic: Clinic, opened: Open) -> None:
    letter = clinic.letter()
    page = opened()
    sign_in(page, letter)
    choices(page).nth(1).click()
    confirm = page.get_by_role("button", name="Confirm this appointment")
    expect(confirm).to_be_visible()  # a click answers before the page it leads to is there
    page.go_back()
    expect(choices(page).first).to_be_visible()
    choices(page).first.click()
    expect(confirm).to_be_visible()
    page.get_by_role("button", name="Confirm this appointment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    page.go_back()
    page.wait_for_load_state()
    again = page.get_by_role("button", name="Confirm this appointment")
    if again.count():
        again.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    assert appointments(clinic, letter) == 1


@ONE_DATABASE
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_of_the_journey_is_accessible(clinic: Clinic, opened: Open, viewport: dict[str, int]) -> None:
    letter, page = clinic.letter(), opened(viewport)
    page.goto("/api/docs")  # long, and the same on a phone: once is enough for axe
    accessible(page) if viewport is DESKTOP else fits(page)
    for path in ("/", "/nothing-here", "/sign-in"):
        page.goto(path)
        accessible(page)
    page.get_by_role("button", name="Sign in").click()
    accessible(page)
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    page.get_by_role("link", name="Enter your date of birth").click()
    expect(page.get_by_label("Day")).to_be_focused()
    sign_in(page, letter)
    accessible(page)
    page.get_by_role("link", name="See every other free time").click()
    page.wait_for_url("**/times*")
    accessible(page)
    page.goto("/times?week=2000-01-03")
    accessible(page)
    page.goto("/choices")
    form = page.locator("form[action='/choose']").nth(1)
    form.locator("[name=starts_at]").evaluate("box => box.value = '2000-01-01T00:00:00+00:00'")
    form.get_by_role("button").click()
    expect(page.get_by_role("heading", name="That time is not free")).to_be_visible()
    accessible(page)
    choices(page).first.click()
    accessible(page)
    page.get_by_role("button", name="Confirm this appointment").click()
    accessible(page)
    page.get_by_role("link", name="Change or cancel").click()
    accessible(page)
    page.get_by_role("button", name="Cancel this appointment").click()
    accessible(page)
    page.get_by_label("I am too unwell to travel").check()
    page.get_by_role("button", name="Cancel this appointment").click()
    expect(page.get_by_text("Your appointment is cancelled")).to_be_visible()
    accessible(page)


@ONE_DATABASE
def test_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    letter, page = clinic.letter(), opened()
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.get_by_label("Booking reference number").focus()
    for value in (letter.reference, letter.code, "17", "5", "1960"):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    expect(page.locator("summary", has_text="I am doing this for the patient")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    choices(page).first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Confirm this appointment").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    assert appointments(clinic, letter) == 1
