"""Publishing slots: what a provider sends becomes slots, and the same sent again changes nothing.

A slot that is booked or held is never altered by a publication: it is left as it is and reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import joinedload

from booking.domain.errors import NotFound
from booking.domain.slot import Outcome, PublishedSlot, Result
from booking.domain.words import BookingState, SlotStatus
from booking.models import Booking, Publication, Service, Slot
from booking.services import audit, slot_writing
from booking.services.places import occupying
from booking.services.publication_input import NewPublication, own_service, read
from booking.services.refusals import translated
from booking.services.slot_writing import SET_SIZE, AtService, Item, SlotWriter
from booking.services.work import Work

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication: withdrawn slots first, then those sent, in the order they were sent."""

    publication: Publication
    outcomes: list[Outcome]


def publish(work: Work, new: NewPublication) -> Published:
    """Publish slots and sessions at a service of the caller's, and take slots off.

    Raises :class:`NotFound` for another's service, :class:`Invalid` naming every field at fault; then nothing
    is written. A slot that is refused because somebody is on it, or its clinician elsewhere, is an outcome.
    """
    service = own_service(work, new.service_id)
    slots = read(work, service, new)
    publication = begin(work, source=new.source, organisation_id=service.organisation_id)
    writer = SlotWriter(work, publication.id)
    writer.lock_services({service.id})
    # Off before on: a new slot may take the time, and the clinician, of one that goes.
    outcomes = _withdraw_named(work, publication, service, new.withdraw)
    if new.replaces is not None:
        names = {slot.provider_slot_id for slot in slots}
        outcomes += _withdraw_unnamed(work, publication, service, new.replaces, names)
    outcomes += _write(writer, service, slots)
    counts = Counter(outcome.result for outcome in outcomes)
    end(work, publication, counts, service_id=service.id, overbooked=writer.overbooked)
    return Published(publication, outcomes)


def withdraw_slot(work: Work, slot_id: int) -> Outcome:
    """Take one of the caller's slots off by its key, or close it where somebody is on it."""
    found = work.session.execute(
        select(Slot.service_id, Slot.provider_slot_id)
        .join(Service, Service.id == Slot.service_id)
        .where(Slot.id == slot_id, Service.organisation_id == work.actor.organisation_id)
    ).first()
    if found is None:
        raise NotFound("There is no such slot, or it is not yours.")
    publication = begin(work, source="Withdrawal", organisation_id=work.actor.organisation_id)
    outcome = slot_writing.withdraw(work, publication.id, [slot_id])[0]
    end(work, publication, Counter([outcome.result]), service_id=found.service_id)
    return outcome


def begin(work: Work, *, source: str, organisation_id: int | None) -> Publication:
    """A publication that slots can refer to; :func:`end` completes it."""
    publication = Publication(organisation_id=organisation_id, source=source[:300], received_at=work.now)
    work.session.add(publication)
    work.session.flush()
    return publication


def end(
    work: Work, publication: Publication, counts: Counter[Result], *, service_id: int | None = None, overbooked: int = 0
) -> None:
    """Write down how many became what, with one audit entry for the whole publication; it tells of extra places."""
    for result in Result:
        setattr(publication, result.value, counts[result])
    after = {"source": publication.source, **{result.value: counts[result] for result in Result}}
    if service_id is not None:
        after["service"] = service_id
    if overbooked:
        after["overbooked_places"] = overbooked
    audit.record(work, f"publication:{publication.id}", "publish", after=after)
    with translated():
        work.session.flush()


def sets(things: Sequence[Thing], size: int = SET_SIZE) -> Iterator[Sequence[Thing]]:
    for first in range(0, len(things), size):
        yield things[first : first + size]


def _write(writer: SlotWriter, service: AtService, slots: Sequence[PublishedSlot]) -> list[Outcome]:
    decided: dict[int, Outcome] = {}
    for part in sets([Item(n, service, slot) for n, slot in enumerate(slots)]):
        decided.update((item.token, outcome) for item, outcome in writer.put(part))
    decided.update((item.token, outcome) for item, outcome in writer.finish())
    return [decided[n] for n in range(len(slots))]


