"""A clinic's life in a real browser: published, booked by a patient, watched, printed, and who came recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from booking.domain.words import Role
from booking.models import AuthSession, Referral, Slot
from booking.services import booking as booking_service
from booking.services.booking import Choice
from booking.services.work import Actor
from tests import factories
from tests.browser.conftest import DESKTOP, Clinic, Open, sign_in
from tests.browser.states import staff

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
LONDON = ZoneInfo("Europe/London")
CLERK = "provider_admin@ra1"


def _tuesday(weeks: int = 2) -> date:
    today = datetime.now(LONDON).date()
    return today + timedelta(days=(1 - today.weekday()) % 7, weeks=weeks)


def _publish(page: Page, first: date, last: date, *, starts: str = "18:00", weekday: str = "Tuesday") -> None:
    page.goto("/staff/publish")
    page.get_by_label(weekday, exact=True).check()
    page.get_by_label("From", exact=True).fill(first.isoformat())
    page.get_by_label("Until, included").fill(last.isoformat())
    page.get_by_label("Starts").fill(starts)
    page.get_by_label("Ends").fill("")
    page.get_by_label("Or how many appointments").fill("2")
    page.get_by_label("Leave out bank holidays").uncheck()
    page.get_by_role("button", name="Look at the times").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look at the times before they are published")


@pytest.mark.parametrize("javascript", [True, False], ids=["with script", "without script"])
def test_published_booked_watched_printed(clinic: Clinic, opened: Open, javascript: bool) -> None:
    """By a session with a day struck out; a patient takes one of the times; the watched calendar shows it."""
    first = _tuesday(2 if javascript else 6)
    clerk = opened(DESKTOP, javascript=javascript)
    staff(clerk, CLERK)
    _publish(clerk, first, first + timedelta(weeks=2))
    clerk.get_by_label("Leave out", exact=False).nth(1).check()
    clerk.get_by_role("button", name="Strike out the ticked days").first.click()
    expect(clerk.get_by_text("Left out:")).to_be_visible()
    clerk.get_by_role("button", name="Publish 4 times").first.click()
    expect(clerk.get_by_text("4 times published")).to_be_visible()
    clerk.goto(f"/staff/clinic?week={first.isoformat()}")
    chip = clerk.locator("#clinic-week a.chip", has_text="18:00")
    expect(chip).to_have_text("18:00 Free")

    letter = clinic.letter()
    with clinic.database.unit_of_work() as session:
        slot = session.scalars(
            select(Slot).where(Slot.starts_at == datetime(first.year, first.month, first.day, 18, tzinfo=LONDON))
        ).one()
        slot_id = slot.id
    patient = opened()
    sign_in(patient, letter)
    with clinic.database.unit_of_work() as session:
        work = clinic.work(session)
        referral = session.scalars(select(Referral).where(Referral.ubrn == letter.reference)).one()
        mine = replace(work, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))
        slot = session.get_one(Slot, slot_id)
        booking_service.book(mine, letter.reference, Choice(slot.id, slot.starts_at, slot.ends_at))
    if not javascript:
        clerk.reload()
    expect(chip).to_have_text("18:00 Booked", timeout=40_000)

    clerk.goto(f"/staff/clinic/list?date={first.isoformat()}")
    expect(clerk.get_by_role("row").filter(has_text="18:00")).to_contain_text("17 May 1960")
    clerk.emulate_media(media="print")
    expect(clerk.locator(".app-header")).to_be_hidden()
    expect(clerk.locator(".nhsuk-back-link")).to_be_hidden()
    expect(clerk.get_by_role("table")).to_be_visible()
    assert len(clerk.pdf(landscape=True)) > 1000


def _over(clinic: Clinic, number: int) -> str:
    """People whose appointments are over; returns the day."""
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        service = clinic.region.services[0]
        begun = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=90)
        slots = factories.slots(work, service, begun, number, capacity=3)
        earlier = replace(work, now=work.now - timedelta(hours=3))
        for n, slot in enumerate(slots):
            patient = factories.PatientFactory(
                practice_id=clinic.region.practice.id, given_name=f"Attending{n}", family_name="O’Hara 🙂"
            )
            referral, _ = factories.referral(earlier, clinic.region, patient=patient)
            mine = replace(earlier, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))
            booking_service.book(mine, referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
        return slots[0].local_date.isoformat()


def test_attendance_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    """A, D and the arrows where there is script; the cursor is at the next person after each."""
    day = _over(clinic, 3)
    page = opened(DESKTOP)
    staff(page, CLERK)
    page.goto(f"/staff/clinic/day?date={day}")
    people = page.locator(".clinic-guest", has_text="Attending")
    people.nth(0).get_by_role("button", name="Attended").focus()
    page.keyboard.press("ArrowDown")
    expect(people.nth(1).get_by_role("button", name="Attended")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("a")
    expect(people.nth(0)).to_contain_text("Did not come after all")
    expect(people.nth(1).get_by_role("button", name="Attended")).to_be_focused()
    page.keyboard.press("d")
    expect(people.nth(1)).to_contain_text("Offer another appointment")
    expect(people.nth(2).get_by_role("button", name="Attended")).to_be_focused()
    page.keyboard.press("Enter")
    expect(people.nth(2)).to_contain_text("Did not come after all")
    people.nth(1).get_by_role("button", name="Offer another appointment").dblclick()
    expect(page.get_by_text("offered another appointment and told so")).to_be_visible()


def test_words_not_sent_yet_stay_while_the_list_is_live(clinic: Clinic, opened: Open) -> None:
    """Somebody else records meanwhile; the list is swapped only once nothing in it would be lost."""
    day = _over(clinic, 2)
    page, colleague = opened(DESKTOP), opened(DESKTOP)
    for one in (page, colleague):
        staff(one, CLERK)
    page.clock.install(time=datetime.now(UTC))
    page.goto(f"/staff/clinic/day?date={day}")
    waiting = page.locator(".clinic-guest", has=page.locator(".nhsuk-tag", has_text="Booked"))
    mine, theirs = (f"#{waiting.nth(n).get_attribute('id')}" for n in (0, 1))
    page.locator(mine).get_by_role("button", name="Did not attend").click()
    expect(page.get_by_text("Recorded: the patient did not attend")).to_be_visible()
    page.locator(mine).locator("summary").click()
    words = page.locator(mine).get_by_label("What the referrer should know")
    words.fill("Moved away")
    colleague.goto(f"/staff/clinic/day?date={day}")
    colleague.locator(theirs).get_by_role("button", name="Attended").click()
    expect(colleague.get_by_text("Recorded: the patient attended")).to_be_visible()

    def look() -> None:
        page.get_by_role("heading", level=1).click()  # the keyboard is elsewhere
        with page.expect_response(lambda answer: "/staff/clinic/day" in answer.url):
            page.clock.fast_forward(21_000)
        page.wait_for_timeout(300)  # what is swapped, is swapped by then

    look()
    expect(words).to_have_value("Moved away")
    expect(page.locator(theirs).get_by_role("button", name="Attended")).to_be_visible()
    words.fill("")
    look()
    expect(words).to_be_visible()  # open still, though nothing is typed
    page.locator(mine).locator("summary").click()
    look()
    expect(page.locator(theirs)).to_contain_text("Did not come after all")


def test_attendance_without_script(clinic: Clinic, opened: Open) -> None:
    day = _over(clinic, 1)
    page = opened(DESKTOP, javascript=False)
    staff(page, CLERK)
    page.goto(f"/staff/clinic/day?date={day}")
    page.get_by_role("button", name="Did not attend").last.click()
    expect(page.get_by_text("Recorded: the patient did not attend")).to_be_visible()
    page.locator("summary", has_text="Return to the referrer").last.click()
    page.get_by_label("What the referrer should know").last.fill("Moved away")
    page.locator("details[open]").get_by_role("button", name="Return to the referrer").click()
    expect(page.get_by_text("The referrer has been told.").last).to_be_visible()
    page.go_back()
    page.go_back()
    page.get_by_role("button", name="Came after all").last.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False], ids=["with script", "without script"])
def test_a_file_with_three_kinds_of_faults(clinic: Clinic, opened: Open, tmp_path: Path, javascript: bool) -> None:
    name = "J" if javascript else "N"
    path = tmp_path / "times.csv"
    path.write_text(
        "slot_id,date,start,minutes,practitioner\n"
        f"{name}1,2027-09-01,09:00,20,\n{name}2,2027-02-30,09:00,20,\n{name}3,2027-09-01,10:00,20,NOBODY\n{name}4,2027-09-01\n",
        encoding="utf-8",
    )
    page = opened(DESKTOP, javascript=javascript)
    staff(page, CLERK)
    page.goto("/staff/publish/file")
    page.get_by_label("Which service").select_option(index=1)
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is in times.csv")
    for line, said in (("3", "not a date"), ("4", "not a clinician"), ("5", "the row has 2 cells")):
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=line, exact=True))
        expect(row).to_contain_text(said)
    with page.expect_download() as bad:
        page.get_by_role("link", name="Download the rows at fault").click()
    assert "not a clinician" in Path(bad.value.path()).read_text(encoding="utf-8-sig")
    page.get_by_role("button", name="Publish the 1 good row").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text("Published: times.csv")
    page.goto("/staff/clinic?week=2027-09-01")
    expect(page.locator("#clinic-week a.chip", has_text="09:00").first).to_be_visible()


def test_the_week_in_which_the_clocks_change(clinic: Clinic, opened: Open) -> None:
    """Sundays at 18:00 over the end of summer time: at 18:00 by the clock on both sides of it."""
    change = date(2027, 10, 31)
    page = opened(DESKTOP)
    staff(page, CLERK)
    _publish(page, change - timedelta(weeks=1), change, weekday="Sunday")
    page.get_by_role("button", name="Publish 4 times").first.click()
    expect(page.get_by_text("4 times published")).to_be_visible()
    for day in (change - timedelta(weeks=1), change):
        page.goto(f"/staff/clinic?week={day.isoformat()}")
        expect(page.locator("#clinic-week a.chip", has_text="18:00").first).to_have_text("18:00 Free")
    expect(page.get_by_text("The clocks go back")).to_be_visible()


def test_a_form_survives_the_end_of_the_session(clinic: Clinic, opened: Open) -> None:
    page = opened(DESKTOP)
    staff(page, CLERK)
    page.goto("/staff/publish")
    page.get_by_label("Wednesday", exact=True).check()
    page.get_by_label("Kind of appointment").fill("Follow-up of O’Neill’s clinic")
    with clinic.database.unit_of_work() as session:
        session.execute(update(AuthSession).values(revoked_at=datetime.now(UTC)))
    page.get_by_role("button", name="Look at the times").click()
    page.get_by_label("User name").fill(CLERK)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_text("Show what I filled in").click()
    expect(page.get_by_role("listitem").filter(has_text="Follow-up of O’Neill’s clinic")).to_be_visible()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look at the times before they are published")
