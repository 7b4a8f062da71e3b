"""Referring a patient on one page: who, where to, why, the letter. Whatever is refused, nothing typed is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from booking.domain.errors import BookingError, Conflict, Invalid, StaleVersion
from booking.domain.ids import parse_nhs_number
from booking.domain.referral import ReferralState
from booking.domain.targets import age_on
from booking.domain.words import AttachmentKind, BookingMode, Priority, Sex
from booking.edge.flask_app import work
from booking.models import Patient, Referral
from booking.services import attachments, patients, referrals
from booking.services.referrals import NewReferral
from booking.services.search import ServiceSearch, find_services
from booking.web import say
from booking.web import shown as shown_slots
from booking.web.base import blp
from booking.web.forms import Form, read_keys
from booking.web.referrer import details
from booking.web.referrer import form as reading
from booking.web.referrer.common import (
    PRIORITIES,
    attempt,
    clinics,
    is_admin,
    items,
    keep_code,
    my_practice,
    read_priority,
    referrers_only,
)
from booking.web.referrer.form import DRAFT, LOOK, SEND, Letter
from booking.web.referrer.services import Shown, with_times

NEAREST = 3
"""So many of the nearest services are ticked to begin with."""
MOST = 12
AGAIN = "It had been sent a moment ago, and was not sent twice. If you did not see the access code, make a new one."
SAVED_AGAIN = "This draft had been saved a moment ago, and was not saved twice."
REGISTERED = "They were registered with you a moment ago. Check their details, and send again."
ELSEWHERE = "Another practice has registered this NHS number. Take the patient over first, under “Patients”."


@blp.get("/staff/refer")
@referrers_only
def refer() -> ResponseReturnValue:
    """Refer a patient: one page for a routine case."""
    return refer_page(Form(request.args), None, looked="clinic" in request.args)


@blp.get("/staff/refer/<key:patient_id>")
@referrers_only
def refer_to(patient_id: int) -> ResponseReturnValue:
    """The referral form with the patient found already."""
    patient = patients.own_patient(work(), patient_id)
    values = MultiDict(request.args)
    values["nhs_number"] = say.nhs_number(patient.nhs_number)
    return refer_page(Form(values), patient, looked=True)


@blp.post("/staff/refer")
@referrers_only
def refer_send() -> ResponseReturnValue:
    """Look the patient and the services up, keep a draft, or send. A POST, so that no NHS number is in an address."""
    form = Form(request.form)
    do = form.get("do") or LOOK
    patient = reading.find_patient(form)
    letter = reading.read_letter(form)
    if do in (SEND, DRAFT) and not form.errors:
        if patient is None and "given_name" not in request.form:
            form.fail("nhs_number", "This patient is not registered with you yet: add their details below")
        else:
            sent = _send(form, patient, letter, draft=do == DRAFT)
            if sent is not None:
                return sent
            patient = _known(form)
    elif not form.get("nhs_number").strip() and do == LOOK:
        form.errors.pop("nhs_number", None)  # the services alone were asked for
    return refer_page(form, patient, looked=True, lost=letter.name if letter else None)


def _known(form: Form) -> Patient | None:
    """The practice's patient with the number typed, where it is one; without a word about it."""
    return reading.find_patient(Form(form.values))


def _send(form: Form, patient: Patient | None, letter: Letter | None, *, draft: bool) -> ResponseReturnValue | None:
    """The referral made, or None with its faults in the form; then nothing of it is written."""
    new_patient = reading.read_new_patient(form) if patient is None else None
    if patient is not None:
        reading.check_details(form)
    new = reading.read_referral(form, patient.id if patient is not None else 0, clinics(), draft=draft)
    if new is None or (patient is None and new_patient is None):
        return None
    try:
        with attempt():
            if patient is not None:
                whose = details.correct(form, patient)
            elif new_patient is not None:
                whose = patients.create_patient(work(), new_patient)
            made, code, again = make(new, whose.id, letter)
    except StaleVersion as refused:
        if not form.errors:
            form.fail("nhs_number", refused.message)
        return None
    except (Invalid, Conflict) as refused:
        if refused.code == "PATIENT_EXISTS" and (known := _known(form)) is not None:
            return _registered_twice(form, replace(new, patient_id=known.id), letter)
        refuse(form, refused)
        return None
    if again:
        return _again(made)
    if draft:
        flash("Draft saved. It is in the list “Drafts” until you send or discard it.", "success")
    else:
        keep_code(made.ubrn, code)
    return _to(made)


def _registered_twice(form: Form, new: NewReferral, letter: Letter | None) -> ResponseReturnValue | None:
    """The patient was new when the page was sent, and is ours by now: a second click, or a colleague."""
    twin = reading.same_again(new, letter)
    if twin is not None:
        return _again(twin)
    form.fail("nhs_number", REGISTERED)
    return None


def make(new: NewReferral, patient_id: int, letter: Letter | None) -> tuple[Referral, str, bool]:
    """Refer the patient, whose row is locked: two clicks queue here. The letter goes with it or nothing goes.

    Returns the referral, its access code, and whether it had been made a moment ago.
    """
    patients.own_patient(work(), patient_id, lock=True)
    wanted = replace(new, patient_id=patient_id)
    twin = reading.same_again(wanted, letter)
    if twin is not None:
        return twin, "", True
    made, code = referrals.create_referral(work(), wanted)
    if letter is not None:
        attach_letter(made.ubrn, letter)
    return made, code, False


