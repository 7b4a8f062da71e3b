"""The appointment: where, when, what to bring, a calendar entry; and giving it back, what that means said first."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BeingChanged, Conflict, Invalid, NotFound
from booking.domain.reasons import ReasonList, reasons_for
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Booking, Referral
from booking.services import booking, calendar, offers
from booking.services.slots import SlotSearch, free_slots
from booking.web import say, shown
from booking.web.base import blp, my_referral, patient_only
from booking.web.forms import Form
from booking.web.patient.common import map_of, my_appointment, tell, with_needs
from booking.web.shown import ShownSlot
from booking.web.spoken import gettext

REASONS = {
    "UNABLE_TO_ATTEND": _("I can't make this time"),
    "WANTS_ANOTHER_PLACE": _("I would rather go somewhere else"),
    "NO_LONGER_NEEDED": _("I no longer need the appointment"),
    "TOO_UNWELL": _("I am too unwell to travel"),
    "OTHER": _("Another reason"),
}
"""The patient's reasons of :mod:`booking.domain.reasons`, for the catalogue of pages."""


@blp.get("/appointment")
@patient_only
def appointment() -> ResponseReturnValue:
    """The appointment there is: when, where, what to have ready, and what can be done about it."""
    referral = my_referral()
    booked = my_appointment(referral)
    if booked is None:
        return redirect(url_for("web.choices"))
    sketch, slots = map_of(referral, [shown.slot(work(), booked.slot, referral)])
    past = booked.starts_at <= work().now
    return render_template(
        "patient/appointment.html", referral=referral, booked=booked, slot=slots[0], map=sketch, past=past,
        needs=shown.needs(referral.patient), asked=[] if past else _asked_to_move(referral, booked),
    )  # fmt: skip


def _asked_to_move(referral: Referral, booked: Booking) -> list[ShownSlot]:
    """Times that the clinic would rather see the patient at: nothing moves unless they agree."""
    made = offers.open_offers(work(), referral)
    return with_needs(
        referral, [shown.offer(work(), one, referral) for one in made if one.slot_id != booked.slot_id]
    )  # fmt: skip


@blp.get("/appointment/calendar.ics")
@patient_only
def appointment_calendar() -> ResponseReturnValue:
    """The appointment as a calendar entry."""
    booked = my_appointment(my_referral())
    if booked is None:
        raise NotFound("You have no appointment at the moment.")
    response = Response(calendar.appointment(booked, work().now), content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return response


@blp.get("/appointment/cancel")
@patient_only
def cancel() -> ResponseReturnValue:
    """Move it, or cancel it: what each means, before anything is done."""
    return _cancel_page(Form())


def _cancel_page(form: Form) -> ResponseReturnValue:
    referral = my_referral()
    booked = my_appointment(referral)
    if booked is None:
        return redirect(url_for("web.choices"))
    if booked.starts_at <= work().now:
        return redirect(url_for("web.appointment"))
    reasons = reasons_for(ReasonList.APPOINTMENT_BY_PATIENT, Role.PATIENT, work().today)
    soonest = free_slots(work(), referral, SlotSearch(limit=2))
    free = [one for one in soonest if one.id != booked.slot_id]
    page = render_template(
        "patient/cancel.html", form=form, booked=booked, slot=shown.slot(work(), booked.slot, referral),
        reasons=[(one.code, gettext(REASONS.get(one.code, one.text))) for one in reasons],
        soonest=shown.slot(work(), free[0], referral) if free else None,
        waited=say.span((work().today - referral.rtt_clock_start).days), referral=referral,
    )  # fmt: skip
    return page, 422 if form.errors else 200


@blp.post("/appointment/cancel")
@patient_only
def cancel_send() -> ResponseReturnValue:
    """Give the appointment back, and have new times ready on the next page."""
    form = Form(request.form)
    reason = form.text("reason", gettext("Select why you want to cancel"))
    comment = form.text("comment", most=500)
    referral = my_referral(lock=True)
    booked = my_appointment(referral)
    if booked is None or booked.reference is None or form.get("reference") != booked.reference:
        return redirect(url_for("web.choices"))  # cancelled before, or another appointment by now
    if not form.errors:
        try:
            with work().session.begin_nested():
                booking.cancel_booking(work(), booked.reference, reason=reason, comment=comment or None)
        except Invalid as refused:
            words = {
                "comment": gettext("Tell us the reason in a few words"),
                "reason": gettext("Select why you want to cancel"),
            }
            for fault in refused.errors:
                form.fail(fault.field, words.get(fault.field, fault.message))
        except (Conflict, BeingChanged):
            return redirect(url_for("web.appointment"))  # it has begun meanwhile: the page says so
    if form.errors:
        return _cancel_page(form)
    offers.ensure_offers(work(), my_referral(lock=True))
    tell("cancelled")
    return redirect(url_for("web.choices"))
