"""A day in a booking office, in a real browser: triage by keyboard, slot issues, cancelled clinics, a new service."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from booking.domain.referral import Action, ReferralState
from booking.domain.words import Role
from booking.models import Referral
from booking.services import referrals
from tests import factories
from tests.browser.conftest import PHONE, Clinic, Letter, Open, choices, sign_in
from tests.browser.desk_world import office
from tests.browser.states import staff
from tests.life.conftest import Life

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
S = ReferralState
BOTH = pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
NAMES = (("Seán", "O’Neill"), ("Ada", "Wolf 🌂"), ("عمر", "Haddad"), ("Ben", "D'Arcy"), ("Zoë", "Last"))


def _heading(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def _type(page: Page, *keys: str) -> None:
    """Keys only: a single one is pressed, longer ones are typed, names of keys begin with a colon."""
    for key in keys:
        if key.startswith(":"):
            page.keyboard.press(key[1:])
        elif len(key) == 1:
            page.keyboard.press(key)
        else:
            page.keyboard.type(key)


def test_five_are_triaged_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    at = office(clinic)
    at.make(lambda lives: lives.to(S.AWAITING_TRIAGE), *NAMES)
    page = opened()
    staff(page, at.user())
    page.goto("/staff/desk/triage")
    _heading(page, "Seán O’Neill")
    expect(page.get_by_text("5 left to read")).to_be_visible()
    _type(page, "a", "To be seen soon", ":Control+Enter")
    _heading(page, "Ada Wolf 🌂")
    expect(page.get_by_text("Accepted: Seán O’Neill.")).to_be_visible()
    _type(page, "r", "r is typed, not a shortcut", ":Escape", "r", ":Control+Enter")
    _heading(page, "عمر Haddad")
    _type(page, "m", "Which side?", ":Control+Enter")
    _heading(page, "Ben D'Arcy")
    _type(page, "s", ":ArrowDown")  # the service, in a list that the keyboard moves in
    _type(page, ":Tab", "There is room there", ":Tab", ":Enter")
    _heading(page, "Zoë Last")
    _type(page, "n")
    _heading(page, "You are at the end of the list")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Begin again").or_(page.get_by_role("link", name="Begin again")).press("Enter")
    _heading(page, "Zoë Last")
    page.keyboard.press("?")
    page.get_by_label("Use single-key shortcuts").focus()
    page.keyboard.press("Space")
    _type(page, "n")  # switched off: nothing happens
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    _heading(page, "Zoë Last")
    page.reload()
    page.keyboard.press("a")
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    page.get_by_role("radio").first.focus()
    _type(page, ":Space")
    page.get_by_label("Comment").focus()
    _type(page, "Fine", ":Tab", ":Enter")
    _heading(page, "Nothing left to read")


@BOTH
def test_two_clinicians_decide_the_same_referral(clinic: Clinic, opened: Open, javascript: bool) -> None:
    at = office(clinic)
    first, second = at.make(lambda lives: lives.to(S.AWAITING_TRIAGE), ("First", "Read"), ("Second", "Read"))
    one, two = opened(javascript=javascript), opened(PHONE, javascript=javascript)
    for page, role in ((one, Role.PROVIDER_CLINICIAN), (two, Role.PROVIDER_ADMIN)):
        staff(page, at.user(role))
        page.goto(f"/staff/desk/triage/{first}")
    one.get_by_label("Return with advice").check()
    one.get_by_label("Comment").fill("Treat it there")
    one.get_by_role("button", name="Decide and go on").dblclick()
    _heading(one, "Second Read")
    two.get_by_label("Send to another of our services").check()
    two.get_by_label("Service to send it to").select_option(index=1)
    two.get_by_label("Comment").fill("There is room")
    two.get_by_role("button", name="Decide and go on").click()
    _heading(two, "Second Read")
    expect(two.get_by_text("You did not change anything.")).to_be_visible()
    expect(two.get_by_text("returned with advice")).to_be_visible()
    assert _state(clinic, first) is S.TRIAGE_RESPONSE
    assert _state(clinic, second) is S.AWAITING_TRIAGE


def _state(clinic: Clinic, ubrn: str) -> ReferralState:
    from sqlalchemy import select

    with clinic.database.unit_of_work(write=False) as session:
        found = session.scalar(select(Referral.state).where(Referral.ubrn == ubrn))
        assert found is not None
        return found


@BOTH
def test_a_slot_issue_is_booked_on_the_telephone(clinic: Clinic, opened: Open, javascript: bool) -> None:
    """Nothing free, then times are published: the list says so, and the patient has one before the call ends."""
    at = office(clinic, free=0)

    def deferred(lives: Life) -> Referral:
        made = lives.refer(shortlist=[at.full.id])
        return lives.do(lives.gp, made, Action.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=at.full.id)

    (ubrn,) = at.make(deferred, ("Nóra", "O’Brien"))
    page = opened(PHONE if javascript else None, javascript=javascript)
    staff(page, at.user(Role.PROVIDER_ADMIN))
    _heading(page, "Worklists")
    expect(page.get_by_text("1 more place here would clear it")).to_be_visible()
    with at.lives() as lives:
        nine = lives.work.now.replace(hour=9, minute=0, second=0, microsecond=0)
        factories.slots(lives.work, at.full, nine + timedelta(days=2), 2)
    page.reload()
    expect(page.get_by_text("there are places enough free")).to_be_visible()
    page.get_by_role("link", name="Find a time for Nóra O’Brien").click()
    page.get_by_role("button", name="Keep while we talk").first.click()
    _heading(page, "Read this to Nóra O’Brien")
    page.go_back()
    page.get_by_role("button", name="Keep while we talk").first.click()
    _heading(page, "Read this to Nóra O’Brien")
    page.get_by_role("button", name="They said yes: book it").dblclick()
    _heading(page, "Nóra O’Brien")
    assert _state(clinic, ubrn) is S.BOOKED
    page.goto("/staff/desk?list=APPOINTMENT_SLOT_ISSUES")
    expect(page.get_by_text("Nothing to do here")).to_be_visible()


@BOTH
def test_a_clinic_is_cancelled_and_everybody_is_booked_again(clinic: Clinic, opened: Open, javascript: bool) -> None:
    at = office(clinic)
    ubrns = at.make(lambda lives: lives.to(S.BOOKED), ("Ada", "One"), ("Bea", "Two"))
    with at.lives() as lives:
        code = referrals.reissue_access_code(lives.gp, ubrns[1])[1]
        tomorrow = (lives.work.today + timedelta(days=1)).isoformat()
    page = opened(javascript=javascript)
    staff(page, at.user(Role.PROVIDER_ADMIN))
    page.goto("/staff/desk")
    page.get_by_role("link", name="Cancel a clinic").click()
    page.get_by_label("Service").select_option(str(at.service.id))
    page.get_by_label("First day").fill(tomorrow)
    page.get_by_role("button", name="See whom it touches").click()
    expect(page.get_by_role("row").filter(has_text="Ada One")).to_be_visible()
    expect(page.get_by_text("Nothing free")).to_have_count(0)
    with at.lives() as lives:  # somebody books while the page is looked at
        late = lives.to(S.BOOKED)
        late.patient.given_name, late.patient.family_name = "Cor", "Three"
    button = re.compile("Cancel 8 times and")
    page.get_by_label("can't be there").or_(page.get_by_label("can’t be there")).check()
    page.get_by_label("Comment").fill("Dr Vale is ill")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("Booked since you looked: Cor Three.")).to_be_visible()
    expect(page.get_by_label("Comment")).to_have_value("Dr Vale is ill")
    page.get_by_role("button", name=button).dblclick()
    _heading(page, "Clinic cancelled: what became of each")
    expect(page.get_by_text("Needs a time")).to_have_count(3)
    page.get_by_role("link", name="Book again for Ada One").click()
    page.get_by_role("button", name="Keep while we talk").first.click()
    page.get_by_role("button", name="They said yes: book it").click()
    _heading(page, "Ada One")

    patient = opened(PHONE, javascript=javascript)
    sign_in(patient, Letter(ubrns[1], code))
    choices(patient).first.click()
    patient.get_by_role("button", name="Confirm this appointment").click()
    expect(patient.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    page.goto("/staff/desk?list=APPOINTMENTS_FOR_BOOKING")
    expect(page.get_by_role("row").filter(has_text="Cor Three")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Bea Two")).to_have_count(0)


@BOTH
def test_a_service_is_described_and_found_by_a_gp(clinic: Clinic, opened: Open, javascript: bool) -> None:
    at = office(clinic)
    page = opened(javascript=javascript)
    staff(page, at.user(Role.SERVICE_DEFINER))
    _heading(page, "Your services")
    page.get_by_role("link", name="Describe a new service").click()
    name = f"Mole clinic {at.code}"
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("button", name="Make the service").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value(name)
    page.get_by_label("Site").select_option(index=1)
    page.get_by_label("Specialty").select_option("330")
    page.get_by_label("Dermatology: Skin lesions").check()
    page.get_by_role("button", name="Make the service").click()
    _heading(page, name)

    gp = opened(javascript=javascript)
    staff(gp, "referring_clinician@p81001")
    gp.goto(f"/staff/services?clinic=330%7C330-SKIN&term=Mole+clinic+{at.code}")
    expect(gp.get_by_text(name).first).to_be_visible()

    page.get_by_role("link", name="Change it").click()
    page.get_by_label("Oldest, in years").fill("17")
    page.get_by_role("button", name="See whom this touches").click()
    expect(page.get_by_role("heading", name="Whom this touches")).to_be_visible()
    page.get_by_role("button", name="Save the change").click()
    expect(page.get_by_text(f"Changed: {name}.")).to_be_visible()
    expect(page.get_by_text("0 to 17")).to_be_visible()


def test_the_list_is_new_without_a_reload(clinic: Clinic, opened: Open) -> None:
    at = office(clinic)
    page = opened()
    staff(page, at.user())
    page.goto("/staff/desk?list=REFERRALS_FOR_REVIEW")
    expect(page.get_by_text("Nothing to do here")).to_be_visible()
    at.make(lambda lives: lives.to(S.AWAITING_TRIAGE), ("New", "Arrival"))
    expect(page.get_by_role("row").filter(has_text="New Arrival")).to_be_visible(timeout=40_000)


def test_a_session_that_ends_keeps_the_decision(clinic: Clinic, opened: Open) -> None:
    from sqlalchemy import update

    from booking.models import AuthSession

    at = office(clinic)
    (ubrn,) = at.make(lambda lives: lives.to(S.AWAITING_TRIAGE), ("Kept", "Form"))
    page = opened()
    staff(page, at.user())
    page.goto(f"/staff/desk/triage/{ubrn}")
    page.get_by_label("Return with advice").check()
    page.get_by_label("Comment").fill("A long piece of advice")
    with clinic.database.unit_of_work() as session:
        session.execute(update(AuthSession).values(expires_at=clinic.work(session).now - timedelta(minutes=1)))
    page.get_by_role("button", name="Decide and go on").click()
    page.get_by_label("User name").fill(at.user())
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.locator("textarea[name=comment]")).to_have_value("A long piece of advice")
    page.locator("form:has(textarea[name=comment])").get_by_role("button").click()
    expect(page.get_by_text("Returned with advice: Kept Form.")).to_be_visible()
