"""Booking for the patient while they sit there, or are on the telephone: times, a check together, booked."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.errors import (
    AlreadyBooked,
    BeingChanged,
    BookingError,
    Conflict,
    IllegalTransition,
    Invalid,
    NotFound,
    SlotNotAvailable,
)
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState
from booking.edge.flask_app import work
from booking.models import Booking, Referral, Service, Slot
from booking.services import booking, offers, referrals
from booking.services.booking import BOOKING_DETAIL, Choice
from booking.services.slots import SlotSearch, free_slots, usable_services
from booking.web import forms, shown
from booking.web.base import blp
from booking.web.referrer.common import acting_for, attempt, referrers_only

PER_PAGE = 12
WEEKS = 26
GONE = "That time has just been taken by somebody else. Nothing was booked. These times are free now."
OTHERWISE = "The appointment that you were changing has been changed or cancelled meanwhile. Nothing was booked now."
EXPIRED = "The time is not kept any more. Nothing was booked. Choose again."
SLOT_DETAIL = (
    joinedload(Slot.site), joinedload(Slot.practitioner), joinedload(Slot.service).joinedload(Service.organisation),
)  # fmt: skip
REFUSED = (SlotNotAvailable, NotFound, Invalid, AlreadyBooked, BeingChanged, Conflict)


@blp.get("/staff/referrals/<ubrn>/times")
@referrers_only
def book_for(ubrn: str) -> ResponseReturnValue:
    """Times for the patient who is with you: those proposed, and every other free one."""
    return _times(referrals.own_referral(work(), ubrn))


def _times(found: Referral, notice: str | None = None) -> ResponseReturnValue:
    unit = work()
    booked = booking.current_booking(unit, found) if found.state is ReferralState.BOOKED else None
    if found.state not in CHOOSING and booked is None:
        flash("Nothing can be booked for this referral now.", "told")
        return redirect(url_for("web.referral", ubrn=found.ubrn))
    services = [service for service, _ in usable_services(found)]
    wanted = request.args.get("service", type=int)
    wanted = wanted if wanted in {service.id for service in services} else None
    week = forms.read_date(request.args.get("week"))
    search = SlotSearch(
        service_ids=(wanted,) if wanted else (), first_date=week,
        last_date=week + timedelta(days=6) if week else None, after=forms.read_cursor(request.args.get("after")),
        limit=PER_PAGE + 1,
    )  # fmt: skip
    slots = free_slots(unit, found, search)
    more = forms.write_cursor(slots[PER_PAGE - 1].starts_at, slots[PER_PAGE - 1].id) if len(slots) > PER_PAGE else None
    first = search.after is None and week is None and wanted is None
    cards = [shown.offer(unit, one, found) for one in offers.open_offers(unit, found)] if first and not booked else []
    here = {card.slot_id for card in cards} | ({booked.slot_id} if booked else set())
    rows = [shown.slot(unit, slot, found) for slot in slots[:PER_PAGE] if slot.id not in here]
    monday = unit.today - timedelta(days=unit.today.weekday())
    page = render_template(
        "referrer/times.html", referral=found, cards=cards, services=services, wanted=wanted, week=week, more=more,
        weeks=[monday + timedelta(days=7 * n) for n in range(WEEKS)], first=search.after is None, notice=notice,
        days=[(day, list(group)) for day, group in groupby(rows, key=lambda slot: slot.day)],
        present=shown.slot(unit, booked.slot, found) if booked else None, needs=shown.needs(found.patient),
        by_telephone=[row.service for row in found.shortlist if row.service not in services],
    )  # fmt: skip
    return page, 409 if notice else 200


@blp.post("/staff/referrals/<ubrn>/offers")
@referrers_only
def offer_for(ubrn: str) -> ResponseReturnValue:
    """Times proposed at once, the first of them kept for the patient."""
    offers.ensure_offers(work(), referrals.lock_own_referral(work(), ubrn))
    return redirect(url_for("web.book_for", ubrn=ubrn))


@blp.post("/staff/referrals/<ubrn>/hold")
@referrers_only
def hold_for(ubrn: str) -> ResponseReturnValue:
    """Keep the time for some minutes while you check it together; an appointment there is already stays until then."""
    found = referrals.own_referral(work(), ubrn)
    choice = forms.read_choice(request.form)
    if found.state is ReferralState.BOOKED:
        slot = _slot(choice)
        return _check(found, slot, None) if slot is not None else _times(found, GONE)
    try:
        with attempt():
            held = booking.hold(work(), found.ubrn, choice)
    except IllegalTransition:
        return redirect(url_for("web.referral", ubrn=found.ubrn))
    except REFUSED as refused:
        return _fresh(ubrn, refused)
    return redirect(url_for("web.confirm_for", ubrn=found.ubrn, hold_id=held.id))


def _slot(choice: Choice) -> Slot | None:
    query = select(Slot).where(Slot.id == choice.slot_id, Slot.starts_at == choice.starts_at)
    return work().session.scalars(query.options(*SLOT_DETAIL)).first()


def _fresh(ubrn: str, refused: BookingError) -> ResponseReturnValue:
    """The plain answer to a time that can't be had, with times that can be on the same page."""
    found = referrals.own_referral(work(), ubrn)
    if found.state in CHOOSING:
        offers.ensure_offers(work(), referrals.lock_own_referral(work(), ubrn))
        found = referrals.own_referral(work(), ubrn)
    own_words = isinstance(refused, (AlreadyBooked, BeingChanged, Conflict))
    return _times(found, f"{refused.message} Nothing was booked." if own_words else GONE)


