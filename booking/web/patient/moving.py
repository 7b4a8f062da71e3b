"""Moving an appointment: the old place is given back only if the new one is had."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import (
    AlreadyBooked,
    BeingChanged,
    BookingError,
    Conflict,
    Invalid,
    NotFound,
    SlotNotAvailable,
)
from booking.domain.referral import ReferralState
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Referral
from booking.services import booking, finding, offers
from booking.services.booking import Choice
from booking.web import forms, shown
from booking.web.base import blp, my_referral, patient_only
from booking.web.patient.common import AGAIN, map_of, my_appointment, tell, with_needs
from booking.web.patient.times import times_page
from booking.web.shown import ShownSlot
from booking.web.spoken import gettext

STANDS = _("{why} Your appointment stands as it was: {appointment}.")
LOST = _("That time has just been taken by somebody else.")
OVERLAPS = _("You have another appointment at that time.")


@blp.get("/appointment/move")
@patient_only
def move() -> ResponseReturnValue:
    """The time there is beside the one wanted, before anything is changed."""
    referral = my_referral()
    booked = my_appointment(referral)
    if booked is None or booked.starts_at <= work().now:
        return redirect(url_for("web.appointment"))
    choice = forms.read_choice(request.args)
    wanted = _wanted(referral, choice)
    if wanted is None or choice.slot_id == booked.slot_id:
        return _refused(referral, gettext(LOST))
    now = shown.slot(work(), booked.slot, referral)
    sketch, slots = map_of(referral, with_needs(referral, [now, wanted]))
    return render_template("patient/move.html", booked=booked, now=slots[0], wanted=slots[1], map=sketch)


def _wanted(referral: Referral, choice: Choice) -> ShownSlot | None:
    """The slot if it is free for the referral, or kept for it, at the times that were shown."""
    offered = {made.slot_id: made for made in offers.open_offers(work(), referral)}
    if choice.slot_id in offered:
        found = shown.offer(work(), offered[choice.slot_id], referral)
    else:
        free = finding.slots(work(), referral, [choice.slot_id])
        if not free:
            return None
        found = shown.slot(work(), free[0], referral)
    fine = (found.starts_at, found.ends_at) == (choice.starts_at.isoformat(), choice.ends_at.isoformat())
    return found if fine else None


@blp.post("/appointment/move")
@patient_only
def move_send() -> ResponseReturnValue:
    """Book the new time instead of the old one, both or neither."""
    choice, reference = forms.read_choice(request.form), request.form.get("reference", "")
    referral = my_referral(lock=True)
    booked = my_appointment(referral)
    if booked is None or booked.reference != reference:
        return redirect(url_for("web.appointment"))  # sent twice, or another appointment by now
    try:
        with work().session.begin_nested():
            booking.move(work(), reference, choice)
    except (SlotNotAvailable, NotFound, Invalid) as refused:
        return _refused(my_referral(lock=True), gettext(LOST if not isinstance(refused, Invalid) else CHANGED))
    except (AlreadyBooked, BeingChanged) as refused:
        return _refused(my_referral(lock=True), _words(refused))
    except Conflict:
        return redirect(url_for("web.appointment"))  # at that time already, or it has begun: the page says so
    tell("moved")
    return redirect(url_for("web.appointment"))


CHANGED = _("The clinic has changed that time.")


def _words(refused: BookingError) -> str:
    return gettext(OVERLAPS if isinstance(refused, AlreadyBooked) else AGAIN)


def _refused(referral: Referral, why: str) -> ResponseReturnValue:
    """What there is still stands; other times to move to, on the same page."""
    booked = my_appointment(referral)
    if booked is None or referral.state is not ReferralState.BOOKED:
        return redirect(url_for("web.choices"))
    slot = shown.slot(work(), booked.slot, referral)
    when = gettext("{day} at {time}").format(day=slot.day, time=slot.time)
    return times_page(referral, "web.move_times", gettext(STANDS).format(why=why, appointment=when))
