"""The practice's pages and advice on both sides, in every state: empty, full, refused, with long and odd names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from booking.domain.advice import AdviceAction
from booking.domain.words import BookingMode, Priority, Role
from booking.models import AdviceRequest, Organisation, Referral, Service
from booking.services import advice, booking, life, referrals
from booking.services.advice import NewAdvice, Said
from booking.services.booking import Choice
from booking.services.life import Action, Given
from booking.services.referrals import NewReferral
from booking.services.slots import SlotSearch, free_slots
from booking.services.work import Work
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.states import State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.referral_summary"}
GP, ADMIN = "referring_clinician@p81001", "referring_admin@p81001"
SPECIALIST, DESK = "provider_clinician@ra1", "provider_admin@ra1"
ODD = "أمينة O’Brien-Ødegård 🌻 " + "Longname" * 6
SKIN = "330%7C330-SKIN"


def made(clinic: Clinic, build: Callable[[Work], str]) -> str:
    """What ``build`` makes as the practice's clinician, committed."""
    with clinic.database.unit_of_work() as session, factories.using(session):
        unit = factories.acting(clinic.work(session), Role.REFERRING_CLINICIAN, clinic.region.practice)
        return build(unit)


def somebody(clinic: Clinic, **fields: object) -> factories.Patient:
    return factories.PatientFactory(practice_id=clinic.region.practice.id, given_name=ODD[:60], **fields)


def referred(clinic: Clinic, unit: Work, *, draft: bool = False, **fields: object) -> Referral:
    new = NewReferral(
        patient_id=somebody(clinic).id, specialty="330", clinic_type="330-SKIN", priority=Priority.ROUTINE,
        reason="A changing mole", shortlist=[one.id for one in clinic.region.services], draft=draft, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    return referrals.create_referral(unit, new)[0]


def a_referral(after: str = "", do: Callable[[Work, Referral], object] | None = None) -> Callable[[Clinic], str]:
    """The path of a new referral's page, or of one below it."""

    def arrange(clinic: Clinic) -> str:
        def build(unit: Work) -> str:
            found = referred(clinic, unit, draft=after == "/draft")
            if do is not None:
                do(unit, found)
            return f"/staff/referrals/{found.ubrn}{after}"

        return made(clinic, build)

    return arrange


def book(unit: Work, found: Referral) -> None:
    slot = free_slots(unit, found, SlotSearch(limit=1))[0]
    booking.book(unit, found.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))


def returned(unit: Work, found: Referral) -> None:
    """Booked, and sent back by whoever has it."""
    book(unit, found)
    clinic = unit.session.get_one(Service, referrals.own_referral(unit, found.ubrn).service_id)
    provider = unit.session.get_one(Organisation, clinic.organisation_id)
    specialist = factories.acting(unit, Role.PROVIDER_CLINICIAN, provider)
    life.perform(specialist, found.ubrn, Action.REJECT, Given("OTHER", "Please send a picture first."))


def close(unit: Work, found: Referral) -> None:
    returned(unit, found)
    life.perform(unit, found.ubrn, Action.CLOSE, Given("OTHER", "Better"))


def cancel(unit: Work, found: Referral) -> None:
    referrals.cancel_referral(unit, found.ubrn, reason="OTHER", comment="Moved abroad")


def hold(unit: Work, found: Referral) -> str:
    slot = free_slots(unit, found, SlotSearch(limit=1))[0]
    return f"/confirm/{booking.hold(unit, found.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at)).id}"


def held(clinic: Clinic) -> str:
    def build(unit: Work) -> str:
        found = referred(clinic, unit)
        return f"/staff/referrals/{found.ubrn}{hold(unit, found)}"

    return made(clinic, build)


def a_patient(clinic: Clinic) -> str:
    def build(unit: Work) -> str:
        found = referred(clinic, unit)
        return f"/staff/patients/{found.patient_id}"

    return made(clinic, build)


def a_new_patient(clinic: Clinic) -> str:
    return made(clinic, lambda _: f"/staff/patients/{somebody(clinic).id}")


def advising(clinic: Clinic, unit: Work) -> Service:
    """The region's services answer questions; one gives advice only."""
    for one in clinic.region.services:
        unit.session.get_one(Service, one.id).gives_advice = True
    if unit.session.scalar(select(Service.id).where(Service.booking_mode == BookingMode.ADVICE_ONLY)) is None:
        site = unit.session.get_one(Service, clinic.region.services[0].id).site_id
        factories.service(
            unit, clinic.region.provider, unit.session.get_one(factories.Site, site), name="Skin advice line",
            booking_mode=BookingMode.ADVICE_ONLY,
        )  # fmt: skip
    unit.session.flush()
    return unit.session.get_one(Service, clinic.region.services[0].id)


