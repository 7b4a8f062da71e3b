"""Finding a patient a time on the telephone: suggestions, one kept while they say yes, then booked."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import (
    AlreadyBooked,
    BeingChanged,
    BookingError,
    Forbidden,
    IllegalTransition,
    Invalid,
    NotFound,
    SlotNotAvailable,
)
from booking.domain.referral import CHOOSING, Action, legal_actions
from booking.edge.flask_app import work
from booking.models import Referral
from booking.services import booking, referrals
from booking.services.desk import suggestions
from booking.services.life import Given, perform
from booking.web import shown
from booking.web.base import blp
from booking.web.desk.people import card, since_box, triagers_only
from booking.web.forms import Form, read_choice, read_date, read_key

REFUSALS = (SlotNotAvailable, Invalid, AlreadyBooked, BeingChanged)


@blp.get("/staff/desk/referrals/<ubrn>/times")
@triagers_only
def desk_times(ubrn: str) -> ResponseReturnValue:
    """Times to give a patient on the telephone: kept for them, suiting them, free besides, and other services."""
    return _page(referrals.own_referral(work(), ubrn))


def _page(referral: Referral, *, refused: str = "", form: Form | None = None) -> ResponseReturnValue:
    if referral.state not in CHOOSING:
        flash(refused or "This referral is not one to book now.", "told")
        return redirect(url_for("web.provider_referral", ubrn=referral.ubrn))
    since = read_date(request.args.get("since"))
    found = suggestions.times(work(), referral, since=since)
    may_send = Action.REDIRECT in legal_actions(referral.state)
    mine = referrals.responsible(work(), referral)
    page = render_template(
        "desk/times.html", referral=referral, card=card(referral), refused=refused, day=since_box(since), since=since,
        form=form or Form(),
        mine=mine, elsewhere=suggestions.elsewhere(work(), referral) if may_send and mine else [],
        **{name: [shown.slot(work(), one, referral) for one in getattr(found, name)]
           for name in ("kept", "suiting", "others")},
    )  # fmt: skip
    return page, 422 if refused or (form and form.errors) else 200


def _again(ubrn: str, refused: BookingError) -> ResponseReturnValue:
    return _page(referrals.own_referral(work(), ubrn), refused=f"{refused.message} Choose another time.")


@blp.post("/staff/desk/referrals/<ubrn>/hold")
@triagers_only
def desk_hold(ubrn: str) -> ResponseReturnValue:
    """Keep a time while the patient on the telephone says yes."""
    referrals.lock_own_referral(work(), ubrn)
    try:
        with work().session.begin_nested():
            held = booking.hold(work(), ubrn, read_choice(request.form))
    except (*REFUSALS, IllegalTransition, Forbidden) as refused:
        return _again(ubrn, refused)
    return redirect(url_for("web.desk_confirm", ubrn=ubrn, slot=held.slot_id))


@blp.get("/staff/desk/referrals/<ubrn>/confirm")
@triagers_only
def desk_confirm(ubrn: str) -> ResponseReturnValue:
    """The time that is kept, with all the patient should hear before it is booked."""
    referral = referrals.own_referral(work(), ubrn)
    kept = read_key(request.args.get("slot"))
    held = suggestions.held_now(work(), referral, kept) if referral.state in CHOOSING else None
    if held is None or held.held_until is None:
        flash("No time is kept for this patient now.", "told")
        return redirect(url_for("web.desk_times", ubrn=ubrn))
    slot = shown.slot(work(), held.slot, referral)
    return render_template(
        "desk/confirm.html", referral=referral, card=card(referral), slot=slot, until=held.held_until
    )


@blp.post("/staff/desk/referrals/<ubrn>/confirm")
@triagers_only
def desk_confirm_send(ubrn: str) -> ResponseReturnValue:
    """Book the time that is kept; the page after this is sent only once the booking is committed."""
    referral = referrals.own_referral(work(), ubrn)
    try:
        with work().session.begin_nested():
            made = booking.book(work(), ubrn, read_choice(request.form))
    except IllegalTransition:
        return redirect(url_for("web.provider_referral", ubrn=ubrn))  # sent twice: shows the appointment there is
    except (*REFUSALS, Forbidden) as refused:
        return _again(ubrn, refused)
    slot = shown.slot(work(), made.slot, referral)
    flash(f"Booked for {referral.patient.given_name} {referral.patient.family_name}: "
          f"{slot.day} at {slot.time}, {slot.site}. They are sent the details.", "success")  # fmt: skip
    return redirect(url_for("web.provider_referral", ubrn=ubrn))


@blp.post("/staff/desk/referrals/<ubrn>/let-go")
@triagers_only
def desk_let_go(ubrn: str) -> ResponseReturnValue:
    """The patient said no: the time kept for the call is free again."""
    referral = referrals.lock_own_referral(work(), ubrn)
    suggestions.let_go(work(), referral)
    return redirect(url_for("web.desk_times", ubrn=ubrn))


@blp.post("/staff/desk/referrals/<ubrn>/send")
@triagers_only
def desk_send_to(ubrn: str) -> ResponseReturnValue:
    """Send the referral to another of the provider's services, where there are times; then choose one of them."""
    form, service_id = Form(request.form), read_key(request.form.get("service_id"))
    comment = form.text("comment", "Say why it goes to another service: the practice reads it", most=2000)
    if service_id is None:
        form.fail("service_id", "Select the service")
    if not form.errors:
        try:
            with work().session.begin_nested():
                perform(work(), ubrn, Action.REDIRECT, Given(comment=comment, service_id=service_id))
            return redirect(url_for("web.desk_times", ubrn=ubrn))
        except Invalid as refused:
            form.refuse(refused, ("service_id", "comment"), "service_id")
        except (IllegalTransition, NotFound, Forbidden) as refused:
            return _again(ubrn, refused)
    return _page(referrals.own_referral(work(), ubrn), form=form)
