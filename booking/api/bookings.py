"""Choosing and booking: offers, free slots, holds, bookings. For the patient, or their practice for them."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from flask import Response

from booking.api import present
from booking.api.base import IDEMPOTENCY_DOC, LARGEST_KEY, Blueprint, StrictSchema, bounded, key, moment
from booking.api.referring import CancelSchema
from booking.domain.errors import Invalid
from booking.domain.words import PROVIDERS, REFERRERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import booking, calendar, offers, referrals
from booking.services.booking import Choice
from booking.services.slots import SlotSearch, free_slots

blp = Blueprint("bookings", __name__, description="Choosing and booking")
CHOOSERS = (*REFERRERS, Role.PATIENT)
BOOKERS = (*CHOOSERS, Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN)
"""Provider staff book for a patient at their own services, by telephone or where it is their duty."""


class OfferListSchema(ma.Schema):
    offers = ma.fields.List(ma.fields.Nested(present.OfferSchema))


class SlotQuery(StrictSchema):
    service_id = key()
    first_date = ma.fields.Date()
    last_date = ma.fields.Date()
    cursor = bounded(80)
    limit = ma.fields.Integer(load_default=20, validate=ma.validate.Range(1, 100))


class SlotListSchema(ma.Schema):
    slots = ma.fields.List(ma.fields.Nested(present.SlotSchema))
    next = ma.fields.String(allow_none=True, metadata={"description": "Send as cursor for the next page"})


class ChoiceSchema(StrictSchema):
    slot_id = key(required=True, strict=True)
    starts_at = moment(required=True, metadata={"description": "As offered"})
    ends_at = moment(required=True, metadata={"description": "As offered"})


@blp.route("/referrals/<ubrn>/offers")
@allow(*CHOOSERS, via=Via.BEARER)
@blp.response(200, OfferListSchema)
def read_offers(ubrn: str) -> Any:
    """What is offered now: the guaranteed slot first, each checked again as it is shown."""
    referral = referrals.own_referral(work(), ubrn)
    made = offers.open_offers(work(), referral)
    return {"offers": [present.offer(one, referral, referral.patient) for one in made]}


@blp.route("/referrals/<ubrn>/offers", methods=["POST"])
@allow(*CHOOSERS, via=Via.BEARER)
@blp.response(200, OfferListSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def ensure_offers(ubrn: str) -> Any:
    """The open offers; where none is guaranteed, fresh ones made at once from what is free."""
    referral = referrals.lock_own_referral(work(), ubrn)
    made = offers.ensure_offers(work(), referral)
    return {"offers": [present.offer(one, referral, referral.patient) for one in made]}


@blp.route("/referrals/<ubrn>/slots")
@allow(*BOOKERS, via=Via.BEARER)
@blp.arguments(SlotQuery, location="query")
@blp.response(200, SlotListSchema)
def search_slots(query: dict[str, Any], ubrn: str) -> Any:
    """Every free slot of the shortlisted services inside their booking windows, earliest first."""
    referral = referrals.own_referral(work(), ubrn)
    search = SlotSearch(
        service_ids=(query["service_id"],) if "service_id" in query else (),
        first_date=query.get("first_date"), last_date=query.get("last_date"),
        after=_read_cursor(query["cursor"]) if "cursor" in query else None, limit=query["limit"],
    )  # fmt: skip
    found = free_slots(work(), referral, search)
    more = _cursor(found[-1].starts_at, found[-1].id) if len(found) == query["limit"] else None
    return {"slots": [present.slot(one, referral, referral.patient) for one in found], "next": more}


def _cursor(starts_at: datetime, slot_id: int) -> str:
    return base64.urlsafe_b64encode(f"{starts_at.isoformat()}|{slot_id}".encode()).decode()


def _read_cursor(text: str) -> tuple[datetime, int]:
    try:
        when, _, slot_id = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        moment = datetime.fromisoformat(when)
        if moment.tzinfo is None:
            raise ValueError(text)
        if not 0 < int(slot_id) <= LARGEST_KEY:
            raise ValueError(text)
        return moment.astimezone(UTC), int(slot_id)
    except (ValueError, OverflowError, binascii.Error, UnicodeError):
        raise Invalid.field("cursor", "CURSOR", "This cursor is not one we gave out.") from None


@blp.route("/referrals/<ubrn>/holds", methods=["POST"])
@allow(*BOOKERS, via=Via.BEARER)
@blp.arguments(ChoiceSchema)
@blp.response(201, present.BookingSchema)
@blp.alt_response(422, description="SLOT_NOT_AVAILABLE: taken, withdrawn, or not for this referral")
@blp.doc(**IDEMPOTENCY_DOC)
def hold_slot(body: dict[str, Any], ubrn: str) -> Any:
    """Keep a slot for a few minutes while the patient confirms."""
    held = booking.hold(work(), ubrn, Choice(**body))
    return present.booking(held, held.referral)


@blp.route("/referrals/<ubrn>/bookings", methods=["POST"])
@allow(*BOOKERS, via=Via.BEARER)
@blp.arguments(ChoiceSchema)
@blp.response(201, present.BookingSchema)
@blp.alt_response(409, description="ILLEGAL_TRANSITION or ALREADY_BOOKED")
@blp.alt_response(422, description="SLOT_NOT_AVAILABLE: taken, withdrawn, or not for this referral")
@blp.alt_response(423, description="BEING_CHANGED by somebody else at this moment")
@blp.doc(**IDEMPOTENCY_DOC)
def book_slot(body: dict[str, Any], ubrn: str) -> Any:
    """Book a slot. A 201 means that the booking is committed."""
    made = booking.book(work(), ubrn, Choice(**body))
    return present.booking(made, made.referral), 201, {"Location": f"/api/v1/bookings/{made.reference}"}


@blp.route("/bookings/<reference>")
@allow(*CHOOSERS, *PROVIDERS, via=Via.BEARER)
@blp.response(200, present.BookingSchema)
def read_booking(reference: str) -> Any:
    """A booking you may see."""
    return present.booking(*booking.own_booking(work(), reference))


@blp.route("/bookings/<reference>/cancel", methods=["POST"])
@allow(*CHOOSERS, via=Via.BEARER)
@blp.arguments(CancelSchema)
@blp.response(200, present.BookingSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def cancel_booking(body: dict[str, Any], reference: str) -> Any:
    """Give the appointment back; the patient may choose again."""
    booking.cancel_booking(work(), reference, reason=body["reason"], comment=body.get("comment"))
    return present.booking(*booking.own_booking(work(), reference))


@blp.route("/bookings/<reference>/move", methods=["POST"])
@allow(*CHOOSERS, via=Via.BEARER)
@blp.arguments(ChoiceSchema)
@blp.response(201, present.BookingSchema)
@blp.alt_response(422, description="SLOT_NOT_AVAILABLE: the new time can't be had; the old one stays booked")
@blp.doc(**IDEMPOTENCY_DOC)
def move_booking(body: dict[str, Any], reference: str) -> Any:
    """Change the appointment to another slot: the old place is given back only if the new one is had."""
    made = booking.move(work(), reference, Choice(**body))
    return present.booking(made, made.referral), 201, {"Location": f"/api/v1/bookings/{made.reference}"}


@blp.route("/bookings/<reference>/calendar.ics")
@allow(*CHOOSERS, via=Via.BEARER)
@blp.response(200, content_type="text/calendar", description="iCalendar (RFC 5545)")
def read_calendar(reference: str) -> Response:
    """The appointment as a calendar entry."""
    made, _ = booking.own_booking(work(), reference)
    return Response(calendar.appointment(made, work().now), content_type="text/calendar; charset=utf-8")