def attach_letter(ubrn: str, letter: Letter) -> None:
    attachments.attach_to_referral(
        work(), ubrn, kind=AttachmentKind.REFERRAL_LETTER, file_name=letter.name, data=letter.data
    )


def refuse(form: Form, refused: BookingError) -> None:
    """A service's refusal beside the field it is about."""
    for fault in refused.errors:
        base = fault.field.split(".")[0]
        names = {"file": "letter", "clinic_type": "clinic", "specialty": "clinic", "named_practitioner": "practitioner"}
        base = names.get(base, base)
        form.fail(base if base in reading.FIELDS else "nhs_number", fault.message)
    if not refused.errors:
        form.fail("nhs_number", ELSEWHERE if refused.code == "PATIENT_EXISTS" else refused.message)


def _again(made: Referral) -> ResponseReturnValue:
    flash(SAVED_AGAIN if made.state is ReferralState.DRAFT else AGAIN, "told")
    return _to(made)


def _to(made: Referral) -> ResponseReturnValue:
    return redirect(url_for("web.referral", ubrn=made.ubrn))


def refer_page(
    form: Form, patient: Patient | None, *, looked: bool, draft: Referral | None = None, lost: str | None = None
) -> ResponseReturnValue:
    """The form as it stands, with the patient and the services that fit. ``lost`` is a file to be chosen again."""
    unit, options = work(), clinics()
    wanted = form.get("clinic") if form.get("clinic") in options else ""
    priority = read_priority(form.get("priority")) or Priority.ROUTINE
    listed = services_for(form, patient, wanted, priority) if wanted else []
    about = details.fill(form, patient) if patient is not None else ""
    values = MultiDict(form.values)
    auto = form.get("auto")
    asked = f"{patient.id if patient else 0}/{wanted}/{priority}"
    if listed and form.get("listed") != asked and _untouched(form, wanted):
        auto = " ".join(str(one.service.id) for one in ticked(listed))
        values.setlist("shortlist", auto.split())
    form.values = values
    page = render_template(
        "referrer/refer.html", form=form, patient=patient, wanted=wanted, priority=priority, listed=listed, auto=auto,
        options=items(options.items(), "Select a kind of clinic"), asked=asked, admin=is_admin(),
        priorities=PRIORITIES, sexes=[(one.value, say.label(one)) for one in Sex], draft=draft, lost=lost,
        registering=looked and patient is None and bool(form.get("nhs_number").strip()) and _number_stands(form),
        age=age_on(patient.date_of_birth, unit.today) if patient else None,
        needs=shown_slots.needs(patient) if patient else [], about=about, about_name=details.ABOUT,
        others=_others(patient, draft), chosen=set(values.getlist("shortlist")), clinic_name=options.get(wanted),
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _untouched(form: Form, clinic: str) -> bool:
    """Whether the ticks are still ours: another kind of clinic, no ticks yet, or those that the page made."""
    before = form.get("listed")
    other_clinic = bool(before) and before.split("/")[1:2] != [clinic]
    return other_clinic or sorted(form.all("shortlist")) in ([], [""], sorted(form.get("auto").split()))


def _number_stands(form: Form) -> bool:
    """Whether the NHS number itself is one: only then is there somebody to register."""
    try:
        parse_nhs_number(form.get("nhs_number"), allow_test_numbers=work().config.allow_test_nhs_numbers)
    except Invalid:
        return False
    return True


def _others(patient: Patient | None, draft: Referral | None) -> list[Referral]:
    found = reading.open_referrals(patient) if patient is not None else []
    return [one for one in found if draft is None or one.id != draft.id]


def services_for(form: Form, patient: Patient | None, clinic: str, priority: Priority) -> list[Shown]:
    """The services that take it, the nearest to the patient's home (else to the practice) first.

    One that was ticked, or found in a search, is among them however far away it is.
    """
    specialty, _, kind = clinic.partition("|")
    near: Any = patient if patient is not None and patient.latitude is not None else my_practice()
    search = ServiceSearch(
        specialty=specialty, clinic_type=kind or None, priority=priority, latitude=near.latitude,
        longitude=near.longitude, sex=patient.sex if patient else None,
        practitioner=form.text("practitioner", most=40) or None,
        age=age_on(patient.date_of_birth, work().today) if patient else None, limit=MOST,
        keep=read_keys(form.all("shortlist")),
    )  # fmt: skip
    try:
        return with_times(find_services(work(), search, my_practice()), priority)
    except Invalid as refused:
        form.refuse(refused, ("practitioner",), "clinic")
        return []


def ticked(listed: list[Shown]) -> list[Shown]:
    """Where to refer if nobody says otherwise: the nearest that can be booked; else the nearest that reads first."""
    bookable = [one for one in listed if one.service.booking_mode not in (BookingMode.TRIAGE, BookingMode.ADVICE_ONLY)]
    triage = [one for one in listed if one.service.booking_mode is BookingMode.TRIAGE]
    return bookable[:NEAREST] or triage[:1]
