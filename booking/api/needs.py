"""What a patient needs of an appointment, and the times that never suit."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import IF_MATCH_DOC, Blueprint, StrictSchema, bounded, etag_of, required_version
from booking.domain.geo import miles
from booking.domain.needs import WEEK_PARTS
from booking.domain.words import REFERRERS, Role, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Patient
from booking.services import needs, preferences

blp = Blueprint("needs", __name__, description="What a patient needs of an appointment")
_TIMES = "Bit weekday*3 + (0 morning, 1 afternoon, 2 evening); Monday is 0"


class NeedsSchema(ma.Schema):
    step_free = ma.fields.Boolean()
    interpreter_language = ma.fields.String(allow_none=True)
    clinician_sex = ma.fields.Enum(Sex, by_value=True, allow_none=True)
    video_possible = ma.fields.Boolean()
    unsuitable_times = ma.fields.Integer(metadata={"description": _TIMES})
    farthest_miles = ma.fields.Float(allow_none=True)


class NeedsChangesSchema(StrictSchema):
    step_free = ma.fields.Boolean()
    interpreter_language = bounded(needs.LONGEST_LANGUAGE, allow_none=True)
    clinician_sex = ma.fields.Enum(
        Sex, by_value=True, allow_none=True, validate=ma.validate.OneOf([Sex.FEMALE, Sex.MALE])
    )
    video_possible = ma.fields.Boolean()
    unsuitable_times = ma.fields.Integer(
        strict=True, validate=ma.validate.Range(0, 2**WEEK_PARTS - 2), metadata={"description": _TIMES}
    )
    farthest_miles = ma.fields.Float(
        allow_none=True, allow_nan=False, validate=ma.validate.Range(0, needs.FARTHEST_MILES, min_inclusive=False)
    )


def _shown(found: Patient) -> Any:
    rows = {name: getattr(found, name) for name in needs.FIELDS if name != "farthest_km"}
    far = round(miles(found.farthest_km), 3) if found.farthest_km is not None else None
    return {**rows, "farthest_miles": far}, 200, {"ETag": etag_of(found.version)}


@blp.route("/me/needs")
@allow(Role.PATIENT, via=Via.BEARER)
@blp.response(200, NeedsSchema)
def read_own_needs() -> Any:
    """What you need of an appointment, and the times that never suit you."""
    return _shown(preferences.contact_of(work()))


@blp.route("/me/needs", methods=["PATCH"])
@allow(Role.PATIENT, via=Via.BEARER)
@blp.arguments(NeedsChangesSchema)
@blp.response(200, NeedsSchema)
@blp.doc(parameters=[IF_MATCH_DOC])
def change_own_needs(body: dict[str, Any]) -> Any:
    """Change them: offers that no longer suit end, and fresh ones are made at once."""
    return _shown(needs.change_needs(work(), body, version=required_version()))


@blp.route("/patients/<key:patient_id>/needs")
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(200, NeedsSchema)
def read_needs(patient_id: int) -> Any:
    """What a patient of your practice needs of an appointment."""
    return _shown(preferences.contact_of(work(), patient_id))


@blp.route("/patients/<key:patient_id>/needs", methods=["PATCH"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(NeedsChangesSchema)
@blp.response(200, NeedsSchema)
@blp.doc(parameters=[IF_MATCH_DOC])
def change_needs(body: dict[str, Any], patient_id: int) -> Any:
    """Change them for a patient of your practice, who is told where a time kept for them is not kept any more."""
    return _shown(needs.change_needs(work(), body, version=required_version(), patient_id=patient_id))
