"""The calendar's pages: a week, a day, one time, the list to print."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from booking.domain.words import Role, SlotStatus
from booking.models import AccessEntry, Slot
from booking.services.work import Work
from tests import factories
from tests.conftest import Clock, Rows
from tests.factories import Region
from tests.web.clinics.conftest import Seen, book
from tests.web.conftest import Visitor, forms

Staff = Callable[[Role], Visitor]
LONDON = ZoneInfo("Europe/London")


def test_the_week_says_what_is_free_and_booked(clerk: Visitor, booked: Seen) -> None:
    page = clerk.get("/staff/clinic")
    assert "Week of Monday 2 March 2026" in page.text
    assert "5 free, 1 booked" in page.text
    assert page.text.count("chip--free") == 5 * 6 - 1 + 1  # Tuesday to Saturday, one booked, and the key
    assert "O’Neill" not in page.text
    assert f'href="/staff/clinic/slots/{booked.slot.id}"' in page.text


def test_slots_that_begin_at_once_are_one_entry(clerk: Visitor, work: Work, region: Region) -> None:
    first = region.slots[0].starts_at
    for _ in range(3):
        factories.slots(work, region.services[0], first, 1, capacity=2)
    work.session.commit()
    page = clerk.get("/staff/clinic")
    assert "7 free" in page.text
    assert "/staff/clinic/day?date=2026-03-03#at-0900" in page.text


def test_it_is_narrowed_to_a_clinician_and_keeps_to_one_s_own(clerk: Visitor, work: Work, region: Region) -> None:
    ours = factories.PractitionerFactory(organisation_id=region.provider.id, name="Dr Ours")
    theirs = factories.PractitionerFactory(organisation_id=region.other_provider.id, name="Dr Theirs")
    region_slot = work.session.get_one(Slot, region.slots[0].id)
    region_slot.practitioner_id = ours.id
    work.session.commit()
    page = clerk.get(f"/staff/clinic?practitioner={ours.id}")
    assert page.text.count("chip--free") == 2
    assert "Dr Theirs" not in page.text
    everything = clerk.get(f"/staff/clinic?practitioner={theirs.id}&service={region.services[1].id}&site=99")
    assert everything.text.count("chip--free") == 31


def test_closed_and_withdrawn(clerk: Visitor, booked: Seen, region: Region) -> None:
    clerk.send(clerk.get(f"/staff/clinic/slots/{booked.slot.id}"), f"/staff/clinic/slots/{booked.slot.id}/withdraw")
    page = clerk.get("/staff/clinic")
    assert "Closed, 1 booked" in page.text
    free = region.slots[1]
    clerk.send(clerk.get(f"/staff/clinic/slots/{free.id}"), f"/staff/clinic/slots/{free.id}/withdraw")
    assert f'/slots/{free.id}"' not in clerk.get("/staff/clinic").text


def test_a_week_without_times_says_when_the_next_are(clerk: Visitor, region: Region) -> None:
    before = clerk.get("/staff/clinic?week=2026-02-16")
    assert "No times are published for this week" in before.text
    assert "Tuesday 3 March" in before.text
    assert "There are none after it either" in clerk.get("/staff/clinic?week=2026-05-04").text


def test_a_new_provider_is_told_what_to_do(newcomer: Callable[[], Visitor], region: Region, work: Work) -> None:
    new = factories.OrganisationFactory(ods_code="RN1", kind="PROVIDER", name="New clinics")
    factories.account(work, Role.PROVIDER_ADMIN, new, "new")
    site = factories.SiteFactory(ods_code="RN101", organisation_id=new.id)
    work.session.commit()
    visitor = newcomer()
    visitor.staff("new")
    assert "No services yet" in visitor.get("/staff/clinic").text
    assert "No services yet" in visitor.get("/staff/publish").text
    assert "No services yet" in visitor.get("/staff/publish/file").text
    factories.service(work, new, site, name="Brand new")
    work.session.commit()
    page = visitor.get("/staff/clinic")
    assert "You have not published any times yet" in page.text
    assert "/staff/publish" in page.text


def test_the_week_in_which_the_clocks_go_forward(clerk: Visitor, work: Work, region: Region) -> None:
    """At 09:00 by the clock on the Friday before and on the Sunday itself: two different instants, one row."""
    for day in (27, 29):
        starts = datetime(2026, 3, day, 9, tzinfo=LONDON)
        factories.slots(work, region.services[0], starts, 1)
    work.session.commit()
    page = clerk.get("/staff/clinic?week=2026-03-25")
    assert page.text.count("<b>09:00</b> Free") == 2
    assert "The clocks go forward" in page.text
    assert "Sunday 29 March" in page.text
    assert "Saturday 28 March" not in page.text.split('<div id="clinic-week"')[1]


def test_the_hour_that_comes_twice_is_told_apart(clerk: Visitor, work: Work, region: Region) -> None:
    for hour in (0, 1):
        factories.slots(work, region.services[0], datetime(2026, 10, 25, hour, 15, tzinfo=UTC), 1)
    work.session.commit()
    page = clerk.get("/staff/clinic/day?date=2026-10-25")
    assert "01:15 BST" in page.text
    assert "01:15 GMT" in page.text
    assert "The clocks go back on this day" in page.text


def test_the_day_shows_who_comes(clerk: Visitor, booked: Seen, rows: Rows) -> None:
    page = clerk.get("/staff/clinic/day?date=2026-03-03")
    assert "Zoë O’Neill 🙂" in page.text
    assert "step-free access, an interpreter (Urdu)" in page.text
    assert "Clinics on this day" in page.text
    assert "1 of 6" in page.text
    assert 'name="step"' not in page.text  # the time has not come
    assert rows(select(AccessEntry)) == []  # a list is no look at a record


def test_the_printed_list_and_the_appointment_are_recorded(clerk: Visitor, booked: Seen, rows: Rows) -> None:
    page = clerk.get("/staff/clinic/list?date=2026-03-03")
    number = booked.referral.patient.nhs_number
    assert f"{number[:3]} {number[3:6]} {number[6:]}" in page.text
    assert "17 May 1960" in page.text
    assert "A changing mole" in page.text
    assert [(one.what, one.referral_id) for one in rows(select(AccessEntry))] == [("clinic list", booked.referral.id)]
    clerk.get(f"/staff/clinic/slots/{booked.slot.id}")
    assert [one.what for one in rows(select(AccessEntry).order_by(AccessEntry.id))] == ["clinic list", "appointment"]


def test_another_provider_s_are_not_there(staff: Staff, work: Work, region: Region, clerk: Visitor) -> None:
    theirs = region.slots[-1]
    book(work, region, theirs, given_name="Hidden")
    token = forms(clerk.get("/staff/publish"))[-1].fields["csrf_token"]
    for path in ("", "/withdraw", "/publish"):
        sent = clerk.client.post(f"/staff/clinic/slots/{theirs.id}{path}", data={"csrf_token": token})
        assert sent.status_code == 404
    assert clerk.get(f"/staff/clinic/slots/{theirs.id}").status_code == 404
    day = theirs.starts_at.date().isoformat()
    for page in ("/staff/clinic/day", "/staff/clinic/list"):
        assert "Hidden" not in clerk.get(f"{page}?date={day}&service={region.services[1].id}").text


def test_a_long_day_is_paged(clerk: Visitor, work: Work, region: Region) -> None:
    factories.slots(work, region.services[0], datetime(2026, 3, 12, 7, tzinfo=LONDON), 130, minutes=5)
    work.session.commit()
    page = clerk.get("/staff/clinic/day?date=2026-03-12")
    seen = page.text.count("clinic-day__when")
    while "Later times of this day" in page.text:
        link = page.text.split("Later times of this day")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
        page = clerk.get(link)
        seen += page.text.count("clinic-day__when")
    assert seen == 130


def test_the_number_of_queries_does_not_grow(clerk: Visitor, work: Work, region: Region, clock: Clock) -> None:
    paths = ("/staff/clinic", "/staff/clinic/day?date=2026-03-03", "/staff/clinic/list?date=2026-03-03")
    book(work, region, region.slots[0])
    before = [clerk.asked(path) for path in paths]
    for slot in region.slots[1:6]:
        book(work, region, slot)
    after = [clerk.asked(path) for path in paths]
    assert [after[0], after[1]] == before[:2]
    assert after[2] <= before[2] + 5  # one entry more for each person whose record is shown


@pytest.mark.parametrize(
    "query", ["week=0001-01-01", "week=9999-12-31", "week=x", "service=x&site=%00&practitioner=-1"]
)
def test_odd_addresses(clerk: Visitor, query: str) -> None:
    assert clerk.get(f"/staff/clinic?{query}").status_code == 200
    assert clerk.get(f"/staff/clinic/day?{query.replace('week', 'date')}&after=nonsense").status_code == 200
    assert clerk.get(f"/staff/clinic/list?{query.replace('week', 'date')}").status_code == 200


def test_a_slot_is_changed_and_put_back(clerk: Visitor, region: Region, rows: Rows) -> None:
    slot = region.slots[1]
    path = f"/staff/clinic/slots/{slot.id}"
    page = clerk.send(clerk.get(path), path, at=1, starts="08:40", minutes="15", capacity="2", mode="VIDEO")
    assert "The time is changed" in page.text
    found = rows(select(Slot).where(Slot.id == slot.id))[0]
    assert found.starts_at == slot.starts_at - timedelta(minutes=40)  # it began at 09:20
    assert (found.capacity, found.mode, found.ends_at - found.starts_at) == (2, "VIDEO", timedelta(minutes=15))
    clerk.send(clerk.get(path), f"{path}/withdraw")
    assert rows(select(Slot.status).where(Slot.id == slot.id)) == [SlotStatus.WITHDRAWN]
    again = clerk.send(clerk.get(path), f"{path}/publish")
    assert "The time is changed" in again.text
    assert rows(select(Slot.status).where(Slot.id == slot.id)) == [SlotStatus.PUBLISHED]


def test_a_refused_change_keeps_what_was_typed(clerk: Visitor, region: Region, work: Work) -> None:
    slot = region.slots[1]
    path = f"/staff/clinic/slots/{slot.id}"
    page = clerk.send(clerk.get(path), path, at=1, starts="8 o’clock", minutes="0", capacity="lots")
    assert page.status_code == 422
    assert "Error: " in page.text
    for kept in ("8 o’clock", 'value="lots"', "must be a time like 09:00"):
        assert kept in page.text
    form = clerk.get(path)
    book(work, region, slot)
    late = clerk.send(form, path, at=1, starts="08:40")
    assert late.status_code == 409
    assert "The slot is booked, so it was left as it is" in late.text


def test_the_list_of_nobody_in_particular_is_theirs_alone(clerk: Visitor, work: Work, region: Region) -> None:
    doctor = factories.PractitionerFactory(organisation_id=region.provider.id, name="Dr Named")
    with_doctor = work.session.get_one(Slot, region.slots[0].id)
    with_doctor.practitioner_id = doctor.id
    work.session.commit()
    book(work, region, with_doctor, given_name="Named")
    book(work, region, region.slots[1], given_name="Unnamed")
    day = clerk.get("/staff/clinic/day?date=2026-03-03")
    links = [part.split('"')[0].replace("&amp;", "&") for part in day.text.split('href="/staff/clinic/list')[1:]]
    (nobody,) = [link for link in links if "practitioner=none" in link]
    page = clerk.get(f"/staff/clinic/list{nobody}")
    assert ">Unnamed" in page.text
    assert ">Named" not in page.text
    week = clerk.get("/staff/clinic?practitioner=none")
    assert week.text.count("chip--free") == 5 * 6 - 2 + 1  # without the doctor's and the one booked, and the key
    assert '<option value="none" selected>' in week.text


@pytest.mark.parametrize(("hour", "minute"), [(1, 20), (0, 50)], ids=["01:20 GMT", "01:50 BST to 01:10 GMT"])
def test_one_time_in_the_hour_that_comes_twice(
    clerk: Visitor, work: Work, region: Region, rows: Rows, hour: int, minute: int
) -> None:
    starts = datetime(2026, 10, 25, hour, minute, tzinfo=UTC)
    (slot,) = factories.slots(work, region.services[0], starts, 1)
    work.session.commit()
    path = f"/staff/clinic/slots/{slot.id}"
    page = clerk.get(path)
    assert "20 minutes" in page.text
    assert "20 min<" in clerk.get("/staff/clinic/day?date=2026-10-25").text
    done = clerk.send(page, path, at=1, capacity="3")
    assert "The time is changed" in done.text
    found = rows(select(Slot).where(Slot.id == slot.id))[0]
    assert (found.starts_at, found.ends_at, found.capacity) == (starts, starts + timedelta(minutes=20), 3)


def test_a_time_that_no_clock_shows_is_refused_beside_its_box(clerk: Visitor, region: Region) -> None:
    path = f"/staff/clinic/slots/{region.slots[1].id}"
    page = clerk.send(clerk.get(path), path, at=1, date="2026-03-29", starts="01:20")
    assert page.status_code == 422
    assert 'href="#starts"' in page.text
    assert "leave_out" not in page.text
