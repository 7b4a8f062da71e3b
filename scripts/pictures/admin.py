"""Administration: people, the audit trail, the service's health; the tour."""

from __future__ import annotations

from scripts.screenshots import Shots


def take(shots: Shots) -> None:
    tour = shots.visitor()
    tour.get_by_role("link", name="Take the tour").click()
    shots.shoot(tour, "admin-tour")

    page = shots.sign_in_as("Sign in as Barnaby Frost")
    page.goto("/staff/admin")
    shots.shoot(page, "admin-hub")
    page.goto("/staff/admin/people")
    page.get_by_role("main").get_by_role("row").nth(1).get_by_role("link").click()
    page.get_by_role("heading", name="Roles here").wait_for()
    shots.shoot(page, "admin-person")

    watch = shots.sign_in_as("Sign in as Ione Blackwood")
    watch.goto("/staff/admin/audit")
    shots.shoot(watch, "admin-audit")
    watch.goto("/staff/admin/health")
    shots.shoot(watch, "admin-health")
