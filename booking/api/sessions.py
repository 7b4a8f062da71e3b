"""Signing in and out over the API: bearer tokens."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import Blueprint, StrictSchema, bounded, key, no_control_characters
from booking.domain.words import Relation, Role
from booking.edge import guard
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow, public
from booking.services import acting, sign_in

blp = Blueprint("sessions", __name__, description="Signing in and out")


class StaffSignIn(StrictSchema):
    username = bounded(100, required=True)
    password = ma.fields.String(
        required=True, validate=[ma.validate.Length(min=1, max=200), no_control_characters], load_only=True
    )
    account_role_id = key(strict=True, metadata={"description": "Which of your roles; your first if left out"})


class ActingSchema(StrictSchema):
    """Whoever does it for the patient: a daughter, a carer, a receptionist."""

    name = bounded(100, required=True)
    relation = ma.fields.Enum(Relation, by_value=True, required=True)


class PatientSignIn(StrictSchema):
    ubrn = bounded(20, required=True, metadata={"example": "1234 5678 9012"})
    access_code = bounded(64, required=True, metadata={"example": "CDFGH-JKMNP"})
    date_of_birth = ma.fields.Date(required=True)
    acting = ma.fields.Nested(
        ActingSchema, metadata={"description": "Who does this for the patient, where it is not the patient"}
    )


class SignedInSchema(ma.Schema):
    token = ma.fields.String(metadata={"description": "Send as Authorization: Bearer"})
    expires_at = ma.fields.AwareDateTime()
    role = ma.fields.Enum(Role, by_value=True)


@blp.route("/sessions", methods=["POST"])
@public(Via.BEARER)
@blp.arguments(StaffSignIn)
@blp.response(201, SignedInSchema)
@blp.alt_response(401, description="The name and password don't match")
@blp.alt_response(429, description="Too many attempts from here; see Retry-After")
def sign_in_staff(body: dict[str, Any]) -> Any:
    """Sign in as a member of staff."""
    with guard.throttled(body["username"]):
        return sign_in.staff_sign_in(work(), body["username"], body["password"], body.get("account_role_id"))


@blp.route("/patient-sessions", methods=["POST"])
@public(Via.BEARER)
@blp.arguments(PatientSignIn)
@blp.response(201, SignedInSchema)
@blp.alt_response(401, description="Something does not match; the answer is the same whatever it is")
@blp.alt_response(429, description="Too many attempts from here; see Retry-After")
def sign_in_patient(body: dict[str, Any]) -> Any:
    """Sign in as a patient with booking reference (UBRN), access code and date of birth."""
    with guard.throttled(body["ubrn"]):
        signed = sign_in.patient_sign_in(work(), body["ubrn"], body["access_code"], body["date_of_birth"])
    if who := body.get("acting"):
        acting.begin(work(), acting.checked(who["name"], who["relation"]), session_id=signed.session_id)
    return signed


@blp.route("/sessions/current", methods=["DELETE"])
@allow(*Role, via=Via.BEARER)
@blp.response(204)
def sign_out() -> Response:
    """Sign out: the token stops working."""
    sign_in.sign_out(work())
    return Response(status=204)
