"""The pictures of the commissioners' guide."""

from __future__ import annotations

from scripts.screenshots import Shots


def take(shots: Shots) -> None:
    page = shots.sign_in_as("Ione Blackwood")
    page.goto("/staff/overview")
    page.get_by_role("heading", name="Month by month").evaluate("heading => heading.scrollIntoView()")
    shots.shoot(page, "commissioner-overview")
    page.goto("/staff/reports/choice?by=specialty")
    shots.shoot(page, "commissioner-report")
    page.goto("/staff/plan")
    shots.shoot(page, "commissioner-plan")
    page.goto("/staff/policy/change")
    shots.shoot(page, "commissioner-policy")
