"""Write a plan's offers and holds: in chunks of short transactions, each offer checked again as it is written.

A plan books nothing: it only holds places. What changed since the plan was read (a place taken, a slot withdrawn,
a patient who booked) is left out and counted, never forced; the database's unique index on the places of a slot
is what guarantees that nobody's place is given away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from booking.config import Config
from booking.db import Database
from booking.domain.errors import BeingChanged
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.keys import Keys
from booking.models import Booking, Offer, OutboxMessage, Referral, ServicePriority, Slot
from booking.services.places import occupying
from booking.services.planning.lock import still_ours
from booking.services.planning.proposals import Proposal, Proposed
from booking.services.planning.sql import batched
from booking.services.planning.supply import PRIORITIES
from booking.services.refusals import translate
from booking.services.waiting import slot_found
from booking.services.work import HOME_ZONE, PLANNER, Work

CHUNK = 250
"""Referrals in one transaction: short enough that somebody who books one of their slots meanwhile hardly waits."""

_OFFERS = cast(Table, Offer.__table__)  # the table itself: many rows at once, without the mapper's bookkeeping


@dataclass(slots=True)
class Tally:
    """What became of the proposals."""

    offered: int = 0
    offers: int = 0
    kept: int = 0
    """Already held the very slot proposed: nothing was changed."""
    conflicts: Counter[str] = field(default_factory=Counter)
    """Proposals left out, by why."""

    def add(self, other: Tally) -> None:
        self.offered += other.offered
        self.offers += other.offers
        self.kept += other.kept
        self.conflicts += other.conflicts


@dataclass(frozen=True, slots=True)
class Application:
    """One plan being applied."""

    database: Database
    run_id: int
    as_of: date
    offer_days: int
    clock: Callable[[], datetime]
    config: Config
    keys: Keys

    def write(self, proposals: Iterable[Proposal], tell: Callable[[int], None]) -> Tally:
        """Offer each proposal that still stands. Referrals being changed just now get a second try."""
        tally, done = Tally(), 0
        busy: list[Proposal] = []
        for chunk in batched(proposals, CHUNK):
            busy += self._chunk(chunk, tally, wait=False)
            done += len(chunk)
            tell(done)
        for proposal in busy:
            tally.conflicts["being_changed"] += len(self._chunk([proposal], tally, wait=True))
        return tally

    def release(self, seats: Mapping[int, int]) -> None:
        """Before open offers are planned again (referral to new slot): those who move let go first, all together."""
        now = self.clock()
        with self.database.unit_of_work() as session:
            still_ours(session, self.run_id, now)
            for ids in batched(sorted(seats), 1000):
                _, held = _held(session, ids, now)
                _release(session, [key for key, slot_id in held.items() if seats[key] != slot_id], now)

    def _chunk(self, chunk: Sequence[Proposal], tally: Tally, *, wait: bool) -> list[Proposal]:
        """One transaction, added to the tally once committed. Returns the proposals that somebody else has locked."""
        now, mine = self.clock(), Tally()
        try:
            with self.database.unit_of_work() as session:
                still_ours(session, self.run_id, now)
                busy = self._offer(session, chunk, mine, now, wait=wait)
        except OperationalError as error:
            if isinstance(translate(error), BeingChanged):
                return list(chunk)  # waited too long, or in each other's way: nothing of the chunk was written
            raise
        tally.add(mine)
        return busy

    def _offer(
        self, session: Session, chunk: Sequence[Proposal], tally: Tally, now: datetime, *, wait: bool
    ) -> list[Proposal]:
        state = _State.lock(session, chunk, now, wait=wait)
        fine: list[tuple[Proposal, dict[str, Any]]] = []
        busy = []
        for proposal in chunk:
            why = state.why_not(proposal)
            if why == "being_changed":
                busy.append(proposal)
            elif why == "kept":
                tally.kept += 1
            elif why is not None:
                tally.conflicts[why] += 1
            else:
                fine.append((proposal, self._hold(state, proposal, now)))
        self._write(session, state, fine, tally, now)
        return busy

    def _hold(self, state: _State, proposal: Proposal, now: datetime) -> dict[str, Any]:
        slot = state.slots[proposal.offers[0].slot_id]
        return {
            "referral_id": proposal.referral_id, "patient_id": state.patients[proposal.referral_id],
            "slot_id": slot.id, "place": state.take(slot.id), "starts_at": slot.starts_at, "ends_at": slot.ends_at,
            "state": BookingState.HELD, "hold_kind": HoldKind.OFFER,
            "held_until": self._until(state, proposal, slot, now), "created_at": now,
        }  # fmt: skip

    def _until(self, state: _State, proposal: Proposal, slot: Any, now: datetime) -> datetime:
        """When the offer ends: after the policy's days, or before the slot can no longer be booked."""
        notice = state.notice.get((slot.service_id, PRIORITIES[proposal.priority]), 0)
        closes = datetime.combine(slot.local_date - timedelta(days=notice - 1), time(), HOME_ZONE)
        starts_at: datetime = slot.starts_at
        return min(now + timedelta(days=self.offer_days), starts_at, closes)

    def _write(
        self, session: Session, state: _State, fine: list[tuple[Proposal, dict[str, Any]]], tally: Tally, now: datetime
    ) -> None:
        if not fine:
            return
        ids = [proposal.referral_id for proposal, _ in fine]
        _release(session, ids, now)
        dialect = sqlite if self.database.is_sqlite else postgresql
        held = set(
            session.scalars(
                dialect.insert(Booking).on_conflict_do_nothing().returning(Booking.referral_id),
                [hold for _, hold in fine],
            )
        )
        tally.conflicts["place_taken"] += len(fine) - len(held)
        rows = [
            row
            for proposal, hold in fine
            if proposal.referral_id in held
            for row in self._offers(state, proposal, hold["held_until"], now)
        ]
        if rows:
            session.execute(insert(_OFFERS), rows)
        self._found(session, sorted(held & state.deferred), now)
        messages = [self._message(state, referral_id, now) for referral_id in ids if referral_id in held]
        if messages:
            session.execute(dialect.insert(OutboxMessage).on_conflict_do_nothing(), messages)
        tally.offered += len(held)
        tally.offers += len(rows)

    def _found(self, session: Session, deferred: Sequence[int], now: datetime) -> None:
        """Those deferred to the provider for want of slots come off that list with the offer."""
        if not deferred:
            return
        work = Work(session, PLANNER, now, self.config, self.keys)
        query = select(Referral).where(Referral.id.in_(deferred)).order_by(Referral.id)
        for referral in session.scalars(query.execution_options(populate_existing=True)):
            slot_found(work, referral)
        session.flush()

    def _offers(self, state: _State, proposal: Proposal, until: datetime, now: datetime) -> list[dict[str, Any]]:
        first, *others = proposal.offers
        shown: list[Proposed] = [first, *(one for one in others if one.slot_id in state.open_slots)]
        return [
            {
                "referral_id": proposal.referral_id, "plan_run_id": self.run_id, "slot_id": one.slot_id, "rank": rank,
                "guaranteed": rank == 1, "state": OfferState.OPEN, "reasons": one.reasons, "regret": one.regret,
                "created_at": now, "expires_at": until,
            }
            for rank, one in enumerate(shown, 1)
        ]  # fmt: skip

    def _message(self, state: _State, referral_id: int, now: datetime) -> dict[str, Any]:
        return {
            "event_key": f"plan:{self.run_id}:referral:{referral_id}:offers", "kind": "offers-ready",
            "referral_id": referral_id, "payload": {"ubrn": state.ubrns[referral_id]}, "created_at": now,
            "next_attempt_at": now, "attempts": 0,
        }  # fmt: skip


