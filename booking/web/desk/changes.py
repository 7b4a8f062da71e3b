"""One appointment that can't stand: cancelled with a reason, or another time proposed while it stands."""

from __future__ import annotations

from datetime import date, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Conflict, IllegalTransition, Invalid, NotFound, SlotNotAvailable
from booking.domain.reasons import ReasonList, reasons_for
from booking.edge.flask_app import work
from booking.models import Booking, Referral
from booking.services import answers, booking, clinics, offers
from booking.services.desk import suggestions
from booking.web import shown
from booking.web.base import blp
from booking.web.desk.people import card, desk_only, since_box, triagers_only
from booking.web.forms import Form, read_date, read_key


def _ahead(reference: str) -> tuple[Booking, Referral]:
    """An appointment to come at one of the provider's services."""
    booked, referral = booking.own_booking(work(), reference)
    booking.must_be_ahead(work(), booked)
    return booked, referral


def _too_late(reference: str, refused: BookingError) -> ResponseReturnValue:
    _, referral = booking.own_booking(work(), reference)
    flash(f"Nothing was changed. {refused.message}", "told")
    return redirect(url_for("web.provider_referral", ubrn=referral.ubrn))


@blp.get("/staff/desk/bookings/<reference>/cancel")
@desk_only
def desk_cancel(reference: str) -> ResponseReturnValue:
    """Cancel one appointment: what it means, said before it is done."""
    return _cancel_page(reference, Form({"withdraw": "yes"}))


def _cancel_page(reference: str, form: Form) -> ResponseReturnValue:
    try:
        booked, referral = _ahead(reference)
    except (Conflict, NotFound) as refused:
        return _too_late(reference, refused)
    page = render_template(
        "desk/cancel_one.html", form=form, booked=booked, referral=referral, card=card(referral),
        slot=shown.slot(work(), booked.slot, referral),
        reasons=reasons_for(ReasonList.APPOINTMENT_BY_PROVIDER, work().actor.role, work().today),
    )  # fmt: skip
    return page, 422 if form.errors else 200


@blp.post("/staff/desk/bookings/<reference>/cancel")
@desk_only
def desk_cancel_send(reference: str) -> ResponseReturnValue:
    """Cancel it: the patient is told, and is first in line for another time."""
    form = Form(request.form)
    reason, comment = form.text("reason", "Select why it is cancelled"), form.text("comment", most=2000)
    if form.errors:
        return _cancel_page(reference, form)
    try:
        with work().session.begin_nested():
            _, referral = clinics.cancel_one(
                work(), reference, reason=reason, comment=comment or None, withdraw_slot=form.get("withdraw") == "yes"
            )
    except Invalid as refused:
        form.refuse(refused, ("reason", "comment"), "reason")
        return _cancel_page(reference, form)
    except (Conflict, IllegalTransition, NotFound) as refused:
        return _too_late(reference, refused)
    flash("Cancelled. The patient is told, and is first in line for another time.", "success")
    return redirect(url_for("web.provider_referral", ubrn=referral.ubrn))


@blp.get("/staff/desk/bookings/<reference>/move")
@triagers_only
def desk_move(reference: str) -> ResponseReturnValue:
    """Times to propose instead of an appointment, which stands unless the patient agrees."""
    return _move_page(reference)


def _move_page(reference: str, refused: str = "") -> ResponseReturnValue:
    try:
        booked, referral = _ahead(reference)
    except (Conflict, NotFound) as late:
        return _too_late(reference, late)
    since = read_date(request.args.get("since")) or _soon()
    found = [one for one in suggestions.times(work(), referral, since=since).suiting if one.id != booked.slot_id]
    proposed = [one for one in offers.open_offers(work(), referral) if one.slot_id != booked.slot_id]
    page = render_template(
        "desk/move.html", referral=referral, card=card(referral), booked=booked, day=since_box(since),
        refused=refused,
        slot=shown.slot(work(), booked.slot, referral), found=[shown.slot(work(), one, referral) for one in found],
        proposed=[shown.offer(work(), one, referral) for one in proposed],
    )  # fmt: skip
    return page, 422 if refused else 200


def _soon() -> date:
    return work().today + timedelta(days=1)


@blp.post("/staff/desk/bookings/<reference>/move")
@triagers_only
def desk_move_send(reference: str) -> ResponseReturnValue:
    """Keep another time and propose it to the patient; the appointment stands until they say yes."""
    slot_id = read_key(request.form.get("slot_id"))
    if slot_id is None:
        return _move_page(reference, "Choose the time to propose.")
    try:
        with work().session.begin_nested():
            answers.propose_move(work(), reference, slot_id)
    except (SlotNotAvailable, Invalid) as refused:
        return _move_page(reference, f"{refused.message} Choose another time.")
    except (Conflict, IllegalTransition) as refused:
        return _too_late(reference, refused)
    flash("Proposed. The appointment stands until the patient agrees; they have been asked.", "success")
    return redirect(url_for("web.desk_move", reference=reference))
