"""factory-boy factories for every table the tests need, and ready-made pieces: a region, a referral, sign-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import factory
from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy.orm import Session

from booking.domain.ids import nhs_number_from
from booking.domain.words import BookingMode, OrganisationKind, Priority, Role, Sex
from booking.keys import hash_password
from booking.models import (
    Account,
    AccountRole,
    ClinicType,
    Organisation,
    Patient,
    Postcode,
    Practitioner,
    Referral,
    Service,
    ServiceClinicType,
    ServicePriority,
    Site,
    Slot,
    Specialty,
)
from booking.services import referrals, sign_in
from booking.services.work import Actor, Work

LONDON = ZoneInfo("Europe/London")
PASSWORD = "correct horse battery"
_PASSWORD_HASH = hash_password(PASSWORD)
_session: list[Session] = []


@contextmanager
def using(session: Session) -> Iterator[None]:
    """Make the factories build in this session."""
    _session.append(session)
    try:
        yield
    finally:
        _session.remove(session)


class Factory(SQLAlchemyModelFactory):  # type: ignore[misc,type-arg]
    class Meta:
        abstract = True
        sqlalchemy_session_factory: ClassVar[Any] = lambda: _session[-1]
        sqlalchemy_session_persistence = "flush"


class SpecialtyFactory(Factory):
    class Meta:
        model = Specialty
        sqlalchemy_get_or_create = ("code",)

    code = "330"
    name = "Dermatology"


class ClinicTypeFactory(Factory):
    class Meta:
        model = ClinicType
        sqlalchemy_get_or_create = ("code",)

    code = "330-SKIN"
    specialty_code = "330"
    name = "Skin lesions"


class OrganisationFactory(Factory):
    class Meta:
        model = Organisation

    ods_code = factory.Sequence(lambda n: f"P{n:05d}")
    kind = OrganisationKind.PRACTICE
    name = factory.Sequence(lambda n: f"Practice {n}")
    postcode = "AM1 1AA"
    latitude = 53.48
    longitude = -2.24


class SiteFactory(Factory):
    class Meta:
        model = Site

    ods_code = factory.Sequence(lambda n: f"S{n:05d}")
    name = factory.Sequence(lambda n: f"Hospital {n}")
    postcode = "AM2 2BB"
    latitude = 53.50
    longitude = -2.20


class PractitionerFactory(Factory):
    class Meta:
        model = Practitioner

    identifier = factory.Sequence(lambda n: f"C{n:07d}")
    name = factory.Sequence(lambda n: f"Dr Number {n}")
    sex = Sex.FEMALE


class ServiceFactory(Factory):
    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Dermatology clinic {n}")
    specialty_code = "330"
    booking_mode = BookingMode.DIRECTLY_BOOKABLE
    operational_from = date(2020, 1, 1)
    indicative_wait_days = 30


class PatientFactory(Factory):
    class Meta:
        model = Patient

    nhs_number = factory.Sequence(lambda n: _nhs_number(n))
    given_name = "Ada"
    family_name = factory.Sequence(lambda n: f"Patient{n}")
    date_of_birth = date(1960, 5, 17)
    sex = Sex.FEMALE
    postcode = "AM1 1AB"
    latitude = 53.47
    longitude = -2.25
    created_at = factory.LazyFunction(lambda: datetime.now(LONDON))


class SlotFactory(Factory):
    class Meta:
        model = Slot

    provider_slot_id = factory.Sequence(lambda n: f"slot-{n}")
    time_zone = "Europe/London"
    ends_at = factory.LazyAttribute(lambda o: o.starts_at + timedelta(minutes=20))
    local_date = factory.LazyAttribute(lambda o: o.starts_at.astimezone(ZoneInfo(o.time_zone)).date())


_numbers: dict[int, str] = {}


def _nhs_number(n: int) -> str:
    """The n-th valid number of the range set aside for tests (999 …)."""
    while n not in _numbers:
        candidate = 999_000_000 + len(_numbers) + getattr(_nhs_number, "skipped", 0)
        number = nhs_number_from(candidate)
        if number is None:
            _nhs_number.skipped = getattr(_nhs_number, "skipped", 0) + 1  # type: ignore[attr-defined]
        else:
            _numbers[len(_numbers)] = number
    return _numbers[n]


@dataclass
class Region:
    """What a small region holds; ids and codes stay usable after the session is gone."""

    commissioner: Organisation
    practice: Organisation
    other_practice: Organisation
    provider: Organisation
    other_provider: Organisation
    services: list[Service]
    slots: list[Slot]
    patient: Patient
    accounts: dict[Role, Account] = field(default_factory=dict)
    account_roles: dict[Role, AccountRole] = field(default_factory=dict)


def account(work: Work, role: Role, organisation: Organisation, username: str | None = None) -> AccountRole:
    made = Account(
        username=username or f"{role.lower()}@{organisation.ods_code.lower()}",
        name=f"{role.title()} Person",
        password_hash=_PASSWORD_HASH,
    )
    work.session.add(made)
    work.session.flush()
    row = AccountRole(account_id=made.id, organisation_id=organisation.id, role=role)
    work.session.add(row)
    work.session.flush()
    return row


def service(work: Work, organisation: Organisation, site: Site, **fields: Any) -> Service:
    """A service that takes every priority from tomorrow to half a year ahead."""
    windows = fields.pop("windows", dict.fromkeys(Priority, (0, 182)))
    clinic_types = fields.pop("clinic_types", ["330-SKIN"])
    made: Service = ServiceFactory(organisation_id=organisation.id, site_id=site.id, **fields)
    for priority, (first, last) in windows.items():
        work.session.add(
            ServicePriority(service_id=made.id, priority=priority, window_from_days=first, window_to_days=last)
        )
    for code in clinic_types:
        work.session.add(ServiceClinicType(service_id=made.id, clinic_type_code=code))
    work.session.flush()
    return made


def slots(work: Work, of: Service, first: datetime, count: int, *, minutes: int = 20, **fields: Any) -> list[Slot]:
    """``count`` slots one after another from ``first``."""
    return [
        SlotFactory(service_id=of.id, site_id=of.site_id, starts_at=first + timedelta(minutes=minutes * n), **fields)
        for n in range(count)
    ]


def region(work: Work) -> Region:
    """A commissioner, two practices, two providers with a dermatology service each, 5 days of 6 slots at both."""
    SpecialtyFactory()
    ClinicTypeFactory()
    SpecialtyFactory(code="320", name="Cardiology")
    work.session.merge(Postcode(postcode="AM1 1AB", latitude=53.47, longitude=-2.25))
    commissioner = OrganisationFactory(
        ods_code="00X", kind=OrganisationKind.COMMISSIONER, name="Ambervale commissioners"
    )
    practice = OrganisationFactory(ods_code="P81001", commissioner_id=commissioner.id, name="Millbrook Surgery")
    other = OrganisationFactory(ods_code="P81002", commissioner_id=commissioner.id, name="Hilltop Practice")
    providers, made_services, made_slots = [], [], []
    for n, (code, name, lat) in enumerate((("RA1", "Ambervale General", 53.50), ("RA2", "Weirside Trust", 53.60))):
        provider = OrganisationFactory(ods_code=code, kind=OrganisationKind.PROVIDER, name=name)
        site = SiteFactory(ods_code=f"{code}01", organisation_id=provider.id, name=f"{name} Hospital", latitude=lat)
        made = service(work, provider, site, name="Dermatology clinic", indicative_wait_days=20 + 10 * n)
        for day in range(1, 6):
            first = work.now.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=day)
            made_slots += slots(work, made, first, 6)
        providers.append(provider)
        made_services.append(made)
    patient = PatientFactory(practice_id=practice.id)
    result = Region(commissioner, practice, other, *providers, made_services, made_slots, patient)
    places = {
        **dict.fromkeys((Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN), practice),
        **dict.fromkeys((Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, Role.SERVICE_DEFINER), providers[0]),
        **dict.fromkeys((Role.COMMISSIONER, Role.INFORMATION_ANALYST), commissioner),
    }
    for role, organisation in places.items():
        result.account_roles[role] = account(work, role, organisation)
    return result


def acting(work: Work, role: Role, organisation: Organisation) -> Work:
    """The same unit of work as somebody in that role."""
    return replace(work, actor=Actor(f"Dr {role.title()}", role, organisation.id, organisation.ods_code))


def referral(work: Work, region: Region, *, patient: Patient | None = None, **fields: Any) -> tuple[Referral, str]:
    """An issued referral of the region's practice to both services; returns it with its access code."""
    new = referrals.NewReferral(
        patient_id=(patient or region.patient).id, specialty=fields.pop("specialty", "330"),
        priority=fields.pop("priority", Priority.ROUTINE), reason=fields.pop("reason", "A changing mole"),
        shortlist=fields.pop("shortlist", [one.id for one in region.services]), **fields,
    )  # fmt: skip
    practice = (
        region.practice if patient is None or patient.practice_id == region.practice.id else region.other_practice
    )
    return referrals.create_referral(acting(work, Role.REFERRING_CLINICIAN, practice), new)


def token(work: Work, region: Region, role: Role) -> str:
    """A bearer token of the region's account in that role."""
    return sign_in.open_session(work, account_role_id=region.account_roles[role].id, role=role).token


def patient_token(work: Work, of: Referral) -> str:
    return sign_in.open_session(work, referral_id=of.id, role=Role.PATIENT).token


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}
