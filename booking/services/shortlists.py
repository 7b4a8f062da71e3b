"""Shortlists: 1 to 20 services that the referral may use (domain rule 1), and whether a letter is due for them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select

from booking.domain.eligibility import why_service_not
from booking.domain.errors import FieldError, Invalid
from booking.domain.words import BookingMode, Priority
from booking.models import Organisation, Patient, Practitioner, Referral, ReferralService, Service, ServicePractitioner
from booking.services.directory import rules_of, services_by_id, visible_ids
from booking.services.work import Work

LONGEST_SHORTLIST = 20


def check_shortlist(
    work: Work,
    ids: Sequence[int],
    *,
    practice: Organisation,
    patient: Patient,
    specialty: str,
    clinic_type: str | None,
    priority: Priority,
    named: int | None = None,
) -> list[Service]:
    """The services in their order, if the referral may use each; else :class:`Invalid`, every fault named.

    A triage service stands alone: its clinician decides before anybody books. ``named`` is the clinician the
    patient is referred to by name, who must be offered at each.
    """
    if not 1 <= len(ids) <= LONGEST_SHORTLIST:
        raise Invalid.field("shortlist", "SHORTLIST_LENGTH", f"A shortlist has 1 to {LONGEST_SHORTLIST} services.")
    if len(set(ids)) != len(ids):
        raise Invalid.field("shortlist", "SHORTLIST_DUPLICATE", "A service stands twice in the shortlist.")
    services = services_by_id(work.session, ids)
    visible = visible_ids(work.session, list(ids), practice, work.today)
    faults: list[FieldError] = []
    for place, service_id in enumerate(ids):
        service = services.get(service_id)
        if service is None or service_id not in visible:
            words = f"Service {service_id} is not one you can refer to."
            faults.append(FieldError(f"shortlist.{place}", "SERVICE_UNKNOWN", words))
            continue
        why = why_service_not(
            rules_of(service), specialty_code=specialty, clinic_type=clinic_type, priority=priority,
            date_of_birth=patient.date_of_birth, sex=patient.sex, visible=True, today=work.today,
        ) or _why_mode_not(service, len(ids))  # fmt: skip
        if why is not None:
            faults.append(FieldError(f"shortlist.{place}", why[0], f"{service.name} {why[1]}."))
    if named is not None:
        faults += _not_offered_by_name(work, named, list(services.values()))
    if faults:
        raise Invalid(*faults)
    return [services[service_id] for service_id in ids]


def _not_offered_by_name(work: Work, practitioner_id: int, services: Sequence[Service]) -> list[FieldError]:
    ids = select(Service.id).where(Service.id.in_([service.id for service in services]))
    offered = set(work.session.scalars(ids.where(offers_by_name(practitioner_id))))
    words = "This clinician is not offered by name at {name}."
    return [
        FieldError("named_practitioner", "NOT_OFFERED_BY_NAME", words.format(name=service.name))
        for service in services
        if service.id not in offered
    ]


def offers_by_name(practitioner_id: int) -> ColumnElement[bool]:
    """SQL: patients may be referred to the clinician at the service (of the enclosing query).

    A service that names nobody takes referrals to any clinician of its provider.
    """
    named = select(ServicePractitioner.service_id).where(ServicePractitioner.service_id == Service.id)
    colleague = select(Practitioner.id).where(
        Practitioner.id == practitioner_id, Practitioner.organisation_id == Service.organisation_id
    )
    listed = named.where(ServicePractitioner.practitioner_id == practitioner_id)
    return or_(
        listed.correlate(Service).exists(),
        and_(~named.correlate(Service).exists(), colleague.correlate(Service).exists()),
    )


def _why_mode_not(service: Service, length: int) -> tuple[str, str] | None:
    if service.booking_mode is BookingMode.ADVICE_ONLY:
        return "ADVICE_ONLY", "gives advice only and takes no referrals"
    if service.booking_mode is BookingMode.TRIAGE and length > 1:
        return "TRIAGE_ALONE", "is a triage service: it can't stand beside others in a shortlist"
    return None


def letter_due(services: Sequence[Service], clinical_information: str) -> bool:
    """Whether a letter must still be attached: somebody asks for one, and nothing clinical was written here."""
    return any(service.letter_required for service in services) and not clinical_information.strip()


def strike(work: Work, referral: Referral, service_id: int) -> None:
    """The provider has found it the wrong clinic: it is not proposed again. Whoever has the duty finds another."""
    row = work.session.get(ReferralService, (referral.id, service_id))
    if row is not None:
        work.session.delete(row)
        work.session.flush()