def an_advice(after: str = "", *turns: AdviceAction) -> Callable[[Clinic], str]:
    """The path of a new conversation, with what was said in it."""

    def arrange(clinic: Clinic) -> str:
        return made(clinic, lambda unit: f"/staff/advice/{asked(clinic, unit, *turns).reference}{after}")

    return arrange


def asked(clinic: Clinic, unit: Work, *turns: AdviceAction) -> AdviceRequest:
    service = advising(clinic, unit)
    found = advice.ask(unit, NewAdvice(somebody(clinic).id, service.id, Priority.ROUTINE, "A rash", "What now?", True))
    provider = factories.acting(replace(unit), Role.PROVIDER_CLINICIAN, clinic.region.provider)
    for turn in turns:
        who = unit if turn in (AdviceAction.REPLY, AdviceAction.CLOSE) else provider
        found = advice.contribute(who, found.reference, turn, Said("Line one.\nLine two."), version=found.version)
    return found


def at(path: str, *, full: bool = False, gives_advice: bool = False) -> Callable[[Clinic], str]:
    def arrange(clinic: Clinic) -> str:
        def build(unit: Work) -> str:
            if full:
                referred(clinic, unit)
                referred(clinic, unit, draft=True)
            if gives_advice:
                advising(clinic, unit)
            return path

        return made(clinic, build)

    return arrange


def both(path: str) -> Callable[[Clinic], str]:
    return lambda clinic: path.format(*(one.id for one in clinic.region.services))