def _withdraw_named(work: Work, publication: Publication, service: AtService, names: Iterable[str]) -> list[Outcome]:
    wanted = list(dict.fromkeys(names))
    found: dict[str, int] = {}
    for part in sets(wanted):
        query = select(Slot.provider_slot_id, Slot.id)
        rows = work.session.execute(query.where(Slot.service_id == service.id, Slot.provider_slot_id.in_(part)))
        found.update((row.provider_slot_id, row.id) for row in rows)
    done = {o.provider_slot_id: o for o in slot_writing.withdraw(work, publication.id, found.values())}
    return [done.get(name) or _unknown(name) for name in wanted]


def _unknown(name: str) -> Outcome:
    return Outcome(name, Result.REFUSED, "SLOT_UNKNOWN", f"The service has no slot {name!r}.")


def _withdraw_unnamed(
    work: Work, publication: Publication, service: AtService, dates: tuple[date, date], named: set[str]
) -> list[Outcome]:
    rows = work.session.execute(
        select(Slot.id, Slot.provider_slot_id).where(
            Slot.service_id == service.id, Slot.status == SlotStatus.PUBLISHED, on_dates(*dates)
        )
    )
    return slot_writing.withdraw(work, publication.id, [row.id for row in rows if row.provider_slot_id not in named])


def on_dates(first: date | None, last: date | None) -> ColumnElement[bool]:
    """SQL: the slot is on these days at its site. The bounds in UTC are there for the index on instants."""
    terms: list[ColumnElement[bool]] = []
    if first is not None:
        midnight = datetime.combine(max(first, date(1970, 1, 2)), time(), UTC)
        terms += [Slot.local_date >= first, Slot.starts_at >= midnight - timedelta(days=1)]
    if last is not None:
        midnight = datetime.combine(min(last, date(9999, 12, 28)), time(), UTC)
        terms += [Slot.local_date <= last, Slot.starts_at < midnight + timedelta(days=2)]
    return and_(*terms) if terms else and_(True)


@dataclass(frozen=True, slots=True)
class SlotList:
    """What a provider asks of its own slots."""

    service_id: int | None = None
    first_date: date | None = None
    last_date: date | None = None
    status: SlotStatus = SlotStatus.PUBLISHED
    after: tuple[int, datetime, int] | None = None
    """Keyset cursor: service, start and key of the last slot of the page before."""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class CountedSlot:
    slot: Slot
    held: int
    booked: int

    @property
    def free(self) -> int:
        return max(0, self.slot.capacity - self.held - self.booked)


def own_slots(work: Work, wanted: SlotList) -> list[CountedSlot]:
    """The caller's slots by service and start, with how many places are held and booked now."""
    query = (
        select(Slot)
        .join(Service, Service.id == Slot.service_id)
        .where(
            Service.organisation_id == work.actor.organisation_id,
            Slot.status == wanted.status,
            on_dates(wanted.first_date, wanted.last_date),
        )
        .options(joinedload(Slot.practitioner))
        .order_by(Slot.service_id, Slot.starts_at, Slot.id)
        .limit(wanted.limit)
    )
    if wanted.service_id is not None:
        query = query.where(Slot.service_id == own_service(work, wanted.service_id).id)
    if wanted.after is not None:
        query = query.where(_beyond(wanted.after))
    slots = list(work.session.scalars(query))
    counts = _counts(work, [slot.id for slot in slots])
    return [CountedSlot(slot, counts[slot.id, True], counts[slot.id, False]) for slot in slots]


def _beyond(cursor: tuple[int, datetime, int]) -> ColumnElement[bool]:
    service_id, starts_at, slot_id = cursor
    return or_(
        Slot.service_id > service_id,
        and_(
            Slot.service_id == service_id,
            or_(Slot.starts_at > starts_at, and_(Slot.starts_at == starts_at, Slot.id > slot_id)),
        ),
    )


def _counts(work: Work, slot_ids: list[int]) -> Counter[tuple[int, bool]]:
    """Places taken now, by slot and whether they are only held."""
    rows = work.session.execute(
        select(Booking.slot_id, Booking.state, func.count())
        .where(Booking.slot_id.in_(slot_ids), occupying(work.now))
        .group_by(Booking.slot_id, Booking.state)
    )
    counts: Counter[tuple[int, bool]] = Counter()
    for slot_id, state, number in rows:
        counts[slot_id, state is BookingState.HELD] += number
    return counts
