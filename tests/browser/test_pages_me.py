"""About oneself: every page in every state, in English and Welsh, in large print, with somebody acting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from booking.domain.words import Channel, Relation, Role, Sex
from booking.models import AccessEntry, Patient, Referral
from booking.services import acting, booking, sign_in
from booking.services.booking import Choice
from tests import factories
from tests.browser.conftest import Clinic, Letter, Open
from tests.browser.states import NOBODY, PATIENT, State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.my_record_pdf", "web.my_record_fhir"}
LONG = "Wolfeschlegelsteinhausenbergerdorff"
WELSH = "Cymraeg"


def at(path: str, **patient: object) -> Callable[[Clinic], tuple[str, Letter]]:
    """The page of a new patient whose record has this."""

    def arrange(clinic: Clinic) -> tuple[str, Letter]:
        letter = clinic.letter()
        with clinic.database.unit_of_work() as session:
            found = mine(session, letter).patient_id
            one = session.get_one(Patient, found)
            for name, value in patient.items():
                setattr(one, name, value)
        return path, letter

    return arrange


def mine(session, letter: Letter) -> Referral:  # type: ignore[no-untyped-def]
    return session.scalars(select(Referral).where(Referral.ubrn == letter.reference)).one()


FULL = {
    "given_name": "Ada 🌿 שלום", "family_name": LONG + "-O’Neill", "email": f"{'a' * 60}@{'b' * 60}.example",
    "mobile": "+44 7700 900 123", "channel": Channel.SMS, "step_free": True, "interpreter_language": "Sign language",
    "clinician_sex": Sex.FEMALE, "video_possible": False, "unsuitable_times": 0b101_010_111, "farthest_km": 20.0,
}  # fmt: skip


def looked(clinic: Clinic) -> tuple[str, Letter]:
    """Staff have looked, more often than one page holds."""
    path, letter = at("/me/access")(clinic)
    with clinic.database.unit_of_work() as session:
        one = mine(session, letter)
        for n, what in enumerate(("patient", "referral", f"attachment {one.id}", "summary") * 15):
            role = Role.PROVIDER_CLINICIAN if n % 3 else Role.REFERRING_ADMIN
            session.add(
                AccessEntry(
                    at=clinic.work(session).now, patient_id=one.patient_id, referral_id=one.id, what=what,
                    actor="x", role=role, organisation="RA1",
                )
            )  # fmt: skip
    return path, letter


def booked(clinic: Clinic) -> tuple[str, Letter]:
    """Booked by the practice, with much in the record."""
    path, letter = at("/me/record", **FULL)(clinic)
    with clinic.database.unit_of_work() as session:
        unit = factories.acting(clinic.work(session), Role.REFERRING_ADMIN, clinic.region.practice)
        slot = clinic.region.slots[-1]
        made = booking.book(unit, letter.reference, Choice(slot.id, slot.starts_at, slot.ends_at))
        booking.cancel_booking(unit, made.reference or "", reason="OTHER", comment="A wedding, it’s mine " + LONG)
    return path, letter


def elsewhere(clinic: Clinic) -> tuple[str, Letter]:
    """Signed in twice, once by a neighbour with a long name."""
    path, letter = at("/me/sessions")(clinic)
    with clinic.database.unit_of_work() as session:
        unit = clinic.work(session)
        for _ in range(2):
            signed = sign_in.open_session(unit, referral_id=mine(session, letter).id, role=Role.PATIENT)
        acting.begin(unit, acting.checked(f"{LONG} {LONG}", Relation.FRIEND), session_id=signed.session_id)
    return path, letter


def _save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="There is a problem").wait_for()


def _no_channel(page: Page) -> None:
    page.get_by_label("By text message").check()
    page.get_by_label("E-mail address").fill("ada at home")
    _save(page)


def _no_distance(page: Page) -> None:
    page.get_by_label("Farthest you can go, in miles").fill("far")
    _save(page)


def _never(page: Page) -> None:
    for box in page.get_by_role("checkbox").all():
        box.check()
    _save(page)


def _for_the_patient(page: Page) -> None:
    page.get_by_label("Your own name").fill(f"{LONG} שלום 🌿")
    page.get_by_label("What you are to the patient").select_option("CHILD")
    page.get_by_role("button", name="Go on for the patient").click()
    page.get_by_text("is doing this for the patient").wait_for()
    page.goto("/me/acting")


def _nameless(page: Page) -> None:
    page.get_by_role("button", name="Go on for the patient").click()
    page.get_by_role("heading", name="There is a problem").wait_for()


def _helper_without_name(page: Page) -> None:
    page.get_by_text("I am doing this for the patient").click()
    page.get_by_label("What you are to the patient").select_option("CARER")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="There is a problem").wait_for()


def _in_welsh(page: Page) -> None:
    page.get_by_role("button", name=WELSH).click()
    page.locator("html[lang=cy]").wait_for()


STATES = [
    State("web.me", "plain", PATIENT, at("/me"), heading="About you"),
    State("web.me", "full", PATIENT, at("/me", **FULL), heading="About you"),
    State("web.me", "large print in Welsh", PATIENT, at("/me", large_print=True), _in_welsh),
    State("web.me", "Welsh but letters English", PATIENT, at("/me"), _in_welsh),
    State("web.my_contact", "plain", PATIENT, at("/me/contact"), heading="How you are told things"),
    State("web.my_contact", "refused", PATIENT, at("/me/contact"), _no_channel),
    State("web.my_needs", "plain", PATIENT, at("/me/needs"), heading="What you need at appointments"),
    State("web.my_needs", "refused", PATIENT, at("/me/needs", **FULL), _no_distance),
    State("web.my_times", "plain", PATIENT, at("/me/times"), heading="Times that never suit you"),
    State("web.my_times", "refused", PATIENT, at("/me/times"), _never),
    State("web.my_record", "plain", PATIENT, at("/me/record"), heading="What is held about you"),
    State("web.my_record", "full", PATIENT, booked, heading="What is held about you"),
    State("web.my_record", "Welsh", PATIENT, at("/me/record"), _in_welsh),
    State("web.my_access", "empty", PATIENT, at("/me/access"), heading="Who looked at your record"),
    State("web.my_access", "full", PATIENT, looked, heading="Who looked at your record"),
    State("web.my_sessions", "here only", PATIENT, at("/me/sessions"), heading="Where you are signed in"),
    State("web.my_sessions", "elsewhere too", PATIENT, elsewhere, heading="Where you are signed in"),
    State("web.acting", "nobody", PATIENT, at("/me/acting"), heading="Who is doing this"),
    State("web.acting", "somebody", PATIENT, at("/me/acting"), _for_the_patient, heading="Who is doing this"),
    State("web.acting", "refused", PATIENT, at("/me/acting"), _nameless, heading="Who is doing this"),
    State("web.my_referrals", "one", PATIENT, at("/my-referrals"), heading="Your referrals"),
    State("web.sign_in", "helper refused", NOBODY, lambda _: "/sign-in", _helper_without_name),
    State("web.sign_in", "Welsh", NOBODY, lambda _: "/sign-in", _in_welsh),
]


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
