"""About oneself: settings, times that never suit, what is held, somebody acting for the patient."""

from __future__ import annotations

from playwright.sync_api import Page

from scripts.screenshots import PHONE, Shots


def take(shots: Shots) -> None:
    _signing_in_for_somebody(shots)
    page = _patient(shots)
    page.goto("/me")
    shots.shoot(page, "me-about", whole=True)
    page.goto("/me/times")
    for box in page.get_by_role("checkbox").all()[:6]:
        box.check()
    shots.shoot(page, "me-times")
    page.goto("/me/record")
    shots.shoot(page, "me-record")
    page.goto("/me/acting")
    _name(page)
    page.get_by_role("button", name="Go on for the patient").click()
    page.get_by_text("is doing this for the patient").wait_for()
    page.goto("/me/acting")
    shots.shoot(page, "me-acting")
    page.get_by_role("button", name="It is the patient now").click()
    page.get_by_text("At the moment: the patient.").wait_for()
    page.goto("/choices")
    page.get_by_role("button", name="Cymraeg").click()
    page.locator("html[lang=cy]").wait_for()
    shots.shoot(page, "me-welsh")


def _patient(shots: Shots) -> Page:
    """The first patient of the demo."""
    page = shots.visitor(PHONE)
    page.locator("form[action='/sign-in'] button").first.click()
    page.get_by_role("button", name="Sign out").wait_for()
    return page


def _signing_in_for_somebody(shots: Shots) -> None:
    page = shots.visitor(PHONE)
    page.goto("/sign-in")
    page.get_by_text("I am doing this for the patient").click()
    _name(page)
    page.get_by_text("I am doing this for the patient").scroll_into_view_if_needed()
    shots.shoot(page, "me-sign-in-for")


def _name(page: Page) -> None:
    page.get_by_label("Your own name").fill("Zoë Marsh")
    page.get_by_label("What you are to the patient").select_option("CHILD")
