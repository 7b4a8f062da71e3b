"""A clinic as it stands on one day, again in the weeks that follow, and single slots to be changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.errors import Invalid
from booking.domain.slot import LONGEST_SLOT_ID
from booking.domain.words import Priority, SlotStatus
from booking.models import Slot
from booking.services.publication_input import Detail, SlotDraft, own_service
from booking.services.publishing import on_dates
from booking.services.work import Work

MOST_WEEKS = 52
_STAMPED = re.compile(r"(.+)/\d{8}T\d{4}", re.DOTALL)


def draft(slot: Slot) -> SlotDraft:
    """The slot as it would be sent to be published as it is; its clinician loaded."""
    zone = ZoneInfo(slot.time_zone)
    starts, ends = (moment.astimezone(zone) for moment in (slot.starts_at, slot.ends_at))
    detail = Detail(
        slot.practitioner.identifier if slot.practitioner else None, slot.appointment_type, slot.mode,
        frozenset(one for one in Priority if slot.priorities & PRIORITY_BIT[one]),
        slot.capacity - slot.overbooked_places,
    )  # fmt: skip
    return SlotDraft(slot.provider_slot_id, starts, ends, detail)


def clinic_on(work: Work, service_id: int, practitioner_id: int | None, day: date) -> list[Slot]:
    """The published slots of a clinician at a service of the caller's on one day, by start."""
    own_service(work, service_id)
    query = select(Slot).where(
        Slot.service_id == service_id, Slot.practitioner_id == practitioner_id, on_dates(day, day),
        Slot.status == SlotStatus.PUBLISHED,
    )  # fmt: skip
    return list(work.session.scalars(query.options(joinedload(Slot.practitioner)).order_by(Slot.starts_at, Slot.id)))


def days(day: date, last: date, every: int, leave_out: Collection[date]) -> list[date]:
    """The days that follow ``day`` every so many weeks, up to the last."""
    if last <= day:
        raise Invalid.field("last", "DATES_REVERSED", "The last date must be after the clinic that is copied.")
    if last > day + timedelta(weeks=MOST_WEEKS):
        raise Invalid.field("last", "RANGE_TOO_LONG", f"A clinic is copied at most {MOST_WEEKS} weeks ahead.")
    step = timedelta(weeks=every)
    number = (last - day) // step
    return [when for n in range(1, number + 1) if (when := day + step * n) not in leave_out]


def copies(slots: list[Slot], onto: list[date]) -> list[SlotDraft]:
    """The slots on other days, at the same time by the clock; named so that copying again adds nothing."""
    return [_moved(draft(slot), day) for day in onto for slot in slots]


def _moved(one: SlotDraft, day: date) -> SlotDraft:
    starts = datetime.combine(day, one.starts_at.time())
    # By the clock, not by what passes: a clinic in summer is as long as in winter.
    ends = starts + (one.ends_at.replace(tzinfo=None) - one.starts_at.replace(tzinfo=None))
    return replace(one, provider_slot_id=_name(one.provider_slot_id, starts), starts_at=starts, ends_at=ends)


def _name(before: str, starts: datetime) -> str:
    """A slot made of a session keeps the session's name, so that the session published further names it the same."""
    stamp = f"/{starts:%Y%m%dT%H%M}"
    stamped = _STAMPED.fullmatch(before)
    stem = stamped[1] if stamped else before
    most = LONGEST_SLOT_ID - len(stamp)
    if len(stem) > most:
        stem = stem[: most - 9] + "~" + hashlib.sha256(stem.encode()).hexdigest()[:8]
    return stem + stamp
