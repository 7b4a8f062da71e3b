"""Pictures of the patient's pages."""

from __future__ import annotations

from scripts.screenshots import DESKTOP, PHONE, Shots


def take(shots: Shots) -> None:
    """Somebody with plenty of choice, somebody who is booked, somebody for whom nothing is free."""
    page = shots.sign_in_as("Sign in as Zoë Ashworth", PHONE)
    page.goto("/choices")
    shots.shoot(page, "patient-choices")
    page.goto("/times?view=week")
    shots.shoot(page, "patient-week")
    page.set_viewport_size(DESKTOP)
    page.goto("/compare")
    shots.shoot(page, "patient-compare")
    page.goto("/choices")
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Choose this time").first.click()
    page.wait_for_url("**/confirm/**")
    shots.shoot(page, "patient-confirm")
    booked = shots.sign_in_as("Sign in as Arthur Thistlewood", PHONE)
    booked.goto("/appointment")
    shots.shoot(booked, "patient-appointment")
    waiting = shots.sign_in_as("Sign in as Ngozi Achebe", PHONE)
    waiting.goto("/choices")
    shots.shoot(waiting, "patient-nothing-free")
