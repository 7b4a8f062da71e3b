"""Asking a specialist about one patient."""

from __future__ import annotations

from datetime import timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain.advice import LONGEST_MESSAGE
from booking.domain.errors import BookingError, Conflict, Invalid
from booking.domain.targets import age_on
from booking.domain.words import AdviceState, AdviceTurn, Priority
from booking.edge.flask_app import work
from booking.models import AdviceMessage, AdviceRequest, Attachment, Patient
from booking.services import advice, advice_files, directory, patients
from booking.services.advice import NewAdvice, gives_advice
from booking.services.search import FoundService, ServiceSearch, find_services
from booking.web import say
from booking.web.base import blp
from booking.web.forms import Form, read_keys
from booking.web.referrer import form as reading
from booking.web.referrer.common import (
    PRIORITIES,
    attempt,
    is_admin,
    items,
    my_practice,
    read_priority,
    referrers_only,
)
from booking.web.referrer.form import LOOK, SEND, Letter
from booking.web.referrer.services import Shown, shown

MOST = 12
SAME_AGAIN = timedelta(minutes=10)
FIELDS = ("nhs_number", "service", "priority", "subject", "text", "referrer", "letter")


@blp.get("/staff/advice/ask")
@referrers_only
def ask_advice() -> ResponseReturnValue:
    """Ask a specialist for advice about a patient, before or instead of referring."""
    values = MultiDict(request.args)
    patient = None
    if (key := next(iter(read_keys([request.args.get("patient", "")])), None)) is not None:
        patient = patients.own_patient(work(), key)
        values["nhs_number"] = say.nhs_number(patient.nhs_number)
    return _page(Form(values), patient)


@blp.post("/staff/advice/ask")
@referrers_only
def ask_advice_send() -> ResponseReturnValue:
    """Look patient and services up, or ask. Nothing typed is lost."""
    form, do = Form(request.form), request.form.get("do", LOOK)
    number = form.get("nhs_number").strip()
    patient = reading.find_patient(form) if number or do == SEND else None
    if number and patient is None and "nhs_number" not in form.errors:
        form.fail("nhs_number", "No patient of your practice has this number. Refer them, or take them over, first.")
    letter = reading.read_letter(form)
    if do == SEND:
        made = _ask(form, patient, letter)
        if made is not None:
            flash("Your question is sent. You find the answer under “Advice to read”.", "success")
            return redirect(url_for("web.advice", reference=made.reference))
    return _page(form, patient, lost=letter.name if letter else None)


def _ask(form: Form, patient: Patient | None, letter: Letter | None) -> AdviceRequest | None:
    keys = read_keys([form.get("service")])
    if not keys:
        form.fail("service", "Select the service to ask")
    priority = form.one_of("priority", Priority, "Select how urgent it is")
    subject = form.text("subject", "Say in a few words what it is about", most=300)
    text = form.text("text", "Write your question", most=LONGEST_MESSAGE)
    referrer = form.text("referrer", "Enter the clinician you ask for" if is_admin() else None, most=200)
    if form.errors or patient is None or priority is None:
        return None
    new = NewAdvice(
        patient_id=patient.id, service_id=keys[0], priority=priority, subject=subject, text=text,
        convertible=bool(form.get("convertible")), referrer=referrer or None,
    )  # fmt: skip
    try:
        with attempt():
            patients.own_patient(work(), patient.id, lock=True)  # two clicks queue here
            twin = _same_again(new, letter)
            if twin is not None:
                return twin
            made = advice.ask(work(), new)
            if letter is not None:
                advice_files.attach(work(), made.reference, message_id=None, file_name=letter.name, data=letter.data)
            return made
    except (Invalid, Conflict) as refused:
        _refuse(form, refused)
        return None


def _same_again(new: NewAdvice, letter: Letter | None) -> AdviceRequest | None:
    """The same question asked a moment ago, to the last letter of it."""
    first = select(AdviceMessage.id).where(
        AdviceMessage.advice_id == AdviceRequest.id, AdviceMessage.turn == AdviceTurn.QUESTION,
        AdviceMessage.text == new.text.strip(),
    )  # fmt: skip
    query = select(AdviceRequest).where(
        AdviceRequest.patient_id == new.patient_id, AdviceRequest.service_id == new.service_id,
        AdviceRequest.priority == new.priority, AdviceRequest.subject == new.subject.strip(), first.exists(),
        AdviceRequest.convertible == new.convertible,
        AdviceRequest.referrer == (new.referrer or work().actor.name).strip(),
        AdviceRequest.state == AdviceState.AWAITING_PROVIDER,
        AdviceRequest.practice_id == work().actor.organisation_id,
        AdviceRequest.created_at > work().now - SAME_AGAIN,
    )  # fmt: skip
    if letter is not None:
        attached = select(Attachment.id).where(Attachment.advice_id == AdviceRequest.id, letter.stored())
        query = query.where(attached.exists())
    return work().session.scalars(query.limit(1)).first()


def _refuse(form: Form, refused: BookingError) -> None:
    names = {"service_id": "service", "file": "letter", "patient_id": "nhs_number"}
    for fault in refused.errors:
        base = names.get(fault.field, fault.field)
        form.fail(base if base in FIELDS else "text", fault.message)
    if not refused.errors:
        form.fail("text", refused.message)


def _page(form: Form, patient: Patient | None, *, lost: str | None = None) -> ResponseReturnValue:
    priority = read_priority(form.get("priority")) or Priority.ROUTINE
    specialties = _advised()
    wanted = form.get("specialty") if form.get("specialty") in specialties else ""
    found = _services(patient, wanted, priority) if wanted else []
    chosen = next(iter(read_keys([form.get("service")])), None)
    if chosen is not None and chosen not in {one.service.id for one in found}:
        found = [*_named(chosen), *found]
    page = render_template(
        "advice/ask.html", form=form, patient=patient, found=found, priority=priority, priorities=PRIORITIES,
        specialties=items(specialties.items(), "Select a specialty"), wanted=wanted, admin=is_admin(), lost=lost,
        age=age_on(patient.date_of_birth, work().today) if patient else None,
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _advised() -> dict[str, str]:
    """The specialties in which anybody gives advice."""
    return advice.specialties(work())


def _services(patient: Patient | None, specialty: str, priority: Priority) -> list[Shown]:
    near = patient if patient is not None and patient.latitude is not None else my_practice()
    search = ServiceSearch(
        specialty=specialty, advice=True, priority=priority, sex=patient.sex if patient else None,
        age=age_on(patient.date_of_birth, work().today) if patient else None, latitude=near.latitude,
        longitude=near.longitude, limit=MOST,
    )  # fmt: skip
    return [shown(one, None) for one in find_services(work(), search, my_practice())]


def _named(key: int) -> list[Shown]:
    """The service that somebody came from, if the practice may ask it."""
    visible = directory.visible_ids(work().session, [key], my_practice(), work().today)
    known = directory.services_by_id(work().session, visible)
    return [shown(FoundService(one, None), None) for one in known.values() if gives_advice(one)]
