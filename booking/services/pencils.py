"""Places that are only pencilled for somebody not yet asked: others may have them if that person can be moved.

A pencil holds nothing. Whoever is offered such a place, or takes it, displaces the person pencilled there, who is moved
along an augmenting path to places that suit them, within the bound the policy publishes and never past a target that
was met. What is held or booked never moves. Locks: the slot taken is the caller's; others are only tried, so that this
never waits for somebody who waits for us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update
from sqlalchemy.orm import joinedload

from booking.domain.offer import PENCILLED
from booking.domain.referral import CHOOSING
from booking.domain.reseating import Moves, make_room
from booking.domain.weights import RANK
from booking.domain.words import BookingState, OfferState, SlotStatus
from booking.models import Booking, Offer, Pencil, Referral, Slot
from booking.services import audit, candidates
from booking.services.candidates import Found, wish_of
from booking.services.places import occupying
from booking.services.planning.prices import Prices, last_prices
from booking.services.so_far import forget
from booking.services.work import Work

PER_SERVICE = 8
"""So many free slots of each service, from shortly before their own, are looked at for somebody who is to move."""
DAYS_BEFORE = 7
MOST_LOOKED_AT = 12
"""So many people at most are looked at to find whom to move: this happens while a patient waits for the answer."""


def _unserved() -> ColumnElement[bool]:
    """SQL: the pencil's referral is still choosing and nothing is kept or booked for it."""
    busy = select(Booking.id).where(
        Booking.referral_id == Pencil.referral_id, Booking.state.in_((BookingState.HELD, BookingState.BOOKED))
    )
    return Referral.state.in_(sorted(CHOOSING)) & ~busy.correlate(Pencil).exists()


# A part of every booking transaction: built once.
_AT = (
    select(Pencil.referral_id)
    .join(Referral, Referral.id == Pencil.referral_id)
    .where(Pencil.slot_id == bindparam("slot_id"), Pencil.referral_id != bindparam("me"), _unserved())
    .order_by(
        Referral.priority == "TWO_WEEK_WAIT", Referral.priority == "URGENT", Referral.due_date.desc(), Referral.id
    )
)


_RANKS_AT = _AT.with_only_columns(Referral.id, Referral.priority)


def at_slot(work: Work, slot_id: int, me: int) -> list[int]:
    """Others pencilled for the slot, the least need first."""
    return list(work.session.scalars(_AT, _names(slot_id, me)))


def _names(slot_id: int, me: int) -> dict[str, int]:
    return {"slot_id": slot_id, "me": me}


def costs_of(referral: Referral, prices: Prices, today: date) -> Callable[[Found], int]:
    """What a slot costs the referral by the last plan's weights (0 where nothing has been planned)."""
    weights, rank = prices.weights, RANK[referral.priority]
    if weights is None:
        return lambda _found: 0
    waited = (today - referral.rtt_clock_start).days
    target = (referral.due_date - referral.rtt_clock_start).days
    known: dict[tuple[date, float | None], int] = {}

    def cost(found: Found) -> int:
        key = (found.local_date, found.distance_km)
        if key not in known:
            day = (found.local_date - today).days
            known[key] = sum(weights.parts(rank, waited=waited, target=target, day=day, km=key[1]).values())
        return known[key]

    return cost


