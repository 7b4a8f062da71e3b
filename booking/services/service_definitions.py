"""What a provider offers: its services described, changed and closed by its service definers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from sqlalchemy import select

from booking.domain.eligibility import Window
from booking.domain.errors import FieldError, Invalid, NotFound, StaleVersion
from booking.domain.service_definition import Definition, faults_of, wrong_clinic_types
from booking.domain.words import Priority
from booking.models import (
    ClinicType,
    Practitioner,
    Service,
    ServiceClinicType,
    ServicePractitioner,
    ServicePriority,
    Site,
    Specialty,
)
from booking.services import audit
from booking.services.directory import LOADED
from booking.services.refusals import translated
from booking.services.service_effects import Effects, act_on, effects_of
from booking.services.work import Work

PLAIN = (
    "name", "booking_mode", "polling_range_days", "min_age", "max_age", "sex", "operational_from", "operational_to",
    "indicative_wait_days", "interpreters", "letter_required", "gives_advice", "instructions", "telephone",
    "nationally_visible", "overbooking_percent",
)  # fmt: skip
"""Fields that stand in the service's row under the same name."""


@dataclass(frozen=True, slots=True)
class Described:
    """A service with its definition."""

    service: Service
    definition: Definition


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What the definition names, found in the directory."""

    site: Site
    practitioners: Mapping[str, int]


def list_services(work: Work, *, closed: bool = False) -> list[Described]:
    """The services of the actor's provider by name; those whose last day is over only where ``closed``."""
    query = select(Service).where(Service.organisation_id == work.actor.organisation_id).options(*LOADED)
    found = list(work.session.scalars(query.order_by(Service.name, Service.id)).unique())
    shown = [one for one in found if closed or one.operational_to is None or one.operational_to >= work.today]
    named = _named_at(work, [one.id for one in shown])
    return [Described(one, _definition(one, named.get(one.id, ()))) for one in shown]


def own_service(work: Work, service_id: int, *, version: int | None = None, lock: bool = False) -> Described:
    """A service of the actor's provider; :class:`StaleVersion` where ``version`` is not the current one."""
    query = select(Service).where(Service.id == service_id, Service.organisation_id == work.actor.organisation_id)
    if lock:
        # No key is touched, so that those who book at the service meanwhile need not wait.
        query = query.with_for_update(of=Service, key_share=True)
    loaded = query.options(*LOADED).execution_options(populate_existing=True)
    found = work.session.scalars(loaded).unique().first()
    if found is None:
        raise NotFound("There is no such service, or it is not yours.")
    if version is not None and found.version != version:
        raise StaleVersion("The service has changed since you read it. Read it again and repeat.")
    return Described(found, _definition(found, _named_at(work, [found.id]).get(found.id, ())))


def create_service(work: Work, given: Definition) -> Described:
    """Add a service to the actor's provider. Every fault is named; a name that is taken is one of them."""
    resolved = _resolve(work, given, None)
    at = resolved.site
    made = Service(organisation_id=at.organisation_id, site_id=at.id, specialty_code=given.specialty)
    _write_row(made, given)
    work.session.add(made)
    with translated():
        work.session.flush()
    _write_lists(work, made.id, given, resolved)
    audit.record(work, f"service:{made.id}", "service.create", after=plain(given))
    work.session.flush()
    return own_service(work, made.id)


def change_service(
    work: Work, service_id: int, changes: Mapping[str, Any], *, version: int | None
) -> tuple[Described, Effects]:
    """Change the fields named; what is booked stays valid, and nobody is left stranded in silence (see effects)."""
    before = own_service(work, service_id, version=version, lock=True)
    given = replace(before.definition, **changes)
    resolved = _resolve(work, given, service_id)
    effects = effects_of(work, before.service, before.definition, given)
    if given == before.definition:
        return before, effects
    act_on(work, before.service, before.definition, given)
    _write_row(before.service, given)
    before.service.site_id, before.service.specialty_code = resolved.site.id, given.specialty
    before.service.version += 1
    with translated():
        work.session.flush()
    _write_lists(work, service_id, given, resolved)
    old, new = plain(before.definition), plain(given)
    differing = [name for name in new if old[name] != new[name]]
    audit.record(
        work, f"service:{service_id}", "service.change", before={name: old[name] for name in differing},
        after={name: new[name] for name in differing},
    )  # fmt: skip
    work.session.flush()
    return own_service(work, service_id), effects


def close_service(work: Work, service_id: int, last_day: date, *, version: int | None) -> tuple[Described, Effects]:
    """Take nobody new after ``last_day``. Its free slots are left for the provider to withdraw."""
    if last_day < work.today:
        raise Invalid.field("last_day", "DATES", "A service can't be closed in the past.")
    found = own_service(work, service_id)
    if found.service.operational_from > last_day:
        raise Invalid.field("last_day", "DATES", "That is before the service opens.")
    return change_service(work, service_id, {"operational_to": last_day}, version=version)


def preview_change(work: Work, service_id: int, changes: Mapping[str, Any]) -> Effects:
    """Whom the change would touch; refuses what the change itself would refuse, and writes nothing."""
    before = own_service(work, service_id)
    given = replace(before.definition, **changes)
    _resolve(work, given, service_id)
    return effects_of(work, before.service, before.definition, given)


