"""Messages that people must see to, and how patients want to be told things."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import marshmallow as ma
from flask import Response

from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    key,
    no_control_characters,
    required_version,
)
from booking.domain.words import PROVIDERS, REFERRERS, Channel, Language, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Patient
from booking.services import failed_messages, preferences

blp = Blueprint("messages", __name__, description="Messages: what could not be delivered, and how patients are told")


class FailedQuery(StrictSchema):
    before = key(metadata={"description": "Cursor: next of the page before"})
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class FailedSchema(ma.Schema):
    id = ma.fields.Integer()
    kind = ma.fields.String()
    ubrn = ma.fields.String(allow_none=True, metadata={"description": "None for a notice to staff"})
    channel = ma.fields.Enum(Channel, by_value=True, allow_none=True)
    to_post = ma.fields.Boolean(metadata={"description": "A letter to print and post, not a failure"})
    why = ma.fields.String()
    attempts = ma.fields.Integer()
    created_at = ma.fields.AwareDateTime()
    failed_at = ma.fields.AwareDateTime()


class FailedListSchema(ma.Schema):
    messages = ma.fields.List(ma.fields.Nested(FailedSchema))
    next = ma.fields.Integer(allow_none=True)


class ResolveSchema(StrictSchema):
    comment = bounded(1000, required=True, metadata={"description": "What you did: posted it, called the patient …"})


class ContactSchema(ma.Schema):
    channel = ma.fields.Enum(Channel, by_value=True)
    language = ma.fields.Enum(Language, by_value=True)
    large_print = ma.fields.Boolean()
    email = ma.fields.String(allow_none=True)
    mobile = ma.fields.String(allow_none=True)


class ContactChangesSchema(StrictSchema):
    channel = ma.fields.Enum(Channel, by_value=True)
    language = ma.fields.Enum(Language, by_value=True)
    large_print = ma.fields.Boolean()
    email = ma.fields.Email(allow_none=True, validate=[ma.validate.Length(max=254), no_control_characters])
    mobile = ma.fields.String(
        allow_none=True, validate=ma.validate.Regexp(r"\A\+?[0-9 ]{7,19}\Z", error="Not a telephone number.")
    )


@blp.route("/messages/failed")
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.arguments(FailedQuery, location="query")
@blp.response(200, FailedListSchema)
def list_failed(query: dict[str, Any]) -> Any:
    """Messages that did not arrive or must be posted, and nobody has dealt with; newest first."""
    found = failed_messages.failed_messages(work(), before=query.get("before"), limit=query["limit"])
    return {
        "messages": [asdict(one) for one in found],
        "next": found[-1].id if len(found) == query["limit"] else None,
    }


@blp.route("/messages/<key:message_id>/letter.pdf")
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(200, content_type="application/pdf", description="PDF/UA-1")
def message_letter(message_id: int) -> Response:
    """Such a message to a patient as a letter to print."""
    answer = Response(failed_messages.letter(work(), message_id), content_type="application/pdf")
    answer.headers["Content-Disposition"] = 'attachment; filename="letter.pdf"'
    return answer


@blp.route("/messages/<key:message_id>/resolve", methods=["POST"])
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.arguments(ResolveSchema)
@blp.response(204)
@blp.alt_response(409, description="RESOLVED_BEFORE")
@blp.doc(**IDEMPOTENCY_DOC)
def resolve_message(body: dict[str, Any], message_id: int) -> None:
    """Say that you have dealt with it, and how."""
    failed_messages.resolve(work(), message_id, body["comment"])


def _contact(found: Patient) -> Any:
    return found, 200, {"ETag": etag_of(found.version)}


@blp.route("/me/contact")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, ContactSchema)
def read_own_contact() -> Any:
    """How you are told things, and where you are reached."""
    return _contact(preferences.contact_of(work()))


@blp.route("/me/contact", methods=["PATCH"])
@allow(Role.PATIENT, via=Via.BEARER)
@blp.arguments(ContactChangesSchema)
@blp.response(200, ContactSchema)
@blp.doc(parameters=[IF_MATCH_DOC])
def change_own_contact(body: dict[str, Any]) -> Any:
    """Change how you are told things: channel, language, large print, addresses."""
    return _contact(preferences.change_contact(work(), body, version=required_version()))


@blp.route("/patients/<key:patient_id>/contact")
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(200, ContactSchema)
def read_contact(patient_id: int) -> Any:
    """How a patient of your practice is told things."""
    return _contact(preferences.contact_of(work(), patient_id))


@blp.route("/patients/<key:patient_id>/contact", methods=["PATCH"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(ContactChangesSchema)
@blp.response(200, ContactSchema)
@blp.doc(parameters=[IF_MATCH_DOC])
def change_contact(body: dict[str, Any], patient_id: int) -> Any:
    """Change how a patient of your practice is told things."""
    return _contact(preferences.change_contact(work(), body, version=required_version(), patient_id=patient_id))
