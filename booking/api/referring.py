"""Patients and referrals."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response

from booking.api import present
from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    key,
    no_control_characters,
    not_modified,
    required_version,
)
from booking.domain.actions import RULES
from booking.domain.needs import WEEK_PARTS
from booking.domain.referral import Action, ReferralState
from booking.domain.words import PROVIDERS, REFERRERS, Priority, Role, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import patients, referrals
from booking.services.patients import NewPatient
from booking.services.referrals import NewReferral

blp = Blueprint("referring", __name__, description="Patients and referrals")


class NewPatientSchema(StrictSchema):
    nhs_number = bounded(20, required=True, metadata={"example": "943 476 5919"})
    given_name = bounded(100, required=True)
    family_name = bounded(100, required=True)
    date_of_birth = ma.fields.Date(required=True)
    sex = ma.fields.Enum(Sex, by_value=True, required=True)
    postcode = bounded(10)
    latitude = ma.fields.Float(validate=ma.validate.Range(-90, 90), allow_nan=False)
    longitude = ma.fields.Float(validate=ma.validate.Range(-180, 180), allow_nan=False)
    email = ma.fields.Email(validate=[ma.validate.Length(max=254), no_control_characters])
    mobile = ma.fields.String(validate=ma.validate.Regexp(r"\A\+?[0-9 ]{7,19}\Z", error="Not a telephone number."))
    interpreter_language = bounded(40)
    step_free = ma.fields.Boolean(load_default=False)
    clinician_sex = ma.fields.Enum(Sex, by_value=True, validate=ma.validate.OneOf([Sex.FEMALE, Sex.MALE]))
    video_possible = ma.fields.Boolean(load_default=True)
    unsuitable_times = ma.fields.Integer(
        strict=True, load_default=0, validate=ma.validate.Range(0, 2**WEEK_PARTS - 1),
        metadata={"description": "Bit weekday*3 + (0 morning, 1 afternoon, 2 evening); Monday is 0"},
    )  # fmt: skip
    farthest_miles = ma.fields.Float(validate=ma.validate.Range(0, 1000, min_inclusive=False), allow_nan=False)


class PatientSchema(ma.Schema):
    id = ma.fields.Integer()
    nhs_number = ma.fields.String()
    given_name = ma.fields.String()
    family_name = ma.fields.String()
    date_of_birth = ma.fields.Date()
    sex = ma.fields.Enum(Sex, by_value=True)
    postcode = ma.fields.String(allow_none=True)
    latitude = ma.fields.Float(allow_none=True)
    longitude = ma.fields.Float(allow_none=True)
    step_free = ma.fields.Boolean()
    interpreter_language = ma.fields.String(allow_none=True)
    video_possible = ma.fields.Boolean()
    unsuitable_times = ma.fields.Integer()
    version = ma.fields.Integer()


class PatientQuery(StrictSchema):
    nhs_number = bounded(20, required=True)


class NewReferralSchema(StrictSchema):
    patient_id = key(required=True, strict=True)
    specialty = bounded(8, required=True)
    clinic_type = bounded(40)
    named_practitioner = bounded(40, metadata={"description": "Professional identifier, such as a GMC number"})
    priority = ma.fields.Enum(Priority, by_value=True, required=True)
    reason = bounded(500, required=True)
    clinical_information = bounded(20_000, text_min=0, load_default="")
    shortlist = ma.fields.List(key(strict=True), required=True, metadata={"description": "1 to 20 service ids"})
    referrer = bounded(200, metadata={"description": "The clinician who refers; an admin must name them"})
    rtt_clock_start = ma.fields.Date(metadata={"description": "Past, at most 365 days ago; today if left out"})
    draft = ma.fields.Boolean(load_default=False, metadata={"description": "Keep it, to be sent by the action issue"})


class ReferralQuery(StrictSchema):
    state = ma.fields.Enum(ReferralState, by_value=True)
    before = key(metadata={"description": "Cursor: next of the page before"})
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class ReferralRowSchema(ma.Schema):
    ubrn = ma.fields.String()
    state = ma.fields.Enum(ReferralState, by_value=True)
    priority = ma.fields.Enum(Priority, by_value=True)
    patient = ma.fields.String()
    specialty = ma.fields.String()
    due_date = ma.fields.Date()
    created_at = ma.fields.AwareDateTime()


class ReferralListSchema(ma.Schema):
    referrals = ma.fields.List(ma.fields.Nested(ReferralRowSchema))
    next = ma.fields.Integer(allow_none=True)


class CancelSchema(StrictSchema):
    reason = bounded(40, required=True)
    comment = bounded(1000)


class AccessCodeSchema(ma.Schema):
    ubrn = ma.fields.String()
    access_code = ma.fields.String(metadata={"description": "Shown once"})


@blp.route("/patients", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(NewPatientSchema)
@blp.response(201, PatientSchema)
@blp.alt_response(409, description="A patient with this NHS number is registered already")
@blp.doc(**IDEMPOTENCY_DOC)
def create_patient(body: dict[str, Any]) -> Any:
    """Register a patient with your practice."""
    made = patients.create_patient(work(), NewPatient(**body))
    return made, 201, {"Location": f"/api/v1/patients/{made.id}", "ETag": etag_of(made.version)}


@blp.route("/patients")
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(PatientQuery, location="query")
@blp.response(200, PatientSchema)
def find_patient(query: dict[str, Any]) -> Any:
    """Your practice's patient with this NHS number."""
    found = patients.patient_by_nhs_number(work(), query["nhs_number"])
    return found, 200, {"ETag": etag_of(found.version)}


