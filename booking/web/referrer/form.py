"""The referral form, read: the patient as known or as to be registered, where to, why, and the letter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import flash, request
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import selectinload

from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.referral import TERMINAL, ReferralState
from booking.domain.words import Priority, Sex
from booking.edge.flask_app import work
from booking.models import Attachment, Patient, Practitioner, Referral
from booking.services import patients
from booking.services.file_types import LARGEST
from booking.services.patients import NewPatient
from booking.services.referrals import NewReferral
from booking.web.forms import Form, read_keys
from booking.web.referrer.common import attempt, is_admin
from booking.web.referrer.details import DETAILS

SAME_AGAIN = timedelta(minutes=10)
"""The same referral sent again within this time is a double click, not a second referral."""
FIELDS = (
    "nhs_number", "date_of_birth", "sex", *DETAILS, "clinic", "priority", "practitioner", "shortlist", "reason",
    "clinical_information", "referrer", "letter",
)  # fmt: skip
LOOK, SEND, DRAFT = "look", "send", "draft"


@dataclass(frozen=True, slots=True)
class Letter:
    name: str
    data: bytes

    def stored(self) -> ColumnElement[bool]:
        """SQL: an attachment that is this file, still there."""
        same = Attachment.sha256 == hashlib.sha256(self.data).hexdigest()
        return and_(same, Attachment.removed_at.is_(None))


def find_patient(form: Form) -> Patient | None:
    """The practice's patient with the number typed; None where nobody has it yet. A fault of it stands in the form."""
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    if "nhs_number" in form.errors:
        return None
    try:
        return patients.patient_by_nhs_number(work(), number)
    except NotFound:
        return None
    except Invalid as refused:
        form.refuse(refused, ("nhs_number",), "nhs_number")
        return None


def check_details(form: Form) -> None:
    """The faults of contact details that a machine can find."""
    mobile, email = form.text("mobile", most=20), form.text("email", most=254)
    if mobile and not (all(c.isdigit() or c in "+ " for c in mobile) and sum(c.isdigit() for c in mobile) > 6):
        form.fail("mobile", "Enter a telephone number, like 07700 900 123")
    if email and ("@" not in email.strip("@") or any(c.isspace() for c in email)):
        form.fail("email", "Enter an e-mail address, like name@example.com")
    form.text("postcode", most=8)
    form.text("interpreter_language", most=40)


def read_new_patient(form: Form) -> NewPatient | None:
    """Somebody to register; None where a fault stands in the form."""
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    given = form.text("given_name", "Enter the given name")
    family = form.text("family_name", "Enter the family name")
    born = form.date("date_of_birth", "the date of birth")
    sex = form.one_of("sex", Sex, "Select the sex")
    check_details(form)
    if form.errors or born is None or sex is None:
        return None
    clinician = form.get("clinician_sex")
    return NewPatient(
        nhs_number=number, given_name=given, family_name=family, date_of_birth=born, sex=sex,
        postcode=form.get("postcode").strip() or None, mobile=form.get("mobile").strip() or None,
        email=form.get("email").strip() or None,
        interpreter_language=form.get("interpreter_language").strip() or None,
        step_free=bool(form.get("step_free")), video_possible=not form.get("no_video"),
        clinician_sex=Sex(clinician) if clinician in ("female", "male") else None,
    )  # fmt: skip


def read_letter(form: Form) -> Letter | None:
    """The file that was dropped in, never more of it than may be."""
    file = request.files.get("letter")
    if file is None or not file.filename:
        return None
    data = file.stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        form.fail("letter", "A file has 5 MB at most.")
    return Letter(file.filename, data)


def attach(form: Form, keep: Callable[[Letter], object]) -> bool:
    """Whether ``keep`` took the file of the form; else its fault stands beside the field."""
    letter = read_letter(form)
    if letter is None:
        form.fail("letter", "Choose a file")
    if letter is None or form.errors:
        return False
    try:
        with attempt():
            keep(letter)
    except (Invalid, Conflict) as refused:
        form.fail("letter", refused.message)
        return False
    flash(f"“{letter.name}” is attached.", "success")
    return True


def read_referral(form: Form, patient_id: int, known: Mapping[str, str], *, draft: bool) -> NewReferral | None:
    """Where to and why; a draft may still lack the reason. None where a fault stands in the form."""
    clinic = form.get("clinic")
    if clinic not in known:
        form.fail("clinic", "Select the kind of clinic")
    priority = form.one_of("priority", Priority, "Select how urgent it is")
    shortlist = read_keys(form.all("shortlist"))
    if not shortlist and clinic in known:
        form.fail("shortlist", "Select at least one service")
    reason = form.text("reason", None if draft else "Enter the reason for referral", most=500)
    information = form.text("clinical_information", most=20_000)
    referrer = form.text("referrer", "Enter the clinician you refer for" if is_admin() else None, most=200)
    if form.errors or priority is None:
        return None
    specialty, _, kind = clinic.partition("|")
    return NewReferral(
        patient_id=patient_id, specialty=specialty, clinic_type=kind or None, priority=priority, reason=reason,
        shortlist=shortlist, referrer=referrer or None, clinical_information=information, draft=draft,
        named_practitioner=form.text("practitioner", most=40).upper() or None,
    )  # fmt: skip


def same_again(new: NewReferral, letter: Letter | None) -> Referral | None:
    """The same referral made a moment ago, to the last letter of it: sent twice, it is made once."""
    query = (
        select(Referral)
        .outerjoin(Practitioner, Practitioner.id == Referral.named_practitioner_id)
        .where(
            Referral.patient_id == new.patient_id, Referral.practice_id == work().actor.organisation_id,
            Referral.specialty_code == new.specialty, Referral.clinic_type_code == new.clinic_type,
            Referral.priority == new.priority, Referral.reason == new.reason.strip(),
            Referral.clinical_information == new.clinical_information,
            Referral.referrer == (new.referrer or work().actor.name).strip(),
            Practitioner.identifier.is_not_distinct_from(new.named_practitioner),
            Referral.created_at > work().now - SAME_AGAIN,
            Referral.state == ReferralState.DRAFT if new.draft
            else Referral.state.not_in({*TERMINAL, ReferralState.DRAFT}),
        )
    )  # fmt: skip
    if letter is not None:
        attached = select(Attachment.id).where(Attachment.referral_id == Referral.id, letter.stored())
        query = query.where(attached.exists())
    twins = work().session.scalars(query.options(selectinload(Referral.shortlist)).order_by(Referral.id.desc()))
    return next((one for one in twins if {row.service_id for row in one.shortlist} == set(new.shortlist)), None)


def open_referrals(patient: Patient) -> list[Referral]:
    """What the patient is referred for already, so that nobody is referred twice."""
    query = select(Referral).where(
        Referral.patient_id == patient.id, Referral.practice_id == work().actor.organisation_id,
        Referral.state.not_in(TERMINAL),
    )  # fmt: skip
    return list(work().session.scalars(query.order_by(Referral.id.desc()).limit(5)))
