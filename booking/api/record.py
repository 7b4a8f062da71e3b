"""What is held about a patient, for the patient: to read, to download, and who looked at it."""

from __future__ import annotations

import json
from typing import Any

import marshmallow as ma
from flask import Response

from booking import fhir
from booking.api.base import Blueprint, StrictSchema, key
from booking.domain.words import Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import own_record
from booking.services.own_record import plain

blp = Blueprint("record", __name__, description="What is held about you")


class ElsewhereSchema(ma.Schema):
    referrals = ma.fields.Integer()
    advice = ma.fields.Integer()


class OwnRecordSchema(ma.Schema):
    made_at = ma.fields.String()
    whole = ma.fields.Boolean(metadata={"description": "False for a session opened by the code of one referral"})
    patient = ma.fields.Dict()
    referrals = ma.fields.List(ma.fields.Dict())
    advice = ma.fields.List(ma.fields.Dict())
    elsewhere = ma.fields.Nested(ElsewhereSchema, metadata={"description": "How much more is held"})


class LooksQuery(StrictSchema):
    before = key(metadata={"description": "Cursor: next of the page before"})
    limit = ma.fields.Integer(load_default=100, validate=ma.validate.Range(1, 200))


class LookSchema(ma.Schema):
    at = ma.fields.AwareDateTime()
    role = ma.fields.Enum(Role, by_value=True)
    organisation = ma.fields.String(allow_none=True)
    what = ma.fields.String()


class LookListSchema(ma.Schema):
    looks = ma.fields.List(ma.fields.Nested(LookSchema))
    next = ma.fields.Integer(allow_none=True)


def _download(data: bytes | str, content_type: str, name: str) -> Response:
    return Response(data, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@blp.route("/me/record")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, OwnRecordSchema)
def read_record() -> Any:
    """All that is held about you, as far as your session may see it."""
    return plain(own_record.own_record(work()))


@blp.route("/me/record.fhir")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, content_type=fhir.CONTENT_TYPE, description="A FHIR R4 bundle")
def download_fhir() -> Response:
    """The same as a FHIR R4 bundle."""
    made = fhir.bundle(own_record.own_record(work()))
    return _download(json.dumps(made, ensure_ascii=False), fhir.CONTENT_TYPE, "record.fhir.json")


@blp.route("/me/record.pdf")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, content_type="application/pdf", description="A tagged PDF")
def download_pdf() -> Response:
    """The same as a PDF, in large print where you asked for it."""
    from booking.services import record_sections
    from booking.services.documents import record_pdf

    held = own_record.own_record(work())
    made = record_pdf(
        "What is held about you",
        record_sections.sections(held),
        large_print=held["patient"]["large_print"],
        made_at=work().now,
    )
    return _download(made, "application/pdf", "record.pdf")


@blp.route("/me/access")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.arguments(LooksQuery, location="query")
@blp.response(200, LookListSchema)
def who_looked(query: dict[str, Any]) -> Any:
    """Who among the staff looked at your record, newest first: role and organisation."""
    found = own_record.who_looked(work(), **query)
    rows = [
        {"at": entry.at, "role": entry.role, "organisation": name, "what": entry.what.partition(" ")[0]}
        for entry, name in found
    ]
    return {"looks": rows, "next": found[-1][0].id if len(found) == query["limit"] else None}
