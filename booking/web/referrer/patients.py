"""The practice's patients: found, seen with everything that is open for them, put right, taken over."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.errors import Conflict, Invalid, NotFound, StaleVersion, TooManyAttempts
from booking.domain.ids import parse_nhs_number
from booking.domain.targets import age_on
from booking.edge.flask_app import work
from booking.edge.guard import throttled
from booking.models import AdviceRequest, Patient
from booking.services import outcomes, patients, practice_patients, practices
from booking.web import say, shown
from booking.web.base import blp
from booking.web.forms import Form
from booking.web.referrer import details
from booking.web.referrer import form as reading
from booking.web.referrer.common import attempt, referrers_only


@blp.get("/staff/patients")
@referrers_only
def find_patient() -> ResponseReturnValue:
    """Find one of the practice's patients."""
    return render_template("referrer/find_patient.html", form=Form(), found=None)


@blp.post("/staff/patients")
@referrers_only
def find_patient_send() -> ResponseReturnValue:
    """Find by name, NHS number or reference. A POST: no address and no log holds whom you looked for."""
    form = Form(request.form)
    text = form.text("who", "Enter a name, an NHS number or a reference", most=100)
    if form.errors:
        return render_template("referrer/find_patient.html", form=form, found=None), 422
    found, more = practice_patients.find(work(), text)
    if len(found) == 1:
        return redirect(url_for("web.practice_patient", patient_id=found[0].id))
    return render_template("referrer/find_patient.html", form=form, found=found, more=more)


@blp.get("/staff/patients/<key:patient_id>")
@referrers_only
def practice_patient(patient_id: int) -> ResponseReturnValue:
    """One patient: contact, needs, referrals and requests for advice."""
    found = patients.own_patient(work(), patient_id)
    return _page(found, Form())


def _page(found: Patient, form: Form) -> ResponseReturnValue:
    about = details.fill(form, found)
    page = render_template(
        "referrer/patient.html", patient=found, form=form, needs=shown.needs(found), about=about,
        about_name=details.ABOUT, age=age_on(found.date_of_birth, work().today),
        rows=outcomes.of_patient(work(), found.id), asked=_asked(found),
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _asked(found: Patient) -> list[AdviceRequest]:
    query = select(AdviceRequest).where(
        AdviceRequest.patient_id == found.id, AdviceRequest.practice_id == work().actor.organisation_id
    )
    query = query.options(joinedload(AdviceRequest.service)).order_by(AdviceRequest.id.desc())
    return list(work().session.scalars(query.limit(20)))


@blp.post("/staff/patients/<key:patient_id>")
@referrers_only
def practice_patient_send(patient_id: int) -> ResponseReturnValue:
    """Put the patient's details, contact and needs right."""
    found = patients.own_patient(work(), patient_id)
    form = Form(request.form)
    form.text("given_name", "Enter the given name")
    form.text("family_name", "Enter the family name")
    reading.check_details(form)
    if not details.showed(form, found):
        form.fail("given_name", "This was not the record that you had opened. Check it below, and save again.")
    if not form.errors:
        try:
            with attempt():
                details.correct(form, found)
            flash("Saved. Times proposed to them follow their needs.", "success")
            return redirect(url_for("web.practice_patient", patient_id=patient_id))
        except StaleVersion as refused:
            if not form.errors:
                form.fail("given_name", refused.message)
        except Invalid as refused:
            form.refuse(refused, details.DETAILS, "given_name")
    return _page(patients.own_patient(work(), patient_id), form)


@blp.get("/staff/patients/transfer")
@referrers_only
def transfer_in() -> ResponseReturnValue:
    """Take over a patient who has registered with the practice."""
    return render_template("referrer/transfer.html", form=Form())


@blp.post("/staff/patients/transfer")
@referrers_only
def transfer_in_send() -> ResponseReturnValue:
    """What is open for the patient comes along; number and date of birth must belong together."""
    form = Form(request.form)
    number = form.text("nhs_number", "Enter the patient’s NHS number", most=20)
    born = form.date("date_of_birth", "the date of birth")
    if not form.errors and born is not None:
        try:
            parse_nhs_number(number, allow_test_numbers=work().config.allow_test_nhs_numbers)
            with throttled(f"transfer {number}", NotFound):  # a date of birth is soon guessed
                moved = practices.transfer(work(), number, born)
            flash(
                f"{moved.patient.given_name} {moved.patient.family_name} is with you now, with "
                f"{say.count(moved.open_referrals, 'open referral')} and "
                f"{say.count(moved.advice_requests, 'request for advice', 'requests for advice')}.", "success",
            )  # fmt: skip
            return redirect(url_for("web.practice_patient", patient_id=moved.patient.id))
        except (Invalid, Conflict, NotFound, TooManyAttempts) as refused:
            form.refuse(refused, ("nhs_number", "date_of_birth"), "nhs_number")
    return render_template("referrer/transfer.html", form=form), 422
