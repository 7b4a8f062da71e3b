"""The provider's calendar, publishing, clinic list and attendance: every page in every state, looked at by axe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from booking.domain.words import BookingState, OrganisationKind, Role, SlotStatus
from booking.models import Account, Booking, Organisation, SessionTemplate, Site, Slot, SlotUpload
from booking.services import booking as booking_service
from booking.services import session_templates, slot_uploads
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.states import State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.publish_upload_bad", "web.publish_template_file"}
CLERK, NEWCOMER, BUSY = "provider_admin@ra1", "clerk@new", "clerk@busy"
LONDON = ZoneInfo("Europe/London")
LONG = "Community musculoskeletal interface and rehabilitation assessment service for the whole of Ambervale"
NAMES = (
    ("Zoë", "O’Neill-Fotheringay"),
    ("محمد", "العبدالله"),
    ("美玲", "王 🙂"),
    ("Bartholomew", "Llanfairpwllgwyngyllgogerych"),
)


def _as_provider(work: Work, organisation: Organisation) -> Work:
    return factories.acting(work, Role.PROVIDER_ADMIN, organisation)


def newcomer(clinic: Clinic, path: str) -> str:
    """A provider with nothing yet."""
    with clinic.database.unit_of_work() as session, factories.using(session):
        if session.scalar(select(Account.id).where(Account.username == NEWCOMER)) is None:
            made = factories.OrganisationFactory(ods_code="RNEW", kind=OrganisationKind.PROVIDER, name="New clinics")
            factories.account(clinic.work(session), Role.PROVIDER_ADMIN, made, NEWCOMER)
    return path


def busy(clinic: Clinic) -> dict[str, object]:
    """A provider whose clinic shows everything at once: who came, who did not, held, closed, free, long names."""
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        known = session.scalars(select(Organisation).where(Organisation.ods_code == "RBUSY")).first()
        if known is not None:
            return _keys(work, known)
        made = factories.OrganisationFactory(ods_code="RBUSY", kind=OrganisationKind.PROVIDER, name="Busy clinics")
        factories.account(work, Role.PROVIDER_ADMIN, made, BUSY)
        site = factories.SiteFactory(ods_code="RBUSY01", organisation_id=made.id, name="Outpatients")
        factories.SiteFactory(ods_code="RBUSY02", organisation_id=made.id, name="Second site")
        service = factories.service(work, made, site, name=LONG)
        factories.service(work, made, site, name="Another service")
        who = factories.PractitionerFactory(
            organisation_id=made.id, name="Dr Maximiliana Featherstonehaugh-Cholmondeley"
        )
        _fill(clinic, work, made, service, who.id)
        _files(_as_provider(work, made), service.id, who.identifier)
        session.flush()
        return _keys(work, made)


def _fill(clinic: Clinic, work: Work, made: Organisation, service, practitioner_id: int) -> None:  # type: ignore[no-untyped-def]
    """The clinic is on: three appointments are over by now, others are to come."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    slots = factories.slots(work, service, now - timedelta(minutes=100), 3, practitioner_id=practitioner_id)
    slots += factories.slots(work, service, now + timedelta(hours=2), 12, practitioner_id=practitioner_id)
    factories.slots(work, service, now + timedelta(hours=2), 1, capacity=4, minutes=60, provider_slot_id="group")
    earlier = replace(work, now=work.now - timedelta(hours=3))
    for slot, (given, family) in zip(slots[:6], [*NAMES, ("Ada", "Byron"), ("Sam", "Closed")], strict=True):
        patient = factories.PatientFactory(
            practice_id=clinic.region.practice.id, given_name=given, family_name=family, step_free=True,
            interpreter_language="British Sign Language",
        )  # fmt: skip
        referral, _ = factories.referral(earlier, clinic.region, patient=patient, shortlist=[service.id])
        mine = replace(earlier, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))
        choice = Choice(slot.id, slot.starts_at, slot.ends_at)
        if given == "Ada":
            booking_service.hold(replace(mine, now=work.now), referral.ubrn, choice)
        else:
            booking_service.book(mine, referral.ubrn, choice)
    slots[5].status = SlotStatus.CLOSED
    work.session.flush()


