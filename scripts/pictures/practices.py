"""Pictures of the practice's pages."""

from __future__ import annotations

from scripts.screenshots import DESKTOP, Shots


def take(shots: Shots) -> None:
    """A GP with a patient, a list, a referral, a comparison, a conversation."""
    page = shots.sign_in_as("Sign in as Dr Ottoline Marsh", DESKTOP)
    page.goto("/staff/referrals?list=AWAITING_BOOKING")
    shots.shoot(page, "practices-worklist")
    page.get_by_role("region", name="To be booked").get_by_role("link").nth(2).click()
    page.wait_for_url("**/staff/referrals/*")
    shots.shoot(page, "practices-referral")
    page.get_by_role("link", name="Book with the patient").click()
    page.wait_for_url("**/times")
    shots.shoot(page, "practices-times")
    page.goto("/staff/services?clinic=330%7C330-SKIN")
    for box in page.get_by_role("checkbox").all()[:3]:
        box.check()
    page.get_by_role("button", name="Compare the ticked ones").click()
    page.wait_for_url("**/compare*")
    shots.shoot(page, "practices-compare")
    page.goto("/staff/advice")
    page.get_by_role("region", name="Soonest due first").get_by_role("link").first.click()
    page.wait_for_url("**/staff/advice/*")
    shots.shoot(page, "practices-advice")
    page.goto("/staff/patients")
    page.get_by_label("Name, NHS number or reference").fill("a")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("link", name="Refer this patient").click()
    page.get_by_label("Kind of clinic").select_option(label="Dermatology: Skin lesions and moles")
    page.get_by_role("group", name="Shortlist").wait_for()
    page.get_by_label("Reason for referral").fill("A mole that has changed")
    shots.shoot(page, "practices-refer", whole=True)
