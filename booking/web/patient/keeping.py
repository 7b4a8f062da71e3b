"""Choosing a time, keeping it while the patient checks, and confirming."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import AlreadyBooked, BeingChanged, IllegalTransition, Invalid, NotFound, SlotNotAvailable
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState
from booking.edge.flask_app import work
from booking.models import Booking
from booking.services import booking
from booking.services.booking import BOOKING_DETAIL, Choice
from booking.web import forms, shown
from booking.web.base import blp, my_referral, patient_only
from booking.web.patient.choices import fresh_offers
from booking.web.patient.common import map_of, tell, with_needs


@blp.post("/choose")
@patient_only
def choose() -> ResponseReturnValue:
    """Keep the chosen slot for some minutes; then ask to confirm."""
    choice = forms.read_choice(request.form)
    referral = my_referral(lock=True)
    try:
        with work().session.begin_nested():
            held = booking.hold(work(), referral.ubrn, choice)
    except IllegalTransition:
        return redirect(url_for("web.choices"))
    except (SlotNotAvailable, NotFound, Invalid, AlreadyBooked, BeingChanged) as refused:
        return fresh_offers(refused)
    return redirect(url_for("web.confirm", hold_id=held.id))


def _my_hold(hold_id: int) -> Booking | None:
    query = select(Booking).where(Booking.id == hold_id, Booking.referral_id == work().actor.referral_id)
    return work().session.scalars(query.options(*BOOKING_DETAIL)).first()


@blp.get("/confirm/<key:hold_id>")
@patient_only
def confirm(hold_id: int) -> ResponseReturnValue:
    """What is kept, for how long, and the button that books it."""
    referral, held = my_referral(), _my_hold(hold_id)
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    kept = held is not None and held.state is BookingState.HELD
    if held is None or held.held_until is None or not kept or held.held_until <= work().now:
        tell("expired")
        return redirect(url_for("web.choices"))
    until = min(held.held_until, held.starts_at)
    sketch, slots = map_of(referral, with_needs(referral, [shown.slot(work(), held.slot, referral)]))
    seconds = int((until - work().now).total_seconds())
    return render_template(
        "patient/confirm.html", held=held, until=until, slot=slots[0], map=sketch, needs=shown.needs(referral.patient),
        seconds=seconds, minutes=max(1, seconds // 60),
    )  # fmt: skip


@blp.post("/confirm/<key:hold_id>")
@patient_only
def confirm_send(hold_id: int) -> ResponseReturnValue:
    """Book what is kept. The page after this is sent only once the booking is committed."""
    referral = my_referral(lock=True)
    held = _my_hold(hold_id)
    if held is None:
        raise NotFound("There is no such time, or it was not kept for you.")
    try:
        with work().session.begin_nested():
            booking.book(work(), referral.ubrn, Choice(held.slot_id, held.starts_at, held.ends_at))
    except IllegalTransition:
        return redirect(url_for("web.choices"))  # sent twice: shows the appointment there is
    except (SlotNotAvailable, Invalid, AlreadyBooked, BeingChanged) as refused:
        return fresh_offers(refused)
    return redirect(url_for("web.appointment"))
