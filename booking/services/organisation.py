"""One's own organisation as the directory has it, and the little of it that its manager changes here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import func, select

from booking.domain.errors import Invalid, StaleVersion
from booking.domain.words import OrganisationKind
from booking.models import Organisation, Patient, Service, Site
from booking.services import audit, people
from booking.services.work import Work

_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")


@dataclass(frozen=True, slots=True)
class Described:
    organisation: Organisation
    commissioner: Organisation | None
    sites: list[tuple[Site, int]]
    """Each with how many services it has."""
    members: int | None
    """Practices of a commissioner, or patients of a practice; None for a provider."""


def describe(work: Work) -> Described:
    session = work.session
    mine = session.get_one(Organisation, work.actor.organisation_id)
    commissioner = session.get(Organisation, mine.commissioner_id) if mine.commissioner_id is not None else None
    services = select(Service.site_id, func.count().label("services")).group_by(Service.site_id).subquery()
    rows = session.execute(
        select(Site, func.coalesce(services.c.services, 0))
        .outerjoin(services, services.c.site_id == Site.id)
        .where(Site.organisation_id == mine.id)
        .order_by(Site.name)
    )
    return Described(mine, commissioner, [(row[0], int(row[1])) for row in rows], _members(work, mine))


def _members(work: Work, mine: Organisation) -> int | None:
    if mine.kind is OrganisationKind.PROVIDER:
        return None
    practices = mine.kind is OrganisationKind.COMMISSIONER
    whose = Organisation.commissioner_id == mine.id if practices else Patient.practice_id == mine.id
    of = Organisation.id if practices else Patient.id
    return work.session.scalar(select(func.count(of)).where(whose)) or 0


def change_worklist_email(work: Work, address: str, *, version: int | None = None) -> None:
    """Where notices of overdue work go; empty for nowhere. For whoever manages the organisation's people."""
    mine = people.managed_organisation(work)
    if version is not None and mine.version != version:
        raise StaleVersion("Somebody has changed this since you opened the page. Look at it again.")
    tidy = address.strip()
    if tidy and (len(tidy) > 254 or not _ADDRESS.fullmatch(tidy) or not tidy.isascii()):
        raise Invalid.field("worklist_email", "EMAIL", "Enter an e-mail address, like office@practice.example")
    if (tidy or None) == mine.worklist_email:
        return
    before = {"worklist_email": mine.worklist_email}
    mine.worklist_email, mine.version = tidy or None, mine.version + 1
    audit.record(
        work, f"organisation:{mine.id}", "organisation.change", before=before, after={"worklist_email": tidy or None}
    )
    work.session.flush()
