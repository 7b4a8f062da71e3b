"""Finding a service to refer to (domain rule 2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, or_, select

from booking.domain.errors import FieldError, Invalid
from booking.domain.geo import KM_PER_MILE, distance_km
from booking.domain.words import BookingMode, Priority, Sex
from booking.models import (
    ClinicType,
    Organisation,
    Practitioner,
    Service,
    ServiceClinicType,
    ServicePriority,
    Specialty,
)
from booking.services.directory import LOADED, locate, visible_to
from booking.services.shortlists import offers_by_name
from booking.services.work import Work


class SortBy(StrEnum):
    DISTANCE = "distance"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class ServiceSearch:
    specialty: str | None
    clinic_type: str | None = None
    term: str | None = None
    practitioner: str | None = None
    """The registration of a clinician whom the patient is to be referred to by name."""
    advice: bool = False
    """Only services that take requests for advice."""
    priority: Priority = Priority.ROUTINE
    age: int | None = None
    sex: Sex | None = None
    postcode: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    within_miles: float | None = None
    max_wait_days: int | None = None
    modes: Collection[BookingMode] = ()
    """Only services booked in one of these ways; empty means any."""
    sort: SortBy = SortBy.DISTANCE
    limit: int = 50
    keep: Collection[int] = ()
    """Services that are found beyond the limit too, if the search allows them."""


@dataclass(frozen=True, slots=True)
class FoundService:
    service: Service
    distance_km: float | None


def check(search: ServiceSearch) -> None:
    """Rule 2 of the domain, every fault named."""
    faults: list[FieldError] = []
    if search.clinic_type and not search.specialty:
        faults.append(FieldError("specialty", "REQUIRED", "A clinic type needs its specialty."))
    elif not search.specialty and not search.term and not search.practitioner:
        words = "Give a specialty (and clinic type), a clinical term, or a named clinician."
        faults.append(FieldError("specialty", "REQUIRED", words))
    located = bool(search.postcode) or search.latitude is not None
    if search.within_miles is not None and not located:
        faults.append(
            FieldError("within_miles", "POSTCODE_REQUIRED", "A distance limit needs a postcode or a patient.")
        )
    if search.max_wait_days is not None and search.priority is Priority.TWO_WEEK_WAIT:
        faults.append(
            FieldError("max_wait_days", "NOT_FOR_TWO_WEEK_WAIT", "Two-week-wait takes no waiting-time limit.")
        )
    if faults:
        raise Invalid(*faults)


def find_services(work: Work, search: ServiceSearch, practice: Organisation | None) -> list[FoundService]:
    """Services the search allows, nearest first or shortest wait first; ties by name."""
    check(search)
    session, today = work.session, work.today
    query = (
        select(Service)
        .join(
            ServicePriority, (ServicePriority.service_id == Service.id) & (ServicePriority.priority == search.priority)
        )
        .where(
            Service.operational_from <= today, or_(Service.operational_to.is_(None), Service.operational_to >= today)
        )
        .options(*LOADED)
    )
    if search.specialty:
        if session.get(Specialty, search.specialty) is None:
            raise Invalid.field(
                "specialty", "SPECIALTY_UNKNOWN", f"{search.specialty!r} is not a specialty code we know."
            )
        query = query.where(Service.specialty_code == search.specialty)
    if search.clinic_type:
        clinic = session.get(ClinicType, search.clinic_type)
        if clinic is None or clinic.specialty_code != search.specialty:
            raise Invalid.field(
                "clinic_type",
                "CLINIC_TYPE_UNKNOWN",
                f"{search.clinic_type!r} is not a clinic type of specialty {search.specialty}.",
            )
        query = query.where(
            select(ServiceClinicType.service_id)
            .where(ServiceClinicType.service_id == Service.id, ServiceClinicType.clinic_type_code == search.clinic_type)
            .exists()
        )
    if search.term:
        like = f"%{search.term.strip().lower().replace('%', '').replace('_', '')}%"
        named = select(Specialty.code).where(Specialty.name.ilike(like))
        clinics = (
            select(ServiceClinicType.service_id)
            .join(ClinicType, ClinicType.code == ServiceClinicType.clinic_type_code)
            .where(ClinicType.name.ilike(like))
        )
        query = query.where(or_(Service.name.ilike(like), Service.specialty_code.in_(named), Service.id.in_(clinics)))
    if search.practitioner:
        query = query.where(offers_by_name(_practitioner(work, search.practitioner)))
    query = query.where(*_kind(search))
    if search.age is not None:
        query = query.where(Service.min_age <= search.age, Service.max_age >= search.age)
    if search.sex is not None:
        query = query.where(or_(Service.sex.is_(None), Service.sex == search.sex))
    if search.max_wait_days is not None:
        query = query.where(Service.indicative_wait_days <= search.max_wait_days)
    query = query.where(visible_to(practice, today) if practice is not None else Service.nationally_visible)
    place = _place(work, search)
    found = [FoundService(service, _distance(place, service)) for service in session.scalars(query).unique()]
    if search.within_miles is not None:
        limit = search.within_miles * KM_PER_MILE
        found = [one for one in found if one.distance_km is not None and one.distance_km <= limit]
    found.sort(key=lambda one: _order(one, search.sort))
    kept = [one for one in found[search.limit :] if one.service.id in search.keep]
    return found[: search.limit] + kept


def _kind(search: ServiceSearch) -> list[ColumnElement[bool]]:
    """How the services are booked, and what they take."""
    found: list[ColumnElement[bool]] = []
    if search.modes:
        found.append(Service.booking_mode.in_(list(search.modes)))
    if search.advice:
        found.append(or_(Service.gives_advice, Service.booking_mode == BookingMode.ADVICE_ONLY))
    return found


def _practitioner(work: Work, identifier: str) -> int:
    found = work.session.scalar(select(Practitioner.id).where(Practitioner.identifier == identifier.strip().upper()))
    if found is None:
        words = f"No clinician has the identifier {identifier!r}."
        raise Invalid.field("practitioner", "PRACTITIONER_UNKNOWN", words)
    return found


def _place(work: Work, search: ServiceSearch) -> tuple[float, float] | None:
    if search.latitude is not None and search.longitude is not None:
        return search.latitude, search.longitude
    return locate(work.session, search.postcode) if search.postcode else None


def _distance(place: tuple[float, float] | None, service: Service) -> float | None:
    site = service.site
    if place is None or site.latitude is None or site.longitude is None:
        return None
    return distance_km(*place, site.latitude, site.longitude)


def _order(found: FoundService, sort: SortBy) -> tuple[float, float, str]:
    far = found.distance_km if found.distance_km is not None else float("inf")
    wait = found.service.indicative_wait_days
    long = float(wait) if wait is not None else float("inf")
    first, second = (far, long) if sort is SortBy.DISTANCE else (long, far)
    return first, second, found.service.name
