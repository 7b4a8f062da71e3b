"""The referral form, read: the patient as known or as to be registered, where to, why, and the letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import flash, request
from sqlalchemy import select

from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.referral import TERMINAL, ReferralState
from booking.domain.words import Channel, Priority, Sex
from booking.edge.flask_app import work
from booking.models import Patient, Referral
from booking.services import needs, patients, practice_patients, preferences
from booking.services.file_types import LARGEST
from booking.services.patients import NewPatient
from booking.services.referrals import NewReferral
from booking.web.forms import Form
from booking.web.referrer.common import attempt, is_admin, read_keys

SAME_AGAIN = timedelta(minutes=10)
"""The same referral sent again within this time is a double click, not a second referral."""
DETAILS = (
    "given_name", "family_name", "postcode", "email", "mobile", "channel", "interpreter_language", "clinician_sex",
)  # fmt: skip
SWITCHES = ("step_free", "no_video", "large_print")
FIELDS = (
    "nhs_number", "date_of_birth", "sex", *DETAILS, "clinic", "priority", "practitioner", "shortlist", "reason",
    "clinical_information", "referrer", "letter",
)  # fmt: skip
LOOK, SEND, DRAFT = "look", "send", "draft"


@dataclass(frozen=True, slots=True)
class Letter:
    name: str
    data: bytes


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


def about(patient: Patient) -> str:
    """Whose details the form shows, as of when: others' are never written over them."""
    return f"{patient.id}:{patient.version}"


def details_of(patient: Patient) -> dict[str, str]:
    """What of the patient can be put right on the form, as the form holds it."""
    said = {name: str(getattr(patient, name) or "") for name in DETAILS}
    said["large_print"] = "1" if patient.large_print else ""
    said["step_free"] = "1" if patient.step_free else ""
    said["no_video"] = "" if patient.video_possible else "1"
    return said


def check_details(form: Form) -> None:
    """The faults of contact details that a machine can find."""
    mobile, email = form.text("mobile", most=20), form.text("email", most=254)
    if mobile and not (all(c.isdigit() or c in "+ " for c in mobile) and sum(c.isdigit() for c in mobile) > 6):
        form.fail("mobile", "Enter a telephone number, like 07700 900 123")
    if email and ("@" not in email.strip("@") or any(c.isspace() for c in email)):
        form.fail("email", "Enter an e-mail address, like name@example.com")
    form.text("postcode", most=8)
    form.text("interpreter_language", most=40)


def correct(patient: Patient, form: Form) -> Patient:
    """Write down what was put right about the patient: contact, needs, name and postcode, each by its own service."""
    unit, before = work(), details_of(patient)
    changed = {name for name in (*DETAILS, *SWITCHES) if form.get(name).strip() != before[name]}
    version = int(form.get("about").partition(":")[2])
    if wanted := _needs(form, changed):
        patient = needs.change_needs(unit, wanted, version=version, patient_id=patient.id)
        version = patient.version
    if wanted := _contact(form, changed):
        patient = preferences.change_contact(unit, wanted, version=version, patient_id=patient.id)
        version = patient.version
    if wanted := {name: form.get(name) for name in practice_patients.FIELDS if name in changed}:
        patient = practice_patients.correct(unit, patient.id, wanted, version=version)
    return patient


def _needs(form: Form, changed: set[str]) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "step_free": bool(form.get("step_free")),
        "interpreter_language": form.get("interpreter_language").strip() or None,
        "clinician_sex": Sex(form.get("clinician_sex")) if form.get("clinician_sex") in ("female", "male") else None,
        "video_possible": not form.get("no_video"),
    }
    names = {"no_video": "video_possible"}
    return {names.get(name, name): values[names.get(name, name)] for name in changed if names.get(name, name) in values}


def _contact(form: Form, changed: set[str]) -> Mapping[str, Any]:
    channel = form.get("channel")
    values: dict[str, Any] = {
        "email": form.get("email").strip() or None,
        "mobile": form.get("mobile").strip() or None,
        "large_print": bool(form.get("large_print")),
        "channel": Channel(channel) if channel in Channel.__members__ else Channel.EMAIL,
    }
    return {name: values[name] for name in changed if name in values}


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


def same_again(new: NewReferral) -> Referral | None:
    """The same referral made a moment ago: sent twice, it is made once."""
    query = select(Referral).where(
        Referral.patient_id == new.patient_id,
        Referral.practice_id == work().actor.organisation_id,
        Referral.specialty_code == new.specialty,
        Referral.clinic_type_code == new.clinic_type,
        Referral.reason == new.reason.strip(),
        Referral.created_at > work().now - SAME_AGAIN,
        Referral.state == ReferralState.DRAFT if new.draft else Referral.state.not_in({*TERMINAL, ReferralState.DRAFT}),
    )
    return work().session.scalars(query.limit(1)).first()


def open_referrals(patient: Patient) -> list[Referral]:
    """What the patient is referred for already, so that nobody is referred twice."""
    query = select(Referral).where(
        Referral.patient_id == patient.id, Referral.practice_id == work().actor.organisation_id,
        Referral.state.not_in(TERMINAL),
    )  # fmt: skip
    return list(work().session.scalars(query.order_by(Referral.id.desc()).limit(5)))
