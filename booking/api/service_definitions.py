"""A provider's own services: described, changed and closed by its service definers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import marshmallow as ma

from booking.api.base import (
    IDEMPOTENCY_DOC,
    IF_MATCH_DOC,
    Blueprint,
    StrictSchema,
    bounded,
    etag_of,
    no_control_characters,
    required_version,
)
from booking.domain import service_definition as rules
from booking.domain.eligibility import Window
from booking.domain.errors import Invalid
from booking.domain.ids import parse_ods_code
from booking.domain.overbooking import MOST_PERCENT
from booking.domain.service_definition import Definition
from booking.domain.words import PROVIDERS, BookingMode, Priority, Role, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import service_definitions as services
from booking.services.service_definitions import Described

blp = Blueprint("service_definitions", __name__, description="A provider's own services")
DAYS = ma.validate.Range(0, rules.LONGEST_WINDOW_DAYS)
AGES = ma.validate.Range(0, rules.OLDEST)


class BookingWindowSchema(StrictSchema):
    priority = ma.fields.Enum(Priority, by_value=True, required=True)
    window_from_days = ma.fields.Integer(strict=True, load_default=0, validate=DAYS)
    window_to_days = ma.fields.Integer(strict=True, required=True, validate=DAYS)


class ServiceDefinitionSchema(StrictSchema):
    name = bounded(rules.LONGEST_NAME, required=True, metadata={"description": "Only one of a provider's has it"})
    site = bounded(12, required=True, metadata={"description": "ODS code of a site of yours"})
    specialty = bounded(8, required=True, metadata={"description": "Treatment function code, such as 330"})
    clinic_types = ma.fields.List(bounded(40), load_default=list, validate=ma.validate.Length(max=100))
    booking_mode = ma.fields.Enum(BookingMode, by_value=True, load_default=BookingMode.DIRECTLY_BOOKABLE)
    priorities = ma.fields.List(
        ma.fields.Nested(BookingWindowSchema), required=True, validate=ma.validate.Length(min=1, max=3),
        metadata={"description": "Those it takes, each with its booking window in days from today"},
    )  # fmt: skip
    polling_range_days = ma.fields.Integer(strict=True, load_default=182, validate=ma.validate.Range(1, 730))
    min_age = ma.fields.Integer(strict=True, load_default=0, validate=AGES)
    max_age = ma.fields.Integer(strict=True, load_default=rules.OLDEST, validate=AGES)
    sex = ma.fields.Enum(Sex, by_value=True, allow_none=True, load_default=None)
    operational_from = ma.fields.Date(required=True)
    operational_to = ma.fields.Date(allow_none=True, load_default=None, metadata={"description": "The last day"})
    indicative_wait_days = ma.fields.Integer(
        strict=True, allow_none=True, load_default=None, validate=ma.validate.Range(0, rules.LONGEST_INDICATIVE_WAIT)
    )
    interpreters = ma.fields.Boolean(load_default=True)
    letter_required = ma.fields.Boolean(load_default=True)
    gives_advice = ma.fields.Boolean(load_default=False)
    instructions = bounded(rules.LONGEST_INSTRUCTIONS, text_min=0, load_default="")
    telephone = ma.fields.String(
        allow_none=True, load_default=None, validate=[ma.validate.Length(max=20), no_control_characters],
        metadata={"description": "For patients; a service booked by telephone must have one"},
    )  # fmt: skip
    contact_by = ma.fields.Dict(
        keys=bounded(40), values=ma.fields.Dict(keys=bounded(40), values=ma.fields.Integer(strict=True)),
        load_default=dict, metadata={"description": "Shorter contact-by times: worklist, priority, working days"},
    )  # fmt: skip
    nationally_visible = ma.fields.Boolean(load_default=True)
    overbooking_percent = ma.fields.Integer(
        strict=True, load_default=0, validate=ma.validate.Range(0, MOST_PERCENT),
        metadata={
            "description": "Extra places against missed appointments, in per cent; for slots published from now on, "
            "those published before stay as they are"
        },
    )  # fmt: skip
    practitioners = ma.fields.List(
        bounded(40), load_default=list, validate=ma.validate.Length(max=rules.MOST_PRACTITIONERS),
        metadata={"description": "Clinicians offered by name, by registration; empty is every clinician of yours"},
    )  # fmt: skip


class ServiceChangeSchema(ServiceDefinitionSchema):
    """Any of the fields; those left out stay as they are."""


class DefinedServiceSchema(ServiceDefinitionSchema):
    id = ma.fields.Integer()
    version = ma.fields.Integer()


class DefinedServiceListSchema(ma.Schema):
    services = ma.fields.List(ma.fields.Nested(DefinedServiceSchema))


class DefinedServiceQuery(StrictSchema):
    closed = ma.fields.Boolean(load_default=False, metadata={"description": "Those whose last day is over too"})


class ServiceEffectsSchema(ma.Schema):
    open_referrals = ma.fields.Integer(metadata={"description": "Live referrals that list the service"})
    losing_it = ma.fields.Integer(metadata={"description": "Of these, still choosing, that could use it no more"})
    left_without = ma.fields.Integer(metadata={"description": "Of these, with nothing else: back to their practice"})
    booked_appointments = ma.fields.Integer(metadata={"description": "To come; they stay"})
    booked_after_last_day = ma.fields.Integer()
    free_slots = ma.fields.Integer()
    free_slots_unusable = ma.fields.Integer(metadata={"description": "Nobody could book them any more"})
    kept_times = ma.fields.Integer(metadata={"description": "Kept for patients, let go; they are told and replanned"})


class CloseServiceSchema(StrictSchema):
    last_day = ma.fields.Date(required=True, metadata={"description": "Today or later"})


class ChangedServiceSchema(DefinedServiceSchema):
    effects = ma.fields.Nested(ServiceEffectsSchema)


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """The body in the words of :class:`Definition`."""
    given = dict(body)
    if "priorities" in given:
        rows = given.pop("priorities")
        given["windows"] = {
            row["priority"]: Window(row.get("window_from_days", 0), row["window_to_days"]) for row in rows
        }
        if len(given["windows"]) < len(rows):
            raise Invalid.field("priorities", "TWICE", "A priority is named twice.")
    if "site" in given:
        given["site"] = parse_ods_code(given["site"], field="site")
    for name in ("clinic_types", "practitioners"):
        if name in given:
            given[name] = tuple(sorted(code.strip().upper() for code in given[name]))
    return given


def _shown(found: Described) -> dict[str, Any]:
    definition = found.definition
    names = [one.name for one in fields(definition) if one.name != "windows"]
    return {
        **{name: getattr(definition, name) for name in names},
        "id": found.service.id,
        "version": found.service.version,
        "priorities": [
            {"priority": priority, "window_from_days": window.first_day, "window_to_days": window.last_day}
            for priority, window in definition.windows.items()
        ],
    }


def _answer(found: Described, **more: Any) -> Any:
    return {**_shown(found), **more}, 200, {"ETag": etag_of(found.service.version)}


@blp.route("/organisation/services")
@allow(*PROVIDERS, via=Via.BEARER)
@blp.arguments(DefinedServiceQuery, location="query")
@blp.response(200, DefinedServiceListSchema)
def list_own_services(query: dict[str, Any]) -> Any:
    """Your provider's services as they are defined, by name."""
    return {"services": [_shown(one) for one in services.list_services(work(), closed=query["closed"])]}


