"""Finding services."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from booking.api.base import Blueprint, StrictSchema, bounded, key
from booking.domain.geo import miles
from booking.domain.targets import age_on
from booking.domain.words import PROVIDERS, REFERRERS, BookingMode, Priority, Sex
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Organisation, Service
from booking.services.advice import gives_advice
from booking.services.patients import own_patient
from booking.services.search import FoundService, ServiceSearch, SortBy, find_services

blp = Blueprint("services", __name__, description="Finding services to refer to")


class ServiceQuery(StrictSchema):
    specialty = bounded(8, metadata={"description": "Treatment function code, such as 330 for dermatology"})
    clinic_type = bounded(40, metadata={"description": "Needs its specialty"})
    term = bounded(80, metadata={"description": "Clinical term, instead of a specialty"})
    practitioner = bounded(40, metadata={"description": "Registration of a clinician to refer to by name"})
    advice = ma.fields.Boolean(load_default=False, metadata={"description": "Only those you may ask for advice"})
    priority = ma.fields.Enum(Priority, by_value=True, load_default=Priority.ROUTINE)
    age = ma.fields.Integer(validate=ma.validate.Range(0, 150))
    sex = ma.fields.Enum(Sex, by_value=True)
    patient_id = key(metadata={"description": "Takes age, sex and coordinates from your patient"})
    postcode = bounded(10)
    within_miles = ma.fields.Float(validate=ma.validate.Range(0, 1000, min_inclusive=False), allow_nan=False)
    max_wait_days = ma.fields.Integer(validate=ma.validate.Range(0, 1000))
    sort = ma.fields.Enum(SortBy, by_value=True, load_default=SortBy.DISTANCE)
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 200))


class PrioritySchema(ma.Schema):
    priority = ma.fields.Enum(Priority, by_value=True)
    window_from_days = ma.fields.Integer()
    window_to_days = ma.fields.Integer()


class ServiceSchema(ma.Schema):
    id = ma.fields.Integer()
    name = ma.fields.String()
    provider = ma.fields.String()
    provider_code = ma.fields.String()
    site = ma.fields.String()
    site_code = ma.fields.String()
    postcode = ma.fields.String(allow_none=True)
    latitude = ma.fields.Float(allow_none=True)
    longitude = ma.fields.Float(allow_none=True)
    step_free = ma.fields.Boolean()
    specialty = ma.fields.String()
    clinic_types = ma.fields.List(ma.fields.String())
    booking_mode = ma.fields.Enum(BookingMode, by_value=True)
    priorities = ma.fields.List(ma.fields.Nested(PrioritySchema))
    min_age = ma.fields.Integer()
    max_age = ma.fields.Integer()
    sex = ma.fields.Enum(Sex, by_value=True, allow_none=True)
    indicative_wait_days = ma.fields.Integer(allow_none=True)
    letter_required = ma.fields.Boolean()
    gives_advice = ma.fields.Boolean(metadata={"description": "Takes requests for advice"})
    instructions = ma.fields.String()
    distance_miles = ma.fields.Float(allow_none=True)


class ServiceListSchema(ma.Schema):
    services = ma.fields.List(ma.fields.Nested(ServiceSchema))


def present(found: FoundService) -> dict[str, Any]:
    service: Service = found.service
    return {
        **{
            name: getattr(service, name)
            for name in ("id", "name", "booking_mode", "min_age", "max_age", "sex", "indicative_wait_days")
        },
        "letter_required": service.letter_required,
        "gives_advice": gives_advice(service),
        "instructions": service.instructions,
        "provider": service.organisation.name,
        "provider_code": service.organisation.ods_code,
        "site": service.site.name,
        "site_code": service.site.ods_code,
        "postcode": service.site.postcode,
        "latitude": service.site.latitude,
        "longitude": service.site.longitude,
        "step_free": service.site.step_free,
        "specialty": service.specialty_code,
        "clinic_types": sorted(row.clinic_type_code for row in service.clinic_types),
        "priorities": sorted(service.priorities, key=lambda row: row.priority),
        "distance_miles": None if found.distance_km is None else round(miles(found.distance_km), 1),
    }


@blp.route("/services")
@allow(*REFERRERS, *PROVIDERS, via=Via.BEARER)
@blp.arguments(ServiceQuery, location="query")
@blp.response(200, ServiceListSchema)
@blp.alt_response(422, description="A rule of the search is broken; the field is named")
def search_services(query: dict[str, Any]) -> Any:
    """Search services by specialty and clinic type, clinical term or clinician; nearest or shortest wait first."""
    unit = work()
    patient_id = query.pop("patient_id", None)
    if patient_id is not None:
        patient = own_patient(unit, patient_id)
        query.setdefault("age", age_on(patient.date_of_birth, unit.today))
        query.setdefault("sex", patient.sex)
        if "postcode" not in query and patient.latitude is not None:
            query.update(latitude=patient.latitude, longitude=patient.longitude)
    practice = None
    if unit.actor.role in REFERRERS and unit.actor.organisation_id is not None:
        practice = unit.session.get(Organisation, unit.actor.organisation_id)
    query.setdefault("specialty", None)
    return {"services": [present(found) for found in find_services(unit, ServiceSearch(**query), practice)]}
