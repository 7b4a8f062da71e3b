"""More times: by week, by clinic, by what suits; remembering that; comparing; what stands in the way."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from booking.domain.needs import WEEK_PARTS
from booking.domain.words import HoldKind, Sex, SlotStatus
from booking.models import Patient, Practitioner, Site, Slot
from booking.services import booking, finding, places
from booking.services.booking import Choice
from booking.services.work import Work
from booking.web.patient import wishes
from tests import factories
from tests.factories import Region
from tests.web.conftest import Referred, Visitor, forms

MONDAY = "2026-03-02"


def chosen(page) -> list[str]:  # type: ignore[no-untyped-def]
    return [form.fields["slot_id"] for form in forms(page) if form.action == "/choose"]


def test_days_and_parts_narrow_and_what_is_left_out_is_counted(patient: Visitor, region: Region) -> None:
    """Slots of the region: Tuesday to Saturday, six from 09:00, at both clinics; the first is kept for the patient."""
    all_times = patient.get("/times")
    assert "59 free times fit." in all_times.text
    tuesdays = patient.get("/times?day=1&part=0")
    assert "11 free times fit." in tuesdays.text
    assert "Tuesday 3 March" in tuesdays.text
    assert "Wednesday 4 March" not in tuesdays.text
    none = patient.get("/times?day=0&part=2")
    assert chosen(none) == []
    assert "No time is free here" in none.text
    assert "See all 59 free times" in none.text
    evenings = patient.get("/times?day=1&part=2")
    assert "11 times at any time of day" in evenings.text
    assert "times on any day of the week" not in evenings.text


def test_the_link_that_gives_up_a_wish_leads_to_what_it_says(patient: Visitor) -> None:
    page = patient.get("/times?day=2&part=2")
    link = page.text.split("12 times at any time of day")[0].rsplit('href="', 1)[1].split('"')[0]
    assert "12 free times fit." in patient.get(link.replace("&amp;", "&")).text


def test_step_free_miles_and_clinician(patient: Visitor, region: Region, work: Work) -> None:
    work.session.execute(update(Site).where(Site.ods_code == "RA101").values(step_free=False))
    man = Practitioner(organisation_id=region.provider.id, identifier="C9", name="Dr Man", sex=Sex.MALE)
    work.session.add(man)
    work.session.flush()
    work.session.get_one(Slot, region.slots[-1].id).practitioner_id = man.id
    work.session.commit()
    free = patient.get("/times?step_free=1").text
    assert "30 free times fit." in free
    assert "<strong>Ambervale General Hospital</strong>" not in free
    assert "29 free times fit." in patient.get("/times?miles=5").text
    assert "1 free time fits." in patient.get("/times?clinician=male").text
    assert "No time is free here" in patient.get("/times?mode=VIDEO").text


@pytest.mark.parametrize(
    "query",
    [
        "day=9&part=x",
        "miles=-4",
        "miles=" + "9" * 309,
        "miles=1001",
        "miles=99999999999999999999",
        "clinician=robot&mode=TELEPATHY",
        "week=2026-99-99",
    ],
)
def test_odd_wishes_are_left_out(patient: Visitor, query: str) -> None:
    page = patient.get(f"/times?{query}")
    assert page.status_code == 200
    assert "59 free times fit." in page.text


def test_a_week_at_a_glance(patient: Visitor, region: Region, work: Work) -> None:
    later = work.now.replace(hour=14, minute=0) + timedelta(days=15)
    factories.slots(work, region.services[0], later, 2)
    work.session.commit()
    page = patient.get("/times?view=week")
    assert "Free times in the week of Monday 2 March" in page.text
    assert "Week of Monday 16 March (2)" in " ".join(page.text.split())
    day = patient.get("/times?view=week&on=2026-03-04")
    assert len(chosen(day)) == 12
    assert "The whole week" in day.text
    after = patient.get("/times?view=week&week=2026-03-18")
    assert "Free times in the week of Monday 16 March" in after.text
    assert len(chosen(after)) == 2


def test_by_clinic(patient: Visitor, region: Region) -> None:
    page = patient.get("/times?view=clinic")
    text = " ".join(page.text.split())
    assert "29 free times. People usually wait about 3 weeks here. First free time: Tuesday 3 March." in text
    one = patient.get(f"/times?view=clinic&service={region.services[1].id}")
    assert 'aria-current="true"' in one.text
    assert "30 free times fit." in one.text


def test_what_suits_is_remembered_and_respected(patient: Visitor, region: Region, work: Work) -> None:
    before = patient.get("/choices")
    assert "Tuesday 3 March" in before.text
    page = patient.get("/times?day=3&part=0")
    told = patient.send(page, "/times/remember")
    assert "We will remember what suits you" in told.text
    mask = work.session.scalar(select(Patient.unsuitable_times).where(Patient.id == region.patient.id))
    work.session.rollback()
    assert mask == wishes.never_mask([3], [0])
    offered = patient.get("/choices").text
    assert '<span class="app-when">Tuesday 3 March' not in offered
    assert '<span class="app-when">Thursday 5 March' in offered
    shown = patient.get("/times")
    assert "11 free times fit." in shown.text
    assert "48 at times you said never suit you are left out." in " ".join(shown.text.split())
    assert "59 free times fit." in patient.get("/times?every=1").text


def test_masks() -> None:
    assert wishes.never_mask([], []) == 0
    everything = (1 << WEEK_PARTS) - 1
    assert wishes.never_mask([0], [0]) == everything & ~1
    assert bin(wishes.never_mask([0, 1, 2, 3], [0])).count("1") == WEEK_PARTS - 4


def test_a_clash_with_another_appointment_is_said(
    patient: Visitor, region: Region, referred: Referred, work: Work
) -> None:
    other, _ = factories.referral(work, region, reason="Something else")
    slot = region.slots[-1]
    taken = work.session.get_one(Slot, slot.id)
    acting = factories.acting(work, factories.Role.REFERRING_CLINICIAN, region.practice)
    booking.book(acting, other.ubrn, Choice(taken.id, taken.starts_at, taken.ends_at))
    work.session.commit()
    page = " ".join(patient.get("/times").text.split())
    assert "1 more is at the same time as another appointment of yours, and is not shown." in page
    assert "57 free times fit." in page


def test_comparing_offers_and_ticked_times(patient: Visitor, region: Region) -> None:
    page = patient.get("/compare")
    offered = chosen(page)
    assert offered == chosen(patient.get("/choices"))
    assert "Kept for you" in page.text
    assert "Your wait from referral" in page.text
    ids = [slot.id for slot in region.slots[-6:]]
    page = patient.get("/compare?" + "&".join(f"slot={key}" for key in ids))
    assert chosen(page) == [str(key) for key in ids[:5]]
    assert "We compare 5 at a time" in page.text
    gone = patient.get(f"/compare?slot={ids[0]}&slot=999999&slot=x")
    assert "have just been taken" in gone.text
    assert patient.send(page, "/choose", at=2).request.path.startswith("/confirm/")


def test_nothing_to_compare(patient: Visitor) -> None:
    assert "There is nothing to compare" in patient.get("/compare?slot=999999").text


def test_times_on_the_day_the_clocks_change(visitor: Visitor, referred: Referred, region: Region, work: Work) -> None:
    """29 March 2026: 01:00 UTC is 02:00 by the clock, an hour later than the evening before would say."""
    service = region.services[0]
    for hour in (0, 1):
        factories.slots(work, service, datetime(2026, 3, 29, hour, 30, tzinfo=UTC), 1)
    work.session.commit()
    visitor.sign_in(referred.ubrn, referred.code)
    page = visitor.get("/times?view=week&on=2026-03-29").text
    assert "<strong>00:30</strong>" in page
    assert "<strong>02:30</strong>" in page
    assert "half past two in the morning" in page
    assert "The clocks go forward that day." in page


@pytest.fixture
def many(work: Work, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """More free times than are read: 10 at a time, 30 at most."""
    monkeypatch.setattr(finding, "MOST", 10)
    monkeypatch.setattr(finding, "ENOUGH", 5)
    monday = datetime(2026, 3, 9, 9, tzinfo=UTC)
    for day in range(5):
        factories.slots(work, region.services[0], monday + timedelta(days=day), 24)
    factories.slots(work, region.services[1], datetime(2026, 3, 20, 9, tzinfo=UTC), 3)
    work.session.commit()


@pytest.mark.usefixtures("many")
def test_a_clinic_is_not_hidden_by_another_with_more_and_sooner_times(
    patient: Visitor, region: Region, work: Work
) -> None:
    second = region.services[1].id
    sooner = (Slot.service_id == second, Slot.local_date < date(2026, 3, 20))
    work.session.execute(update(Slot).where(*sooner).values(status=SlotStatus.WITHDRAWN))
    work.session.commit()
    page = patient.get(f"/times?service={second}")
    assert "3 free times fit." in page.text
    assert len(chosen(page)) == 3
    clinics = patient.get("/times?view=clinic").text
    assert f"service={second}" in clinics
    assert "First free time: Friday 20 March." in clinics


@pytest.mark.usefixtures("many")
def test_what_was_not_looked_at_is_never_said_to_be_none(patient: Visitor) -> None:
    page = " ".join(patient.get("/times?day=4&part=2").text.split())
    assert "None of the soonest times fits" in page
    assert "We looked at the soonest 30 free times, and none of them fits all you asked for." in page
    assert "No time is free here" not in page
    assert " none" not in page.split("<main")[1].replace("none of them", "")
    assert "At least" in patient.get("/times").text


@pytest.mark.usefixtures("many")
def test_weeks_beyond_what_was_read_are_gone_through_one_by_one(patient: Visitor) -> None:
    page = patient.get("/times?view=week&week=2026-03-16")
    assert "3 free times fit." in page.text
    weeks = " ".join(page.text.split('class="pat-weeks"')[1].split("</nav>")[0].split())
    assert "Week of Monday 9 March<" in weeks.replace("</a>", "<")
    assert "(" not in weeks
    first = " ".join(patient.get("/times?view=week&week=2026-03-02").text.split())
    assert "Week of Monday 9 March (" not in first
    middle = " ".join(patient.get("/times?view=week&week=2026-03-09").text.split())
    assert "not counted" in middle


def test_a_time_kept_for_another_referral_hides_no_free_one(patient: Visitor, region: Region, work: Work) -> None:
    other, _ = factories.referral(work, region, reason="Something else")
    slot = work.session.get_one(Slot, region.slots[-1].id)
    places.hold_place(work, other, slot, HoldKind.OFFER, work.now + timedelta(days=2))
    factories.slots(work, region.services[0], slot.starts_at, 1)
    work.session.commit()
    page = patient.get("/times").text
    assert "at the same time as" not in page
    assert "59 free times fit." in page


def stored(work: Work, region: Region) -> int | None:
    try:
        return work.session.scalar(select(Patient.unsuitable_times).where(Patient.id == region.patient.id))
    finally:
        work.session.rollback()


def test_what_is_remembered_comes_beside_what_never_suited(patient: Visitor, region: Region, work: Work) -> None:
    fridays = 0b111 << 4 * 3
    work.session.execute(update(Patient).where(Patient.id == region.patient.id).values(unsuitable_times=fridays))
    work.session.commit()
    patient.send(patient.get("/times?part=0"), "/times/remember")
    assert stored(work, region) == wishes.never_mask([], [0]) | fridays
    nothing = patient.send(patient.get("/times?day=4"), "/times/remember")
    assert "that would leave no time of the week, so it was not remembered" in nothing.text
    assert stored(work, region) == wishes.never_mask([], [0]) | fridays
    patient.send(patient.get("/times?day=4&every=1"), "/times/remember")
    assert stored(work, region) == wishes.never_mask([4], [])


def test_what_can_not_be_remembered_is_not_offered_to_be(patient: Visitor, region: Region) -> None:
    assert "/times/remember" not in patient.get("/times?mode=IN_PERSON").text
    page = patient.get(f"/times?mode=IN_PERSON&day=2&service={region.services[1].id}&view=week&week=2026-03-02")
    told = patient.send(page, "/times/remember")
    assert "We will remember" in told.text
    asked = told.request.args
    assert (asked["mode"], asked["service"], asked["week"]) == ("IN_PERSON", str(region.services[1].id), "2026-03-02")


def test_remembering_while_moving_stays_there(patient: Visitor, region: Region, work: Work) -> None:
    patient.send(patient.send(patient.get("/choices"), "/choose"), "/confirm/")
    work.session.execute(update(Patient).values(unsuitable_times=wishes.never_mask([4], [])))
    work.session.commit()
    told = patient.send(patient.get("/appointment/times?day=3"), "/times/remember")
    assert "so it was not remembered" in told.text
    assert told.request.path == "/appointment/times"


def test_the_own_slot_of_who_moves_is_counted_nowhere(patient: Visitor, region: Region, work: Work) -> None:
    work.session.execute(update(Slot).values(capacity=2))
    work.session.commit()
    patient.send(patient.send(patient.get("/choices"), "/choose"), "/confirm/")
    page = patient.get("/appointment/times?view=week&week=2026-03-02")
    counts = [int(n) for n in re.findall(r"<td>(\d+)</td>", page.text)]
    assert f"{sum(counts)} free times fit." in page.text
    assert sum(counts) == 59
