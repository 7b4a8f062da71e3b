"""Referrals whose patients are choosing, and what each of them needs, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from booking.domain.needs import Need
from booking.domain.referral import CHOOSING
from booking.domain.words import BookingState, HoldKind, OfferState, Sex, SlotStatus
from booking.models import Booking, Offer, Patient, Referral, ReferralService, Slot
from booking.services.places import occupying
from booking.services.planning.sql import UNKNOWN, EpochDays, EpochMinutes, Numbers, code, known, table, whole
from booking.services.planning.supply import PRIORITIES, SEXES
from optimiser import Busy
from optimiser.arrays import I64, U32, Bool, find, indptr_of

choosing: ColumnElement[bool] = Referral.state.in_(sorted(CHOOSING))


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """Referrals by ascending key; ``rows`` holds the columns as read, ``shortlist`` (row, service) pairs in order."""

    rows: dict[str, Numbers]
    list_row: I64
    list_service: I64

    @property
    def key(self) -> I64:
        return whole(self.rows["key"])

    def __len__(self) -> int:
        return len(self.rows["key"])

    def take(self, mask: Bool) -> Demand:
        """Only the referrals of the mask, their shortlists with them."""
        new_row = np.cumsum(mask) - 1
        mine = mask[self.list_row]
        return Demand(
            {name: values[mask] for name, values in self.rows.items()},
            new_row[self.list_row[mine]], self.list_service[mine],
        )  # fmt: skip


def read_demand(session: Session, specialties: tuple[str, ...]) -> Demand:
    """Every referral that is choosing, with its patient's limits."""
    query = (
        select(
            Referral.id.label("key"), Referral.patient_id.label("patient"),
            code(Referral.specialty_code, specialties).label("specialty"),
            code(Referral.priority, PRIORITIES).label("priority"),
            EpochDays(Referral.rtt_clock_start).label("clock"), EpochDays(Referral.due_date).label("due"),
            known(Referral.named_practitioner_id).label("practitioner"), EpochDays(Patient.date_of_birth).label("born"),
            code(Patient.sex, SEXES).label("sex"), known(Patient.latitude).label("latitude"),
            known(Patient.longitude).label("longitude"), known(Patient.farthest_km).label("farthest"),
            Patient.unsuitable_times.label("unsuitable"), Patient.step_free.label("step_free"),
            Patient.interpreter_language.is_not(None).label("interpreter"),
            code(Patient.clinician_sex, SEXES).label("clinician_sex"), Patient.video_possible.label("video"),
            Referral.first_in_line_since.is_not(None).label("first_in_line"),
        )
        .join(Patient, Patient.id == Referral.patient_id)
        .where(choosing)
    )  # fmt: skip
    rows = table(session, query, order=("key",), blocks=Referral.id)
    listed = table(
        session,
        select(ReferralService.referral_id.label("referral"), ReferralService.service_id.label("service"))
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(choosing),
        order=("referral", "service"),
        blocks=ReferralService.referral_id,
    )
    at = find(whole(rows["key"]), whole(listed["referral"]))
    return Demand(rows, at[at >= 0], whole(listed["service"])[at >= 0])


