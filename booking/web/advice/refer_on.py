"""From advice to a referral, by the practice: the patient, the reason and the urgency are there already."""

from __future__ import annotations

from dataclasses import replace

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from booking.domain.advice import AdviceAction
from booking.domain.errors import Conflict, IllegalTransition, Invalid, StaleVersion
from booking.domain.words import Priority
from booking.edge.flask_app import work
from booking.models import AdviceRequest
from booking.services import advice, advice_referral
from booking.web.advice.conversation import CHANGED, possible
from booking.web.base import blp
from booking.web.forms import Form, read_version
from booking.web.referrer import form as reading
from booking.web.referrer.common import (
    PRIORITIES,
    attempt,
    clinics,
    is_admin,
    items,
    keep_code,
    read_priority,
    referrers_only,
)
from booking.web.referrer.form import SEND, Letter
from booking.web.referrer.refer import attach_letter, refuse, services_for, ticked


@blp.get("/staff/advice/<reference>/refer")
@referrers_only
def advice_refer(reference: str) -> ResponseReturnValue:
    """Refer the patient after all; the referral is linked to the request."""
    found = advice.own_advice(work(), reference)
    if AdviceAction.REFER_ON not in possible(found):
        flash("The patient can’t be referred from this request any more.", "told")
        return redirect(url_for("web.advice", reference=found.reference))
    said = advice.conversation(work(), found)
    start = {
        "reason": found.subject, "priority": str(found.priority), "referrer": found.referrer,
        "clinical_information": "\n\n".join(one.text for one in said),
        "clinic": next((key for key in clinics() if key.startswith(f"{found.service.specialty_code}|")), ""),
    }  # fmt: skip
    return _page(found, Form(MultiDict(start)))


def _page(found: AdviceRequest, form: Form, status: int | None = None, lost: str | None = None) -> ResponseReturnValue:
    options = clinics()
    wanted = form.get("clinic") if form.get("clinic") in options else ""
    priority = read_priority(form.get("priority")) or Priority.ROUTINE
    listed = services_for(form, found.patient, wanted, priority) if wanted else []
    asked = f"{wanted}/{priority}"
    chosen = form.all("shortlist")
    if form.get("listed") != asked:
        chosen = [str(one.service.id) for one in ticked(listed)]
    shown = render_template(
        "advice/refer_on.html", asked=found, form=form, listed=listed, chosen=chosen, wanted=wanted, lost=lost,
        priority=priority, priorities=PRIORITIES, options=items(options.items(), "Select a kind of clinic"),
        listed_for=asked, admin=is_admin(),
    )  # fmt: skip
    return shown, status or (422 if form.errors else 200)


@blp.post("/staff/advice/<reference>/refer")
@referrers_only
def advice_refer_send(reference: str) -> ResponseReturnValue:
    """Send it, or list the services of another kind of clinic."""
    found, form = advice.own_advice(work(), reference), Form(request.form)
    if (ubrn := advice.referral_of(work(), found)) is not None:  # sent twice
        return redirect(url_for("web.referral", ubrn=ubrn))
    letter = reading.read_letter(form)
    lost = letter.name if letter else None
    if form.get("do") != SEND:
        return _page(found, form, lost=lost)
    try:
        made = _send(form, found, letter)
    except StaleVersion:
        form.fail("reason", CHANGED)
        return _page(advice.own_advice(work(), reference), form, 409, lost)
    except (Invalid, Conflict, IllegalTransition) as refused:
        refuse(form, refused)
        if "nhs_number" in form.errors:
            form.fail("reason", form.errors.pop("nhs_number"))
        made = None
    if made is None:
        return _page(advice.own_advice(work(), reference), form, lost=lost)
    return redirect(url_for("web.referral", ubrn=made))


def _send(form: Form, found: AdviceRequest, letter: Letter | None) -> str | None:
    new = reading.read_referral(form, found.patient_id, clinics(), draft=False)
    if new is None:
        return None
    with attempt():
        _, made, code = advice_referral.refer_on(
            work(), found.reference, lambda patient_id: replace(new, patient_id=patient_id),
            version=read_version(form.get("version")),
        )  # fmt: skip
        if letter is not None:
            attach_letter(made.ubrn, letter)
    keep_code(made.ubrn, code)
    return made.ubrn