@blp.get("/staff/referrals/<ubrn>/confirm/<key:hold_id>")
@referrers_only
def confirm_for(ubrn: str, hold_id: int) -> ResponseReturnValue:
    """Check the time together with the patient, then book it."""
    found = referrals.own_referral(work(), ubrn)
    held = _held(found, hold_id)
    if found.state is ReferralState.BOOKED:
        return redirect(url_for("web.referral", ubrn=found.ubrn))
    kept = held.state is BookingState.HELD and held.held_until is not None and held.held_until > work().now
    if not kept:
        flash(EXPIRED, "told")
        return redirect(url_for("web.book_for", ubrn=found.ubrn))
    return _check(found, held.slot, held)


def _held(found: Referral, hold_id: int) -> Booking:
    query = select(Booking).where(Booking.id == hold_id, Booking.referral_id == found.id).options(*BOOKING_DETAIL)
    held = work().session.scalars(query).first()
    if held is None:
        raise NotFound("There is no such time, or it was not kept for this patient.")
    return held


def _check(found: Referral, slot: Slot, held: Booking | None) -> ResponseReturnValue:
    until = min(held.held_until, held.starts_at) if held is not None and held.held_until is not None else None
    present = booking.current_booking(work(), found) if held is None else None
    return render_template(
        "referrer/confirm.html", referral=found, slot=shown.slot(work(), slot, found), until=until,
        present=shown.slot(work(), present.slot, found) if present else None, needs=shown.needs(found.patient),
        reference=present.reference if present else "",
    )  # fmt: skip


def _has(found: Referral, choice: Choice) -> bool:
    """Whether the appointment there is now is the one chosen."""
    present = booking.current_booking(work(), found)
    return present is not None and present.slot_id == choice.slot_id


@blp.post("/staff/referrals/<ubrn>/book")
@referrers_only
def book_for_send(ubrn: str) -> ResponseReturnValue:
    """Book it, or change to it. The page after this is sent only once it is committed."""
    found = referrals.own_referral(work(), ubrn)
    choice = forms.read_choice(request.form)
    instead = request.form.get("instead_of", "")
    if found.state is ReferralState.BOOKED and (not instead or _has(found, choice)):
        return redirect(url_for("web.referral", ubrn=found.ubrn))  # sent twice: shows the appointment there is
    unit = acting_for(found.referrer)
    try:
        with attempt():
            made = booking.move(unit, instead, choice) if instead else booking.book(unit, found.ubrn, choice)
    except IllegalTransition:
        return redirect(url_for("web.referral", ubrn=found.ubrn))
    except REFUSED as refused:
        found = referrals.own_referral(work(), ubrn)
        if _has(found, choice):  # by another click that was quicker
            return redirect(url_for("web.referral", ubrn=found.ubrn))
        present = booking.current_booking(work(), found)
        if instead and (present is None or present.reference != instead):
            return _times(found, OTHERWISE)
        return _fresh(ubrn, refused)
    when = shown.slot(work(), made.slot, found)
    flash(f"Booked for {when.day} at {when.time}, {when.site}. The patient is told too.", "success")
    return redirect(url_for("web.referral", ubrn=found.ubrn))