def needs_of(rows: dict[str, Numbers]) -> U32:
    """The same bits as :func:`booking.domain.needs.patient_needs`, for all patients at once."""
    bits = np.zeros(len(rows["key"]), np.uint32)
    for need, has in (
        (Need.STEP_FREE, rows["step_free"] > 0),
        (Need.INTERPRETER, rows["interpreter"] > 0),
        (Need.FEMALE_CLINICIAN, rows["clinician_sex"] == SEXES.index(Sex.FEMALE)),
        (Need.MALE_CLINICIAN, rows["clinician_sex"] == SEXES.index(Sex.MALE)),
        (Need.IN_PERSON_OR_PHONE, rows["video"] == 0),
    ):
        bits |= np.where(has, np.uint32(need), np.uint32(0))
    return bits


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Referrals that occupy a place at this moment, by what for."""

    firm: I64
    """Booked, or being confirmed this minute: never replanned."""
    offered: I64
    """With an unexpired guaranteed offer."""


def read_held(session: Session, now: datetime) -> Held:
    rows = table(
        session,
        select(
            Booking.referral_id.label("referral"), (Booking.state == BookingState.HELD).label("held"),
            (func.coalesce(Booking.hold_kind, "") == HoldKind.OFFER).label("offer"),
        )
        .join(Referral, Referral.id == Booking.referral_id)
        .where(choosing, occupying(now), Booking.state.in_((BookingState.HELD, BookingState.BOOKED))),
    )  # fmt: skip
    offer = (rows["held"] > 0) & (rows["offer"] > 0)
    referral = whole(rows["referral"])
    return Held(np.unique(referral[~offer]), np.unique(referral[offer]))


def previous_slots(session: Session, key: I64) -> I64:
    """The slot last guaranteed to each referral and not turned down, -1 for none; staying with it earns a bonus."""
    rows = table(
        session,
        select(Offer.id.label("id"), Offer.referral_id.label("referral"), Offer.slot_id.label("slot"))
        .join(Referral, Referral.id == Offer.referral_id)
        .where(choosing, Offer.guaranteed, Offer.state.in_((OfferState.OPEN, OfferState.EXPIRED))),
        order=("id",),
    )
    at = find(key, whole(rows["referral"]))
    out = np.full(len(key), -1, np.int64)
    out[at[at >= 0]] = whole(rows["slot"])[at >= 0]  # the newest is written last
    return out


def busy_times(session: Session, key: I64, patient: I64, now: datetime) -> Busy:
    """Times each referral can't be given: its patient's other appointments and firm holds, and times given up.

    Given up is what the patient declined, or booked and cancelled: offering it again would be deaf. A slot that
    was taken off is nobody's to give up: at the time of a cancelled clinic another one may suit well.

    What a referral of the plan holds itself is no obstacle: that place is what is being planned.
    """
    taken = table(
        session,
        select(
            Booking.patient_id.label("patient"), Booking.referral_id.label("referral"),
            EpochMinutes(Booking.starts_at).label("start"), EpochMinutes(Booking.ends_at).label("end"),
        ).where(occupying(now), Booking.ends_at > now),
    )  # fmt: skip
    elsewhere = ~np.isin(whole(taken["referral"]), key)
    declined = table(
        session,
        select(
            Offer.referral_id.label("referral"), EpochMinutes(Slot.starts_at).label("start"),
            EpochMinutes(Slot.ends_at).label("end"),
        )
        .join(Slot, Slot.id == Offer.slot_id)
        .where(Offer.state == OfferState.DECLINED, Slot.starts_at > now),
    )  # fmt: skip
    cancelled = table(
        session,
        select(
            Booking.referral_id.label("referral"), EpochMinutes(Booking.starts_at).label("start"),
            EpochMinutes(Booking.ends_at).label("end"),
        )
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Booking.state == BookingState.CANCELLED, Booking.starts_at > now, Slot.status == SlotStatus.PUBLISHED),
    )  # fmt: skip
    given_up = {name: np.concatenate((declined[name], cancelled[name])) for name in declined}
    row, which = _rows_of(patient, whole(taken["patient"])[elsewhere])
    own = find(key, whole(given_up["referral"]))
    rows = np.concatenate((row, own[own >= 0]))
    start = np.concatenate((taken["start"][elsewhere][which], given_up["start"][own >= 0]))
    end = np.concatenate((taken["end"][elsewhere][which], given_up["end"][own >= 0]))
    order = np.lexsort((end, start, rows))
    return Busy(indptr_of(np.bincount(rows, minlength=len(key))), whole(start[order]), whole(end[order]))


def _rows_of(patient: I64, wanted: I64) -> tuple[I64, I64]:
    """All (row, position in ``wanted``) pairs of equal patients."""
    order = np.argsort(patient, kind="stable")
    ordered = patient[order]
    low, high = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")
    which = np.repeat(np.arange(len(wanted)), high - low)
    start = np.repeat(low, high - low)
    turn = np.arange(len(which)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    return np.asarray(order[start + turn], np.int64), np.asarray(which, np.int64)


def optional_key(values: Numbers) -> I64:
    return np.where(values == UNKNOWN, -1, values).astype(np.int64)


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days
