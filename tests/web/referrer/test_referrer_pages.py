"""The practice's other pages: lists, one referral and what is done to it, booking for the patient, patients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.referral import Action, ReferralState
from booking.domain.words import AttachmentState, BookingState, Priority, Role
from booking.models import AccessEntry, Attachment, AuditEntry, Booking, Patient, Referral, ReferralEvent, Service
from booking.services import outcomes, practice_patients, service_facts
from booking.services.directory import services_by_id
from booking.services.work import Work
from booking.web import say
from booking.web.event_words import EVENTS
from tests import factories
from tests.factories import Region
from tests.web.conftest import Referred, Visitor, forms
from tests.web.referrer.conftest import letter


def read(work: Work, what: Callable[[Session], object]) -> object:
    """What the database says now; the test's own transaction is over afterwards, so that pages can write."""
    work.session.rollback()
    work.session.expire_all()
    found = what(work.session)
    work.session.rollback()
    return found


def state(work: Work, ubrn: str) -> object:
    return read(work, lambda session: session.scalar(select(Referral.state).where(Referral.ubrn == ubrn)))


def count(work: Work, of: type, *where: object) -> object:
    return read(work, lambda session: session.scalar(select(func.count()).select_from(of).where(*where)))  # type: ignore[arg-type]


def act(visitor: Visitor, ubrn: str, slug: str, **changes: str):  # type: ignore[no-untyped-def]
    path = f"/staff/referrals/{ubrn}/do/{slug}"
    return visitor.send(visitor.get(path), path, **changes)


# Finding services


def test_services_are_found_and_compared(gp: Visitor, region: Region) -> None:
    first, second = region.services
    assert "What are you looking for?" in gp.get("/staff/services").text
    found = gp.get("/staff/services?term=skin")
    assert found.text.index("Ambervale General") < found.text.index("Weirside Trust")
    assert "Tuesday 3 March at 09:00" in found.text
    assert "20 days" in found.text
    shortest = gp.get("/staff/services?clinic=330%7C330-SKIN&sort=wait&max_wait_days=25")
    assert "Weirside Trust" not in shortest.text
    side = gp.get(f"/staff/services/compare?service={first.id}&service={second.id}")
    assert "Refer to all of these" in side.text
    assert f"shortlist={first.id}&amp;shortlist={second.id}" in side.text
    assert "Nothing to compare" in gp.get("/staff/services/compare?service=x&service=999999").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("term=skin&within_miles=far", "Enter a distance in miles"),
        ("term=skin&postcode=ZZ99+9ZZ", "We have no coordinates for postcode"),
        ("practitioner=C0", "No clinician has the identifier"),
        ("sort=wait", "Give a specialty (and clinic type), a clinical term"),
        ("term=skin&priority=TWO_WEEK_WAIT&max_wait_days=9", "Two-week-wait takes no waiting-time limit"),
    ],
)
def test_a_search_that_can_not_be_is_refused_beside_its_field(
    gp: Visitor, region: Region, query: str, words: str
) -> None:
    page = gp.get(f"/staff/services?{query}")
    assert page.status_code == 422
    assert words in page.text


def test_the_next_free_time_is_one_that_can_be_booked(work: Work, region: Region) -> None:
    first = services_by_id(work.session, [region.services[0].id])[region.services[0].id]
    free = service_facts.next_free(work, [first], Priority.ROUTINE)[first.id]
    assert free.starts_at == region.slots[0].starts_at
    region.slots[0].priorities = 2  # kept for urgent ones
    work.session.flush()
    free = service_facts.next_free(work, [first], Priority.ROUTINE)[first.id]
    assert free.starts_at == region.slots[1].starts_at


# Lists


def test_the_worklists_have_counts_and_filters(gp: Visitor, referred: Referred, other: Referred, work: Work) -> None:
    page = gp.get("/staff/referrals")
    assert "Letters to attach" in page.text
    assert "Ada Patient" in page.text
    assert '<span class="app-count">2</span>' in page.text
    empty = gp.get("/staff/referrals?list=REJECTED_OR_TRIAGE_RESPONSE")
    assert "No clinic has sent anything back" in empty.text
    none = gp.get("/staff/referrals?list=LETTERS_OUTSTANDING&priority=URGENT")
    assert "Nothing fits these filters" in none.text
    for odd in ("after=x", "after=MjAyNnw1&sort=newest", "clinician=nobody", "sort=odd", "list=odd", "state=odd"):
        assert gp.get(f"/staff/referrals?{odd}").status_code == 200


