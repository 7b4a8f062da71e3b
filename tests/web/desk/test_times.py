"""Finding times, one appointment cancelled or moved, a clinic cancelled: pages over the real services."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, HoldKind, Priority, Sex
from booking.models import Booking, ClinicCancellation, Referral, Slot
from booking.services import booking
from booking.services.booking import Choice
from tests import factories
from tests.conftest import Rows
from tests.life.conftest import Life
from tests.web.conftest import Visitor, forms
from tests.web.desk.conftest import Stands

S = ReferralState
Live = Callable[[Referral], list[Booking]]


@pytest.mark.parametrize("state", [S.APPT_CANCELLED_BY_PROVIDER, S.APPT_CANCELLED_BY_PATIENT], ids=str)
def test_a_time_is_kept_read_out_and_booked(lives: Life, live: Live, admin: Visitor, state: ReferralState) -> None:
    made = lives.to(state)
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/referrals/{made.ubrn}/times")
    assert "Times that suit" in page.text
    kept = admin.send(page, f"/staff/desk/referrals/{made.ubrn}/hold")
    assert "Read this to Ada" in kept.text
    assert [one.hold_kind for one in live(made)] == [HoldKind.CHOICE]
    again = admin.send(kept, f"/staff/desk/referrals/{made.ubrn}/let-go")
    assert "A time for Ada" in again.text
    assert live(made) == []
    gone = admin.send(kept, f"/staff/desk/referrals/{made.ubrn}/confirm")
    assert gone.status_code == 200  # the place is still free: a yes is a yes
    assert "Booked for Ada" in gone.text
    assert [one.state for one in live(made)] == [BookingState.BOOKED]
    twice = admin.send(kept, f"/staff/desk/referrals/{made.ubrn}/confirm")
    assert "The appointment" in twice.text
    assert len(live(made)) == 1


def test_somebody_was_quicker(lives: Life, admin: Visitor) -> None:
    made, rival = lives.to(S.APPT_CANCELLED_BY_PROVIDER), lives.refer()
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/referrals/{made.ubrn}/times")
    first = next(form.fields for form in forms(page) if form.action.endswith("/hold"))
    slot = lives.work.session.get_one(Slot, int(first["slot_id"]))
    booking.book(lives.patient(rival), rival.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    lives.work.session.commit()
    late = admin.send(page, f"/staff/desk/referrals/{made.ubrn}/hold")
    assert late.status_code == 422
    assert "Choose another time" in late.text
    nothing = admin.send(page, f"/staff/desk/referrals/{made.ubrn}/hold", slot_id="x")
    assert nothing.status_code == 422
    assert "No time is kept" in admin.get(f"/staff/desk/referrals/{made.ubrn}/confirm").text


def test_an_issue_is_sent_where_there_are_times(lives: Life, stands: Stands, admin: Visitor) -> None:
    made = lives.to(S.DEFERRED_TO_PROVIDER)
    # Only the full clinic is on the shortlist of the second.
    alone = lives.refer(shortlist=[lives.full.id])
    lives.do(lives.gp, alone, Action.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=lives.full.id)
    lives.work.session.commit()
    listed = admin.get("/staff/desk?list=APPOINTMENT_SLOT_ISSUES")
    assert "None free" in listed.text
    assert made.ubrn in listed.text.replace(" ", "")
    page = admin.get(f"/staff/desk/referrals/{alone.ubrn}/times")
    assert "No free time at your services" in page.text
    assert "Your other services that take this referral" in page.text
    refused = admin.send(page, f"/staff/desk/referrals/{alone.ubrn}/send")
    assert refused.status_code == 422
    assert "Select the service" in refused.text
    sent = admin.send(page, f"/staff/desk/referrals/{alone.ubrn}/send", comment="There are times there",
                      service_id=str(lives.region.services[0].id))  # fmt: skip
    assert "Kept for this patient" in sent.text
    admin.send(admin.send(sent, f"/staff/desk/referrals/{alone.ubrn}/hold"), f"/staff/desk/referrals/{alone.ubrn}/conf")
    assert stands(alone).state is S.BOOKED


def test_one_appointment_is_cancelled_with_a_reason(lives: Life, stands: Stands, admin: Visitor) -> None:
    made = lives.to(S.BOOKED)
    reference = booking.current_booking(lives.clinician, made).reference  # type: ignore[union-attr]
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/bookings/{reference}/cancel")
    assert "Select why it is cancelled" in admin.send(page, "/staff/desk/bookings/").text
    other = admin.send(page, "/staff/desk/bookings/", reason="OTHER")
    assert other.status_code == 422
    assert "needs a comment" in other.text
    done = admin.send(page, "/staff/desk/bookings/", reason="CLINICIAN_UNAVAILABLE")
    assert "first in line" in done.text
    assert stands(made).state is S.APPT_CANCELLED_BY_PROVIDER
    again = admin.send(page, "/staff/desk/bookings/", reason="CLINICIAN_UNAVAILABLE")
    assert "Nothing was changed" in again.text


def test_another_time_is_proposed_and_the_appointment_stands(lives: Life, stands: Stands, admin: Visitor) -> None:
    made = lives.to(S.BOOKED)
    reference = booking.current_booking(lives.clinician, made).reference  # type: ignore[union-attr]
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/bookings/{reference}/move?since=2026-03-04")
    done = admin.send(page, "/staff/desk/bookings/")
    assert "Proposed, waiting for an answer" in done.text
    assert stands(made).state is S.BOOKED
    assert "Choose the time to propose" in admin.send(page, "/staff/desk/bookings/", slot_id="").text
    stale = admin.send(page, "/staff/desk/bookings/", slot_id="99999999")
    assert stale.status_code == 404


def test_a_clinic_is_previewed_cancelled_and_followed(lives: Life, stands: Stands, admin: Visitor, rows: Rows) -> None:
    booked = [lives.to(S.BOOKED) for _ in range(3)]
    other = lives.refer()
    lives.work.session.commit()
    empty = admin.get("/staff/desk/clinics/cancel")
    assert "See whom it touches" in empty.text
    wrong = admin.get(f"/staff/desk/clinics/cancel?service={lives.region.services[0].id}&first=soon&starts=25:00")
    assert wrong.status_code == 422
    assert "Enter the first day" in wrong.text
    assert admin.get("/staff/desk/clinics/cancel?service=999999&first=2026-03-03").status_code == 404
    path = f"/staff/desk/clinics/cancel?service={lives.region.services[0].id}&first=2026-03-03"
    page = admin.get(path)
    assert "Cancel 6 times and 3 appointments" in page.text
    assert page.text.count("Wednesday 4 March at") == 3  # where each could go, each place given once
    assert "Select why the clinic is cancelled" in admin.send(page, "/staff/desk/clinics/cancel").text
    lives.book(other)
    lives.work.session.commit()
    late = admin.send(page, "/staff/desk/clinics/cancel", reason="CLINICIAN_UNAVAILABLE", comment="Ill")
    assert late.status_code == 409
    assert "Nothing was cancelled" in late.text
    assert "Booked since you looked: Ada" in late.text
    assert "Ill" in late.text
    done = admin.send(late, "/staff/desk/clinics/cancel", reason="CLINICIAN_UNAVAILABLE", comment="Ill")
    assert done.request.path.startswith("/staff/desk/clinics/cancelled/")
    assert done.text.count("Needs a time") == 4
    again = admin.send(late, "/staff/desk/clinics/cancel", reason="CLINICIAN_UNAVAILABLE")
    assert again.request.path == done.request.path  # a second click leads to what the first did
    assert len(rows(select(ClinicCancellation.id))) == 1
    unlike = admin.send(late, "/staff/desk/clinics/cancel", reason="CLINICIAN_UNAVAILABLE", digest="other")
    assert unlike.status_code == 422
    assert "There is no slot to come" in unlike.text
    for made in booked:
        assert stands(made).state is S.APPT_CANCELLED_BY_PROVIDER
    times = admin.get(f"/staff/desk/referrals/{booked[0].ubrn}/times")
    kept = admin.send(times, f"/staff/desk/referrals/{booked[0].ubrn}/hold")
    admin.send(kept, f"/staff/desk/referrals/{booked[0].ubrn}/confirm")
    followed = admin.get(done.request.path)
    assert "Booked again" in followed.text
    assert followed.text.count("Needs a time") == 3
    assert admin.get(done.request.path + "?after=1").status_code == 200
    assert done.request.path in admin.get("/staff/desk/clinics/cancel").text


def test_a_cancellation_of_another_provider_does_not_exist(lives: Life, admin: Visitor) -> None:
    row = ClinicCancellation(
        organisation_id=lives.region.other_provider.id, reason_code="OTHER", cancelled_at=lives.work.now,
        cancelled_by="somebody", slots=1, appointments=0,
    )  # fmt: skip
    lives.work.session.add(row)
    lives.work.session.commit()
    assert admin.get(f"/staff/desk/clinics/cancelled/{row.id}").status_code == 404


def test_files_and_the_summary(lives: Life, admin: Visitor) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/referrals/{made.ubrn}")
    assert "Choose a file" in admin.send(page, f"/staff/desk/referrals/{made.ubrn}/files").text
    sent = admin.send(
        page, f"/staff/desk/referrals/{made.ubrn}/files", file=(io.BytesIO(b"%PDF-1.4 nothing"), "notes <b>.exe")
    )
    assert sent.status_code == 422
    sent = admin.send(
        page, f"/staff/desk/referrals/{made.ubrn}/files", file=(io.BytesIO(b"Seen in 2019, fine."), "o’neill ☂.txt")
    )
    assert "The file is attached" in sent.text
    address = sent.text.split("/staff/desk/files/")[1].split('"')[0]
    answer = admin.get(f"/staff/desk/files/{address.split('/')[0]}")
    assert answer.data == b"Seen in 2019, fine."
    assert answer.headers["Content-Disposition"].startswith("attachment")
    gone = admin.send(sent, "/staff/desk/files/")
    assert "was taken away" in gone.text
    assert admin.get(f"/staff/desk/files/{address.split('/')[0]}").status_code == 404
    assert admin.get(f"/staff/desk/referrals/{made.ubrn}/summary.pdf").data.startswith(b"%PDF")


def test_what_people_typed_is_text(lives: Life, admin: Visitor) -> None:
    patient = factories.PatientFactory(
        practice_id=lives.region.practice.id, given_name="Seán <i>", family_name="O’Neill 🌂 عمر"
    )
    made = lives.refer(patient=patient, shortlist=[lives.triage.id], reason="<script>alert(1)</script>")
    lives.work.session.commit()
    for path in ("", "?list=REFERRALS_FOR_REVIEW", f"/referrals/{made.ubrn}", f"/triage/{made.ubrn}"):
        page = admin.get(f"/staff/desk{path}")
        assert "<i>" not in page.text
        assert "<script>alert" not in page.text
    assert "O’Neill 🌂 عمر" in page.text


def test_needs_decide_what_suits(lives: Life, admin: Visitor) -> None:
    """The region's clinics name no clinician: everything free is shown, as something to ask about first."""
    patient = factories.PatientFactory(practice_id=lives.region.practice.id, clinician_sex=Sex.FEMALE)
    made = lives.refer(patient=patient)
    lives.book(made)
    from booking.services import clinics

    clinics.cancel_one(
        lives.clinician, booking.current_booking(lives.clinician, made).reference,  # type: ignore[union-attr,arg-type]
        reason="CLINICIAN_UNAVAILABLE", comment=None, withdraw_slot=True,
    )  # fmt: skip
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/referrals/{made.ubrn}/times")
    assert "Times that suit" not in page.text
    assert "Free, but ask first" in page.text
    assert "a female clinician" in page.text
    later = admin.get(f"/staff/desk/referrals/{made.ubrn}/times?since={lives.work.today + timedelta(days=400)}")
    assert "No free time at your services" in later.text


