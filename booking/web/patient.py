"""The patient's way: times to choose from, one kept while they confirm, an appointment, and changing one's mind.

Every POST ends in a redirect or in a page that says plainly what happened. Sending one twice, or coming back with
the browser's Back button, finds what is there and never does a thing twice.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import (
    AlreadyBooked,
    BeingChanged,
    BookingError,
    IllegalTransition,
    Invalid,
    NotFound,
    SlotNotAvailable,
)
from booking.domain.reasons import ReasonList, reasons_for
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Booking, Referral
from booking.services import booking, calendar, offers
from booking.services.booking import BOOKING_DETAIL, Choice
from booking.services.slots import SlotSearch, free_slots, usable_services
from booking.web import forms, shown
from booking.web.base import blp, my_referral
from booking.web.forms import Form
from booking.web.standing import standing

patient_only = allow(Role.PATIENT, via=Via.COOKIE)
PER_PAGE = 12
WEEKS = 26
GONE = "That time has just been taken by somebody else. Nothing was booked. These times are free now."
NOTICES = {
    "expired": "We no longer keep the time you had chosen. Nothing was booked. Please choose again.",
    "cancelled": "Your appointment is cancelled and its time given back. You can choose another time now.",
    "looked": "We looked for free times just now.",
}


@blp.get("/choices")
@patient_only
def choices() -> ResponseReturnValue:
    referral = my_referral()
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    return _choices(referral, NOTICES.get(request.args.get("notice", "")))


def _choices(referral: Referral, notice: str | None = None, *, refused: bool = False) -> ResponseReturnValue:
    unit = work()
    cards = [shown.offer(unit, made, referral) for made in offers.open_offers(unit, referral)]
    here = {card.slot_id for card in cards}
    free = free_slots(unit, referral, SlotSearch(limit=6)) if referral.state in CHOOSING else []
    others = [shown.slot(unit, slot, referral) for slot in free if slot.id not in here]
    page = render_template(
        "web/choices.html", referral=referral, cards=cards, free=bool(free), refused=refused, notice=notice,
        others=others[:4] if refused else [], choosing=referral.state in CHOOSING, needs=shown.needs(referral.patient),
        hold_minutes=unit.config.hold_minutes, standing=standing(referral),
    )  # fmt: skip
    return page, 409 if refused else 200


@blp.post("/choices")
@patient_only
def look_again() -> ResponseReturnValue:
    """The button "Show me times now": offers made at once from what is free."""
    offers.ensure_offers(work(), my_referral(lock=True))
    return redirect(url_for("web.choices", notice="looked"))


@blp.get("/times")
@patient_only
def times() -> ResponseReturnValue:
    referral = my_referral()
    if referral.state not in CHOOSING:
        return redirect(url_for("web.choices"))
    unit = work()
    services = [service for service, _ in usable_services(referral)]
    wanted = request.args.get("service", type=int)
    wanted = wanted if wanted in {service.id for service in services} else None
    week = forms.read_date(request.args.get("week"))
    search = SlotSearch(
        service_ids=(wanted,) if wanted else (),
        first_date=week,
        last_date=week + timedelta(days=6) if week else None,
        after=forms.read_cursor(request.args.get("after")),
        limit=PER_PAGE + 1,
    )
    found = free_slots(unit, referral, search)
    more = forms.write_cursor(found[PER_PAGE - 1].starts_at, found[PER_PAGE - 1].id) if len(found) > PER_PAGE else None
    monday = unit.today - timedelta(days=unit.today.weekday())
    weeks = [monday + timedelta(days=7 * n) for n in range(WEEKS)]
    slots = [shown.slot(unit, slot, referral) for slot in found[:PER_PAGE]]
    days = [(day, list(rows)) for day, rows in groupby(slots, key=lambda slot: slot.day)]
    return render_template(
        "web/times.html", referral=referral, services=services, wanted=wanted, week=week, weeks=weeks, more=more,
        first=search.after is None, slots=slots, days=days,
    )  # fmt: skip


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
        return _fresh_offers(referral.ubrn, refused)
    return redirect(url_for("web.confirm", hold_id=held.id))


def _fresh_offers(ubrn: str, refused: BookingError) -> ResponseReturnValue:
    """The plain answer to a time that can't be had, with times that can be on the same page."""
    referral = my_referral(lock=True)
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    offers.ensure_offers(work(), referral)
    words = GONE
    if isinstance(refused, (AlreadyBooked, BeingChanged)):
        words = f"{refused.message} Nothing was booked."
    elif isinstance(refused, Invalid):
        words = "The clinic has changed that time. Nothing was booked. These times are free now."
    return _choices(referral, words, refused=True)