def _release(session: Session, referral_ids: Sequence[int], now: datetime) -> None:
    """Older offers and their holds make room for the new ones."""
    session.execute(
        update(Booking)
        .where(
            Booking.referral_id.in_(referral_ids),
            Booking.state == BookingState.HELD,
            Booking.hold_kind == HoldKind.OFFER,
        )
        .values(state=BookingState.EXPIRED, released_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Offer)
        .where(Offer.referral_id.in_(referral_ids), Offer.state == OfferState.OPEN)
        .values(state=OfferState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )


@dataclass(slots=True)
class _State:
    """The rows a chunk depends on, locked in the order of their keys (so that two of us can't wait for each other)."""

    wanted: set[int]
    choosing: set[int]
    deferred: set[int]
    """Of them those deferred to the provider."""
    patients: dict[int, int]
    ubrns: dict[int, str]
    elsewhere: set[int]
    """Referrals that occupy a place otherwise than by an offer."""
    held: dict[int, int]
    """Slot of each referral's unexpired offer hold."""
    slots: dict[int, Any]
    taken: dict[int, set[int]]
    open_slots: set[int]
    notice: dict[tuple[int, Any], int]
    present: set[int]
    now: datetime

    @classmethod
    def lock(cls, session: Session, chunk: Sequence[Proposal], now: datetime, *, wait: bool) -> _State:
        ids = sorted(p.referral_id for p in chunk)
        firsts = sorted({p.offers[0].slot_id for p in chunk})
        others = {one.slot_id for p in chunk for one in p.offers[1:]}
        referrals = session.execute(
            select(Referral.id, Referral.patient_id, Referral.ubrn, Referral.state)
            .where(Referral.id.in_(ids))
            .order_by(Referral.id)
            .with_for_update(of=Referral, skip_locked=not wait)
        ).all()
        slots = session.execute(
            select(Slot.id, Slot.service_id, Slot.status, Slot.capacity, Slot.starts_at, Slot.ends_at, Slot.local_date)
            .where(Slot.id.in_(firsts))
            .order_by(Slot.id)
            .with_for_update(of=Slot, skip_locked=not wait)
        ).all()
        session.execute(
            update(Booking)
            .where(Booking.slot_id.in_(firsts), Booking.state == BookingState.HELD, Booking.held_until <= now)
            .values(state=BookingState.EXPIRED, released_at=now)
            .execution_options(synchronize_session=False)
        )
        elsewhere, held = _held(session, ids, now)
        services = {slot.service_id for slot in slots}
        windows = session.execute(
            select(ServicePriority.service_id, ServicePriority.priority, ServicePriority.window_from_days).where(
                ServicePriority.service_id.in_(services)
            )
        )
        return cls(
            wanted=set(ids),
            choosing={row.id for row in referrals if row.state in CHOOSING},
            deferred={row.id for row in referrals if row.state is ReferralState.DEFERRED_TO_PROVIDER},
            patients={row.id: row.patient_id for row in referrals},
            ubrns={row.id: row.ubrn for row in referrals},
            elsewhere=elsewhere,
            held=held,
            slots={slot.id: slot for slot in slots},
            taken=_taken(session, firsts),
            open_slots=_open(session, others, now),
            notice={(row.service_id, row.priority): row.window_from_days for row in windows},
            present=set(session.scalars(select(Slot.id).where(Slot.id.in_(firsts)))),
            now=now,
        )

    def why_not(self, proposal: Proposal) -> str | None:
        """Why the proposal no longer stands; None if it does."""
        slot_id = proposal.offers[0].slot_id
        slot = self.slots.get(slot_id)
        if proposal.referral_id not in self.patients or (slot is None and slot_id in self.present):
            return "being_changed"
        if proposal.referral_id not in self.choosing or proposal.referral_id in self.elsewhere:
            return "no_longer_choosing"
        if proposal.referral_id in self.held:
            return "kept" if self.held[proposal.referral_id] == slot_id else "offered_meanwhile"
        if slot is None or slot.status is not SlotStatus.PUBLISHED or slot.starts_at <= self.now:
            return "slot_withdrawn"
        if len(self.taken.get(slot_id, ())) >= slot.capacity:
            return "place_taken"
        return None

    def take(self, slot_id: int) -> int:
        """The lowest free place, from now on taken."""
        taken = self.taken.setdefault(slot_id, set())
        place = next(place for place in range(1, len(taken) + 2) if place not in taken)
        taken.add(place)
        return place


def _held(session: Session, ids: Sequence[int], now: datetime) -> tuple[set[int], dict[int, int]]:
    rows = session.execute(
        select(Booking.referral_id, Booking.slot_id, Booking.state, Booking.hold_kind).where(
            Booking.referral_id.in_(ids),
            occupying(now),
            Booking.state.in_((BookingState.HELD, BookingState.BOOKED)),
        )
    ).all()
    offers = {r.referral_id: r.slot_id for r in rows if r.state is BookingState.HELD and r.hold_kind is HoldKind.OFFER}
    others = {r.referral_id for r in rows if r.state is not BookingState.HELD or r.hold_kind is not HoldKind.OFFER}
    return others, offers


def _taken(session: Session, slot_ids: Sequence[int]) -> dict[int, set[int]]:
    taken: dict[int, set[int]] = {}
    for row in session.execute(
        select(Booking.slot_id, Booking.place).where(Booking.slot_id.in_(slot_ids), Booking.released_at.is_(None))
    ):
        taken.setdefault(row.slot_id, set()).add(row.place)
    return taken


def _open(session: Session, slot_ids: set[int], now: datetime) -> set[int]:
    """Of these slots those that are published, to come and have a free place."""
    if not slot_ids:
        return set()
    ids = sorted(slot_ids)
    counts = session.execute(
        select(Booking.slot_id, func.count()).where(Booking.slot_id.in_(ids), occupying(now)).group_by(Booking.slot_id)
    )
    taken = {row[0]: row[1] for row in counts}
    rows = session.execute(
        select(Slot.id, Slot.capacity).where(
            Slot.id.in_(ids), Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > now
        )
    )
    return {row.id for row in rows if taken.get(row.id, 0) < row.capacity}