@dataclass(slots=True)
class _Surroundings:
    """People and places as the search for a path comes by them, each read once."""

    work: Work
    prices: Prices
    me: int
    """Who wants a place: what they hold now becomes free with it."""
    spare: dict[int, int] = field(default_factory=dict)
    mine: tuple[int, ...] = ()
    losses_of: dict[int, Mapping[int, int]] = field(default_factory=dict)

    def is_free(self, place: int) -> bool:
        return self._spare(place) > 0

    def _spare(self, place: int) -> int:
        if place not in self.spare:
            self.spare[place] = _spare(self.work, place, self.me)
        return self.spare[place]

    def sitting(self, place: int) -> Iterable[int]:
        return at_slot(self.work, place, self.me) if self._spare(place) >= 0 else ()

    def losses(self, person: int) -> Mapping[int, int]:
        if person not in self.losses_of:
            self.losses_of[person] = self._losses(person) if len(self.losses_of) < MOST_LOOKED_AT else {}
        return self.losses_of[person]

    def _losses(self, person: int) -> dict[int, int]:
        pencil, referral = self.work.session.execute(_PERSON, {"person": person}).unique().one()
        wish = wish_of(self.work, referral)
        own = next(iter(candidates.among(self.work, wish, (pencil.slot_id,), full=True)), None)
        if own is None:
            return {}
        bound = self.prices.reseat_loss - pencil.lost
        days = (own.local_date - timedelta(days=DAYS_BEFORE), own.local_date + timedelta(days=366))
        found = candidates.find(self.work, wish, per_service=PER_SERVICE, days=days)
        found += candidates.find(self.work, wish, per_service=PER_SERVICE, days=days, unpencilled=True)
        if self.mine:
            found += candidates.among(self.work, wish, self.mine, full=True)
        cost, due = costs_of(referral, self.prices, self.work.today), referral.due_date
        out: dict[int, int] = {}
        for one in found:
            if one.id not in self.mine:
                self.spare.setdefault(one.id, one.spare)
            loss = max(cost(one) - cost(own), 0)
            if one.id != own.id and loss <= bound and (one.local_date <= due or own.local_date > due):
                out[one.id] = loss
        return out


_PERSON = (
    select(Pencil, Referral)
    .join(Referral, Referral.id == Pencil.referral_id)
    .where(Pencil.referral_id == bindparam("person"))
    .options(joinedload(Referral.patient))
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True, slots=True)
class Way:
    """A path found: who moves where, the newcomer first, and what each of the others loses."""

    moves: Moves
    losses: tuple[int, ...] = ()
    outranked: int | None = None
    """Somebody of a lower priority who can't be moved and loses their pencil to the newcomer."""


def way_to(work: Work, referral: Referral, places: Mapping[int, int], spare: Mapping[int, int]) -> Way | None:
    """How the referral could have one of these places (with their costs), whoever is pencilled there being moved.

    ``spare``: of each of them, the places that nobody has and nobody else is pencilled for.
    """
    prices = last_prices(work.session, ())
    held = select(Booking.slot_id).where(Booking.referral_id == referral.id, Booking.state == BookingState.HELD)
    mine = tuple(place for place in work.session.scalars(held) if place not in places)
    around = _Surroundings(work, prices, referral.id, dict(spare), mine)
    moves = make_room(around, places, referral.id, prices.reseat_moves)
    if moves is None:
        return None
    return Way(moves, tuple(around.losses(person)[place] for person, place in moves[1:]))


def outranking(work: Work, referral: Referral, slot_ids: Sequence[int]) -> Way | None:
    """To the first of these places that is pencilled for somebody of a lower priority, who loses the pencil.

    The places are those in time for the referral, which would miss its target otherwise: the caller has seen that
    nothing else can be had.
    """
    for slot_id in slot_ids[:MOST_LOOKED_AT]:
        for row in work.rows(_RANKS_AT, _names(slot_id, referral.id)).all():
            if RANK[row.priority] < RANK[referral.priority]:
                return Way(((referral.id, slot_id),), outranked=row.id)
    return None


def can_have(work: Work, referral: Referral, slot_id: int) -> bool:
    """Whether the place can be had now: nobody is pencilled for it, or whoever is can be moved."""
    return way_to(work, referral, {slot_id: 0}, {slot_id: _spare(work, slot_id, referral.id)}) is not None


