"""The patient's journeys in a real browser: narrowing, comparing, moving, cancelling, joining a list, odd names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar
from playwright.sync_api import Page, expect
from sqlalchemy import select

from booking.domain.referral import ReferralState
from booking.domain.words import BookingState
from booking.models import Booking, Referral, Slot
from tests import factories
from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, choices, sign_in
from tests.browser.test_pages_patient import booked, clocks, declining, empty

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
SCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])


def live(clinic: Clinic, letter: Letter) -> list[Slot]:
    """The slots of the patient's live appointments."""
    query = select(Slot).join(Booking, Booking.slot_id == Slot.id).join(Referral, Referral.id == Booking.referral_id)
    query = query.where(Referral.ubrn == letter.reference, Booking.state == BookingState.BOOKED)
    with clinic.database.unit_of_work(write=False) as session:
        return list(session.scalars(query))


def heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


@SCRIPT
def test_narrow_remember_and_choose(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter = clinic.letter()
    page = opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    page.get_by_role("link", name="See every other free time").click()
    heading(page, "Every free time")
    page.get_by_text("Narrow by what suits you").click()
    page.get_by_label("Morning (before 12:00)").check()
    page.get_by_label("Step-free access").check()
    page.get_by_label("How far").select_option("10")
    page.get_by_role("button", name="Show these times").click()
    expect(page.get_by_text("You asked for:")).to_be_attached()
    expect(page.get_by_label("Morning (before 12:00)")).to_be_checked()
    page.get_by_role("button", name="Remember this").click()
    expect(page.get_by_text("We will remember what suits you")).to_be_visible()
    choices(page).nth(2).click()
    heading(page, "Check and confirm")
    page.get_by_role("button", name="Confirm this appointment").click()
    heading(page, "Appointment confirmed")
    (slot,) = live(clinic, letter)
    assert slot.starts_at.hour < 12


@SCRIPT
def test_compare_and_choose(clinic: Clinic, opened: Open, javascript: bool) -> None:
    letter = clinic.letter()
    page = opened(DESKTOP, javascript=javascript)
    sign_in(page, letter)
    page.goto("/times")
    ticks = page.get_by_role("checkbox", name="Compare")
    wanted = ticks.nth(3).get_attribute("value")
    for n in (1, 3):
        ticks.nth(n).check()
    page.get_by_role("button", name="Compare the ticked times").click()
    heading(page, "Compare times")
    expect(page.get_by_role("columnheader")).to_have_count(2)
    choices(page).nth(1).click()
    heading(page, "Check and confirm")
    page.get_by_role("button", name="Confirm this appointment").click()
    heading(page, "Appointment confirmed")
    assert [slot.id for slot in live(clinic, letter)] == [int(wanted or 0)]


@SCRIPT
def test_move_with_a_double_click_and_the_back_button(clinic: Clinic, opened: Open, javascript: bool) -> None:
    path, letter = booked("/appointment")(clinic)
    (before,) = live(clinic, letter)
    page = opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    page.goto(path)
    page.get_by_role("link", name="Move to another time").click()
    heading(page, "Move to another time")
    target = page.locator("form[action='/appointment/move'] [name=slot_id]").nth(1).get_attribute("value")
    page.get_by_role("button", name="Move to this time").nth(1).click()
    heading(page, "Check and move")
    assert [slot.id for slot in live(clinic, letter)] == [before.id]
    page.get_by_role("button", name="Move my appointment").dblclick()
    heading(page, "Appointment confirmed")
    assert [slot.id for slot in live(clinic, letter)] == [int(target or 0)]
    page.go_back()
    again = page.get_by_role("button", name="Move my appointment")
    page.wait_for_load_state()
    if again.count():
        again.click()
        heading(page, "Appointment confirmed")
    assert [slot.id for slot in live(clinic, letter)] == [int(target or 0)]


@SCRIPT
def test_cancel_says_first_what_it_means(clinic: Clinic, opened: Open, javascript: bool) -> None:
    path, letter = booked("/appointment")(clinic)
    page = opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    page.goto(path)
    page.get_by_role("link", name="Change or cancel this appointment").click()
    heading(page, "Change or cancel your appointment")
    expect(page.get_by_text("your wait still counts from")).to_be_visible()
    expect(page.get_by_text("the first one free now is")).to_be_visible()
    page.get_by_label("Another reason").check()
    page.get_by_role("button", name="Cancel this appointment").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    expect(page.get_by_label("Another reason")).to_be_checked()
    page.get_by_label("Anything to add").fill("I’m away 🌴")
    page.get_by_role("button", name="Cancel this appointment").click()
    expect(page.get_by_text("Your appointment is cancelled")).to_be_visible()
    assert live(clinic, letter) == []


@SCRIPT
def test_not_this_one(clinic: Clinic, opened: Open, javascript: bool) -> None:
    _path, letter = declining(clinic)
    page = opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    first = page.locator("form[action='/choose'] [name=slot_id]").first.get_attribute("value")
    page.get_by_role("link", name="Not this one").first.click()
    heading(page, "Not this one?")
    page.get_by_label("The day or the time of day does not suit me").check()
    page.get_by_role("button", name="Not this one").click()
    expect(page.get_by_text("we will not propose it again")).to_be_visible()
    expect(page.locator(f"form[action='/choose'] [name=slot_id][value='{first}']")).to_have_count(0)


@SCRIPT
def test_join_the_list_where_nothing_is_free(clinic: Clinic, opened: Open, javascript: bool) -> None:
    _path, letter = empty("/choices")(clinic)
    page = opened(PHONE, javascript=javascript)
    sign_in(page, letter)
    page.get_by_role("link", name="Ask the clinic to find me a time").click()
    heading(page, "Ask a clinic to find you a time")
    promised = page.locator("strong").nth(1).inner_text()
    page.get_by_role("button", name="Ask the clinic to find me a time").dblclick()
    expect(page.get_by_text("The clinic has been asked to find you a time.")).to_be_visible()
    expect(page.get_by_text(f"It will contact you by {promised}")).to_be_visible()
    with clinic.database.unit_of_work(write=False) as session:
        referral = session.scalars(select(Referral).where(Referral.ubrn == letter.reference)).one()
        assert referral.state is ReferralState.DEFERRED_TO_PROVIDER
        assert f"{referral.worklist_due:%A} {referral.worklist_due.day} {referral.worklist_due:%B %Y}" == promised
    page.get_by_role("link", name="What happened so far").click()
    heading(page, "Your referral so far")
    expect(page.get_by_text("Done by: You")).to_be_visible()


def test_the_hour_that_comes_twice(clinic: Clinic, opened: Open) -> None:
    """00:30 and 01:30 UTC are both 01:30 by the clock: the page says which is which, the calendar has the instant."""
    path, letter = clocks(clinic)
    page = opened()
    sign_in(page, letter)
    page.goto(path)
    expect(page.get_by_text("01:30", exact=True)).to_have_count(2)
    expect(page.get_by_text("Your time is in the first one.")).to_be_visible()
    expect(page.get_by_text("Your time is in the second one.")).to_be_visible()
    choices(page).nth(1).click()
    heading(page, "Check and confirm")
    expect(page.get_by_text("half past one in the morning")).to_be_visible()
    page.get_by_role("button", name="Confirm this appointment").click()
    heading(page, "Appointment confirmed")
    (slot,) = live(clinic, letter)
    assert (slot.starts_at.hour, slot.starts_at.minute) == (1, 30)
    with page.expect_download() as download:
        page.get_by_role("link", name="Add to my calendar").click()
    (event,) = Calendar.from_ical(download.value.path().read_bytes()).walk("VEVENT")
    assert (event["dtstart"].dt, event["dtend"].dt) == (slot.starts_at, slot.ends_at)


@pytest.mark.parametrize(
    ("given", "family"), [("Siobhán", "O’Hara-D'Arcy"), ("Zoë 🌻", "Ng"), ("שרה", "כהן"), ("فاطمة", "الزهراء")]
)
def test_names_stand_right(clinic: Clinic, opened: Open, given: str, family: str) -> None:
    with clinic.database.unit_of_work() as session, factories.using(session):
        patient = factories.PatientFactory(practice_id=clinic.region.practice.id, given_name=given, family_name=family)
        made, code = factories.referral(clinic.work(session), clinic.region, patient=patient)
        letter = Letter(made.ubrn, code)
    page = opened()
    sign_in(page, letter)
    choices(page).first.click()
    page.get_by_role("button", name="Confirm this appointment").click()
    heading(page, "Appointment confirmed")
    page.emulate_media(media="print")
    printed = page.get_by_text(f"For {given} {family}")
    expect(printed).to_be_visible()
    # The name is apart from the sentence, so that its direction does not turn the words around it.
    assert printed.locator("bdi").inner_text() == f"{given} {family}"


def test_the_printed_appointment_is_one_page(clinic: Clinic, opened: Open) -> None:
    path, letter = booked("/appointment")(clinic)
    page = opened()
    sign_in(page, letter)
    page.goto(path)
    pdf = page.pdf(format="A4")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page\r") == 1 or pdf.count(b"/Type /Page ") == 1
    page.emulate_media(media="print")
    for words in ("Appointment confirmed", "What to bring", "If you can’t come"):
        expect(page.get_by_role("heading", name=words)).to_be_visible()
    expect(page.get_by_role("link", name="Add to my calendar")).to_be_hidden()


def test_the_countdown_ends_in_words(clinic: Clinic, opened: Open) -> None:
    letter = clinic.letter()
    page = opened()
    page.clock.install(time=datetime.now(UTC))
    sign_in(page, letter)
    choices(page).last.click()  # the first is kept for days, with nothing to count
    left = page.locator("[data-seconds]")
    expect(left).to_contain_text("minutes left")
    page.clock.fast_forward(timedelta(days=30).total_seconds() * 1000)
    expect(left).to_contain_text("We no longer keep this time for you")
    expect(page.get_by_role("status").filter(has_text="We no longer keep")).to_be_attached()


def test_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    """Narrowing by Tab and Space, then moving on to a time by Enter."""
    letter = clinic.letter()
    page = opened()
    sign_in(page, letter)
    page.goto("/times")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Monday", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Monday", exact=True)).to_be_focused()
    for _ in range(7):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Morning (before 12:00)")).to_be_focused()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Show these times").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You asked for:")).to_be_attached()
    choices(page).first.focus()
    page.keyboard.press("Enter")
    heading(page, "Check and confirm")