def _files(mine: Work, service_id: int, identifier: str) -> None:
    session_templates.save(mine, service_id, "Monday mornings, every second week, not in the holidays", {
        "weekday": ["Monday"], "starts": "09:00", "ends": "12:00", "minutes": "20", "every": "2", "capacity": "1",
        "mode": "IN_PERSON", "priority": ["ROUTINE"], "practitioner": identifier,
    })  # fmt: skip
    head = "slot_id,date,start,minutes,practitioner,appointment_type\n"
    bad = "B,2026-02-30,9 o’clock,20,NOBODY,Follow-up of a very long kind of appointment\nC,2026-09-01\n"
    good = "A,2027-09-01,09:00,20,,\n"
    slot_uploads.look(mine, "autumn with faults.csv", (head + good + bad).encode(), service_id)
    slot_uploads.look(mine, "autumn.csv", (head + good).encode(), service_id)
    slot_uploads.look(mine, "no rows.csv", head.encode(), service_id)
    taken = slot_uploads.look(mine, "taken.csv", (head + good.replace("A,", "T,")).encode(), service_id)
    slot_uploads.take(mine, taken.id, good_only=False)


def _keys(work: Work, made: Organisation) -> dict[str, object]:
    """What the states link to, by name."""
    session = work.session
    site = session.scalars(select(Site.id).where(Site.organisation_id == made.id))
    slots = list(session.scalars(select(Slot).where(Slot.site_id.in_(list(site))).order_by(Slot.starts_at, Slot.id)))
    with_state = {
        state: slot_id for slot_id, state in session.execute(
            select(Booking.slot_id, Booking.state).where(Booking.slot_id.in_([one.id for one in slots])))
    }  # fmt: skip
    booked = session.scalars(
        select(Slot.id).join(Booking, Booking.slot_id == Slot.id)
        .where(Slot.id.in_([one.id for one in slots]), Booking.state == BookingState.BOOKED, Slot.starts_at <= work.now)
    ).first()  # fmt: skip
    uploads = {row.name: row.id for row in session.execute(select(SlotUpload.name, SlotUpload.id))}
    taken = {row.slot_id for row in session.execute(select(Booking.slot_id))}
    free = next(
        one for one in slots if one.id not in taken and one.status is SlotStatus.PUBLISHED and one.capacity == 1
    )
    return {
        "day": slots[0].local_date.isoformat(), "service": slots[0].service_id,
        "practitioner": slots[0].practitioner_id or 0, "over": booked or slots[0].id,
        "free": free.id, "held": with_state[BookingState.HELD],
        "closed": next(one.id for one in slots if one.status is SlotStatus.CLOSED),
        "bad": uploads["autumn with faults.csv"], "good": uploads["autumn.csv"], "none": uploads["no rows.csv"],
        "taken": uploads["taken.csv"], "template": session.scalars(select(SessionTemplate.id)).first() or 0,
    }  # fmt: skip


def at(template: str) -> Callable[[Clinic], str]:
    """A path of the busy provider's, with its keys."""
    return lambda clinic: template.format(**busy(clinic))


def new(path: str) -> Callable[[Clinic], str]:
    return lambda clinic: newcomer(clinic, path)


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()
    page.wait_for_load_state()


def _absent(page: Page) -> None:
    if page.get_by_role("button", name="Did not attend").count():
        _press(page, "Did not attend")
        page.get_by_text("Recorded: the patient did not attend").wait_for()
    page.get_by_text("Return to the referrer").first.click()


def _fill_in(page: Page) -> None:
    page.get_by_label("Service", exact=True).select_option(index=1)
    page.get_by_label("Tuesday").check()


def _preview(page: Page) -> None:
    _fill_in(page)
    _press(page, "Look at the times")
    page.get_by_role("heading", name="Look at the times before").wait_for()


def _misfit(page: Page) -> None:
    """A clinician who is busy all today: a session today does not fit."""
    page.get_by_label("Service", exact=True).select_option(label=f"{LONG}, Outpatients")
    page.get_by_label("Clinician").select_option(index=1)
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"):
        page.get_by_label(day, exact=True).check()
    today = datetime.now(LONDON).date()
    page.get_by_label("From", exact=True).fill(today.isoformat())
    page.get_by_label("Until, included").fill((today + timedelta(days=1)).isoformat())
    page.get_by_label("Starts").fill("00:00")
    page.get_by_label("Ends").fill("23:40")
    _press(page, "Look at the times")
    page.get_by_text("Does not fit").first.wait_for()


