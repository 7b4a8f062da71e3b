"""Lists that programs and people choose from: reasons, specialties, clinic types, contact-by times, worklists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from booking.domain.errors import NotFound
from booking.domain.words import PROVIDERS, REFERRERS, Priority, Worklist
from booking.domain.worklists import CONTACT_BY, OWNER, Owner
from booking.models import ClinicType, Organisation, Service, Specialty
from booking.services.directory import visible_ids
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class ContactBy:
    """Working days until somebody must have acted on an entry of a worklist."""

    worklist: Worklist
    owner: Owner
    priority: Priority
    working_days: int
    shortened: bool
    """By the service's provider; the published time is longer."""


def specialties(work: Work) -> list[Specialty]:
    """Those that a service can be of, by name."""
    return list(work.session.scalars(select(Specialty).order_by(Specialty.name, Specialty.code)))


def clinic_types(work: Work, specialty: str | None = None) -> list[ClinicType]:
    """By specialty and name."""
    query = select(ClinicType).order_by(ClinicType.specialty_code, ClinicType.name, ClinicType.code)
    if specialty is not None:
        query = query.where(ClinicType.specialty_code == specialty)
    return list(work.session.scalars(query))


def contact_by(work: Work, service_id: int | None = None) -> list[ContactBy]:
    """The published times, or those of one service that the actor may know of."""
    own: Mapping[str, Mapping[str, int]] = _known_service(work, service_id).contact_by if service_id else {}
    return [
        ContactBy(worklist, OWNER[worklist], priority, min(days, short), shortened=short < days)
        for worklist, by_priority in CONTACT_BY.items()
        for priority, days in by_priority.items()
        for short in [own.get(worklist, {}).get(priority, days)]
    ]


def _known_service(work: Work, service_id: int) -> Service:
    """The service, if it is open to the actor's practice, the actor's own provider's, or open to everybody."""
    service = work.session.get(Service, service_id)
    if service is not None and (service.nationally_visible or _theirs(work, service)):
        return service
    raise NotFound("There is no such service, or it is not open to you.")


def _theirs(work: Work, service: Service) -> bool:
    if work.actor.role in PROVIDERS:
        return service.organisation_id == work.actor.organisation_id
    if work.actor.role in REFERRERS and work.actor.organisation_id is not None:
        practice = work.session.get_one(Organisation, work.actor.organisation_id)
        return bool(visible_ids(work.session, [service.id], practice, work.today))
    return False
