"""The patient's pages in every state: nothing free, something kept, refused, moved, long and foreign names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from booking.domain.referral import Action
from booking.domain.words import BookingMode, Role
from booking.models import Offer, Service, Site
from booking.services import answers, booking, life, offers, referrals
from booking.services.booking import Choice
from booking.services.life import Given
from booking.services.slots import SlotSearch, free_slots
from booking.services.work import Work
from tests import factories
from tests.browser.conftest import Clinic, Letter, Open, choices
from tests.browser.states import PATIENT, State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
_names = count(1)
LONG = "Ambervale and Weirside Combined Dermatological Outpatients’ Assessment Clinic for Adults"


def _service(work: Work, clinic: Clinic, *, free: int, **fields: object) -> int:
    """A service of its own, with so many free times a week from now."""
    site = work.session.get_one(Site, clinic.region.services[0].site_id)
    name = fields.pop("name", "A clinic")
    made = factories.service(work, clinic.region.provider, site, name=f"{name} {next(_names)}", **fields)
    first = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=7)
    factories.slots(work, made, first, free)
    return made.id


def _refer(work: Work, clinic: Clinic, *services: int, **who: object):  # type: ignore[no-untyped-def]
    person = {"given_name": "Siobhán 🌻", "family_name": "O’Hara-שָׁלוֹם", **who}
    patient = factories.PatientFactory(practice_id=clinic.region.practice.id, **person)
    return factories.referral(work, clinic.region, patient=patient, shortlist=list(services))


def _as_patient(work: Work, referral) -> Work:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from booking.services.work import Actor

    return replace(work, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))


def empty(path: str):  # type: ignore[no-untyped-def]
    """A patient whose clinic has no times at all."""

    def arrange(clinic: Clinic) -> tuple[str, Letter]:
        with clinic.database.unit_of_work() as session, factories.using(session):
            work = clinic.work(session)
            made, code = _refer(work, clinic, _service(work, clinic, free=0, name=LONG))
            return path, Letter(made.ubrn, code)

    return arrange


def full(path: str):  # type: ignore[no-untyped-def]
    return lambda _clinic: path


def nothing_suits(path: str):  # type: ignore[no-untyped-def]
    """Times are free, none meets what was recorded: no step-free access, too far."""

    def arrange(clinic: Clinic) -> tuple[str, Letter]:
        with clinic.database.unit_of_work() as session, factories.using(session):
            work = clinic.work(session)
            key = _service(work, clinic, free=4)
            made, code = _refer(work, clinic, key, farthest_km=0.5, unsuitable_times=7, interpreter_language="Kurdî")
            return path, Letter(made.ubrn, code)

    return arrange


def booked(path: str, *, proposed: bool = False, cancelled: bool = False):  # type: ignore[no-untyped-def]
    def arrange(clinic: Clinic) -> tuple[str, Letter]:
        with clinic.database.unit_of_work() as session, factories.using(session):
            work = clinic.work(session)
            service = _service(
                work, clinic, free=6, name=LONG, instructions="Bring a sample.\nDo not eat before 10:00."
            )
            made, code = _refer(work, clinic, service)
            mine = _as_patient(work, made)
            slots = free_slots(mine, referrals.own_referral(mine, made.ubrn), SlotSearch(limit=2))
            first, second = slots
            had = booking.book(mine, made.ubrn, Choice(first.id, first.starts_at, first.ends_at))
            if proposed:
                staff = factories.acting(work, Role.PROVIDER_ADMIN, clinic.region.provider)
                answers.propose_move(staff, had.reference or "", second.id)
            if cancelled:
                booking.cancel_booking(mine, had.reference or "", reason="TOO_UNWELL", comment=None)
            where = path.format(
                slot_id=second.id, starts_at=second.starts_at.isoformat().replace("+", "%2B"),
                ends_at=second.ends_at.isoformat().replace("+", "%2B"),
            )  # fmt: skip
            return where, Letter(made.ubrn, code)

    return arrange


def waiting(path: str, action: Action):  # type: ignore[no-untyped-def]
    """Deferred to a full clinic, or with a clinician who reads first."""

    def arrange(clinic: Clinic) -> tuple[str, Letter]:
        with clinic.database.unit_of_work() as session, factories.using(session):
            work = clinic.work(session)
            if action is Action.SEND_FOR_TRIAGE:
                key = _service(work, clinic, free=0, booking_mode=BookingMode.TRIAGE)
                made, code = _refer(work, clinic, key)
            else:
                key = _service(work, clinic, free=0)
                made, code = _refer(work, clinic, key)
                life.perform(
                    _as_patient(work, made), made.ubrn, action, Given(reason="NO_SLOTS", service_id=key)
                )  # fmt: skip
            return path, Letter(made.ubrn, code)

    return arrange


def declining(clinic: Clinic) -> tuple[str, Letter]:
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        made, code = _refer(work, clinic, _service(work, clinic, free=6))
        mine = _as_patient(work, made)
        referrals.lock_referral(mine, made.ubrn)
        offer: Offer = offers.ensure_offers(mine, referrals.own_referral(mine, made.ubrn))[0]
        return f"/choices/{offer.id}/decline", Letter(made.ubrn, code)


def two_full(clinic: Clinic) -> tuple[str, Letter]:
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        keys = [_service(work, clinic, free=0, name=LONG), _service(work, clinic, free=0)]
        made, code = _refer(work, clinic, *keys)
        return "/join", Letter(made.ubrn, code)


def clocks(clinic: Clinic) -> tuple[str, Letter]:
    """Times on the next day the clocks go back, in the hour that comes twice."""
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        key = _service(
            work, clinic, free=0, windows=dict.fromkeys(factories.Priority, (0, 700)), polling_range_days=700
        )
        day = _clocks_back()
        service = work.session.get_one(Service, key)
        factories.slots(work, service, day - timedelta(hours=15), 1)  # this one is kept; those of the hour stay free
        for hour in (0, 1):
            factories.slots(work, service, day.replace(hour=hour, minute=30), 1)
        made, code = _refer(work, clinic, key)
        return f"/times?view=week&on={day:%Y-%m-%d}", Letter(made.ubrn, code)


def _clocks_back() -> datetime:
    """Midnight UTC of the next last Sunday of October."""
    now = datetime.now(UTC)
    for year in (now.year, now.year + 1):
        day = datetime(year, 10, 31, tzinfo=UTC)
        day -= timedelta(days=(day.weekday() + 1) % 7)
        if day > now + timedelta(days=1):
            return day
    raise AssertionError


def _refuse_a_time(page: Page) -> None:
    form = page.locator("form[action='/choose']").nth(1)
    form.locator("[name=starts_at]").evaluate("box => box.value = '2000-01-01T00:00:00+00:00'")
    form.get_by_role("button").click()
    expect(page.get_by_role("heading", name="That time is not free")).to_be_visible()


def _hold(page: Page) -> None:
    choices(page).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check and confirm")


def _lose_the_move(page: Page) -> None:
    page.locator("form[action='/appointment/move']").locator("[name=starts_at]").evaluate(
        "box => box.value = '2000-01-01T00:00:00+00:00'"
    )
    page.get_by_role("button", name="Move my appointment").click()
    expect(page.get_by_role("heading", name="That time is not free")).to_be_visible()


def _send(button: str):  # type: ignore[no-untyped-def]
    def act(page: Page) -> None:
        page.get_by_role("main").get_by_role("button", name=button).click()
        page.get_by_role("heading", name="There is a problem").wait_for()

    return act


def _open_filter(page: Page) -> None:
    page.get_by_text("Narrow by what suits you").click()
    expect(page.get_by_label("Monday", exact=True)).to_be_visible()


MOVE = "/appointment/move?slot_id={slot_id}&starts_at={starts_at}&ends_at={ends_at}"
STATES = [
    State("web.choices", "full", PATIENT, full("/choices"), heading="Choose your appointment"),
    State("web.choices", "nothing free", PATIENT, empty("/choices")),
    State("web.choices", "nothing suits", PATIENT, nothing_suits("/choices")),
    State("web.choices", "refused", PATIENT, full("/choices"), _refuse_a_time),
    State("web.choices", "cancelled", PATIENT, booked("/choices", cancelled=True)),
    State("web.choices", "deferred", PATIENT, waiting("/choices", Action.DEFER_TO_PROVIDER)),
    State("web.choices", "triage", PATIENT, waiting("/choices", Action.SEND_FOR_TRIAGE), heading="Your referral"),
    State("web.decline", "asked", PATIENT, declining, heading="Not this one?"),
    State("web.compare", "full", PATIENT, full("/compare"), heading="Compare times"),
    State("web.compare", "empty", PATIENT, full("/compare?slot=999999999")),
    State("web.times", "full", PATIENT, full("/times"), _open_filter, heading="Every free time"),
    State("web.times", "week", PATIENT, full("/times?view=week")),
    State("web.times", "clinic", PATIENT, full("/times?view=clinic")),
    State("web.times", "narrowed", PATIENT, full("/times?part=0&step_free=1&miles=50")),
    State("web.times", "nothing left", PATIENT, full("/times?part=2&mode=VIDEO&clinician=male")),
    State("web.times", "empty", PATIENT, empty("/times")),
    State("web.times", "never suits", PATIENT, nothing_suits("/times?every=1")),
    State("web.times", "clocks go back", PATIENT, clocks),
    State("web.confirm", "kept", PATIENT, full("/choices"), _hold),
    State("web.appointment", "booked", PATIENT, booked("/appointment"), heading="Appointment confirmed"),
    State("web.appointment", "asked to move", PATIENT, booked("/appointment", proposed=True)),
    State("web.cancel", "asked", PATIENT, booked("/appointment/cancel")),
    State("web.cancel", "refused", PATIENT, booked("/appointment/cancel"), _send("Cancel this appointment")),
    State("web.move_times", "full", PATIENT, booked("/appointment/times"), heading="Move to another time"),
    State("web.move", "check", PATIENT, booked(MOVE), heading="Check and move"),
    State("web.move", "lost", PATIENT, booked(MOVE), _lose_the_move),
    State("web.join", "one clinic", PATIENT, empty("/join"), heading="Ask a clinic to find you a time"),
    State("web.join", "refused", PATIENT, two_full, _send("Ask the clinic to find me a time")),
    State("web.progress", "choosing", PATIENT, full("/referral"), heading="Your referral so far"),
    State("web.progress", "booked", PATIENT, booked("/referral")),
    State("web.progress", "deferred", PATIENT, waiting("/referral", Action.DEFER_TO_PROVIDER)),
]


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