def _definition(service: Service, practitioners: Iterable[str]) -> Definition:
    """As it stands in the tables."""
    return Definition(
        site=service.site.ods_code, specialty=service.specialty_code, contact_by=service.contact_by,
        clinic_types=tuple(sorted(row.clinic_type_code for row in service.clinic_types)),
        windows={
            row.priority: Window(row.window_from_days, row.window_to_days)
            for row in sorted(service.priorities, key=lambda row: row.priority)
        },
        practitioners=tuple(sorted(practitioners)), **{name: getattr(service, name) for name in PLAIN},
    )  # fmt: skip


def plain(given: Definition) -> dict[str, Any]:
    """The definition ready for JSON, as the API and the audit trail show it."""
    shown = {one.name: getattr(given, one.name) for one in fields(given)}
    windows = shown.pop("windows")
    return {
        **{name: _plain_value(value) for name, value in shown.items()},
        "priorities": [
            {"priority": priority, "window_from_days": window.first_day, "window_to_days": window.last_day}
            for priority, window in sorted(windows.items())
        ],
    }


def _plain_value(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _named_at(work: Work, ids: list[int]) -> dict[int, list[str]]:
    query = (
        select(ServicePractitioner.service_id, Practitioner.identifier)
        .join(Practitioner, Practitioner.id == ServicePractitioner.practitioner_id)
        .where(ServicePractitioner.service_id.in_(ids))
    )
    found: dict[int, list[str]] = {}
    for row in work.session.execute(query):
        found.setdefault(row.service_id, []).append(row.identifier)
    return found


def _resolve(work: Work, given: Definition, service_id: int | None) -> _Resolved:
    """Check the definition whole, and look up what it names; :class:`Invalid` with every fault."""
    faults = faults_of(given)
    own = work.actor.organisation_id
    site = work.session.scalars(select(Site).where(Site.ods_code == given.site, Site.organisation_id == own)).first()
    if site is None:
        faults.append(FieldError("site", "SITE_UNKNOWN", "You have no site with this code."))
    if not faults and work.session.get(Specialty, given.specialty) is None:
        faults.append(FieldError("specialty", "SPECIALTY_UNKNOWN", "Not a specialty code we know."))
    kinds = select(ClinicType).where(ClinicType.code.in_(given.clinic_types))
    known = {kind.code: kind.specialty_code for kind in work.session.scalars(kinds)}
    wrong = wrong_clinic_types(given.specialty, given.clinic_types, known)
    if wrong:
        faults.append(FieldError("clinic_types", "CLINIC_TYPE_UNKNOWN", f"{'; '.join(wrong).capitalize()}."))
    named = select(Practitioner).where(
        Practitioner.identifier.in_(given.practitioners), Practitioner.organisation_id == own
    )
    practitioners = {one.identifier: one.id for one in work.session.scalars(named)}
    for place, identifier in enumerate(given.practitioners):
        if identifier not in practitioners:
            words = f"You have no clinician with the identifier {identifier!r}."
            faults.append(FieldError(f"practitioners.{place}", "PRACTITIONER_UNKNOWN", words))
    taken = select(Service.id).where(
        Service.organisation_id == own, Service.name == given.name.strip(), Service.id != (service_id or 0)
    )
    if work.session.scalar(taken) is not None:
        faults.append(FieldError("name", "NAME_TAKEN", "You have a service of this name already."))
    if faults or site is None:
        raise Invalid(*faults)
    return _Resolved(site, practitioners)


def _write_row(service: Service, given: Definition) -> None:
    for name in PLAIN:
        setattr(service, name, getattr(given, name))
    service.name = given.name.strip()
    service.contact_by = {worklist: dict(days) for worklist, days in given.contact_by.items()}


def _write_lists(work: Work, service_id: int, given: Definition, resolved: _Resolved) -> None:
    """Rows that hang on the service: those wanted are added or changed, the others go."""
    kept = {row.priority: row for row in _rows_of(work, ServicePriority, service_id)}
    for priority, window in given.windows.items():
        row = kept.pop(priority, None) or ServicePriority(service_id=service_id, priority=Priority(priority))
        row.window_from_days, row.window_to_days = window.first_day, window.last_day
        work.session.add(row)
    clinics = {row.clinic_type_code: row for row in _rows_of(work, ServiceClinicType, service_id)}
    named = {row.practitioner_id: row for row in _rows_of(work, ServicePractitioner, service_id)}
    for code in given.clinic_types:
        if clinics.pop(code, None) is None:
            work.session.add(ServiceClinicType(service_id=service_id, clinic_type_code=code))
    for practitioner in resolved.practitioners.values():
        if named.pop(practitioner, None) is None:
            work.session.add(ServicePractitioner(service_id=service_id, practitioner_id=practitioner))
    for gone in (*kept.values(), *clinics.values(), *named.values()):
        work.session.delete(gone)
    work.session.flush()


def _rows_of(work: Work, model: type[Any], service_id: int) -> list[Any]:
    return list(work.session.scalars(select(model).where(model.service_id == service_id)))
