"""Joining a clinic's list where it has no free time: which clinics may be asked, and by when they must get in touch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from booking.domain.referral import Action
from booking.domain.words import Worklist
from booking.domain.worklists import contact_by
from booking.models import Referral, Service
from booking.services import life, places
from booking.services.holidays import bank_holidays
from booking.services.slots import first_days, usable_services
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Joinable:
    service: Service
    call_by: date
    """The last day on which the clinic keeps to the contact-by time if it is asked today."""


def joinable(work: Work, referral: Referral) -> list[Joinable]:
    """Clinics of the shortlist that may be asked to find the patient a time: only those without any (domain rule 6)."""
    if Action.DEFER_TO_PROVIDER not in life.available(work, referral):
        return []
    free = first_days(work, referral)
    full = [service for service, _ in usable_services(referral) if service.id not in free]
    kept = places.keeps_places_at(work, referral) if full else set()
    return [Joinable(service, _call_by(work, referral, service)) for service in full if service.id not in kept]


def _call_by(work: Work, referral: Referral, service: Service) -> date:
    listed = Worklist.APPOINTMENT_SLOT_ISSUES
    return contact_by(listed, referral.priority, work.today, bank_holidays(), service.contact_by)
