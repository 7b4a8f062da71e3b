"""Write a plan's offers and holds: in chunks of short transactions, each offer checked again as it is written.

A plan books nothing: it only holds places. What changed since the plan was read (a place taken, a slot withdrawn,
a patient who booked) is left out and counted, never forced; the database's unique index on the places of a slot
is what guarantees that nobody's place is given away.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Table, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from booking.config import Config
from booking.db import Database
from booking.domain.errors import BeingChanged
from booking.domain.words import BookingState, HoldKind, OfferState
from booking.keys import Keys
from booking.models import Booking, Offer, OutboxMessage, Referral
from booking.services.bulk import insert
from booking.services.planning.lock import still_ours
from booking.services.planning.proposals import Proposal, Proposed
from booking.services.planning.sql import batched
from booking.services.planning.standing import Standing, holds, release
from booking.services.refusals import translate
from booking.services.waiting import slot_found
from booking.services.work import PLANNER, Work

CHUNK = 500
"""Referrals in one transaction: short enough that somebody who books one of their slots meanwhile hardly waits."""
WRITERS = 4
"""Chunks under way at once on PostgreSQL, where the server checks rows while the next are made ready."""

_BOOKINGS, _OFFERS, _MESSAGES = (cast(Table, model.__table__) for model in (Booking, Offer, OutboxMessage))
_BOOKING = (
    "referral_id", "patient_id", "slot_id", "place", "starts_at", "ends_at", "state", "hold_kind", "held_until",
    "created_at",
)  # fmt: skip
_OFFER = (
    "referral_id", "plan_run_id", "slot_id", "rank", "guaranteed", "state", "reasons", "regret", "created_at",
    "expires_at",
)  # fmt: skip
_MESSAGE = ("event_key", "kind", "referral_id", "payload", "created_at", "next_attempt_at", "attempts")


Item = TypeVar("Item")
Result = TypeVar("Result")


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


_Written = tuple[Sequence[Proposal], Tally, Sequence[Proposal]]
"""A chunk, what became of it, and those of it to be tried again."""


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
        writers = 1 if self.database.is_sqlite else WRITERS
        for chunk, mine, left in _spread(self._chunk, batched(proposals, CHUNK), writers):
            tally.add(mine)
            busy += left
            done += len(chunk)
            tell(done)
        for proposal in busy:
            _, mine, left = self._chunk([proposal], wait=True)
            tally.add(mine)
            if left:
                tally.conflicts["being_changed"] += 1
        return tally

    def release(self, seats: Mapping[int, int]) -> None:
        """Before open offers are planned again (referral to new slot): those who move let go first, all together."""
        now = self.clock()
        with self.database.unit_of_work() as session:
            for ids in batched(sorted(seats), 10_000):
                _, held = holds(session, ids, now)
                release(session, [key for key, slot_id in held.items() if seats[key] != slot_id], now)
            still_ours(session, self.run_id, now)

    def _chunk(self, chunk: Sequence[Proposal], *, wait: bool = False) -> _Written:
        """One transaction. Returns what became of the chunk, and the proposals that somebody else has locked."""
        now, mine = self.clock(), Tally()
        try:
            with self.database.unit_of_work() as session:
                busy = self._offer(session, chunk, mine, now, wait=wait)
                # Last, since the row stays locked until the commit and chunks side by side would wait for it.
                still_ours(session, self.run_id, now)
        except OperationalError as error:
            if isinstance(translate(error), BeingChanged):
                return chunk, Tally(), chunk  # waited too long, or in each other's way: nothing of it was written
            raise
        return chunk, mine, busy

    def _offer(
        self, session: Session, chunk: Sequence[Proposal], tally: Tally, now: datetime, *, wait: bool
    ) -> list[Proposal]:
        standing = Standing.lock(session, chunk, now, wait=wait)
        fine: dict[int, tuple[Proposal, tuple[Any, ...]]] = {}
        busy = []
        for proposal in chunk:
            why = standing.why_not(proposal)
            if why == "being_changed":
                busy.append(proposal)
            elif why == "kept":
                tally.kept += 1
            elif why is not None:
                tally.conflicts[why] += 1
            else:
                fine[proposal.referral_id] = proposal, self._hold(standing, proposal, now)
        if fine:
            self._write(session, standing, fine, tally, now)
        return busy

    def _hold(self, standing: Standing, proposal: Proposal, now: datetime) -> tuple[Any, ...]:
        """A row of :data:`_BOOKING`."""
        slot = standing.slots[proposal.offers[0].slot_id]
        return (
            proposal.referral_id, standing.people[proposal.referral_id].patient_id, slot.id, standing.take(slot.id),
            slot.starts_at, slot.ends_at, BookingState.HELD, HoldKind.OFFER, standing.until(proposal, self.offer_days),
            now,
        )  # fmt: skip

    def _write(
        self,
        session: Session,
        standing: Standing,
        fine: Mapping[int, tuple[Proposal, tuple[Any, ...]]],
        tally: Tally,
        now: datetime,
    ) -> None:
        release(session, list(fine), now)
        held = _take_places(session, [hold for _, hold in fine.values()])
        tally.conflicts["place_taken"] += len(fine) - len(held)
        connection = session.connection()
        tally.offers += insert(
            connection, _OFFERS, _OFFER,
            (row for key in held for row in self._offers(standing, fine[key][0], fine[key][1][8], now)),
        )  # fmt: skip
        self._found(session, standing.deferred(held), now)
        insert(connection, _MESSAGES, _MESSAGE, (self._message(standing, key, now) for key in held))
        tally.offered += len(held)

    def _found(self, session: Session, deferred: Sequence[int], now: datetime) -> None:
        """Those deferred to the provider for want of slots come off that list with the offer."""
        if not deferred:
            return
        work = Work(session, PLANNER, now, self.config, self.keys)
        query = select(Referral).where(Referral.id.in_(deferred)).order_by(Referral.id)
        for referral in session.scalars(query.execution_options(populate_existing=True)):
            slot_found(work, referral)
        session.flush()

    def _offers(
        self, standing: Standing, proposal: Proposal, until: datetime, now: datetime
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of :data:`_OFFER`."""
        first, *others = proposal.offers
        shown: list[Proposed] = [first, *(one for one in others if one.slot_id in standing.open_slots)]
        for rank, one in enumerate(shown, 1):
            yield (
                proposal.referral_id, self.run_id, one.slot_id, rank, rank == 1, OfferState.OPEN,
                json.dumps(one.reasons), one.regret, now, until,
            )  # fmt: skip

    def _message(self, standing: Standing, referral_id: int, now: datetime) -> tuple[Any, ...]:
        """A row of :data:`_MESSAGE`."""
        key = f"plan:{self.run_id}:referral:{referral_id}:offers"
        return key, "offers-ready", referral_id, {"ubrn": standing.people[referral_id].ubrn}, now, now, 0


def _take_places(session: Session, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Write the holds; the referrals that got theirs. If the database refuses any, halves are tried by themselves,
    so that a few refused among many cost a few more statements and the others nothing."""
    try:
        with session.begin_nested():
            insert(session.connection(), _BOOKINGS, _BOOKING, rows)
    except IntegrityError:
        half = len(rows) // 2
        return [*_take_places(session, rows[:half]), *_take_places(session, rows[half:])] if half else []
    return [row[0] for row in rows]


def _spread(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results in the order of the items, made in so many threads; one item more is made ready at most."""
    if threads == 1:
        yield from map(function, items)
        return
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="plan-writer") as pool:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
