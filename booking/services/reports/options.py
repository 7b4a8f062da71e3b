"""What reports can be narrowed to: specialties there are, providers that have services."""

from __future__ import annotations

from sqlalchemy import select

from booking.models import Organisation, Service, Specialty
from booking.services.work import Work


def specialties(work: Work) -> list[tuple[str, str]]:
    """Code and name, by name, of those some service is of."""
    used = select(Service.id).where(Service.specialty_code == Specialty.code).exists()
    query = select(Specialty.code, Specialty.name).where(used).order_by(Specialty.name)
    return [(row.code, row.name) for row in work.session.execute(query)]


def providers(work: Work) -> list[tuple[str, str]]:
    """ODS code and name, by name, of those that have or had a service."""
    used = select(Service.id).where(Service.organisation_id == Organisation.id).exists()
    query = select(Organisation.ods_code, Organisation.name).where(used).order_by(Organisation.name)
    return [(row.ods_code, row.name) for row in work.session.execute(query)]


def names(work: Work, codes: set[str]) -> dict[str, str]:
    """Names of organisations by ODS code."""
    query = select(Organisation.ods_code, Organisation.name).where(Organisation.ods_code.in_(codes))
    return {row.ods_code: row.name for row in work.session.execute(query)}
