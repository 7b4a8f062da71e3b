"""Your choices: what is proposed, what is kept, saying no to one, and comparing them."""

from __future__ import annotations

from collections.abc import Sequence

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import AlreadyBooked, BeingChanged, BookingError, Invalid, NotFound
from booking.domain.offer import NotThis
from booking.domain.referral import CHOOSING, ReferralState
from booking.edge.flask_app import work
from booking.languages import _
from booking.models import Offer, Referral
from booking.services import answers, finding, offers
from booking.services.joining import joinable
from booking.services.slots import SlotSearch, free_slots
from booking.web import shown
from booking.web.base import blp, my_referral, my_ubrn, patient_only
from booking.web.forms import read_key
from booking.web.patient.common import CHANGED, GONE, map_of, tell, waits, with_needs
from booking.web.patient.progress import so_far
from booking.web.shown import ShownSlot
from booking.web.spoken import gettext
from booking.web.standing import standing

MOST_COMPARED = 5
WHY = (
    (NotThis.TIME, _("The day or the time of day does not suit me")),
    (NotThis.TOO_SOON, _("It is too soon")),
    (NotThis.TOO_LATE, _("It is too far ahead")),
    (NotThis.PLACE, _("The place is hard for me to get to")),
    (NotThis.OTHER, _("Another reason")),
)


@blp.get("/choices")
@patient_only
def choices() -> ResponseReturnValue:
    """The times proposed to the patient, the one kept for them first, each with place, wait and reasons."""
    referral = my_referral()
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    return choices_page(referral)


def choices_page(referral: Referral, refused: str | None = None) -> ResponseReturnValue:
    unit, choosing = work(), referral.state in CHOOSING
    cards = [shown.offer(unit, made, referral) for made in offers.open_offers(unit, referral)]
    sketch, cards = map_of(referral, cards)
    here = {card.slot_id for card in cards}
    free = free_slots(unit, referral, SlotSearch(limit=6)) if choosing else []
    others = [shown.slot(unit, slot, referral) for slot in free if slot.id not in here]
    kept = any(card.kept_until for card in cards)
    page = render_template(
        "patient/choices.html", referral=referral, cards=with_needs(referral, cards), map=sketch, free=bool(free),
        refused=refused, others=others[:4] if refused else [], choosing=choosing,
        needs=shown.needs(referral.patient), hold_minutes=unit.config.hold_minutes, standing=standing(unit, referral),
        waits=waits(referral) if cards else {}, joinable=[] if kept or not choosing else joinable(unit, referral),
        story=None if choosing else so_far(unit, referral),
    )  # fmt: skip
    return page, 409 if refused else 200


@blp.post("/choices")
@patient_only
def look_again() -> ResponseReturnValue:
    """The button "Show me times now": offers made at once from what is free."""
    offers.ensure_offers(work(), my_referral(lock=True))
    tell("looked")
    return redirect(url_for("web.choices"))


def fresh_offers(refused: BookingError) -> ResponseReturnValue:
    """The plain answer to a time that can't be had, with times that can be on the same page."""
    referral = my_referral(lock=True)
    if referral.state is ReferralState.BOOKED:
        return redirect(url_for("web.appointment"))
    offers.ensure_offers(work(), referral)
    return choices_page(referral, why_refused(refused))


def why_refused(refused: BookingError) -> str:
    if isinstance(refused, AlreadyBooked):
        return gettext("You have another appointment at that time. Nothing was booked.")
    if isinstance(refused, BeingChanged):
        return gettext("Somebody is changing your referral at this moment. Nothing was booked. Please try again.")
    return gettext(CHANGED if isinstance(refused, Invalid) else GONE)


@blp.get("/choices/<key:offer_id>/decline")
@patient_only
def decline(offer_id: int) -> ResponseReturnValue:
    """Before an offer is declined: what that means, and, if they care to say, why."""
    referral = my_referral()
    found = _offer(referral, offer_id)
    if found is None:
        return redirect(url_for("web.choices"))  # declined before, or run out: shows what there is
    slot = shown.offer(work(), found, referral)
    why = [(code.value, gettext(words)) for code, words in WHY]
    booked = referral.state is ReferralState.BOOKED
    return render_template("patient/decline.html", slot=slot, why=why, guaranteed=found.guaranteed, booked=booked)


@blp.post("/choices/<key:offer_id>/decline")
@patient_only
def decline_send(offer_id: int) -> ResponseReturnValue:
    """Say no to one offer. Who says that the time or place is wrong is told where to have that remembered."""
    said = request.form.get("why", "")
    why = NotThis(said) if said in set(NotThis) else None
    _mine(offer_id)
    try:
        referral, _left = answers.decline(work(), my_ubrn(work()), offer_id, why)
    except NotFound:
        return redirect(url_for("web.choices"))  # sent twice, or it has run out: shows what there is
    if referral.state is ReferralState.BOOKED:
        tell("kept")
        return redirect(url_for("web.appointment"))
    tell("unsuited" if why in (NotThis.TIME, NotThis.PLACE) else "declined")
    return redirect(url_for("web.choices"))


def _mine(offer_id: int) -> None:
    found = work().session.get(Offer, offer_id)
    if found is None or found.referral_id != work().actor.referral_id:
        raise NotFound("There is no such offer, or it is not yours.")


def _offer(referral: Referral, offer_id: int) -> Offer | None:
    """The patient's offer while it is open."""
    _mine(offer_id)
    return next((made for made in offers.open_offers(work(), referral) if made.id == offer_id), None)


@blp.get("/compare")
@patient_only
def compare() -> ResponseReturnValue:
    """Up to five times side by side: those ticked on another page, else those proposed."""
    referral = my_referral()
    if referral.state not in CHOOSING:
        return redirect(url_for("web.choices"))
    ticked = [key for text in request.args.getlist("slot") if (key := read_key(text)) is not None]
    slots = _compared(referral, ticked[:MOST_COMPARED])
    sketch, slots = map_of(referral, slots)
    return render_template(
        "patient/compare.html", slots=with_needs(referral, slots), map=sketch, waits=waits(referral) if slots else {},
        too_many=len(ticked) > MOST_COMPARED, most=MOST_COMPARED, missing=min(len(ticked), MOST_COMPARED) - len(slots),
        ticked=bool(ticked), any_needs=any(shown.needs(referral.patient)),
    )  # fmt: skip


def _compared(referral: Referral, ids: Sequence[int]) -> list[ShownSlot]:
    unit = work()
    offered = {made.slot_id: made for made in offers.open_offers(unit, referral)}
    if not ids:
        return [shown.offer(unit, made, referral) for made in list(offered.values())[:MOST_COMPARED]]
    rest = {slot.id: slot for slot in finding.slots(unit, referral, [key for key in ids if key not in offered])}
    return [
        shown.offer(unit, offered[key], referral) if key in offered else shown.slot(unit, rest[key], referral)
        for key in dict.fromkeys(ids)
        if key in offered or key in rest
    ]
