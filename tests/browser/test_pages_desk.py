"""Every page of the booking office in every state: worklists, triage, times, clinics cancelled, services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from booking.domain.referral import Action, ReferralState
from booking.domain.words import AttachmentKind, OrganisationKind, Role
from booking.services import attachments, booking, clinics
from booking.services.clinics import Selection
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.desk_world import Office, office
from tests.browser.states import State, look
from tests.life.conftest import Life

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.provider_summary", "web.provider_file"}
S = ReferralState
LONG = ("Wolfeschlegelsteinhausenbergerdorff-Maximiliane", "Ní Dhomhnaill O’Súilleabháin 🌂 عمر")
CLINICIAN, ADMIN, DEFINER = Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, Role.SERVICE_DEFINER


def _state(
    endpoint: str, name: str, role: Role, arrange: Callable[[Office], str], act: Callable[[Page], None] | None = None,
    heading: str | None = None,
) -> tuple[State, Role, Callable[[Office], str]]:  # fmt: skip
    """Each state has an office of its own; who looks is known once it is there."""
    return State(endpoint, name, role, lambda _: "", act, heading), role, arrange


def _problem(page: Page) -> None:
    page.get_by_role("heading", name="There is a problem").wait_for()


def _press(*names: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for name in names:
            page.get_by_role("main").get_by_role("button", name=name).first.click()
        page.wait_for_load_state()

    return act


def _refused(name: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_role("main").get_by_role("button", name=name).first.click()
        _problem(page)

    return act


def _list(name: str, *states: ReferralState) -> Callable[[Office], str]:
    def arrange(at: Office) -> str:
        for state in states:
            at.make(lambda lives, state=state: lives.to(state), LONG)
        return f"/staff/desk?list={name}"

    return arrange


def _of(path: str, state: ReferralState, *, letter: bool = False) -> Callable[[Office], str]:
    """A page about one referral in that state."""

    def arrange(at: Office) -> str:
        (ubrn,) = at.make(lambda lives: lives.to(state), LONG)
        if letter:
            with at.lives() as lives:
                for name, data in (("letter of last week.txt", b"Dear colleague"), ("ECG, twelve leads.txt", b"ECG")):
                    attachments.attach_to_referral(
                        lives.gp, ubrn, kind=AttachmentKind.CLINICAL, file_name=name, data=data
                    )
                attachments.attach_to_referral(
                    lives.clinician, ubrn, kind=AttachmentKind.TRIAGE, file_name="notes.txt", data=b"Seen"
                )
        return path.format(ubrn)

    return arrange


def _booking(path: str) -> Callable[[Office], str]:
    def arrange(at: Office) -> str:
        with at.lives() as lives:
            made = lives.to(S.BOOKED)
            found = booking.current_booking(lives.clinician, made)
            assert found is not None
            return path.format(found.reference)

    return arrange


def _scan_waits(at: Office) -> str:
    path = _of("/staff/desk/referrals/{}", S.AWAITING_TRIAGE, letter=True)(at)
    with at.lives() as lives:
        from sqlalchemy import update

        from booking.models import Attachment

        lives.work.session.execute(
            update(Attachment).where(Attachment.file_name == "notes.txt").values(state="PENDING")
        )
    return path


def _alone(at: Office) -> str:
    """Nothing is free where the referral may go, but another service has times."""

    def alone(lives: Life):  # type: ignore[no-untyped-def]
        made = lives.refer(shortlist=[at.full.id])
        return lives.do(lives.gp, made, Action.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=at.full.id)

    (ubrn,) = at.make(alone, LONG)
    return f"/staff/desk/referrals/{ubrn}/times"


def _day(at: Office) -> str:
    return f"{at.clinic.work(None).today + timedelta(days=1)}"


def _preview(at: Office) -> str:
    for _ in range(2):
        at.make(lambda lives: lives.to(S.BOOKED), LONG)
    at.make(lambda lives: lives.to(S.APPT_CANCELLED_BY_PATIENT))
    return f"/staff/desk/clinics/cancel?service={at.service.id}&first={_day(at)}"


def _cancelled(at: Office, *, booked: bool = True) -> str:
    if booked:
        _preview(at)
    with at.lives() as lives:
        wanted = Selection(service_id=at.service.id, first_date=lives.work.today + timedelta(days=1))
        digest = clinics.preview(lives.clinician, wanted).digest
        made = clinics.cancel(lives.clinician, wanted, digest=digest, reason="CLINICIAN_UNAVAILABLE", comment="Ill")
        return f"/staff/desk/clinics/cancelled/{made.id}"


def _changed_meanwhile(page: Page) -> None:
    """The digest on the page is no longer true: as if somebody had booked since."""
    page.evaluate("document.querySelector('input[name=digest]').value = '0'.repeat(64)")
    page.get_by_label("The clinic can’t take place").or_(page.get_by_label("The clinic can't take place")).check()
    page.get_by_role("button", name="Cancel 8 times").click()
    page.get_by_text("Nothing was cancelled").wait_for()


def _overtaken(page: Page) -> None:
    page.evaluate("document.querySelector('input[name=version]').value = '999'")
    page.get_by_role("radio").first.check()
    page.get_by_label("Comment").fill("As before")
    page.get_by_role("button", name="Decide and go on").click()
    page.get_by_text("Something has changed").wait_for()


def _keys(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_text("Use single-key shortcuts")).to_be_visible()


def _each_decision(page: Page) -> None:
    for box in page.get_by_role("radio").all():
        box.check()


def _service(path: str) -> Callable[[Office], str]:
    return lambda at: path.format(at.service.id)


def _no_services(at: Office) -> str:
    """Whoever looks is of a provider that has described nothing yet."""
    with at.lives() as lives:
        empty = factories.OrganisationFactory(kind=OrganisationKind.PROVIDER, name="New trust")
        from sqlalchemy import update

        from booking.models import AccountRole

        own = AccountRole.organisation_id == at.provider.id
        lives.work.session.execute(update(AccountRole).where(own).values(organisation_id=empty.id))
    return "/staff/desk/services"


def _change(page: Page) -> None:
    page.get_by_label("Oldest, in years").fill("40")
    page.get_by_role("button", name="See whom this touches").click()
    page.get_by_role("heading", name="Whom this touches").wait_for()


def _last_day(page: Page) -> None:
    for name, value in (("Day", "31"), ("Month", "12"), ("Year", "2031")):
        page.get_by_label(name).fill(value)
    page.get_by_role("button", name="See whom it touches").click()
    page.get_by_role("heading", name="Whom it touches").wait_for()


REVIEW, ISSUES, TO_BOOK = "REFERRALS_FOR_REVIEW", "APPOINTMENT_SLOT_ISSUES", "APPOINTMENTS_FOR_BOOKING"
ONE, TIMES = "/staff/desk/referrals/{}", "/staff/desk/referrals/{}/times"
CLINIC = "/staff/desk/clinics/cancel"
MADE = (
    _state("web.desk", "empty", CLINICIAN, lambda _: "/staff/desk", None, "Worklists"),
    _state("web.desk", "review", CLINICIAN, _list(REVIEW, S.AWAITING_TRIAGE, S.BOOKED)),
    _state("web.desk", "filtered away", ADMIN, lambda _: f"/staff/desk?list={REVIEW}&overdue=1"),
    _state("web.desk", "issues", ADMIN, _list(ISSUES, S.DEFERRED_TO_PROVIDER)),
    _state("web.desk", "to book", ADMIN, _list(TO_BOOK, S.TRIAGED_PROVIDER_TO_ACTION, S.APPT_CANCELLED_BY_PROVIDER)),
    _state("web.desk", "booked", ADMIN, _list("APPOINTMENTS_BOOKED", S.ATTENDED, S.DID_NOT_ATTEND)),
    _state("web.triage", "nothing left", CLINICIAN, lambda _: "/staff/desk/triage", None, "Nothing left to read"),
    _state("web.triage_one", "full", CLINICIAN, _of("/staff/desk/triage/{}", S.AWAITING_TRIAGE, letter=True), _keys),
    _state("web.triage_one", "booked", ADMIN, _of("/staff/desk/triage/{}", S.BOOKED), _each_decision),
    _state("web.triage_one", "refused", CLINICIAN, _of("/staff/desk/triage/{}", S.AWAITING_TRIAGE),
           _refused("Decide and go on")),
    _state("web.triage_one", "overtaken", CLINICIAN, _of("/staff/desk/triage/{}", S.AWAITING_TRIAGE), _overtaken),
    _state("web.provider_referral", "triage", CLINICIAN, _of(ONE, S.AWAITING_TRIAGE, letter=True), _each_decision),
    _state("web.provider_referral", "file waits", ADMIN, _scan_waits, _refused("Attach the file")),
    _state("web.provider_referral", "attended", CLINICIAN, _of(ONE, S.ATTENDED), _refused("Do this")),
    _state("web.provider_referral", "closed", CLINICIAN, _of(ONE, S.CLOSED)),
    _state("web.desk_times", "full", ADMIN, _of(TIMES, S.APPT_CANCELLED_BY_PROVIDER)),
    _state("web.desk_times", "nothing free", ADMIN, _alone, _refused("Send it there")),
    _state("web.desk_confirm", "kept", ADMIN, _of(TIMES, S.APPT_CANCELLED_BY_PROVIDER), _press("Keep while we talk")),
    _state("web.desk_cancel", "refused", ADMIN, _booking("/staff/desk/bookings/{}/cancel"),
           _refused("Cancel the appointment")),
    _state("web.desk_move", "times", ADMIN, _booking("/staff/desk/bookings/{}/move")),
    _state("web.desk_move", "proposed", ADMIN, _booking("/staff/desk/bookings/{}/move"), _press("Propose")),
    _state("web.cancel_clinic", "empty", ADMIN, lambda _: CLINIC, None, "Cancel a clinic"),
    _state("web.cancel_clinic", "refused", ADMIN, lambda _: CLINIC + "?first=soon"),
    _state("web.cancel_clinic", "nobody there", ADMIN, lambda at: f"{CLINIC}?service={at.full.id}&first={_day(at)}"),
    _state("web.cancel_clinic", "whom it touches", ADMIN, _preview),
    _state("web.cancel_clinic", "changed", ADMIN, _preview, _changed_meanwhile),
    _state("web.clinic_cancelled", "people", ADMIN, _cancelled),
    _state("web.clinic_cancelled", "nobody", DEFINER, lambda at: _cancelled(at, booked=False)),
    _state("web.defined_services", "full", DEFINER, lambda _: "/staff/desk/services", None, "Your services"),
    _state("web.defined_services", "empty", DEFINER, _no_services, None, "Your services"),
    _state("web.defined_service", "full", ADMIN, _service("/staff/desk/services/{}")),
    _state("web.service_new", "refused", DEFINER, lambda _: "/staff/desk/services/new", _refused("Make the service")),
    _state("web.service_change", "whom it touches", DEFINER, _service("/staff/desk/services/{}/change"), _change),
    _state("web.service_close", "whom it touches", DEFINER, _service("/staff/desk/services/{}/close"), _last_day),
)  # fmt: skip
STATES = [state for state, _, _ in MADE]


@pytest.mark.parametrize("made", MADE, ids=lambda made: str(made[0]))
def test_accessible(clinic: Clinic, opened: Open, made: tuple[State, Role, Callable[[Office], str]]) -> None:
    state, role, arrange = made
    at = office(clinic)
    whole = State(state.endpoint, state.name, at.user(role), lambda _: arrange(at), state.act, state.heading)
    look(clinic, opened, whole)
