"""The booking office: worklists, triage, finding a time, cancelling a clinic, a service changed."""

from __future__ import annotations

from datetime import date, timedelta

from playwright.sync_api import Page

from scripts.screenshots import DESKTOP, Shots


def take(shots: Shots) -> None:
    office = shots.sign_in_as("Barnaby Frost", DESKTOP)
    office.goto("/staff/desk?list=APPOINTMENT_SLOT_ISSUES")
    shots.shoot(office, "desk-worklists")
    office.goto("/staff/desk?list=APPOINTMENTS_FOR_BOOKING")
    office.get_by_role("link", name="Book again").first.click()
    office.get_by_role("heading", name="Times that suit").wait_for()
    shots.shoot(office, "desk-times")
    _cancel(office)
    shots.shoot(office, "desk-cancel")
    reader = shots.sign_in_as("Perpetua Lindqvist", DESKTOP)
    reader.goto("/staff/desk/triage")
    reader.keyboard.press("a")
    shots.shoot(reader, "desk-triage")
    definer = shots.sign_in_as("Sorrel Penhallow", DESKTOP)
    definer.goto("/staff/desk/services")
    definer.get_by_role("link", name="Skin clinic").first.click()
    definer.get_by_role("link", name="Change it").click()
    definer.get_by_label("Youngest, in years").fill("18")
    definer.get_by_role("button", name="See whom this touches").click()
    definer.get_by_role("heading", name="Whom this touches").wait_for()
    shots.shoot(definer, "desk-service")


def _cancel(page: Page) -> None:
    """Ten days of a clinic, so that somebody is booked there."""
    page.goto("/staff/desk/clinics/cancel")
    page.get_by_label("Service").select_option(index=1)
    first = date.today() + timedelta(days=1)  # noqa: DTZ011  # the browser's day
    page.get_by_label("First day").fill(first.isoformat())
    page.get_by_label("Last day, if more than one").fill((first + timedelta(days=20)).isoformat())
    page.get_by_role("button", name="See whom it touches").click()
    page.get_by_text("Times taken off").wait_for()
