"""Reference data: the lists that programs and people choose from."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import Blueprint, StrictSchema, bounded, key
from booking.domain.reasons import REASONS, Reason, ReasonList, reasons_for
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Priority, Role, Worklist
from booking.domain.worklists import OWNER, Owner
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import reference

blp = Blueprint("reference", __name__, description="Lists to choose from")
STAFF = (*REFERRERS, *PROVIDERS, *COMMISSIONERS)
WORKLISTS = {
    Worklist.LETTERS_OUTSTANDING: "Letters outstanding",
    Worklist.AWAITING_BOOKING: "Awaiting booking",
    Worklist.REJECTED_OR_TRIAGE_RESPONSE: "Rejected or triage response",
    Worklist.CANCELLED_OR_DID_NOT_ATTEND: "Cancelled or did not attend",
    Worklist.ADVICE: "Advice and guidance",
    Worklist.REFERRALS_FOR_REVIEW: "Referrals for review",
    Worklist.APPOINTMENT_SLOT_ISSUES: "Appointment slot issues",
    Worklist.APPOINTMENTS_FOR_BOOKING: "Appointments for booking",
    Worklist.CANCELLED_BY_PATIENT: "Cancelled by patient",
    Worklist.ADVICE_REQUESTS: "Advice and guidance requests",
    Worklist.APPOINTMENTS_BOOKED: "Appointments booked",
}


class ReasonQuery(StrictSchema):
    list_ = ma.fields.Enum(ReasonList, by_value=True, data_key="list", metadata={"description": "Only this list"})
    all_ = ma.fields.Boolean(
        data_key="all", load_default=False, metadata={"description": "Every reason, whoever may give it and when"}
    )


class ReasonCodeSchema(ma.Schema):
    code = ma.fields.String()
    text = ma.fields.String()
    comment_due = ma.fields.Boolean()
    roles = ma.fields.List(ma.fields.Enum(Role, by_value=True))
    effective_from = ma.fields.Date()
    effective_to = ma.fields.Date(allow_none=True, metadata={"description": "First day it can't be given any more"})


class ReasonCodeListSchema(ma.Schema):
    list = ma.fields.Enum(ReasonList, by_value=True)
    reasons = ma.fields.List(ma.fields.Nested(ReasonCodeSchema))


class ReasonCodeListsSchema(ma.Schema):
    lists = ma.fields.List(ma.fields.Nested(ReasonCodeListSchema))


class SpecialtySchema(ma.Schema):
    code = ma.fields.String()
    name = ma.fields.String()


class SpecialtyListSchema(ma.Schema):
    specialties = ma.fields.List(ma.fields.Nested(SpecialtySchema))


class ClinicTypeQuery(StrictSchema):
    specialty = bounded(8)


class ClinicTypeSchema(ma.Schema):
    code = ma.fields.String()
    specialty = ma.fields.String(attribute="specialty_code")
    name = ma.fields.String()


class ClinicTypeListSchema(ma.Schema):
    clinic_types = ma.fields.List(ma.fields.Nested(ClinicTypeSchema))


class ContactByQuery(StrictSchema):
    service_id = key(metadata={"description": "With the shorter times of this service"})


class ContactBySchema(ma.Schema):
    worklist = ma.fields.Enum(Worklist, by_value=True)
    owner = ma.fields.Enum(Owner, by_value=True)
    priority = ma.fields.Enum(Priority, by_value=True)
    working_days = ma.fields.Integer()
    shortened = ma.fields.Boolean()


class ContactByListSchema(ma.Schema):
    times = ma.fields.List(ma.fields.Nested(ContactBySchema))


class WorklistNameSchema(ma.Schema):
    worklist = ma.fields.Enum(Worklist, by_value=True)
    name = ma.fields.String()
    owner = ma.fields.Enum(Owner, by_value=True)


class WorklistNamesSchema(ma.Schema):
    worklists = ma.fields.List(ma.fields.Nested(WorklistNameSchema))


def _reason(one: Reason) -> dict[str, Any]:
    names = ("code", "text", "comment_due", "effective_from", "effective_to")
    return {**{name: getattr(one, name) for name in names}, "roles": sorted(one.roles)}


@blp.route("/reference/reasons")
@allow(*STAFF, Role.PATIENT, via=Via.BEARER)
@blp.arguments(ReasonQuery, location="query")
@blp.response(200, ReasonCodeListsSchema)
def reasons(query: dict[str, Any]) -> Any:
    """Reason codes by list: those you may give today, or all of them with roles and dates."""
    unit, only = work(), query.get("list_")
    shown = []
    for one in ReasonList if only is None else [only]:
        given = REASONS[one] if query["all_"] else reasons_for(one, unit.actor.role, unit.today)
        if given or only is not None:
            shown.append({"list": one, "reasons": [_reason(reason) for reason in given]})
    return {"lists": shown}


@blp.route("/reference/specialties")
@allow(*STAFF, Role.PATIENT, via=Via.BEARER)
@blp.response(200, SpecialtyListSchema)
def specialties() -> Any:
    """Specialties (treatment functions) that services can be of."""
    return {"specialties": reference.specialties(work())}


@blp.route("/reference/clinic-types")
@allow(*STAFF, Role.PATIENT, via=Via.BEARER)
@blp.arguments(ClinicTypeQuery, location="query")
@blp.response(200, ClinicTypeListSchema)
def clinic_types(query: dict[str, Any]) -> Any:
    """Clinic types, of one specialty or of all."""
    return {"clinic_types": reference.clinic_types(work(), query.get("specialty"))}


@blp.route("/reference/contact-by")
@allow(*STAFF, via=Via.BEARER)
@blp.arguments(ContactByQuery, location="query")
@blp.response(200, ContactByListSchema)
def contact_by(query: dict[str, Any]) -> Any:
    """Working days until somebody must have acted, by worklist and priority; with a service's own where named."""
    return {"times": reference.contact_by(work(), query.get("service_id"))}


@blp.route("/reference/worklists")
@allow(*STAFF, via=Via.BEARER)
@blp.response(200, WorklistNamesSchema)
def worklists() -> Any:
    """The worklists, with their names and whose they are."""
    rows = [{"worklist": one, "name": name, "owner": OWNER[one]} for one, name in WORKLISTS.items()]
    return {"worklists": rows}