@blp.route("/organisation/services", methods=["POST"])
@allow(Role.SERVICE_DEFINER, via=Via.BEARER)
@blp.arguments(ServiceDefinitionSchema)
@blp.response(201, DefinedServiceSchema)
@blp.alt_response(422, description="Every field at fault is named")
@blp.doc(**IDEMPOTENCY_DOC)
def create_service(body: dict[str, Any]) -> Any:
    """Define a new service of your provider."""
    made = services.create_service(work(), Definition(**_given(body)))
    headers = {"Location": f"/api/v1/organisation/services/{made.service.id}", "ETag": etag_of(made.service.version)}
    return _shown(made), 201, headers


@blp.route("/organisation/services/<key:service_id>")
@allow(*PROVIDERS, via=Via.BEARER)
@blp.response(200, DefinedServiceSchema)
def read_own_service(service_id: int) -> Any:
    """One of your provider's services as it is defined."""
    return _answer(services.own_service(work(), service_id))


@blp.route("/organisation/services/<key:service_id>", methods=["PATCH"])
@allow(Role.SERVICE_DEFINER, via=Via.BEARER)
@blp.arguments(ServiceChangeSchema(partial=True))
@blp.response(200, ChangedServiceSchema)
@blp.alt_response(409, description="STALE_VERSION")
@blp.doc(parameters=[IF_MATCH_DOC])
def change_service(body: dict[str, Any], service_id: int) -> Any:
    """Change the fields sent; what is booked stays valid, and the answer says whom it touched."""
    version = required_version()
    changed, effects = services.change_service(work(), service_id, _given(body), version=version)
    return _answer(changed, effects=effects)


@blp.route("/organisation/services/<key:service_id>/effects", methods=["POST"])
@allow(Role.SERVICE_DEFINER, via=Via.BEARER)
@blp.arguments(ServiceChangeSchema(partial=True))
@blp.response(200, ServiceEffectsSchema)
@blp.doc(**IDEMPOTENCY_DOC)
def preview_service_change(body: dict[str, Any], service_id: int) -> Any:
    """Whom the change would touch: referrals, appointments, slots. Nothing is changed."""
    return services.preview_change(work(), service_id, _given(body))


@blp.route("/organisation/services/<key:service_id>/close", methods=["POST"])
@allow(Role.SERVICE_DEFINER, via=Via.BEARER)
@blp.arguments(CloseServiceSchema)
@blp.response(200, ChangedServiceSchema)
@blp.alt_response(409, description="STALE_VERSION")
@blp.doc(parameters=[IF_MATCH_DOC, *IDEMPOTENCY_DOC["parameters"]])
def close_service(body: dict[str, Any], service_id: int) -> Any:
    """Take nobody new after the last day; appointments already booked stay."""
    closed, effects = services.close_service(work(), service_id, body["last_day"], version=required_version())
    return _answer(closed, effects=effects)
