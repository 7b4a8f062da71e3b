"""A commissioner's month in a real browser: figures to a file, the policy changed and brought back, a rule's life."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from booking.models import Service
from tests import factories
from tests.browser.conftest import DESKTOP, PHONE, Clinic, Open, fits
from tests.browser.states import staff

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
COMMISSIONER = "commissioner@00x"
script = pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])


def heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


@script
def test_from_the_overview_to_a_table_and_a_file(clinic: Clinic, opened: Open, javascript: bool) -> None:
    page = opened(DESKTOP if javascript else PHONE, javascript=javascript)
    staff(page, COMMISSIONER)
    heading(page, "Overview")
    page.get_by_label("Specialty").select_option("Dermatology")
    if not javascript:
        page.get_by_role("button", name="Show").click()
    page.wait_for_url("**specialty=330**")
    page.get_by_role("link", name=re.compile("Report.*Waiting by month")).click()
    heading(page, "Waits and breaches by month")
    expect(page.get_by_label("Specialty")).to_have_value("330")
    page.get_by_label("To the end of").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**to=**")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download for a spreadsheet").click()
    assert download.value.suggested_filename.startswith("waits-by-month-")
    fits(page)


@script
def test_the_policy_changed_previewed_published_and_brought_back(
    clinic: Clinic, opened: Open, javascript: bool
) -> None:
    page = opened(DESKTOP, javascript=javascript)
    staff(page, COMMISSIONER)
    page.get_by_role("link", name="Policy", exact=True).click()
    heading(page, "The planning policy")
    page.get_by_role("link", name="Change the policy").click()
    days = page.get_by_label("How long an offer holds, in days")
    days.fill("ninety")
    page.get_by_role("button", name="Preview beside today’s plan").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    expect(days).to_have_value("ninety")
    days.fill("9" if javascript else "11")
    page.get_by_role("button", name="Preview beside today’s plan").click()
    heading(page, "Preview of a policy")
    expect(page.get_by_text("Waiting for its turn.")).to_be_visible()
    page.get_by_label("Why").fill("More time to answer")
    page.get_by_role("button", name="Publish").dblclick()
    heading(page, "The planning policy")
    expect(page.get_by_text("of the policy is published")).to_be_visible()
    expect(page.get_by_text("More time to answer")).to_have_count(1)  # once, however often the button was pressed
    page.get_by_role("link", name="History, and the way back").click()
    expect(page.get_by_text("becomes 9 days." if javascript else "becomes 11 days.").first).to_be_visible()
    page.get_by_role("link", name="the defaults", exact=True).click()
    page.get_by_label("Why").fill("It did not help")
    page.get_by_role("button", name="Bring the defaults back").click()
    heading(page, "The planning policy")
    expect(page.get_by_text("It did not help")).to_be_visible()


@script
def test_a_service_is_opened_to_a_practice_and_closed_again(clinic: Clinic, opened: Open, javascript: bool) -> None:
    name = f"Laser clinic {'one' if javascript else 'two'}"
    with clinic.database.unit_of_work() as session, factories.using(session):
        at = session.get_one(Service, clinic.region.services[0].id)
        provider, site = clinic.region.provider, factories.SiteFactory(organisation_id=at.organisation_id)
        factories.service(clinic.work(session), provider, site, name=name, nationally_visible=False)
    page = opened(PHONE, javascript=javascript)
    staff(page, COMMISSIONER)
    page.get_by_role("link", name="Local rules").click()
    page.get_by_role("link", name="Open a service").first.click()
    page.get_by_label("Part of its name").fill(name)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Choose {name}").click()
    page.get_by_label("To whom").select_option("Hilltop Practice (P81002)")
    page.get_by_label("Why").fill("A pilot")
    page.get_by_role("button", name="Open the service").click()
    heading(page, name)
    page.get_by_label("Why it ends").fill("The pilot is over")
    page.get_by_role("button", name="End the rule").click()
    expect(page.get_by_text("The rule ends after")).to_be_visible()
    fits(page)


def test_an_analyst_sees_all_and_changes_nothing(clinic: Clinic, opened: Open) -> None:
    page = opened(DESKTOP)
    staff(page, "information_analyst@00x")
    heading(page, "Overview")
    page.goto("/staff/policy")
    expect(page.get_by_role("link", name="Change the policy")).to_have_count(0)
    page.goto("/staff/rules")
    expect(page.get_by_role("link", name="Open a service")).to_have_count(0)
    page.goto("/staff/policy/change")
    heading(page, "This page is not for your role")
