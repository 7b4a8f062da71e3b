"""A booking office of its own for each test: a provider with a clinic, a triage service and one that is full."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from booking.domain.words import BookingMode, OrganisationKind, Role
from booking.models import Organisation, Referral, Service
from tests import factories
from tests.browser.conftest import Clinic
from tests.life.conftest import Life

_numbers = itertools.count(1)


@dataclass
class Office:
    """Who works there, and how to put something in front of them."""

    clinic: Clinic
    code: str
    provider: Organisation
    service: Service
    triage: Service
    full: Service

    def user(self, role: Role = Role.PROVIDER_CLINICIAN) -> str:
        return f"{role.lower()}@{self.code.lower()}"

    @contextmanager
    def lives(self) -> Iterator[Life]:
        """Referrals of this office, in one transaction."""
        with self.clinic.database.unit_of_work() as session, factories.using(session):
            region = replace(
                self.clinic.region, provider=self.provider, services=[self.service, self.clinic.region.services[1]]
            )
            yield Life(self.clinic.work(session), region, self.triage, self.full)

    def make(self, what: Callable[[Life], Referral], *names: tuple[str, str]) -> list[str]:
        """A referral for each of these people; returns their references."""
        with self.lives() as lives:
            made = []
            for given, family in names or (("Ada", "Patient"),):
                one = what(lives)
                one.patient.given_name, one.patient.family_name = given, family
                made.append(one.ubrn)
            return made


def office(clinic: Clinic, *, free: int = 8) -> Office:
    """A new provider with its people, and ``free`` times tomorrow and the day after."""
    number = next(_numbers)
    code = f"RD{number:03d}"
    with clinic.database.unit_of_work() as session, factories.using(session):
        work = clinic.work(session)
        provider = factories.OrganisationFactory(ods_code=code, kind=OrganisationKind.PROVIDER, name=f"Trust {number}")
        site = factories.SiteFactory(ods_code=f"{code}1", organisation_id=provider.id, name=f"Hospital {number}")
        made = factories.service(work, provider, site, name=f"Skin clinic {number}", letter_required=False)
        triage = factories.service(
            work, provider, site, name=f"Skin triage {number}", booking_mode=BookingMode.TRIAGE, letter_required=False
        )
        full = factories.service(work, provider, site, name=f"Full clinic {number}", letter_required=False)
        nine = work.now.replace(hour=9, minute=0, second=0, microsecond=0)
        for day in (1, 2):
            factories.slots(work, made, nine + timedelta(days=day), free)
        for role in (Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, Role.SERVICE_DEFINER):
            factories.account(work, role, provider)
        return Office(clinic, code, provider, made, triage, full)
