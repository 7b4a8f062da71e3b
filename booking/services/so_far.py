"""What one referral was offered, and what its patient holds and has booked: read in one statement, as plain rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, bindparam, cast, false, null, select, type_coerce, union_all
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from booking.db import Base, UTCDateTime
from booking.domain.words import BookingState, HoldKind, OfferState
from booking.models import Booking, Offer, Referral
from booking.services.work import Work


class Offered(NamedTuple):
    """An offer that is open or was declined."""

    id: int
    slot_id: int
    rank: int
    guaranteed: bool
    state: OfferState
    expires_at: datetime


class Taken(NamedTuple):
    """A hold or a booking of the patient's, for this referral or another, over or not."""

    id: int
    slot_id: int
    referral_id: int
    state: BookingState
    hold_kind: HoldKind | None
    starts_at: datetime
    ends_at: datetime
    held_until: datetime | None

    def lives(self, now: datetime) -> bool:
        """It keeps its place now."""
        if self.state is BookingState.HELD:
            return self.held_until is not None and self.held_until > now
        return self.state not in (BookingState.CANCELLED, BookingState.EXPIRED)


@dataclass(frozen=True, slots=True)
class SoFar:
    """Of one referral, as it was when read."""

    referral_id: int
    now: datetime
    offers: tuple[Offered, ...]
    times: tuple[Taken, ...]

    def open(self) -> list[Offered]:
        return [one for one in self.offers if one.state is OfferState.OPEN]

    def given_up(self) -> set[int]:
        """Slots declined or cancelled for this referral: offering them again would be deaf."""
        declined = {one.slot_id for one in self.offers if one.state is OfferState.DECLINED}
        return declined | {one.slot_id for one in self._mine() if one.state is BookingState.CANCELLED}

    def elsewhere(self) -> list[tuple[datetime, datetime]]:
        """When the patient is, or may be, somewhere else for another referral."""
        return [
            (one.starts_at, one.ends_at)
            for one in self.times
            if one.referral_id != self.referral_id and one.lives(self.now) and one.ends_at > self.now
        ]

    def booked_elsewhere(self) -> list[tuple[datetime, datetime]]:
        """When the patient has an appointment for another referral: what is only kept there stands in no way."""
        return [
            (one.starts_at, one.ends_at)
            for one in self.times
            if one.referral_id != self.referral_id and one.state is BookingState.BOOKED and one.ends_at > self.now
        ]

    def holds(self, kind: HoldKind | None = None) -> list[Taken]:
        """The referral's holds, those past their time too where nobody has let go of them."""
        held = [one for one in self._mine() if one.state is BookingState.HELD]
        return held if kind is None else [one for one in held if one.hold_kind is kind]

    def had_turn(self) -> bool:
        """A place that somebody gave back was kept for this referral at some time."""
        return any(one.hold_kind is HoldKind.FREED for one in self._mine())

    def _mine(self) -> list[Taken]:
        return [one for one in self.times if one.referral_id == self.referral_id]


_NO_STATE, _NO_KIND = type_coerce(null(), Booking.state.type), type_coerce(null(), Booking.hold_kind.type)
_NO_INSTANT = cast(null(), UTCDateTime())
_QUERY: CompoundSelect[*tuple[Any, ...]] = union_all(
    select(
        Offer.id, Offer.slot_id, Offer.rank.label("number"), Offer.guaranteed, Offer.state.label("offer_state"),
        _NO_STATE.label("state"), _NO_KIND.label("hold_kind"), Offer.expires_at.label("first"),
        _NO_INSTANT.label("last"), _NO_INSTANT.label("until"),
    ).where(
        Offer.referral_id == bindparam("referral_id"), Offer.state.in_((OfferState.OPEN, OfferState.DECLINED))
    ),
    select(
        Booking.id, Booking.slot_id, Booking.referral_id, false(), null(), Booking.state, Booking.hold_kind,
        Booking.starts_at, Booking.ends_at, Booking.held_until,
    ).where(Booking.patient_id == bindparam("patient_id")),
)  # fmt: skip


def so_far(work: Work, referral: Referral) -> SoFar:
    """As it is in this transaction at this moment."""
    offers, times = [], []
    for row in work.rows(_QUERY, {"referral_id": referral.id, "patient_id": referral.patient_id}).all():
        key, slot_id, number, guaranteed, offer_state, state, kind, first, last, until = row
        if offer_state is not None:
            offers.append(Offered(key, slot_id, number, bool(guaranteed), offer_state, first))
        else:
            times.append(Taken(key, slot_id, number, state, kind, first, last, until))
    return SoFar(referral.id, work.now, tuple(offers), tuple(times))


_OFFERED = select(
    Offer.referral_id, Offer.id, Offer.slot_id, Offer.rank, Offer.guaranteed, Offer.state, Offer.expires_at
).where(
    Offer.referral_id.in_(bindparam("referrals", expanding=True)),
    Offer.state.in_((OfferState.OPEN, OfferState.DECLINED)),
)
_TAKEN = select(
    Booking.patient_id, Booking.id, Booking.slot_id, Booking.referral_id, Booking.state, Booking.hold_kind,
    Booking.starts_at, Booking.ends_at, Booking.held_until,
).where(Booking.patient_id.in_(bindparam("patients", expanding=True)))  # fmt: skip


def so_far_of(work: Work, referrals: Sequence[Referral]) -> dict[int, SoFar]:
    """:func:`so_far` of many, by referral, in two statements."""
    offers: dict[int, list[Offered]] = {}
    times: dict[int, list[Taken]] = {}
    for referral_id, *offer in work.rows(_OFFERED, {"referrals": [one.id for one in referrals]}).all():
        offers.setdefault(referral_id, []).append(Offered(*offer))
    for patient_id, *taken in work.rows(_TAKEN, {"patients": [one.patient_id for one in referrals]}).all():
        times.setdefault(patient_id, []).append(Taken(*taken))
    return {
        one.id: SoFar(one.id, work.now, tuple(offers.get(one.id, ())), tuple(times.get(one.patient_id, ())))
        for one in referrals
    }


def forget(session: Session, model: type[Base], keys: Iterable[int], *names: str) -> None:
    """Rows were changed by statement: what entities of them the session has read these attributes again when asked."""
    for key in keys:
        known = session.identity_map.get(identity_key(model, key))
        if known is not None:
            session.expire(known, names)
