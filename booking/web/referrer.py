"""The practice's pages: its referrals, and referring a patient: who, where to, why, then the letter with the code.

The access code is shown once. Between the form and the letter it travels sealed in the referrer's own cookie, so
that reloading either page neither refers twice nor shows it again.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta

from cryptography.fernet import InvalidToken
from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.geo import miles
from booking.domain.ids import parse_nhs_number
from booking.domain.referral import CHOOSING, TERMINAL
from booking.domain.targets import age_on
from booking.domain.words import REFERRERS, BookingMode, Priority, Role, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import ClinicType, Patient, Referral, Specialty
from booking.services import booking, patients, referrals
from booking.services.patients import NewPatient
from booking.services.referrals import NewReferral
from booking.services.search import FoundService, ServiceSearch, find_services
from booking.web import say, shown
from booking.web.base import blp
from booking.web.forms import Form, read_key
from booking.web.staff import my_organisation

referrers_only = allow(*REFERRERS, via=Via.COOKIE)
PER_PAGE = 30
ONCE = "once"
SAME_AGAIN = timedelta(minutes=10)
"""The same referral sent again within this time is a double click, not a second referral."""
PATIENT_FIELDS = (
    "nhs_number", "given_name", "family_name", "date_of_birth", "sex", "postcode", "mobile", "interpreter_language",
)  # fmt: skip


@blp.get("/staff/referrals", endpoint="referrals")
@referrers_only
def referrals_list() -> str:
    before = read_key(request.args.get("before"))
    found = referrals.list_referrals(work(), before_id=before, limit=PER_PAGE + 1)
    more = found[PER_PAGE - 1].id if len(found) > PER_PAGE else None
    return render_template(
        "web/referrer_list.html", organisation=my_organisation(), referrals=found[:PER_PAGE], more=more, before=before,
        choosing=CHOOSING,
    )  # fmt: skip


@blp.get("/staff/referrals/<ubrn>")
@referrers_only
def referral(ubrn: str) -> str:
    """One referral; right after it was made (or a new code was), the code with it, once."""
    found = referrals.own_referral(work(), ubrn)
    booked = booking.current_booking(work(), found)
    return render_template(
        "web/referrer_letter.html", referral=found, access_code=_take_code(found.ubrn),
        slot=shown.slot(work(), booked.slot, found) if booked else None, open=found.state not in TERMINAL,
        address=work().config.public_url + url_for("web.sign_in"),
    )  # fmt: skip


@blp.post("/staff/referrals/<ubrn>/code")
@referrers_only
def new_code(ubrn: str) -> ResponseReturnValue:
    """A new access code for a patient who lost theirs; the old one stops working."""
    found, code = referrals.reissue_access_code(work(), ubrn)
    _keep_code(found.ubrn, code)
    return redirect(url_for("web.referral", ubrn=found.ubrn))


def _keep_code(ubrn: str, code: str) -> None:
    sealed = work().keys.seal(f"{ubrn}:{code}".encode())
    session[ONCE] = base64.urlsafe_b64encode(sealed).decode()


def _take_code(ubrn: str) -> str | None:
    """The code kept for this referral, for the last time; one kept for another referral stays for its own page."""
    kept = session.get(ONCE)
    if kept is None:
        return None
    try:
        of, _, code = work().keys.open(base64.urlsafe_b64decode(kept)).decode().partition(":")
    except (InvalidToken, binascii.Error, UnicodeError):
        of, code = ubrn, ""
    if of != ubrn:
        return None
    session.pop(ONCE)
    return code or None


@blp.get("/staff/refer")
@referrers_only
def refer() -> str:
    return render_template("web/refer_patient.html", form=Form())


@blp.post("/staff/refer")
@referrers_only
def refer_find() -> ResponseReturnValue:
    """Look the patient up. A POST, so that no NHS number stands in an address or a log."""
    form = Form(request.form)
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    if not form.errors:
        try:
            patient = patients.patient_by_nhs_number(work(), number)
            return redirect(url_for("web.refer_to", patient_id=patient.id))
        except NotFound:
            digits = parse_nhs_number(number, allow_test_numbers=work().config.allow_test_nhs_numbers)
            return render_template(
                "web/refer_register.html", form=Form({"nhs_number": say.nhs_number(digits)}), sexes=Sex
            )
        except Invalid as refused:
            form.refuse(refused, ("nhs_number",), "nhs_number")
    return render_template("web/refer_patient.html", form=form), 422


@blp.post("/staff/patients")
@referrers_only
def register_patient() -> ResponseReturnValue:
    form = Form(request.form)
    new = _read_patient(form)
    if new is not None:
        try:
            with work().session.begin_nested():
                made = patients.create_patient(work(), new)
            return redirect(url_for("web.refer_to", patient_id=made.id))
        except (Invalid, Conflict) as refused:
            form.refuse(refused, PATIENT_FIELDS, "nhs_number")
    return render_template("web/refer_register.html", form=form, sexes=Sex), 422


def _read_patient(form: Form) -> NewPatient | None:
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    given = form.text("given_name", "Enter the given name")
    family = form.text("family_name", "Enter the family name")
    born = form.date("date_of_birth", "the date of birth")
    sex = form.one_of("sex", Sex, "Select the sex")
    postcode = form.text("postcode", most=8)
    mobile = form.text("mobile", most=20)
    language = form.text("interpreter_language", most=40)
    if mobile and not all(c.isdigit() or c in "+ " for c in mobile):
        form.fail("mobile", "Enter a telephone number, like 07700 900 123")
    if form.errors or born is None or sex is None:
        return None
    return NewPatient(
        nhs_number=number, given_name=given, family_name=family, date_of_birth=born, sex=sex,
        postcode=postcode or None, mobile=mobile or None, interpreter_language=language or None,
        step_free=bool(form.get("step_free")), video_possible=not form.get("no_video"),
    )  # fmt: skip


@blp.get("/staff/refer/<key:patient_id>")
@referrers_only
def refer_to(patient_id: int) -> ResponseReturnValue:
    """First what kind of clinic and how urgent, then (the same page, with the answer in its address) which services."""
    return _refer_page(patients.own_patient(work(), patient_id), Form(request.args))


def _refer_page(patient: Patient, form: Form) -> ResponseReturnValue:
    clinics = work().session.execute(
        select(Specialty.code, Specialty.name, ClinicType.code, ClinicType.name)
        .join(ClinicType, ClinicType.specialty_code == Specialty.code)
        .order_by(Specialty.name, ClinicType.name)
    )
    options = {f"{row[0]}|{row[2]}": f"{row[1]}: {row[3]}" for row in clinics}
    wanted = form.get("clinic") if form.get("clinic") in options else ""
    priority = Priority(form.get("priority")) if form.get("priority") in Priority.__members__ else Priority.ROUTINE
    found = _services(patient, wanted, priority) if wanted else []
    page = render_template(
        "web/refer_service.html", patient=patient, form=form, options=options, wanted=wanted, priority=priority,
        priorities=Priority, found=found, admin=work().actor.role is Role.REFERRING_ADMIN,
        chosen=form.all("shortlist"), today=work().today, age=age_on(patient.date_of_birth, work().today),
        needs=shown.needs(patient), miles=miles, modes=BookingMode,
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _services(patient: Patient, clinic: str, priority: Priority) -> list[FoundService]:
    specialty, _, clinic_type = clinic.partition("|")
    search = ServiceSearch(
        specialty=specialty, clinic_type=clinic_type, priority=priority, sex=patient.sex,
        age=age_on(patient.date_of_birth, work().today), latitude=patient.latitude, longitude=patient.longitude,
        limit=20,
    )  # fmt: skip
    return find_services(work(), search, my_organisation())


@blp.post("/staff/refer/<key:patient_id>")
@referrers_only
def refer_send(patient_id: int) -> ResponseReturnValue:
    form = Form(request.form)
    patient = patients.own_patient(work(), patient_id, lock=True)
    new = _read_referral(form, patient)
    if new is None:
        return _refer_page(patient, form)
    twin = _same_again(new)
    if twin is not None:
        return redirect(url_for("web.referral", ubrn=twin))
    try:
        with work().session.begin_nested():
            made, code = referrals.create_referral(work(), new)
    except Invalid as refused:
        form.refuse(refused, ("shortlist", "reason", "referrer", "clinical_information"), "shortlist")
        return _refer_page(patient, form)
    _keep_code(made.ubrn, code)
    return redirect(url_for("web.referral", ubrn=made.ubrn))


def _read_referral(form: Form, patient: Patient) -> NewReferral | None:
    specialty, _, clinic_type = form.text("clinic", "Select the kind of clinic").partition("|")
    priority = form.one_of("priority", Priority, "Select how urgent it is")
    if not specialty:
        form.fail("clinic", "Select the kind of clinic")
    ids = [int(text) for text in form.all("shortlist") if text.isascii() and text.isdigit() and len(text) < 18]
    if not ids:
        form.fail("shortlist", "Select at least one service")
    reason = form.text("reason", "Enter the reason for referral", most=500)
    information = form.text("clinical_information", most=4000)
    needed = "Enter the clinician you refer for" if work().actor.role is Role.REFERRING_ADMIN else None
    referrer = form.text("referrer", needed, most=200)
    if form.errors or priority is None:
        return None
    return NewReferral(
        patient_id=patient.id, specialty=specialty, clinic_type=clinic_type or None, priority=priority, reason=reason,
        shortlist=ids, referrer=referrer or None, clinical_information=information,
    )  # fmt: skip


def _same_again(new: NewReferral) -> str | None:
    """The reference of the same referral made a moment ago. The patient's row is locked: two clicks queue here."""
    query = select(Referral.ubrn).where(
        Referral.patient_id == new.patient_id,
        Referral.practice_id == work().actor.organisation_id,
        Referral.specialty_code == new.specialty,
        Referral.clinic_type_code == new.clinic_type,
        Referral.reason == new.reason,
        Referral.created_at > work().now - SAME_AGAIN,
        Referral.state.not_in(TERMINAL),
    )
    return work().session.scalar(query.limit(1))