def _wrong(page: Page) -> None:
    page.get_by_label("Starts").fill("")
    page.get_by_label("Minutes each").fill("none")
    _press(page, "Look at the times")
    page.get_by_role("heading", name="There is a problem").wait_for()


def _wrong_copy(page: Page) -> None:
    page.get_by_label("Every so many weeks").fill("0")
    _press(page, "Look at the times")
    page.get_by_role("heading", name="There is a problem").wait_for()


def _no_file(page: Page) -> None:
    _press(page, "Look at the file")
    page.get_by_role("heading", name="There is a problem").wait_for()


def _open(page: Page) -> None:
    page.get_by_text("Change this time").click()


def _wrong_change(page: Page) -> None:
    page.get_by_text("Change this time").click()
    page.get_by_label("Minutes").fill("0")
    _press(page, "Change it")
    page.get_by_role("heading", name="There is a problem").wait_for()


LOOK = "Look at the times before they are published"
WEEK, DAY, SLOT, FILE = "/staff/clinic", "/staff/clinic/day?date={day}", "/staff/clinic/slots/", "/staff/publish/file"
STATES = [
    State("web.clinic", "no services", NEWCOMER, new(WEEK), heading="Calendar"),
    State("web.clinic", "full", BUSY, at(WEEK + "?week={day}"), heading="Calendar"),
    State("web.clinic", "narrowed", BUSY, at(WEEK + "?service={service}&practitioner={practitioner}&week={day}")),
    State("web.clinic", "empty week", BUSY, at(WEEK + "?week=2031-01-06")),
    State("web.clinic_day", "full", BUSY, at(DAY)),
    State("web.clinic_day", "recorded", BUSY, at(DAY), _absent),
    State("web.clinic_day", "empty", BUSY, at("/staff/clinic/day?date=2031-01-06"), heading="Monday 6 January 2031"),
    State("web.clinic_list", "full", BUSY, at("/staff/clinic/list?date={day}")),
    State("web.clinic_list", "empty", BUSY, at("/staff/clinic/list?date=2031-01-06")),
    State("web.clinic_slot", "over", BUSY, at(SLOT + "{over}")),
    State("web.clinic_slot", "free", BUSY, at(SLOT + "{free}"), _open),
    State("web.clinic_slot", "refused", BUSY, at(SLOT + "{free}"), _wrong_change),
    State("web.clinic_slot", "held", BUSY, at(SLOT + "{held}")),
    State("web.clinic_slot", "closed", BUSY, at(SLOT + "{closed}")),
    State("web.publish", "no services", NEWCOMER, new("/staff/publish"), heading="Publish times"),
    State("web.publish", "full", BUSY, at("/staff/publish"), heading="Publish times"),
    State("web.publish", "template", BUSY, at("/staff/publish?template={template}"), heading="Publish times"),
    State("web.publish", "refused", BUSY, at("/staff/publish"), _wrong),
    State("web.publish", "preview", BUSY, at("/staff/publish"), _preview, LOOK),
    State("web.publish", "does not fit", BUSY, at("/staff/publish"), _misfit, LOOK),
    State("web.publish_copy", "plain", BUSY, at(
        "/staff/publish/copy?service={service}&practitioner={practitioner}&date={day}"),
        heading="Copy a clinic to further weeks"),
    State("web.publish_copy", "refused", BUSY, at(
        "/staff/publish/copy?service={service}&practitioner={practitioner}&date={day}"), _wrong_copy),
    State("web.publish_file", "no services", NEWCOMER, new(FILE)),
    State("web.publish_file", "plain", BUSY, at(FILE), heading="Publish by a file"),
    State("web.publish_file", "refused", BUSY, at(FILE), _no_file),
    State("web.publish_upload", "faults", BUSY, at(FILE + "/{bad}"), heading="What is in autumn with faults.csv"),
    State("web.publish_upload", "good", BUSY, at(FILE + "/{good}"), heading="What is in autumn.csv"),
    State("web.publish_upload", "no rows", BUSY, at(FILE + "/{none}"), heading="What is in no rows.csv"),
    State("web.publish_upload", "taken", BUSY, at(FILE + "/{taken}"), heading="Published: taken.csv"),
]  # fmt: skip


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