@blp.route("/patients/<key:patient_id>")
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(200, PatientSchema)
def read_patient(patient_id: int) -> Any:
    """One of your practice's patients."""
    found = patients.own_patient(work(), patient_id)
    return found, 200, {"ETag": etag_of(found.version)}


@blp.route("/referrals", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.arguments(NewReferralSchema)
@blp.response(201, present.IssuedReferralSchema)
@blp.alt_response(422, description="A rule of referring is broken; every field at fault is named")
@blp.doc(**IDEMPOTENCY_DOC)
def create_referral(body: dict[str, Any]) -> Any:
    """Refer a patient to a shortlist of 1 to 20 services. Answers with UBRN and access code."""
    made, code = referrals.create_referral(work(), NewReferral(**body))
    answer = {**present.referral(made), **({"access_code": code} if code else {})}
    return answer, 201, {"Location": f"/api/v1/referrals/{made.ubrn}", "ETag": etag_of(made.version)}


@blp.route("/referrals")
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.arguments(ReferralQuery, location="query")
@blp.response(200, ReferralListSchema)
def list_referrals(query: dict[str, Any]) -> Any:
    """Your practice's referrals, or those sent to your services; newest first."""
    states = [query["state"]] if "state" in query else []
    found = referrals.list_referrals(work(), states=states, before_id=query.get("before"), limit=query["limit"])
    rows = [
        {
            "ubrn": one.ubrn, "state": one.state, "priority": one.priority, "specialty": one.specialty_code,
            "patient": f"{one.patient.given_name} {one.patient.family_name}", "due_date": one.due_date,
            "created_at": one.created_at,
        }
        for one in found
    ]  # fmt: skip
    return {"referrals": rows, "next": found[-1].id if len(found) == query["limit"] else None}


@blp.route("/referrals/<ubrn>")
@allow(*REFERRERS, *PROVIDERS, Role.PATIENT, via=Via.BEARER)
@blp.response(200, present.ReferralSchema)
@blp.alt_response(304, description="Not changed since If-None-Match")
def read_referral(ubrn: str) -> Any:
    """A referral you may see."""
    found = referrals.own_referral(work(), ubrn)
    if not_modified(found.version):
        return Response(status=304, headers={"ETag": etag_of(found.version)})
    return present.referral(found), 200, {"ETag": etag_of(found.version)}


@blp.route("/referrals/<ubrn>/cancel", methods=["POST"])
@allow(*sorted(RULES[Action.CANCEL_REFERRAL].roles), via=Via.BEARER)
@blp.arguments(CancelSchema)
@blp.response(200, present.ReferralSchema)
@blp.alt_response(409, description="Stale version, or a state that does not allow it")
@blp.doc(parameters=[IF_MATCH_DOC, *IDEMPOTENCY_DOC["parameters"]])
def cancel_referral(body: dict[str, Any], ubrn: str) -> Any:
    """Cancel a referral; what it holds and has booked is free again."""
    done = referrals.cancel_referral(
        work(), ubrn, reason=body["reason"], comment=body.get("comment"), version=required_version()
    )
    return present.referral(done), 200, {"ETag": etag_of(done.version)}


@blp.route("/referrals/<ubrn>/access-codes", methods=["POST"])
@allow(*REFERRERS, via=Via.BEARER)
@blp.response(201, AccessCodeSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def reissue_access_code(ubrn: str) -> Any:
    """A new access code for a patient who lost theirs; the old one stops working."""
    referral, code = referrals.reissue_access_code(work(), ubrn)
    return {"ubrn": referral.ubrn, "access_code": code}