def _spare(work: Work, slot_id: int, me: int) -> int:
    """Places of a published slot that nobody else has or is pencilled for."""
    taken = select(func.count()).where(Booking.slot_id == slot_id, Booking.referral_id != me, occupying(work.now))
    query = select(Slot.capacity - taken.scalar_subquery()).where(
        Slot.id == slot_id, Slot.status == SlotStatus.PUBLISHED
    )
    return (work.session.scalar(query) or 0) - len(at_slot(work, slot_id, me))


def follow(work: Work, way: Way) -> bool:
    """Move everybody on a path but the newcomer. False, and nothing moved, where somebody is at one of the places."""
    if way.outranked is not None and not _erase(work, way.outranked):
        return False
    if len(way.moves) == 1:
        return True
    moved, origins = way.moves[1:], [place for _, place in way.moves]
    people = select(Pencil.referral_id, Pencil.slot_id).where(Pencil.referral_id.in_([who for who, _ in moved]))
    rows = work.session.execute(people.order_by(Pencil.referral_id).with_for_update(skip_locked=True))
    if {row.referral_id: row.slot_id for row in rows} != {
        who: origin for (who, _), origin in zip(moved, origins, strict=False)
    }:
        return False
    wanted = sorted({place for _, place in moved})
    query = select(Slot.id).where(Slot.id.in_(wanted), Slot.status == SlotStatus.PUBLISHED).order_by(Slot.id)
    if list(work.session.scalars(query.with_for_update(skip_locked=True))) != wanted:
        return False
    if _spare(work, moved[-1][1], way.moves[0][0]) <= 0:
        return False  # taken since it was looked at
    for (who, place), loss in zip(moved, way.losses, strict=True):
        work.session.execute(
            update(Pencil)
            .where(Pencil.referral_id == who)
            .values(slot_id=place, lost=Pencil.lost + loss)
            .execution_options(synchronize_session=False)
        )
    return True


def give_way(work: Work, referral: Referral, slot: Slot) -> bool:
    """The referral has just taken a place of a locked slot: whoever it displaces is moved. False where nobody can be
    moved within the bound although the place was offered as one that could be had so.

    A place the patient found by themselves stays theirs: somebody who can't be moved then is left to the next plan.
    """
    if not at_slot(work, slot.id, referral.id):
        return True
    # Of what others leave, one place is the referral's own by now.
    for _ in range(max(1 - _spare(work, slot.id, referral.id), 0)):
        way = way_to(work, referral, {slot.id: 0}, {slot.id: 0})
        if way is None or not follow(work, way):
            if offered_so(work, referral, slot.id):
                return False
            for other in at_slot(work, slot.id, referral.id)[:1]:
                _erase(work, other)
    return True


def offered_so(work: Work, referral: Referral, slot_id: int) -> bool:
    """Whether an open offer of the place says that somebody is pencilled for it."""
    reasons: Sequence[dict[str, object]] = work.session.scalars(
        select(Offer.reasons).where(
            Offer.referral_id == referral.id, Offer.slot_id == slot_id, Offer.state == OfferState.OPEN
        )
    ).all()
    return any(is_pencilled(one) for one in reasons)


def is_pencilled(reasons: Mapping[str, object]) -> bool:
    codes = reasons.get("codes")
    return isinstance(codes, list) and PENCILLED in codes


def _erase(work: Work, referral_id: int) -> bool:
    """Somebody loses their pencil to another and is first in line in the next plan. False where somebody is at it."""
    one = select(Referral.id).where(Referral.id == referral_id).with_for_update(skip_locked=True)
    if work.rows(one).first() is None:
        return False
    gone = work.rows(delete(Pencil).where(Pencil.referral_id == referral_id).returning(Pencil.slot_id)).first()
    work.rows(update(Referral).where(Referral.id == referral_id).values(first_in_line_since=work.now))
    forget(work.session, Referral, [referral_id], "first_in_line_since")
    audit.record(
        work, f"referral:{referral_id}", "referral.outranked", after={"slot": gone.slot_id if gone else None}
    )  # fmt: skip
    return True
