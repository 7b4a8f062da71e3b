"""Pictures of the calendar, publishing and the clinic list."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scripts.screenshots import DESKTOP, Shots

FILE = """slot_id,date,start,minutes,practitioner
A1,2030-09-03,09:00,20,
A2,2030-02-30,09:20,20,
A3,2030-09-03,9 o'clock,20,NOBODY
A4,2030-09-03
"""


def take(shots: Shots) -> None:
    """The clinic administrator's week, a day of it, a session looked at before it is published, a file with faults."""
    page = shots.sign_in_as("Sign in as Barnaby Frost", DESKTOP)
    page.goto("/staff/clinic")
    if page.locator(".week__name a").count() == 0:  # at the end of a week
        page.get_by_role("link", name="The week after").click()
    page.locator(".week__name a").first.wait_for()
    page.get_by_role("heading", name="Calendar").evaluate("heading => heading.scrollIntoView()")
    shots.shoot(page, "clinics-week")
    page.locator(".week__name a").first.click()
    page.get_by_role("link", name="The whole week").wait_for()
    shots.shoot(page, "clinics-day")
    page.get_by_role("link", name="Clinic list to print").click()
    page.get_by_role("button", name="Print this list").wait_for()
    shots.shoot(page, "clinics-list")
    page.goto("/staff/publish")
    page.get_by_role("link", name="Use Monday mornings").click()
    page.get_by_label("Monday", exact=True).wait_for()
    shots.shoot(page, "clinics-publish")
    page.get_by_role("button", name="Look at the times").click()
    page.get_by_role("heading", name="Look at the times before").wait_for()
    shots.shoot(page, "clinics-preview")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "september.csv"
        path.write_text(FILE, encoding="utf-8")
        page.goto("/staff/publish/file")
        page.get_by_label("Which service").select_option(index=1)
        page.get_by_label("File", exact=True).set_input_files(path)
        page.get_by_role("button", name="Look at the file").click()
        page.get_by_role("heading", name="Rows at fault").wait_for()
        shots.shoot(page, "clinics-file")