def _my_hold(hold_id: int) -> Booking | None:
    query = select(Booking).where(Booking.id == hold_id, Booking.referral_id == work().actor.referral_id)
    return work().session.scalars(query.options(*BOOKING_DETAIL)).first()


@blp.get("/confirm/<key:hold_id>")
@patient_only
def confirm(hold_id: int) -> ResponseReturnValue:
    referral, held = my_referral(), _my_hold(hold_id)
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    kept = held is not None and held.state is BookingState.HELD
    if held is None or held.held_until is None or not kept or held.held_until <= work().now:
        return redirect(url_for("web.choices", notice="expired"))
    slot = shown.slot(work(), held.slot, referral)
    until = min(held.held_until, held.starts_at)
    return render_template("web/confirm.html", held=held, until=until, slot=slot, needs=shown.needs(referral.patient))


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
        return _fresh_offers(referral.ubrn, refused)
    return redirect(url_for("web.appointment"))


def _my_appointment(referral: Referral) -> Booking | None:
    return booking.current_booking(work(), referral) if referral.state is ReferralState.BOOKED else None


@blp.get("/appointment")
@patient_only
def appointment() -> ResponseReturnValue:
    referral = my_referral()
    booked = _my_appointment(referral)
    if booked is None:
        return redirect(url_for("web.choices"))
    slot = shown.slot(work(), booked.slot, referral)
    return render_template(
        "web/appointment.html", referral=referral, booked=booked, slot=slot, needs=shown.needs(referral.patient),
        past=booked.starts_at <= work().now,
    )  # fmt: skip


@blp.get("/appointment/calendar.ics")
@patient_only
def appointment_calendar() -> ResponseReturnValue:
    booked = _my_appointment(my_referral())
    if booked is None:
        raise NotFound("You have no appointment at the moment.")
    response = Response(calendar.appointment(booked, work().now), content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return response


@blp.get("/appointment/cancel")
@patient_only
def cancel() -> ResponseReturnValue:
    return _cancel_page(Form())


def _cancel_page(form: Form) -> ResponseReturnValue:
    referral = my_referral()
    booked = _my_appointment(referral)
    if booked is None:
        return redirect(url_for("web.choices"))
    reasons = reasons_for(ReasonList.APPOINTMENT_BY_PATIENT, Role.PATIENT, work().today)
    slot = shown.slot(work(), booked.slot, referral)
    page = render_template("web/cancel.html", form=form, booked=booked, slot=slot, reasons=reasons)
    return page, 422 if form.errors else 200


@blp.post("/appointment/cancel")
@patient_only
def cancel_send() -> ResponseReturnValue:
    """Give the appointment back, and have new times ready on the next page."""
    form = Form(request.form)
    reason = form.text("reason", "Select why you want to cancel")
    comment = form.text("comment", most=500)
    referral = my_referral(lock=True)
    booked = _my_appointment(referral)
    if booked is None or booked.reference is None or form.get("reference") != booked.reference:
        return redirect(url_for("web.choices"))  # cancelled before, or another appointment by now
    if not form.errors:
        try:
            booking.cancel_booking(work(), booked.reference, reason=reason, comment=comment or None)
        except Invalid as refused:
            words = {"comment": "Tell us the reason in a few words", "reason": "Select why you want to cancel"}
            for fault in refused.errors:
                form.fail(fault.field, words.get(fault.field, fault.message))
    if form.errors:
        return _cancel_page(form)
    offers.ensure_offers(work(), my_referral(lock=True))
    return redirect(url_for("web.choices", notice="cancelled"))
