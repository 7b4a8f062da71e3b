"""The PDFs of a referral: the patient's letter with a fresh code, and the summary for the provider."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select

from booking.domain.ids import show_ubrn
from booking.domain.times import in_words
from booking.domain.words import AttachmentState, BookingMode, Language
from booking.models import AccessCode, Booking, Practitioner, Referral, ReferralEvent, Slot, Specialty
from booking.services import access_log, audit
from booking.services.attachments import attachments_of
from booking.services.documents import PatientLetter, Section, Table, patient_letter_pdf, record_pdf
from booking.services.referrals import own_referral, reissue_access_code
from booking.services.work import HOME_ZONE, Work


def patient_letter(work: Work, ubrn: str, *, language: Language | None, large_print: bool | None) -> bytes:
    """The letter to hand to the patient, as they prefer it where nothing else is asked for.

    The code in it is a new one: the one before it, and the sessions opened with it, stop working.
    """
    referral, code = reissue_access_code(work, ubrn)
    patient = referral.patient
    spoken = language or patient.language
    large = patient.large_print if large_print is None else large_print
    live = select(AccessCode).where(AccessCode.referral_id == referral.id, AccessCode.revoked_at.is_(None))
    until = work.session.scalars(live).one().expires_at
    specialty = work.session.get_one(Specialty, referral.specialty_code)
    services = [row.service for row in referral.shortlist]
    letter = PatientLetter(
        patient=f"{patient.given_name} {patient.family_name}",
        practice=referral.practice.name,
        referrer=referral.referrer,
        specialty=specialty.name,
        ways=[(service.organisation.name, service.telephone) for service in services],
        triage=bool(services) and services[0].booking_mode is BookingMode.TRIAGE,
        ubrn=referral.ubrn,
        access_code=code,
        code_until=until.astimezone(HOME_ZONE).date(),
        url=work.config.public_url,
        step_free=patient.step_free,
        interpreter=patient.interpreter_language,
    )
    audit.record(
        work, f"referral:{referral.id}", "referral.print_letter", after={"language": spoken, "large_print": large}
    )
    work.session.flush()
    return patient_letter_pdf(letter, language=spoken, large_print=large, now=work.now)


def summary(work: Work, ubrn: str) -> bytes:
    """What the provider needs to know of the referral, for those who may see it."""
    referral = own_referral(work, ubrn)
    access_log.note(work, "summary", patient_id=referral.patient_id, referral_id=referral.id)
    sections = [
        _who(referral),
        _referral(work, referral),
        Section("Clinical information", paragraphs=_paragraphs(referral.clinical_information)),
        _appointments(work, referral),
        _attachments(work, referral),
        _history(work, referral),
    ]
    return record_pdf(f"Referral {show_ubrn(referral.ubrn)}", sections, made_at=work.now)


def _paragraphs(text: str) -> list[str]:
    return [part for part in text.strip().split("\n\n") if part] or ["None was written."]


def _who(referral: Referral) -> Section:
    patient = referral.patient
    needs = [
        *(["step-free access"] if patient.step_free else []),
        *([f"interpreter: {patient.interpreter_language}"] if patient.interpreter_language else []),
        *([f"a {patient.clinician_sex} clinician"] if patient.clinician_sex else []),
        *([] if patient.video_possible else ["no video appointments"]),
        *(["large print"] if patient.large_print else []),
    ]
    return Section(
        "Patient",
        facts=[
            ("Name", f"{patient.given_name} {patient.family_name}"),
            ("NHS number", f"{patient.nhs_number[:3]} {patient.nhs_number[3:6]} {patient.nhs_number[6:]}"),
            ("Date of birth", f"{patient.date_of_birth:%d/%m/%Y}"),
            ("Sex", patient.sex),
            ("Postcode", patient.postcode or "not known"),
            ("Telephone", patient.mobile or "not known"),
            ("Needs", ", ".join(needs) or "none known"),
        ],
    )


def _referral(work: Work, referral: Referral) -> Section:
    specialty = work.session.get_one(Specialty, referral.specialty_code)
    named = work.session.get(Practitioner, referral.named_practitioner_id) if referral.named_practitioner_id else None
    return Section(
        "Referral",
        facts=[
            ("Referred by", f"{referral.referrer}, {referral.practice.name} ({referral.practice.ods_code})"),
            ("Specialty", f"{specialty.name} ({specialty.code})"),
            *([("Named clinician", f"{named.name} ({named.identifier})")] if named else []),
            ("Priority", str(referral.priority).replace("_", " ").capitalize()),
            ("State", str(referral.state)),
            ("Reason", referral.reason),
            ("RTT clock", f"from {referral.rtt_clock_start:%d/%m/%Y}, {str(referral.rtt_clock_state).lower()}"),
            ("To be seen by", f"{referral.due_date:%d/%m/%Y}"),
        ],
    )


def _appointments(work: Work, referral: Referral) -> Section:
    query = (
        select(Booking, Slot.time_zone)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Booking.referral_id == referral.id, Booking.booked_at.is_not(None))
        .order_by(Booking.starts_at)
    )
    rows = [
        [in_words(row.Booking.starts_at, ZoneInfo(row.time_zone)), row.Booking.reference or "", str(row.Booking.state)]
        for row in work.session.execute(query)
    ]
    return _listed("Appointments", ["When", "Reference", "State"], rows)


def _attachments(work: Work, referral: Referral) -> Section:
    rows = [
        [row.file_name, str(row.kind), f"{max(1, round(row.size / 1024))} KB", f"{row.uploaded_at:%d/%m/%Y}",
         "" if row.state is AttachmentState.AVAILABLE else str(row.state)]
        for row in attachments_of(work, referral)
    ]  # fmt: skip
    return _listed("Attachments", ["File", "Kind", "Size", "Added", "Note"], rows)


def _history(work: Work, referral: Referral) -> Section:
    query = select(ReferralEvent).where(ReferralEvent.referral_id == referral.id).order_by(ReferralEvent.sequence)
    rows = [
        [
            f"{event.at.astimezone(HOME_ZONE):%d/%m/%Y %H:%M}",
            str(event.action),
            " ".join(filter(None, (event.reason_code, event.comment))),
            event.actor,
        ]
        for event in work.session.scalars(query)
    ]
    return _listed("History", ["When", "What", "Why", "Who"], rows)


def _listed(title: str, columns: list[str], rows: list[list[str]]) -> Section:
    return Section(title, table=Table(columns, rows)) if rows else Section(title, paragraphs=["None."])
