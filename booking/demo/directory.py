"""Fills the directory: organisations, sites, services, clinicians, and six weeks of slots from today on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from govuk_bank_holidays.bank_holidays import BankHolidays
from sqlalchemy.orm import Session

from booking.demo import region
from booking.demo.region import DemoService
from booking.domain.words import OrganisationKind, SlotStatus
from booking.models import (
    ClinicType,
    CommissioningRule,
    Organisation,
    Postcode,
    Practitioner,
    Publication,
    Service,
    ServiceClinicType,
    ServicePriority,
    Site,
    Slot,
    Specialty,
)
from booking.services.work import Work

WEEKS = 6
ZONE = "Europe/London"
OPEN_SINCE = date(2020, 1, 1)


@dataclass
class Directory:
    """What was made, by its code or key."""

    commissioner: Organisation
    practices: dict[str, Organisation] = field(default_factory=dict)
    providers: dict[str, Organisation] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    clinicians: dict[str, list[Practitioner]] = field(default_factory=dict)


def build(work: Work, rng: Random) -> Directory:
    made = _organisations(work.session)
    _terms(work.session)
    for number, planned in enumerate(region.SERVICES, 1):
        _service(work.session, made, planned, number)
    work.session.flush()
    _slots(work, made, rng)
    return made


def _organisation(session: Session, kind: OrganisationKind, code: str, name: str, **fields: object) -> Organisation:
    made = Organisation(ods_code=code, kind=kind, name=name, **fields)
    session.add(made)
    session.flush()
    return made


def _organisations(session: Session) -> Directory:
    code, name, postcode, latitude, longitude = region.COMMISSIONER
    place = {"postcode": postcode, "latitude": latitude, "longitude": longitude}
    made = Directory(_organisation(session, OrganisationKind.COMMISSIONER, code, name, **place))
    for code, name, postcode, latitude, longitude in region.PRACTICES:
        made.practices[code] = _organisation(
            session, OrganisationKind.PRACTICE, code, name, postcode=postcode, latitude=latitude, longitude=longitude,
            commissioner_id=made.commissioner.id,
        )  # fmt: skip
        session.merge(Postcode(postcode=postcode, latitude=latitude, longitude=longitude))
    for code, name in region.PROVIDERS:
        made.providers[code] = _organisation(session, OrganisationKind.PROVIDER, code, name)
    for code, provider, name, address, postcode, latitude, longitude, step_free in region.SITES:
        made.sites[code] = Site(
            ods_code=code, organisation_id=made.providers[provider].id, name=name, address=address, postcode=postcode,
            latitude=latitude, longitude=longitude, step_free=step_free, time_zone=ZONE, sector="acute",
        )  # fmt: skip
        session.merge(Postcode(postcode=postcode, latitude=latitude, longitude=longitude))
    session.add_all(made.sites.values())
    session.flush()
    return made


def _terms(session: Session) -> None:
    for code, name in region.SPECIALTIES.items():
        session.merge(Specialty(code=code, name=name))
    session.flush()
    for code, (specialty, name) in region.CLINIC_TYPES.items():
        session.merge(ClinicType(code=code, specialty_code=specialty, name=name))
    session.flush()


def _service(session: Session, made: Directory, planned: DemoService, number: int) -> None:
    site = made.sites[planned.site]
    service = Service(
        organisation_id=site.organisation_id, site_id=site.id, name=planned.name,
        specialty_code=region.CLINIC_TYPES[planned.clinic_types[0]][0], min_age=planned.min_age,
        max_age=planned.max_age, operational_from=OPEN_SINCE,
        indicative_wait_days=planned.wait_days, interpreters=planned.interpreters,
        instructions=planned.instructions, nationally_visible=planned.nationally_visible,
    )  # fmt: skip
    session.add(service)
    session.flush()
    session.add_all(ServiceClinicType(service_id=service.id, clinic_type_code=code) for code in planned.clinic_types)
    for priority in planned.priorities:
        first, last = region.WINDOWS[priority]
        session.add(
            ServicePriority(service_id=service.id, priority=priority, window_from_days=first, window_to_days=last)
        )
    if not planned.nationally_visible:
        rule = CommissioningRule(service_id=service.id, organisation_id=made.commissioner.id, starts_on=OPEN_SINCE)
        session.add(rule)
    clinicians = [
        Practitioner(organisation_id=site.organisation_id, identifier=f"ZZG{number:02d}{at}", name=name, sex=sex)
        for at, (name, sex) in enumerate(planned.practitioners)
    ]
    session.add_all(clinicians)
    session.flush()
    made.services[planned.key], made.clinicians[planned.key] = service, clinicians


def clinic_days(today: date, weeks: int = WEEKS) -> list[date]:
    """The working days of the weeks ahead: bank holidays of England left out, by the data inside the package."""
    holidays = BankHolidays(use_cached_holidays=True)
    days = [today + timedelta(days=n) for n in range(1, weeks * 7 + 1)]
    return [day for day in days if holidays.is_work_day(day, division=BankHolidays.ENGLAND_AND_WALES)]


def _slots(work: Work, made: Directory, rng: Random) -> None:
    days = clinic_days(work.today)
    for planned in region.SERVICES:
        service, clinicians = made.services[planned.key], made.clinicians[planned.key]
        publication = Publication(organisation_id=service.organisation_id, source="demo", received_at=work.now)
        work.session.add(publication)
        work.session.flush()
        slots = [slot for day in days for slot in _day(planned, service, clinicians, publication, day, rng)]
        publication.added = len(slots)
        work.session.add_all(slots)
    work.session.flush()


def _day(
    planned: DemoService, service: Service, clinicians: list[Practitioner], publication: Publication, day: date,
    rng: Random,
) -> list[Slot]:  # fmt: skip
    slots: list[Slot] = []
    for session in planned.sessions:
        if session.weekday != day.weekday() or rng.random() < 0.04:  # a clinic now and then does not run
            continue
        first = datetime.combine(day, time.fromisoformat(session.start), ZoneInfo(ZONE))
        for number in range(session.slots):
            starts = first + timedelta(minutes=planned.minutes * number)
            slots.append(
                Slot(
                    service_id=service.id, site_id=service.site_id, practitioner_id=clinicians[session.practitioner].id,
                    provider_slot_id=f"{planned.key}-{starts:%Y%m%d-%H%M}", starts_at=starts,
                    ends_at=starts + timedelta(minutes=planned.minutes), local_date=day, time_zone=ZONE,
                    mode=session.mode, status=SlotStatus.PUBLISHED, publication_id=publication.id,
                )
            )  # fmt: skip
    return slots
