"""Services and their free slots, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.eligibility import ServiceRules
from booking.domain.needs import Need, week_part
from booking.domain.words import BookingMode, BookingState, ConsultationMode, HoldKind, Priority, Sex, SlotStatus
from booking.models import Booking, Practitioner, Service, Site, Slot
from booking.services.directory import LOADED, rules_of
from booking.services.places import occupying
from booking.services.planning.sql import UNKNOWN, EpochDays, EpochMinutes, Numbers, code, known, table, whole
from optimiser import Slots
from optimiser.arrays import I32, I64, U32, Bool, find

PRIORITIES = (Priority.ROUTINE, Priority.URGENT, Priority.TWO_WEEK_WAIT)
MODES = tuple(ConsultationMode)
SEXES = tuple(Sex)
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Services:
    """The services that are booked online, by ascending key; windows are days from the plan's day."""

    key: I64
    provider: I64
    specialty: I32
    """Position in ``specialties``."""
    specialties: tuple[str, ...]
    first_day: I32
    """[service, priority]; later than ``last_day`` where the service does not take the priority now."""
    last_day: I32
    min_age: I64
    max_age: I64
    sex: I64
    """Position in :data:`SEXES`, -1 for everybody."""
    latitude: Numbers
    longitude: Numbers
    step_free: Bool
    interpreters: Bool


def read_services(session: Session, as_of: date) -> Services:
    """All directly bookable services with their rules resolved for the plan's day."""
    query = select(Service).where(Service.booking_mode == BookingMode.DIRECTLY_BOOKABLE).order_by(Service.id)
    found = list(session.scalars(query.options(*LOADED)).unique())
    specialties = tuple(sorted({service.specialty_code for service in found}))
    windows = np.array([_windows(rules_of(service), as_of) for service in found], np.int32).reshape(-1, 3, 2)
    return Services(
        key=np.array([s.id for s in found], np.int64),
        provider=np.array([s.organisation_id for s in found], np.int64),
        specialty=np.array([specialties.index(s.specialty_code) for s in found], np.int32),
        specialties=specialties,
        first_day=windows[:, :, 0],
        last_day=windows[:, :, 1],
        min_age=np.array([s.min_age for s in found], np.int64),
        max_age=np.array([s.max_age for s in found], np.int64),
        sex=np.array([-1 if s.sex is None else SEXES.index(s.sex) for s in found], np.int64),
        latitude=np.array([_or_nan(s.site.latitude) for s in found]),
        longitude=np.array([_or_nan(s.site.longitude) for s in found]),
        step_free=np.array([s.site.step_free for s in found], np.bool_),
        interpreters=np.array([s.interpreters for s in found], np.bool_),
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _windows(rules: ServiceRules, as_of: date) -> list[tuple[int, int]]:
    found = [rules.window(priority, as_of) for priority in PRIORITIES]
    return [((w[0] - as_of).days, (w[1] - as_of).days) if w else (1, 0) for w in found]


def read_slots(
    session: Session, services: Services, *, as_of: date, now: datetime, last_day: int, replanned: Bool | None, ids: I64
) -> Slots:
    """Published slots to come, with the places that nobody occupies.

    ``ids`` are the referrals to be planned; where ``replanned`` is given (a mask over them), the places that
    their offers hold count as free.
    """
    today = (as_of - EPOCH).days
    query = (
        select(
            Slot.id.label("key"), Slot.service_id.label("service"), EpochDays(Slot.local_date).label("date"),
            EpochMinutes(Slot.starts_at).label("start"), EpochMinutes(Slot.ends_at).label("end"),
            Slot.capacity.label("capacity"), Slot.priorities.label("priorities"), code(Slot.mode, MODES).label("mode"),
            known(Slot.practitioner_id).label("practitioner"), code(Practitioner.sex, SEXES).label("sex"),
            Site.step_free.label("step_free"), code(Slot.time_zone, zones := _zones(session)).label("zone"),
        )
        .join(Site, Site.id == Slot.site_id)
        .outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id)
        .where(Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > now)
    )  # fmt: skip
    rows = table(session, query, order=("key",), blocks=Slot.id)
    at = find(services.key, whole(rows["service"]))
    day = whole(rows["date"]) - today
    keep = (at >= 0) & (day <= last_day)
    rows = {name: values[keep] for name, values in rows.items()}
    at, day, key = at[keep], day[keep], whole(rows["key"])
    start = whole(rows["start"])
    return Slots.build(
        key=key, service=services.key[at], specialty=services.specialty[at], provider=services.provider[at], day=day,
        part=_parts(start, whole(rows["zone"]), zones), start_minute=start, end_minute=whole(rows["end"]),
        capacity=_free(session, key, whole(rows["capacity"]), now, ids[replanned] if replanned is not None else None),
        offers=_offers(rows, services.interpreters[at]), priorities=whole(rows["priorities"]) & 7,
        practitioner=np.where(rows["practitioner"] == UNKNOWN, -1, rows["practitioner"]),
    )  # fmt: skip


def _zones(session: Session) -> tuple[str, ...]:
    return tuple(session.scalars(select(Slot.time_zone).distinct().order_by(Slot.time_zone)))


def _parts(start: I64, zone: I64, zones: tuple[str, ...]) -> I64:
    """Week part of each slot in its site's own time; each different minute is converted once."""
    out = np.zeros(len(start), np.int64)
    for number, name in enumerate(zones):
        mine = np.flatnonzero(zone == number)
        tz = ZoneInfo(name)
        minutes, back = np.unique(start[mine], return_inverse=True)
        parts = [week_part(datetime.fromtimestamp(minute * 60, UTC).astimezone(tz)) for minute in minutes.tolist()]
        out[mine] = np.array(parts, np.int64)[back]
    return out


def _offers(rows: dict[str, Numbers], interpreters: Bool) -> U32:
    """The same bits as :func:`booking.domain.needs.slot_offers`, for all slots at once."""
    mode, sex = rows["mode"], rows["sex"]
    bits = np.zeros(len(mode), np.uint32)
    for need, met in (
        (Need.STEP_FREE, (rows["step_free"] > 0) | (mode != MODES.index(ConsultationMode.IN_PERSON))),
        (Need.INTERPRETER, interpreters),
        (Need.FEMALE_CLINICIAN, sex == SEXES.index(Sex.FEMALE)),
        (Need.MALE_CLINICIAN, sex == SEXES.index(Sex.MALE)),
        (Need.IN_PERSON_OR_PHONE, mode != MODES.index(ConsultationMode.VIDEO)),
    ):
        bits |= np.where(met, np.uint32(need), np.uint32(0))
    return bits


def _free(session: Session, key: I64, capacity: I64, now: datetime, replanned: I64 | None) -> I64:
    query = (
        select(
            Booking.slot_id.label("slot"), Booking.referral_id.label("referral"),
            (func.coalesce(Booking.hold_kind, "") == HoldKind.OFFER).label("offer"),
            (Booking.state == BookingState.HELD).label("held"),
        ).where(occupying(now), Booking.starts_at > now)
    )  # fmt: skip
    rows = table(session, query)
    counts = np.ones(len(rows["slot"]), np.bool_)
    if replanned is not None:
        ours = np.isin(whole(rows["referral"]), replanned)
        counts = ~(ours & (rows["held"] > 0) & (rows["offer"] > 0))
    order = np.argsort(key)
    at = find(key[order], whole(rows["slot"])[counts])
    taken = np.zeros(len(key), np.int64)
    taken[order] = np.bincount(at[at >= 0], minlength=len(key))
    return np.asarray(np.maximum(capacity - taken, 0), np.int64)