def test_a_list_is_paged(gp: Visitor, region: Region, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    from booking.web.referrer import lists

    monkeypatch.setattr(lists, "PER_PAGE", 2)
    for n in range(3):
        patient = factories.PatientFactory(practice_id=region.practice.id, given_name=f"Nr{n}")
        factories.referral(work, region, patient=patient)
    work.session.commit()
    first = gp.get("/staff/referrals?list=LETTERS_OUTSTANDING")
    assert "Nr2" not in first.text
    after = first.text.split("after=")[1].split('"')[0].replace("&amp;", "&")
    second = gp.get(f"/staff/referrals?list=LETTERS_OUTSTANDING&after={after}")
    assert "Nr2" in second.text
    assert "Nr0" not in second.text
    newest = gp.get("/staff/outcomes")
    assert "Nr0" not in newest.text
    before = newest.text.split("before=")[1].split('"')[0]
    assert "Nr0" in gp.get(f"/staff/outcomes?before={before}").text


def test_what_became_of_referrals_by_clinician(
    gp: Visitor, referred: Referred, patient: Visitor, region: Region, work: Work
) -> None:
    patient.send(patient.send(patient.get("/choices"), "/choose"), "/confirm/")
    other = factories.PatientFactory(practice_id=region.practice.id, given_name="Bert")
    factories.referral(work, region, patient=other, referrer="Dr Somebody Else")
    work.session.commit()
    page = gp.get("/staff/outcomes")
    assert "Bert" in page.text
    assert "3 March 2026 at 09:00" in page.text
    key = page.text.split("Dr Somebody Else")[0].rsplit('value="', 1)[1].split('"')[0]
    assert "Dr" not in key
    only = gp.get(f"/staff/outcomes?clinician={key}")
    assert "Bert" in only.text
    assert "Ada Patient" not in only.text
    assert "Bert" not in gp.get("/staff/outcomes?group=BOOKED").text
    assert "No referral fits" in gp.get("/staff/outcomes?group=ENDED").text


def test_everything_that_can_happen_has_its_words() -> None:
    assert set(EVENTS) == set(Action)


def test_every_state_has_a_group() -> None:
    assert set(outcomes.GROUP) == set(ReferralState)


# One referral


def test_reading_a_referral_is_recorded(gp: Visitor, referred: Referred, work: Work) -> None:
    gp.get(f"/staff/referrals/{referred.ubrn}")
    assert count(work, AccessEntry, AccessEntry.what == "referral") == 1


def test_files_are_added_read_and_taken_away(gp: Visitor, referred: Referred, work: Work, staff) -> None:  # type: ignore[no-untyped-def]
    path = f"/staff/referrals/{referred.ubrn}"
    page = gp.get(path)
    token = forms(page)[0].fields["csrf_token"]
    assert "Choose a file" in gp.send(page, f"{path}/files").text
    data = {"csrf_token": token, "letter": letter("Brief “é”.pdf"), "kind": "REFERRAL_LETTER"}
    done = gp.client.post(f"{path}/files", data=data, follow_redirects=True)
    assert "Brief “é”.pdf” is attached" in done.text
    key = read(work, lambda session: session.scalar(select(Attachment.id)))
    file = gp.get(f"/staff/files/{key}")
    assert file.data.startswith(b"%PDF")
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert "To be booked" in gp.get("/staff/referrals").text
    gone = gp.send(gp.get(path), f"/staff/files/{key}/remove")
    assert "was taken away" in gone.text
    assert gp.get(f"/staff/files/{key}").status_code == 404


def test_a_file_that_is_not_checked_yet_says_so(gp: Visitor, referred: Referred, work: Work) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    token = forms(gp.get(path))[0].fields["csrf_token"]
    gp.client.post(f"{path}/files", data={"csrf_token": token, "letter": letter()})
    work.session.rollback()
    row = work.session.scalars(select(Attachment)).one()
    row.state, key = AttachmentState.PENDING, row.id
    work.session.commit()
    assert "being checked for malware" in gp.get(path).text
    page = gp.get(f"/staff/files/{key}")
    assert page.status_code == 422
    assert "still being looked into" in page.text


def test_letters_on_paper(gp: Visitor, referred: Referred, newcomer: Callable[[], Visitor]) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    pdf = gp.send(gp.get(path), f"{path}/letter.pdf", language="cy", large_print="1")
    assert pdf.data.startswith(b"%PDF")
    assert "match a referral" in newcomer().sign_in(referred.ubrn, referred.code).text  # the old code is void
    summary = gp.get(f"{path}/summary.pdf")
    assert summary.data.startswith(b"%PDF")


# What is done to it


def test_an_action_needs_its_reason_and_a_page_that_is_current(gp: Visitor, referred: Referred, work: Work) -> None:
    refused = act(gp, referred.ubrn, "cancel-referral")
    assert refused.status_code == 422
    assert "Select the reason" in refused.text
    other = act(gp, referred.ubrn, "cancel-referral", reason="OTHER")
    assert "needs a comment" in other.text
    stale = act(gp, referred.ubrn, "cancel-referral", reason="RAISED_IN_ERROR", version="0")
    assert stale.status_code == 409
    assert "has changed since you opened this page" in stale.text
    assert state(work, referred.ubrn) == ReferralState.NOT_BOOKED
    done = act(gp, referred.ubrn, "cancel-referral", reason="RAISED_IN_ERROR")
    assert "The referral is cancelled" in done.text
    assert state(work, referred.ubrn) == ReferralState.CANCELLED_REFERRAL
    late = gp.get(f"/staff/referrals/{referred.ubrn}/do/close")
    assert "is not possible now" in late.text
    assert gp.get(f"/staff/referrals/{referred.ubrn}/do/nonsense").status_code == 404


def test_shortlist_priority_and_words_are_changed(
    gp: Visitor, admin: Visitor, referred: Referred, region: Region, work: Work
) -> None:
    ubrn = referred.ubrn
    act(gp, ubrn, "change-shortlist", shortlist=str(region.services[1].id))
    page = gp.get(f"/staff/referrals/{ubrn}")
    assert "Weirside Trust" in page.text
    assert "Ambervale General" not in page.text
    assert "Say why" in act(gp, ubrn, "change-priority", priority="URGENT").text
    act(gp, ubrn, "change-priority", priority="URGENT", comment="It bleeds")
    act(gp, ubrn, "amend", reason_text="A bleeding mole", clinical_information="Two weeks")
    page = gp.get(f"/staff/referrals/{ubrn}")
    for words in ("Urgent", "A bleeding mole", "It bleeds", "Priority changed"):
        assert words in page.text
    assert "Change the priority" not in admin.get(f"/staff/referrals/{ubrn}").text


def test_a_clinic_with_times_can_not_be_left_to_find_one(gp: Visitor, referred: Referred, region: Region) -> None:
    service = str(region.services[0].id)
    refused = act(gp, referred.ubrn, "defer-to-provider", service=service, reason="NO_SLOTS")
    assert refused.status_code == 422
    assert "has appointments for this referral" in refused.text


def test_sent_to_be_read_first(gp: Visitor, referred: Referred, triage: Service, work: Work) -> None:
    act(gp, referred.ubrn, "send-for-triage", service=str(triage.id))
    assert state(work, referred.ubrn) == ReferralState.AWAITING_TRIAGE


def test_an_administrator_acts_for_a_clinician(admin: Visitor, referred: Referred, work: Work) -> None:
    act(admin, referred.ubrn, "cancel-referral", reason="NO_LONGER_REQUIRED", acting_for="Dr Jones")
    assert state(work, referred.ubrn) == ReferralState.CANCELLED_REFERRAL
    named = select(ReferralEvent.on_behalf_of).order_by(ReferralEvent.id.desc()).limit(1)
    assert read(work, lambda session: session.scalar(named)) == "Dr Jones"
    assert "for Dr Jones" in admin.get(f"/staff/referrals/{referred.ubrn}").text


def test_a_name_is_kept_as_it_is_written_or_left_out(
    admin: Visitor, referred: Referred, other: Referred, work: Work
) -> None:
    name = "Dr می\u200cرزا"  # with the joiner that Persian is written with
    refused = act(admin, referred.ubrn, "cancel-referral", reason="NO_LONGER_REQUIRED", acting_for="Dr\0")
    assert "This holds characters that are not text" in refused.text
    act(admin, referred.ubrn, "cancel-referral", reason="NO_LONGER_REQUIRED", acting_for=name)
    act(admin, other.ubrn, "cancel-referral", reason="NO_LONGER_REQUIRED", acting_for="")
    named = select(ReferralEvent.on_behalf_of).order_by(ReferralEvent.id.desc()).limit(2)
    assert read(work, lambda session: list(session.scalars(named))) == [None, name]


# Booking for the patient


def test_a_receptionist_books_moves_and_cancels_for_the_patient(admin: Visitor, referred: Referred, work: Work) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    times = admin.get(f"{path}/times")
    assert "Nothing is proposed to this patient" in times.text
    times = admin.send(times, f"{path}/offers")
    assert "Proposed to this patient" in times.text
    check = admin.send(times, f"{path}/hold")
    assert "Check with Ada Patient" in check.text
    assert "This is not booked yet" in check.text
    assert state(work, referred.ubrn) == ReferralState.NOT_BOOKED
    for _ in range(2):  # a second click finds the appointment there is
        done = admin.send(check, f"{path}/book")
        assert "BOOKED" not in done.text
        assert "Booked" in done.text
    assert count(work, Booking, Booking.state == BookingState.BOOKED) == 1
    event = select(ReferralEvent.role, ReferralEvent.on_behalf_of).order_by(ReferralEvent.id.desc()).limit(1)
    assert tuple(read(work, lambda s: s.execute(event).one())) == (  # type: ignore[call-overload]
        Role.REFERRING_ADMIN, "Dr Referring_Clinician",
    )  # fmt: skip
    change = admin.send(admin.get(f"{path}/times"), f"{path}/hold", at=3)
    assert "is given up only when this one is had" in change.text
    moved = admin.send(change, f"{path}/book")
    assert "Appointment changed" in moved.text
    assert count(work, Booking, Booking.state == BookingState.BOOKED) == 1
    act(admin, referred.ubrn, "cancel-appointment", reason="UNABLE_TO_ATTEND")
    assert state(work, referred.ubrn) == ReferralState.APPT_CANCELLED_BY_PATIENT


def test_a_time_that_is_gone_books_nothing(gp: Visitor, referred: Referred, region: Region, work: Work) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    times = gp.get(f"{path}/times")
    gone = gp.send(times, f"{path}/hold", starts_at="2026-03-03T07:00:00+00:00")
    assert gone.status_code == 409
    assert "Nothing was booked" in gone.text
    assert gp.get(f"{path}/confirm/999999").status_code == 404
    assert state(work, referred.ubrn) == ReferralState.NOT_BOOKED


def test_a_hold_that_ran_out_says_so(gp: Visitor, referred: Referred, work: Work, clock) -> None:  # type: ignore[no-untyped-def]
    path = f"/staff/referrals/{referred.ubrn}"
    check = gp.send(gp.get(f"{path}/times"), f"{path}/hold")
    clock.now += timedelta(minutes=work.config.hold_minutes + 1)
    assert "not kept any more" in gp.get(check.request.path).text


# Patients


def test_a_patient_is_found_by_name_number_and_reference(gp: Visitor, referred: Referred, region: Region) -> None:
    number = region.patient.nhs_number
    for text in ("ada pat", say.nhs_number(number), say_ubrn(referred.ubrn)):
        found = gp.send(gp.get("/staff/patients"), "/staff/patients", who=text)
        assert found.request.path == f"/staff/patients/{region.patient.id}"
        assert referred.ubrn[:4] in found.text
    assert "Nobody found" in gp.send(gp.get("/staff/patients"), "/staff/patients", who="% _").text
    assert gp.send(gp.get("/staff/patients"), "/staff/patients").status_code == 422


def test_only_those_who_are_shown_are_recorded_as_seen(gp: Visitor, region: Region, work: Work) -> None:
    for _ in range(practice_patients.MOST + 1):
        factories.PatientFactory(practice_id=region.practice.id, family_name="Same")
    work.session.commit()
    page = gp.send(gp.get("/staff/patients"), "/staff/patients", who="same")
    assert "There are more" in page.text
    assert page.text.count("<bdi>Same") == practice_patients.MOST
    assert count(work, AccessEntry, AccessEntry.what == "patient") == practice_patients.MOST


def say_ubrn(ubrn: str) -> str:
    return f"{ubrn[:4]} {ubrn[4:8]} {ubrn[8:]}"


def test_a_record_is_put_right_and_not_from_an_old_page(gp: Visitor, region: Region, work: Work) -> None:
    path = f"/staff/patients/{region.patient.id}"
    page = gp.get(path)
    saved = gp.send(page, path, family_name="O’Patient", postcode="zz99 9zz", email="ada@example.com")
    assert "Saved" in saved.text
    found = read(work, lambda session: session.get_one(Patient, region.patient.id))
    work.session.refresh(found)
    assert (found.family_name, found.latitude, found.email) == ("O’Patient", None, "ada@example.com")  # type: ignore[attr-defined]
    work.session.rollback()
    assert count(work, AuditEntry, AuditEntry.action == "patient.correct") == 1
    old = gp.send(page, path, family_name="Older")
    assert "changed meanwhile, to “O’Patient”" in old.text
    assert 'value="ada@example.com"' in old.text
    again = gp.send(old, path)  # they have read it, and mean it
    assert "Saved" in again.text
    record = select(Patient.family_name, Patient.postcode, Patient.email)
    assert read(work, lambda session: tuple(session.execute(record).one())) == ("Older", "ZZ99 9ZZ", "ada@example.com")
    assert gp.send(gp.get(path), path, channel="SMS").status_code == 422  # no number to send to


def test_a_patient_is_taken_over_with_number_and_birth(gp: Visitor, region: Region, work: Work) -> None:
    other = factories.PatientFactory(practice_id=region.other_practice.id, given_name="Bert")
    factories.referral(work, region, patient=other)
    number = other.nhs_number
    work.session.commit()
    page = gp.get("/staff/patients/transfer")
    born = {"date_of_birth__day": "17", "date_of_birth__month": "5", "date_of_birth__year": "1960"}
    wrong = gp.send(page, "/staff/patients/transfer", nhs_number=number, **{**born, "date_of_birth__year": "1961"})
    assert wrong.status_code == 422
    assert "Bert" not in wrong.text
    done = gp.send(page, "/staff/patients/transfer", nhs_number=number, **born)
    assert "Bert" in done.text
    assert "with 1 open referral and 0 requests for advice" in done.text
    again = gp.send(page, "/staff/patients/transfer", nhs_number=number, **born)
    assert "with your practice already" in again.text


def test_another_practice_sees_none_of_it(
    newcomer: Callable[[], Visitor], region: Region, referred: Referred, work: Work
) -> None:
    factories.account(work, Role.REFERRING_ADMIN, region.other_practice, "hilltop")
    work.session.commit()
    stranger = newcomer()
    stranger.staff("hilltop")
    for path in ("", "/draft", "/times", "/do/close", "/summary.pdf", "/confirm/1"):
        assert stranger.get(f"/staff/referrals/{referred.ubrn}{path}").status_code == 404, path
    assert stranger.get(f"/staff/patients/{region.patient.id}").status_code == 404
    found = stranger.send(stranger.get("/staff/patients"), "/staff/patients", who="Ada")
    assert "Nobody found" in found.text


def test_history_shows_what_happened(gp: Visitor, referred: Referred, work: Work) -> None:
    page = gp.get(f"/staff/referrals/{referred.ubrn}")
    assert "Sent, for the patient to choose" in page.text
