"""When plans change: a provider cancels a clinic or an appointment, or proposes to move one; patients say no."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma

from booking.api import present
from booking.api.base import IDEMPOTENCY_DOC, Blueprint, StrictSchema, bounded, key
from booking.api.bookings import OfferListSchema
from booking.domain.errors import FieldError, Invalid
from booking.domain.ids import show_ubrn
from booking.domain.times import in_words
from booking.domain.words import PROVIDERS, REFERRERS, HoldKind, Priority, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import answers, booking, clinics
from booking.services.clinics import MOST_SLOTS, Selection, Touched

blp = Blueprint("clinics", __name__, description="When plans change")


class SelectionSchema(StrictSchema):
    """Slots by their keys, or all slots to come of a service on some dates, narrowed as given."""

    slot_ids = ma.fields.List(key(strict=True), validate=ma.validate.Length(min=1, max=MOST_SLOTS))
    service_id = key(strict=True)
    first_date = ma.fields.Date()
    last_date = ma.fields.Date(metadata={"description": "Included; the first date if left out"})
    starts = ma.fields.Time(metadata={"description": "Only slots that start at this time or later, at the site"})
    ends = ma.fields.Time(metadata={"description": "Only slots that start before this time"})
    site_id = key(strict=True)
    practitioner = bounded(40, metadata={"description": "Only this clinician's, by professional identifier"})


class CancellationSchema(SelectionSchema):
    digest = ma.fields.String(
        required=True, validate=ma.validate.Regexp(r"\A[0-9a-f]{64}\Z", error="Not a digest of a preview."),
        metadata={"description": "As the preview gave it: 409 if it is no longer true"},
    )  # fmt: skip
    reason = bounded(40, required=True)
    comment = bounded(2000, allow_none=True)


class TouchedSchema(ma.Schema):
    ubrn = ma.fields.String()
    ubrn_shown = ma.fields.String()
    reference = ma.fields.String(allow_none=True)
    slot_id = ma.fields.Integer()
    starts_at = ma.fields.AwareDateTime()
    local_time = ma.fields.String()
    patient = ma.fields.String()
    priority = ma.fields.Enum(Priority, by_value=True)
    weeks_waited = ma.fields.Integer()
    due_date = ma.fields.Date()
    interpreter = ma.fields.String(allow_none=True, metadata={"description": "The language, where one is needed"})
    step_free = ma.fields.Boolean()


class KeptSchema(ma.Schema):
    """A time kept for somebody who has not booked: a provider is not told for whom."""

    slot_id = ma.fields.Integer()
    starts_at = ma.fields.AwareDateTime()
    kept_as = ma.fields.Enum(HoldKind, by_value=True)
    priority = ma.fields.Enum(Priority, by_value=True)


class PreviewSchema(ma.Schema):
    slots = ma.fields.Integer()
    slot_ids = ma.fields.List(ma.fields.Integer())
    free_places = ma.fields.Integer()
    appointments = ma.fields.List(ma.fields.Nested(TouchedSchema))
    kept = ma.fields.List(ma.fields.Nested(KeptSchema))
    digest = ma.fields.String()


class CancelledSchema(ma.Schema):
    id = ma.fields.Integer()
    cancelled_at = ma.fields.AwareDateTime()
    slots = ma.fields.Integer()
    appointments = ma.fields.Integer()
    plan_request_id = ma.fields.Integer(allow_none=True)


class ByProviderSchema(StrictSchema):
    reason = bounded(40, required=True)
    comment = bounded(2000, allow_none=True)
    withdraw_slot = ma.fields.Boolean(
        load_default=True, metadata={"description": "Take the slot off too; if not, its place goes to others"}
    )


class ProposedMoveSchema(StrictSchema):
    slot_id = key(required=True, strict=True)


def _selection(body: dict[str, Any]) -> Selection:
    by_key, by_clinic = "slot_ids" in body, "service_id" in body
    if by_key == by_clinic:
        raise Invalid(FieldError("slot_ids", "ONE_OF", "Name either slot_ids, or service_id with dates."))
    if by_key and (others := sorted(set(body) - {"slot_ids"})):
        raise Invalid(*(FieldError(name, "ONE_OF", "Slots named by key can't be narrowed.") for name in others))
    return Selection(**{**body, "slot_ids": tuple(body.get("slot_ids", ()))})


def _touched(one: Touched) -> dict[str, Any]:
    return {
        **{
            name: getattr(one, name)
            for name in (
                "ubrn", "reference", "slot_id", "starts_at", "priority", "weeks_waited", "due_date", "interpreter",
                "step_free", "kept_as",
            )
        },
        "ubrn_shown": show_ubrn(one.ubrn),
        "local_time": in_words(one.starts_at, ZoneInfo(one.time_zone)),
        "patient": f"{one.given_name} {one.family_name}",
    }  # fmt: skip


@blp.route("/clinics/cancellation-preview", methods=["POST"])
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(SelectionSchema)
@blp.response(200, PreviewSchema)
def preview_cancellation(body: dict[str, Any]) -> Any:
    """Whom cancelling these slots would touch; nothing is changed."""
    reach = clinics.preview(work(), _selection(body))
    return {
        "slots": len(reach.slots), "slot_ids": [slot.id for slot in reach.slots], "free_places": reach.free_places,
        "appointments": [_touched(one) for one in reach.appointments], "kept": [_touched(one) for one in reach.kept],
        "digest": reach.digest,
    }  # fmt: skip


@blp.route("/clinics/cancellations", methods=["POST"])
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(CancellationSchema)
@blp.response(201, CancelledSchema)
@blp.alt_response(409, description="CLINIC_CHANGED: look at the preview again")
@blp.alt_response(423, description="BEING_CHANGED by somebody else at this moment")
@blp.doc(**IDEMPOTENCY_DOC)
def cancel_clinic(body: dict[str, Any]) -> Any:
    """Cancel a clinic as previewed, all or nothing; everybody touched is told, and offered other times."""
    digest, reason, comment = body.pop("digest"), body.pop("reason"), body.pop("comment", None)
    return clinics.cancel(work(), _selection(body), digest=digest, reason=reason, comment=comment)


@blp.route("/bookings/<reference>/cancel-by-provider", methods=["POST"])
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(ByProviderSchema)
@blp.response(200, present.BookingSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def cancel_by_provider(body: dict[str, Any], reference: str) -> Any:
    """Cancel one appointment at a service of yours; the patient is told and offered other times first."""
    clinics.cancel_one(
        work(), reference, reason=body["reason"], comment=body.get("comment"), withdraw_slot=body["withdraw_slot"]
    )
    return present.booking(*booking.own_booking(work(), reference))


@blp.route("/bookings/<reference>/proposed-move", methods=["POST"])
@allow(Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, via=Via.BEARER)
@blp.arguments(ProposedMoveSchema)
@blp.response(201, OfferListSchema)
@blp.alt_response(422, description="SLOT_NOT_AVAILABLE: taken, withdrawn, or not for this patient")
@blp.doc(**IDEMPOTENCY_DOC)
def propose_move(body: dict[str, Any], reference: str) -> Any:
    """Offer somebody who is booked another time; the appointment stands unless they move."""
    referral, made = answers.propose_move(work(), reference, body["slot_id"])
    return {"offers": [present.offer(one, referral, referral.patient) for one in made]}


@blp.route("/referrals/<ubrn>/offers/<key:offer_id>/decline", methods=["POST"])
@allow(*REFERRERS, Role.PATIENT, via=Via.BEARER)
@blp.response(200, OfferListSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def decline_offer(ubrn: str, offer_id: int) -> Any:
    """Say no to one offer; it is not made again. Returns what is offered now."""
    referral, left = answers.decline(work(), ubrn, offer_id)
    return {"offers": [present.offer(one, referral, referral.patient) for one in left]}