def test_letting_go_leaves_what_the_patient_confirms_elsewhere(lives: Life, live: Live, admin: Visitor) -> None:
    made = lives.refer(shortlist=[one.id for one in lives.region.services])
    lives.book(made)
    reference = booking.current_booking(lives.clinician, made).reference  # type: ignore[union-attr]
    assert reference is not None
    booking.cancel_booking(lives.patient(made), reference, reason="UNABLE_TO_ATTEND", comment=None)
    lives.work.session.commit()
    kept = admin.send(admin.get(f"/staff/desk/referrals/{made.ubrn}/times"), f"/staff/desk/referrals/{made.ubrn}/hold")
    theirs = lives.region.slots[-1]
    booking.hold(lives.patient(made), made.ubrn, Choice(theirs.id, theirs.starts_at, theirs.ends_at))
    lives.work.session.commit()
    admin.send(kept, f"/staff/desk/referrals/{made.ubrn}/let-go")
    assert [(one.slot_id, one.state) for one in live(made)] == [(theirs.id, BookingState.HELD)]


def test_another_service_s_first_time_is_one_of_that_priority(lives: Life, admin: Visitor) -> None:
    alone = lives.refer(shortlist=[lives.full.id])
    lives.do(lives.gp, alone, Action.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=lives.full.id)
    clinic = lives.region.services[0]
    for slot in lives.work.session.scalars(select(Slot).where(Slot.service_id == clinic.id)):
        slot.priorities = PRIORITY_BIT[Priority.TWO_WEEK_WAIT]
    lives.work.session.commit()
    page = admin.get(f"/staff/desk/referrals/{alone.ubrn}/times")
    assert "nothing free" in page.text
    assert "first free" not in page.text
    factories.slots(lives.work, clinic, lives.region.slots[-1].starts_at + timedelta(days=1), 1)
    lives.work.session.commit()
    assert "first free Sunday 8 March at 10:40" in admin.get(f"/staff/desk/referrals/{alone.ubrn}/times").text
