"""The patient's pages, one state after another, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete, func, select, update

from booking.domain.words import BookingState, SlotStatus
from booking.models import Booking, Slot
from booking.services.work import Work
from tests.conftest import Clock
from tests.factories import Region
from tests.web.conftest import Referred, Visitor, forms

Newcomer = Callable[[], Visitor]


def booked(work: Work) -> int:
    try:
        return work.session.scalar(select(func.count()).where(Booking.state == BookingState.BOOKED)) or 0
    finally:
        work.session.rollback()  # let others write again


def choose(visitor: Visitor, at: int = 0):  # type: ignore[no-untyped-def]
    return visitor.send(visitor.get("/choices"), "/choose", at=at)


def test_from_sign_in_to_an_appointment_and_back(visitor: Visitor, referred: Referred, work: Work) -> None:
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert page.request.path == "/choices"
    assert "Choose your appointment" in page.text
    assert "Kept for you until" in page.text
    assert "miles from you" in page.text
    assert "o’clock in the morning" in page.text

    page = visitor.send(page, "/choose")
    assert page.request.path.startswith("/confirm/")
    assert "This is not booked yet" in page.text
    assert booked(work) == 0

    page = visitor.send(page, "/confirm/")
    assert page.request.path == "/appointment"
    assert "Appointment confirmed" in page.text
    assert booked(work) == 1

    calendar = visitor.get("/appointment/calendar.ics")
    assert calendar.content_type == "text/calendar; charset=utf-8"
    assert "BEGIN:VEVENT" in calendar.text
    assert visitor.get("/choices").request.path == "/appointment"
    assert visitor.get("/times").request.path == "/appointment"

    page = visitor.get("/appointment/cancel")
    assert "this time goes to somebody else at once" in page.text
    page = visitor.send(page, "/appointment/cancel")
    assert page.status_code == 422
    assert "Select why you want to cancel" in page.text
    page = visitor.send(page, "/appointment/cancel", reason="OTHER", comment="")
    assert "Tell us the reason in a few words" in page.text
    page = visitor.send(page, "/appointment/cancel", reason="OTHER", comment="Away then")
    assert page.request.path == "/choices"
    assert "Your appointment is cancelled" in page.text
    assert "Choose this time" in page.text
    assert booked(work) == 0


def test_a_time_taken_meanwhile_gets_a_plain_answer_and_fresh_times(
    patient: Visitor, other: Referred, newcomer: Newcomer, work: Work
) -> None:
    page = patient.get("/choices")
    wanted = [form for form in forms(page) if form.action == "/choose"][1].fields["slot_id"]
    rival = newcomer()
    rival.sign_in(other.ubrn, other.code)
    at = next(
        n for n, form in enumerate(f for f in forms(rival.get("/times")) if f.action == "/choose")
        if form.fields["slot_id"] == wanted
    )  # fmt: skip
    held = rival.send(rival.get("/times"), "/choose", at=at)
    assert "Check and confirm" in held.text
    rival.send(held, "/confirm/")

    refused = patient.send(page, "/choose", at=1)
    assert refused.status_code == 409
    assert "has just been taken by somebody else. Nothing was booked." in refused.text
    fresh = [form.fields["slot_id"] for form in forms(refused) if form.action == "/choose"]
    assert fresh
    assert wanted not in fresh
    done = patient.send(patient.send(refused, "/choose"), "/confirm/")
    assert "Appointment confirmed" in done.text
    assert booked(work) == 2


def test_confirming_twice_and_old_pages_do_no_harm(patient: Visitor, work: Work) -> None:
    choices = patient.get("/choices")
    page = patient.send(choices, "/choose")
    for _ in range(2):
        assert patient.send(page, "/confirm/").request.path == "/appointment"
    assert patient.send(choices, "/choose", at=1).request.path == "/appointment"
    assert patient.get(page.request.path).request.path == "/appointment"
    assert booked(work) == 1


def test_a_time_no_longer_kept_is_said_plainly(patient: Visitor, clock: Clock) -> None:
    page = choose(patient, at=1)
    clock.now += timedelta(minutes=11)
    again = patient.get(page.request.path)
    assert "We no longer keep the time you had chosen" in again.text


def test_a_slot_the_clinic_moved_is_refused_with_fresh_times(patient: Visitor) -> None:
    page = patient.get("/choices")
    refused = patient.send(page, "/choose", at=1, starts_at="2026-03-03T06:00:00+00:00")
    assert refused.status_code == 409
    assert "The clinic has changed that time" in refused.text
    assert patient.send(page, "/choose", starts_at="now").status_code == 422


def test_nobody_sees_another_patients_hold_or_appointment(
    patient: Visitor, other: Referred, newcomer: Newcomer, referred: Referred, work: Work
) -> None:
    page = choose(patient, at=1)
    rival = newcomer()
    rival.sign_in(other.ubrn, other.code)
    assert "We no longer keep" in rival.get(page.request.path).text
    own = rival.get("/choices")
    token = forms(own)[0].fields["csrf_token"]
    assert rival.client.post(page.request.path, data={"csrf_token": token}).status_code == 404
    assert booked(work) == 0
    for path in ("/choices", "/times", "/appointment"):
        assert referred.ubrn not in rival.get(path).text.replace(" ", "")


def test_all_free_times_by_week_and_clinic(patient: Visitor, region: Region) -> None:
    page = patient.get("/times")
    assert page.text.count("Choose this time") == 12
    assert "Later times" in page.text
    after = page.text.split("after=")[1].split('"')[0].replace("&amp;", "&")
    assert "Back to the first times" in patient.get(f"/times?after={after}").text
    one = patient.get(f"/times?service={region.services[1].id}&week=2026-03-02")
    assert "Weirside Trust Hospital" in one.text
    assert "<p>Ambervale General Hospital" not in one.text
    assert "No time is free here" in patient.get("/times?week=2026-06-01").text
    assert patient.get("/times?service=x&week=y&after=z").status_code == 200


def test_nothing_free_says_what_happens_next(visitor: Visitor, referred: Referred, work: Work) -> None:
    work.session.execute(delete(Slot))
    work.session.commit()
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert "There is no free time at your clinics just now" in page.text
    assert "What happens next" in page.text
    again = visitor.send(page, "/choices")
    assert "We looked for free times just now" in again.text


def test_nothing_that_fits_leads_to_what_is_free(visitor: Visitor, referred: Referred, work: Work) -> None:
    work.session.get_one(type(referred.referral.patient), referred.referral.patient_id).farthest_km = 0.01
    work.session.commit()
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert "No free time fits everything we know" in page.text
    assert "Choose this time" in visitor.get("/times").text


def test_times_are_there_as_soon_as_they_are_published(visitor: Visitor, referred: Referred, work: Work) -> None:
    work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
    work.session.commit()
    page = visitor.sign_in(referred.ubrn, referred.code)
    assert "Show me times now" in page.text
    work.session.execute(update(Slot).values(status=SlotStatus.PUBLISHED))
    work.session.commit()
    assert "Kept for you until" in visitor.send(page, "/choices").text


def test_a_cancelled_referral_says_whom_to_ask(patient: Visitor, referred: Referred, work: Work) -> None:
    from booking.domain.referral import ReferralState
    from booking.models import Referral

    work.session.execute(update(Referral).values(state=ReferralState.CANCELLED_REFERRAL))
    work.session.commit()
    page = patient.get("/choices")
    assert "This referral was cancelled" in page.text
    assert "Millbrook Surgery" in page.text
    assert "Choose this time" not in page.text
