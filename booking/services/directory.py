"""Looking things up in the directory: services with all that decides who may use them, postcodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from booking.domain.eligibility import ServiceRules, Window
from booking.domain.errors import Invalid
from booking.domain.words import BookingMode
from booking.models import CommissioningRule, Organisation, Postcode, Service, ServicePriority

LOADED = (
    joinedload(Service.site),
    joinedload(Service.organisation),
    selectinload(Service.priorities),
    selectinload(Service.clinic_types),
)


def rules_of(service: Service) -> ServiceRules:
    """The rules of a service loaded with :data:`LOADED`."""
    return _rules(service, service.priorities, frozenset(row.clinic_type_code for row in service.clinic_types))


def booking_rules(service: Service, window: ServicePriority | None) -> ServiceRules:
    """The rules of a service as far as they decide on a slot for one priority, whose window is given."""
    return _rules(service, [window] if window else [], frozenset())


def _rules(service: Service, windows: Iterable[ServicePriority], clinic_types: frozenset[str]) -> ServiceRules:
    return ServiceRules(
        specialty_code=service.specialty_code,
        clinic_types=clinic_types,
        booking_mode=service.booking_mode,
        min_age=service.min_age,
        max_age=service.max_age,
        sex=service.sex,
        operational_from=service.operational_from,
        operational_to=service.operational_to,
        polling_range_days=service.polling_range_days,
        windows={row.priority: Window(row.window_from_days, row.window_to_days) for row in windows},
    )


def services_by_id(session: Session, ids: Iterable[int]) -> dict[int, Service]:
    found = session.scalars(select(Service).where(Service.id.in_(list(ids))).options(*LOADED)).unique()
    return {service.id: service for service in found}


def bookable_of(session: Session, organisation_id: int) -> list[Service]:
    """The services of a provider that take referrals, by name."""
    query = select(Service).where(
        Service.organisation_id == organisation_id, Service.booking_mode != BookingMode.ADVICE_ONLY
    )
    return list(session.scalars(query.options(*LOADED).order_by(Service.name)).unique())


def visible_to(practice: Organisation, today: date) -> ColumnElement[bool]:
    """SQL: the service is open to everybody, or a rule of the practice or its commissioner opens it today."""
    rule = aliased(CommissioningRule)
    mine = [practice.id] + ([practice.commissioner_id] if practice.commissioner_id else [])
    return or_(
        Service.nationally_visible,
        select(rule.id)
        .where(
            rule.service_id == Service.id,
            rule.organisation_id.in_(mine),
            rule.starts_on <= today,
            or_(rule.ends_on.is_(None), rule.ends_on >= today),
        )
        .exists(),
    )


def visible_ids(session: Session, ids: Sequence[int], practice: Organisation, today: date) -> set[int]:
    return set(session.scalars(select(Service.id).where(Service.id.in_(ids), visible_to(practice, today))))


def tidy_postcode(text: str) -> str:
    """``sw1a1aa`` → ``SW1A 1AA``."""
    compact = "".join(text.split()).upper()
    return f"{compact[:-3]} {compact[-3:]}" if len(compact) > 3 else compact


def locate(session: Session, postcode: str, *, field: str = "postcode") -> tuple[float, float]:
    """Coordinates of a postcode in our gazetteer; :class:`Invalid` where we don't know it."""
    found = session.get(Postcode, tidy_postcode(postcode))
    if found is None:
        raise Invalid.field(
            field, "POSTCODE_UNKNOWN", f"We have no coordinates for postcode {tidy_postcode(postcode)}."
        )
    return found.latitude, found.longitude
