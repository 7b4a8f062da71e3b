"""Patients move practice, practices close."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import IDEMPOTENCY_DOC, Blueprint, StrictSchema, bounded
from booking.domain.errors import NotFound
from booking.domain.words import REFERRERS, Role
from booking.edge.flask_app import work
from booking.edge.guard import throttled
from booking.edge.policy import Via, allow
from booking.services import practices
from booking.services.practices import Closing

blp = Blueprint("practices", __name__, description="Patients move practice, practices close")


class TransferSchema(StrictSchema):
    nhs_number = bounded(20, required=True, metadata={"example": "943 476 5919"})
    date_of_birth = ma.fields.Date(required=True)


class MovedSchema(ma.Schema):
    patient_id = ma.fields.Integer()
    open_referrals = ma.fields.Integer()
    ended_referrals = ma.fields.Integer()
    advice_requests = ma.fields.Integer()


class SuccessorQuery(StrictSchema):
    successor = bounded(12, metadata={"description": "ODS code of the practice that takes the patients"})


class SuccessorSchema(StrictSchema):
    successor = bounded(12, allow_none=True, metadata={"description": "None: the patients have no practice then"})


class ClosingSchema(ma.Schema):
    practice = ma.fields.String()
    successor = ma.fields.String(allow_none=True)
    patients = ma.fields.Integer()
    open_referrals = ma.fields.Integer()
    ended_referrals = ma.fields.Integer()
    advice_requests = ma.fields.Integer()
    staff_roles = ma.fields.Integer()


def _closing(found: Closing) -> dict[str, Any]:
    names = ("patients", "open_referrals", "ended_referrals", "advice_requests", "staff_roles")
    return {
        "practice": found.practice.ods_code,
        "successor": found.successor.ods_code if found.successor is not None else None,
        **{name: getattr(found, name) for name in names},
    }


@blp.route("/patients/transfer", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(TransferSchema)
@blp.response(200, MovedSchema)
@blp.alt_response(404, description="Number and date of birth don't belong together")
@blp.alt_response(409, description="YOURS_ALREADY")
@blp.doc(**IDEMPOTENCY_DOC)
def transfer_patient(body: dict[str, Any]) -> Any:
    """Take over a patient who has registered with your practice; what is open comes along."""
    with throttled(f"transfer {body['nhs_number']}", NotFound):  # a date of birth is soon guessed
        moved = practices.transfer(work(), body["nhs_number"], body["date_of_birth"])
    return {
        "patient_id": moved.patient.id, "open_referrals": moved.open_referrals,
        "ended_referrals": moved.ended_referrals, "advice_requests": moved.advice_requests,
    }  # fmt: skip


@blp.route("/practices/<code>/closing")
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(SuccessorQuery, location="query")
@blp.response(200, ClosingSchema)
def preview_closing(query: dict[str, Any], code: str) -> Any:
    """What closing a practice of yours would move; nothing is changed."""
    return _closing(practices.preview_closing(work(), code, query.get("successor")))


@blp.route("/practices/<code>/close", methods=["POST"])
@allow(Role.COMMISSIONER, via=Via.BEARER)
@blp.arguments(SuccessorSchema)
@blp.response(200, ClosingSchema)
@blp.alt_response(409, description="CLOSED_ALREADY")
@blp.doc(**IDEMPOTENCY_DOC)
def close_practice(body: dict[str, Any], code: str) -> Any:
    """Close a practice of yours from today; patients and all that is open go over to its successor."""
    return _closing(practices.close(work(), code, body.get("successor")))