def press(name: str, **fields: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for label, value in fields.items():
            page.get_by_label(label.replace("_", " ")).first.fill(value)
        with page.expect_navigation():
            page.get_by_role("main").get_by_role("button", name=name).first.click()

    return act


def refused(name: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_role("main").get_by_role("button", name=name).first.click()
        page.get_by_role("heading", name="There is a problem").wait_for()

    return act


def look_up(number: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_label("NHS number").fill(number)
        with page.expect_navigation():
            page.get_by_role("button", name="Find patient").click()
        page.locator(".app-person").wait_for()
        for details in page.locator("summary").all():
            details.click()

    return act


def opened_panels(page: Page) -> None:
    for details in page.locator("summary").all():
        details.click()


def gone(page: Page) -> None:
    form = page.locator("form[action$='/hold']").first
    form.locator("[name=starts_at]").evaluate("box => box.value = '2000-01-01T00:00:00+00:00'")
    form.get_by_role("button").click()
    page.get_by_role("heading", name="That time is not free").wait_for()


STATES = [
    State("web.referrals", "empty list", GP, at("/staff/referrals?list=REJECTED_OR_TRIAGE_RESPONSE")),
    State("web.referrals", "full", ADMIN, at("/staff/referrals?list=LETTERS_OUTSTANDING", full=True)),
    State("web.referrals", "nothing fits", GP,
          at("/staff/referrals?list=LETTERS_OUTSTANDING&priority=URGENT", full=True)),
    State("web.outcomes", "full", GP, at("/staff/outcomes", full=True), heading="What became of our referrals"),
    State("web.outcomes", "nothing fits", GP, at("/staff/outcomes?group=SEEN", full=True)),
    State("web.find_services", "empty", GP, at("/staff/services")),
    State("web.find_services", "full", GP, at("/staff/services?term=skin", gives_advice=True)),
    State("web.find_services", "none fits", GP, at("/staff/services?term=nothing")),
    State("web.find_services", "refused", GP, at("/staff/services?term=skin&within_miles=far")),
    State("web.compare_services", "two", GP, both("/staff/services/compare?service={}&service={}")),
    State("web.compare_services", "nothing", GP, at("/staff/services/compare")),
    State("web.refer", "blank", GP, at("/staff/refer"), opened_panels, heading="Refer a patient"),
    State("web.refer", "services", ADMIN, at(f"/staff/refer?clinic={SKIN}", gives_advice=True)),
    State("web.refer", "new patient", GP, at("/staff/refer"), look_up("943 476 5919")),
    State("web.refer", "refused", GP, at(f"/staff/refer?clinic={SKIN}"), refused("Send the referral")),
    State("web.refer_to", "patient", ADMIN,
          lambda clinic: a_patient(clinic).replace("patients", "refer"), opened_panels),
    State("web.draft", "full", GP, a_referral("/draft"), opened_panels, heading="Go on with a draft"),
    State("web.draft", "refused", GP, a_referral("/draft", lambda _, one: setattr(one, "reason", "")),
          refused("Send the referral")),
    State("web.referral", "sent", GP, a_referral()),
    State("web.referral", "letter", GP, a_referral(), press("Make a new access code"),
          heading="Letter for the patient"),
    State("web.referral", "booked", ADMIN, a_referral(do=book)),
    State("web.referral", "returned", ADMIN, a_referral(do=returned)),
    State("web.referral", "closed", GP, a_referral(do=close)),
    State("web.referral", "cancelled", GP, a_referral(do=cancel)),
    State("web.referral", "file refused", GP, a_referral(), refused("Attach")),
    State("web.referral_act", "shortlist", ADMIN, a_referral("/do/change-shortlist")),
    State("web.referral_act", "triage nobody", GP, a_referral("/do/send-for-triage")),
    State("web.referral_act", "defer refused", GP, a_referral("/do/defer-to-provider"), refused("Leave it to this")),
    State("web.referral_act", "priority refused", GP, a_referral("/do/change-priority"),
          refused("Change the priority")),
    State("web.referral_act", "amend", GP, a_referral("/do/amend")),
    State("web.referral_act", "cancel refused", GP, a_referral("/do/cancel-referral"), refused("Cancel the referral")),
    State("web.referral_act", "close", GP, a_referral("/do/close", returned)),
    State("web.referral_act", "cancel appointment", GP, a_referral("/do/cancel-appointment", book)),
    State("web.book_for", "nothing proposed", GP, a_referral("/times")),
    State("web.book_for", "proposed", ADMIN, a_referral("/times"), press("Propose times now")),
    State("web.book_for", "gone", GP, a_referral("/times"), gone),
    State("web.book_for", "no week", GP, a_referral("/times?week=2000-01-03")),
    State("web.book_for", "change", GP, a_referral("/times", book)),
    State("web.confirm_for", "held", ADMIN, held),
    State("web.find_patient", "blank", GP, at("/staff/patients")),
    State("web.find_patient", "several", GP, at("/staff/patients", full=True), press("Find", Name="O’Brien")),
    State("web.find_patient", "nobody", GP, at("/staff/patients"), press("Find", Name="Nobody at all")),
    State("web.find_patient", "refused", GP, at("/staff/patients"), refused("Find")),
    State("web.practice_patient", "full", ADMIN, a_patient),
    State("web.practice_patient", "new", GP, a_new_patient),
    State("web.practice_patient", "refused", GP, a_patient, press("Save", Mobile_number="none")),
    State("web.transfer_in", "blank", ADMIN, at("/staff/patients/transfer")),
    State("web.transfer_in", "refused", ADMIN, at("/staff/patients/transfer"), refused("Take over")),
    State("web.attached_file", "no such file", GP, at("/staff/files/999999")),
    State("web.advice_list", "empty", GP, at("/staff/advice?show=all&state=CONVERTED")),
    State("web.advice_list", "all", GP, lambda clinic: f"{an_advice()(clinic)[:13]}?show=all"),
    State("web.advice_list", "practice", ADMIN, lambda clinic: an_advice("", AdviceAction.ANSWER)(clinic)[:13]),
    State("web.advice_list", "provider", DESK, lambda clinic: an_advice()(clinic)[:13]),
    State("web.ask_advice", "blank", GP, at("/staff/advice/ask")),
    State("web.ask_advice", "services", ADMIN, at("/staff/advice/ask?specialty=330", gives_advice=True)),
    State("web.ask_advice", "refused", GP, at("/staff/advice/ask"), refused("Send the question")),
    State("web.advice", "asked", GP, an_advice()),
    State("web.advice", "to answer", SPECIALIST, an_advice()),
    State("web.advice", "to answer for another", DESK, an_advice(), refused("Answer")),
    State("web.advice", "answered", ADMIN,
          an_advice("", AdviceAction.ASK_BACK, AdviceAction.REPLY, AdviceAction.ANSWER)),
    State("web.advice", "closed", GP, an_advice("", AdviceAction.FINAL_ADVICE, AdviceAction.CLOSE)),
    State("web.advice_convert", "blank", SPECIALIST, an_advice("/convert")),
    State("web.advice_convert", "refused", SPECIALIST, an_advice("/convert"), refused("Make the referral")),
    State("web.advice_refer", "filled", GP, an_advice("/refer", AdviceAction.ANSWER)),
]  # fmt: skip


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
