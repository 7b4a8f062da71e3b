"""Publishing by a session: looked at first, all or only what fits, kept as a template, copied to further weeks."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from booking.models import Publication, SessionTemplate, Slot
from booking.services import session_templates
from booking.services.work import Work
from tests import factories
from tests.conftest import Rows
from tests.factories import Region
from tests.web.clinics.conftest import book
from tests.web.conftest import Visitor, forms

PATH = "/staff/publish"
LONDON = ZoneInfo("Europe/London")


def session(region: Region, **changes: Any) -> dict[str, Any]:
    """Mondays and Wednesdays in April, three times each."""
    return {
        "service": region.services[0].id, "weekday": ["Monday", "Wednesday"], "first": "2026-04-01",
        "last": "2026-04-15", "every": "1", "starts": "09:00", "ends": "10:00", "minutes": "20", "capacity": "1",
        "mode": "IN_PERSON", "priority": ["ROUTINE", "URGENT"], "bank": "yes", "appointment_type": "Review", **changes,
    }  # fmt: skip


def fill_in(clerk: Visitor, data: dict[str, Any], path: str = PATH) -> TestResponse:
    token = forms(clerk.get(PATH))[-1].fields["csrf_token"]
    return clerk.client.post(path, data={"csrf_token": token, **data}, follow_redirects=True)


def press(clerk: Visitor, page: TestResponse, step: str, **more: Any) -> TestResponse:
    """A button of the preview, with everything that the page carries, several values of one name included."""
    fields: dict[str, list[str]] = {}
    form = page.text.split(f'<form method="post" action="{PATH}', 1)[1]
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(unescape(value))
    return clerk.client.post(PATH + form.split('"')[0], data={**fields, "step": step, **more}, follow_redirects=True)


def published(rows: Rows) -> list[datetime]:
    found = rows(
        select(Slot.starts_at).where(Slot.starts_at > datetime(2026, 3, 20, tzinfo=UTC)).order_by(Slot.starts_at)
    )
    return [one.astimezone(LONDON) for one in found]


def test_looked_at_nothing_is_written_then_published(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = fill_in(clerk, session(region))
    assert page.status_code == 200
    assert "Monday 6 April (Easter Monday)" in page.text
    assert "Publish 12 times" in page.text
    assert published(rows) == []
    assert rows(select(func.count()).select_from(Publication)) == [0]
    done = press(clerk, page, "all")
    assert "12 times published" in done.text
    assert done.request.path == "/staff/clinic"
    assert {one.date() for one in published(rows)} == {date(2026, 4, day) for day in (1, 8, 13, 15)}
    assert {f"{one:%H:%M}" for one in published(rows)} == {"09:00", "09:20", "09:40"}
    slot = rows(select(Slot).order_by(Slot.id.desc()).limit(1))[0]
    assert (slot.priorities, slot.appointment_type) == (3, "Review")


def test_published_again_it_changes_nothing(clerk: Visitor, region: Region, rows: Rows) -> None:
    press(clerk, fill_in(clerk, session(region)), "all")
    again = fill_in(clerk, session(region, last="2026-04-22"))
    assert "There already" in again.text
    done = press(clerk, again, "all")
    assert "6 times published, 12 times there already" in done.text
    assert len(published(rows)) == 18


def test_days_are_struck_out_on_the_preview(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = press(clerk, fill_in(clerk, session(region)), "look", strike=["2026-04-08", "2026-04-13"])
    assert "Publish 6 times" in page.text
    assert "Left out: Wednesday 8 April, Monday 13 April, Monday 6 April (Easter Monday)" in page.text
    press(clerk, page, "all")
    assert {one.day for one in published(rows)} == {1, 15}


def test_every_second_week_and_a_number_of_appointments(clerk: Visitor, region: Region, rows: Rows) -> None:
    wanted = session(region, weekday="Tuesday", first="2026-04-07", last="2026-05-10", every="2", number="2", ends="")
    press(clerk, fill_in(clerk, wanted), "all")
    assert [f"{one:%d.%m. %H:%M}" for one in published(rows)] == [
        "07.04. 09:00", "07.04. 09:20", "21.04. 09:00", "21.04. 09:20", "05.05. 09:00", "05.05. 09:20",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pause", "times"),
    [
        (("10:00", "10:30"), ["09:00", "09:20", "09:40", "10:30", "10:50", "11:10"]),
        (("10:10", "10:30"), ["09:00", "09:20", "09:40", "10:30", "10:50", "11:10"]),
        (("12:00", "13:00"), ["09:00", "09:20", "09:40", "10:00", "10:20", "10:40"]),
        (("08:00", "09:10"), ["09:10", "09:30", "09:50", "10:10", "10:30", "10:50"]),
    ],
)
def test_a_number_of_appointments_round_a_break(
    clerk: Visitor, region: Region, rows: Rows, pause: tuple[str, str], times: list[str]
) -> None:
    wanted = session(region, weekday="Tuesday", first="2026-04-07", last="2026-04-07", number="6", ends="",
                     break_starts=pause[0], break_ends=pause[1])  # fmt: skip
    press(clerk, fill_in(clerk, wanted), "all")
    assert [f"{one:%H:%M}" for one in published(rows)] == times


@pytest.fixture
def busy(work: Work, region: Region) -> str:
    """A clinician who is elsewhere from 09:20 on Wednesday 8 April."""
    who = factories.PractitionerFactory(organisation_id=region.provider.id, name="Dr Vale")
    starts = datetime(2026, 4, 8, 9, 20, tzinfo=LONDON)
    factories.slots(work, region.services[0], starts, 1, practitioner_id=who.id, provider_slot_id="elsewhere")
    work.session.commit()
    return str(who.identifier)


def test_what_does_not_fit_is_shown_and_left_out(clerk: Visitor, region: Region, busy: str, rows: Rows) -> None:
    page = fill_in(clerk, session(region, practitioner=busy))
    assert "Does not fit" in page.text
    assert "The clinician has another slot at that time" in page.text
    assert "Publish the 11 times that fit" in page.text
    refused = press(clerk, page, "all")
    assert refused.status_code == 409
    assert "Nothing was published" in refused.text
    assert len(published(rows)) == 1
    done = press(clerk, page, "good")
    assert "11 times published, 1 time left out because they do not fit" in done.text
    assert len(published(rows)) == 12


def test_a_booked_time_is_left_as_it_is(clerk: Visitor, region: Region, rows: Rows, work: Work) -> None:
    press(clerk, fill_in(clerk, session(region)), "all")
    slot = work.session.scalars(select(Slot).where(Slot.starts_at > datetime(2026, 4, 1, tzinfo=UTC))).first()
    assert slot is not None
    book(work, region, slot)
    page = fill_in(clerk, session(region, mode="VIDEO"))
    assert "The slot is booked, so it was left as it is" in page.text
    press(clerk, page, "good")
    assert sorted(rows(select(Slot.mode).where(Slot.starts_at > datetime(2026, 3, 20, tzinfo=UTC)))) == (
        ["IN_PERSON"] + ["VIDEO"] * 11
    )


def test_the_clocks_go_forward_during_the_session(clerk: Visitor, region: Region, rows: Rows) -> None:
    night = session(region, weekday="Sunday", first="2026-03-22", last="2026-04-05", starts="00:40", ends="02:20")
    page = fill_in(clerk, night)
    assert page.status_code == 422
    assert "clocks" in page.text
    press(clerk, fill_in(clerk, {**night, "leave_out": "29/03/2026"}), "all")
    assert {one.date() for one in published(rows)} == {date(2026, 3, 22), date(2026, 4, 5)}


def test_by_the_clock_in_summer_and_in_winter(clerk: Visitor, region: Region, rows: Rows) -> None:
    press(clerk, fill_in(clerk, session(region, weekday="Friday", first="2026-03-27", last="2026-04-10")), "all")
    instants = {one.astimezone(UTC).hour for one in published(rows)}
    assert {one.hour for one in published(rows)} == {9}
    assert instants == {8, 9}


def test_a_refused_form_keeps_everything(clerk: Visitor, region: Region, rows: Rows) -> None:
    page = fill_in(clerk, session(
        region, weekday=[], starts="nine", minutes="0", first="", leave_out="Christmas", name="Raum 2", every="99",
        capacity="501",
    ))  # fmt: skip
    assert page.status_code == 422
    for said in (
        "Choose at least one day of the week", "must be a time like 09:00", "The length in minutes must be",
        "Enter the first date", "is not a date", "The number of weeks must be", "The number of people at once must be",
        'value="Raum 2"', 'value="nine"', 'value="Christmas"', "Error: Publish times",
    ):  # fmt: skip
        assert said in page.text, said
    assert published(rows) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"last": "2026-03-01"}, "The last date is before the first"),
        ({"last": "2029-03-01"}, "at most 731 days"),
        ({"ends": "08:00"}, "The session ends before it starts"),
        ({"break_starts": "09:20"}, "A break has a start and an end"),
        ({"starts": "23:00", "ends": "", "number": "9"}, "beyond midnight"),
        ({"practitioner": "NOBODY"}, "Choose a clinician of your organisation"),
        ({"first": "2026-01-01", "last": "2027-12-31", "minutes": "5", "ends": "20:00"}, "publish at most 2000"),
        ({"last": "2026-04-05", "weekday": "Tuesday"}, "No day is left to publish"),
        ({"ends": "", "number": ""}, "or how many appointments it has"),
    ],
)
def test_what_can_t_be_a_session(
    clerk: Visitor, region: Region, rows: Rows, changes: dict[str, Any], said: str
) -> None:
    page = fill_in(clerk, session(region, **changes))
    assert page.status_code == 422
    assert said in page.text
    assert published(rows) == []


def test_another_provider_s_service(clerk: Visitor, region: Region) -> None:
    page = fill_in(clerk, session(region, service=region.services[1].id))
    assert page.status_code == 422
    assert "Choose the service" in page.text


def test_a_template_is_kept_used_and_deleted(clerk: Visitor, region: Region, rows: Rows) -> None:
    press(clerk, fill_in(clerk, session(region, keep="Spring <clinic>")), "all")
    page = clerk.get(PATH)
    assert "Spring &lt;clinic&gt;" in page.text
    key = rows(select(SessionTemplate.id))[0]
    used = clerk.get(f"{PATH}?template={key}")
    fields = next(form.fields for form in forms(used) if form.action == PATH)
    assert (fields["starts"], fields["minutes"], fields["first"]) == ("09:00", "20", "2026-03-09")
    assert used.text.count("checked") == 1 + 2 + 2 + 1  # mode, days, priorities, bank holidays
    gone = clerk.send(page, f"{PATH}/templates/{key}/delete")
    assert "is deleted" in gone.text
    assert rows(select(SessionTemplate.id)) == []
    assert len(published(rows)) == 12


def test_no_room_for_the_template_and_published_all_the_same(
    clerk: Visitor, region: Region, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_templates, "MOST", 0)
    done = press(clerk, fill_in(clerk, session(region, keep="Spring clinic")), "all")
    assert "12 times published. Not kept as the template “Spring clinic”. There are 0 templates already" in done.text
    assert len(published(rows)) == 12
    assert rows(select(SessionTemplate.id)) == []


def test_a_clinic_is_copied_to_further_weeks(clerk: Visitor, region: Region, rows: Rows) -> None:
    """From Friday 6 March over the change of the clocks; Good Friday is left out; again, nothing is added."""
    service = region.services[0].id
    page = clerk.get(f"{PATH}/copy?service={service}&date=2026-03-06")
    assert "The 6 times of Friday 6 March 2026" in page.text
    wanted = {
        "service": service,
        "date": "2026-03-06",
        "practitioner": "",
        "every": "1",
        "last": "2026-04-10",
        "bank": "yes",
    }
    preview = fill_in(clerk, wanted, f"{PATH}/copy")
    assert "Publish 24 times" in preview.text
    assert "Good Friday" in preview.text
    press(clerk, preview, "all")
    found = [one for one in published(rows) if one.date() >= date(2026, 3, 27)]
    assert {one.date() for one in found} == {date(2026, 3, 27), date(2026, 4, 10)}
    assert {f"{one:%H:%M}" for one in found} == {"09:00", "09:20", "09:40", "10:00", "10:20", "10:40"}
    again = fill_in(clerk, wanted, f"{PATH}/copy")
    assert "There already" in again.text
    assert "24 times there already" in press(clerk, again, "all").text


def test_a_copied_session_is_the_session_published_further(clerk: Visitor, region: Region, rows: Rows) -> None:
    press(clerk, fill_in(clerk, session(region, weekday="Wednesday", last="2026-04-08")), "all")
    copied = {"service": region.services[0].id, "date": "2026-04-08", "every": "1", "last": "2026-04-15"}
    press(clerk, fill_in(clerk, copied, f"{PATH}/copy"), "all")
    done = press(clerk, fill_in(clerk, session(region, weekday="Wednesday")), "all")
    assert "9 times there already" in done.text
    assert len(published(rows)) == 9


def test_copies_of_what_is_not_there(clerk: Visitor, region: Region) -> None:
    for query in ("", "?service=0&date=x"):
        assert "Choose the clinic to copy" in clerk.get(f"{PATH}/copy{query}").text
    for query in (f"?service={region.services[0].id}&date=2026-07-01",
                  f"?service={region.services[1].id}&date=2026-03-06"):  # fmt: skip
        assert clerk.get(f"{PATH}/copy{query}").status_code == 404
    wanted = {"service": region.services[0].id, "date": "2026-03-06", "every": "1"}
    for last, said in (
        ("2026-03-06", "must be after"),
        ("2028-01-01", "at most 52 weeks"),
        ("", "Enter the last date"),
    ):
        page = fill_in(clerk, {**wanted, "last": last}, f"{PATH}/copy")
        assert page.status_code == 422
        assert said in page.text
