"""From what a provider sent to slots that can be written: local times to instants, clinicians to keys.

Every fault is named by the path of its field as sent (``slots.3.ends_at``); nothing is written where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.errors import FieldError, Invalid, NotFound
from booking.domain.sessions import Session, expand, most_slots
from booking.domain.slot import LONGEST_SLOT_ID, MOST_PLACES, PublishedSlot, instant, time_faults
from booking.domain.times import zone
from booking.domain.words import ConsultationMode, Priority
from booking.models import Practitioner, Service
from booking.services.slot_writing import AtService
from booking.services.work import Work

MOST_SLOTS = 50_000
"""In one publication by the API; a file may hold any number."""
MOST_FAULTS = 100
"""More than that help nobody: mend these and send it again."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What slots and sessions have in common beside their times."""

    practitioner: str | None = None
    """The professional identifier of a clinician of this provider."""
    appointment_type: str = "New appointment"
    mode: ConsultationMode = ConsultationMode.IN_PERSON
    priorities: frozenset[Priority] = frozenset(Priority)
    capacity: int = 1


@dataclass(frozen=True, slots=True)
class SlotDraft:
    """A slot as sent: its times local to the site, or with their own offset."""

    provider_slot_id: str
    starts_at: datetime
    ends_at: datetime
    detail: Detail = Detail()


@dataclass(frozen=True, slots=True)
class SessionDraft:
    session: Session
    detail: Detail = Detail()


@dataclass(frozen=True, slots=True)
class NewPublication:
    service_id: int
    slots: Sequence[SlotDraft] = ()
    sessions: Sequence[SessionDraft] = ()
    withdraw: Sequence[str] = ()
    """Identifiers, the provider's own, of slots to take off."""
    replaces: tuple[date, date] | None = None
    """This is all there is at the service on these dates (both included): slots not named are withdrawn."""
    source: str = "API"


def own_service(work: Work, service_id: int) -> AtService:
    """A service of the caller's organisation; :class:`NotFound` for any other."""
    found = work.session.scalars(
        select(Service)
        .where(Service.id == service_id, Service.organisation_id == work.actor.organisation_id)
        .options(joinedload(Service.site))
    ).first()
    if found is None:
        raise NotFound("There is no such service, or it is not yours.")
    return AtService(found.id, found.site_id, zone(found.site.time_zone), found.organisation_id)


def priority_bits(priorities: Iterable[Priority]) -> int:
    return sum(PRIORITY_BIT[priority] for priority in set(priorities))


def practitioners_of(work: Work, organisation_id: int) -> dict[str, int]:
    """Keys of the provider's clinicians by professional identifier."""
    rows = work.session.execute(
        select(Practitioner.identifier, Practitioner.id).where(Practitioner.organisation_id == organisation_id)
    )
    return {row.identifier: row.id for row in rows}


def read(work: Work, service: AtService, new: NewPublication) -> list[PublishedSlot]:
    """The slots to write, each of another name; :class:`Invalid` names every field at fault, up to 100."""
    _check_number(new)
    reader = _Reader(service.zone, practitioners_of(work, service.organisation_id))
    made = [*reader.slots(new.slots), *reader.sessions(new.sessions)]
    reader.check_dates(new.replaces)
    reader.check_names([path for path, _ in made], [slot.provider_slot_id for _, slot in made], new.withdraw)
    if reader.faults:
        raise Invalid(*reader.faults[:MOST_FAULTS])
    return [slot for _, slot in made]


def _check_number(new: NewPublication) -> None:
    """Refuse too many slots before any is made: a few sessions in few bytes can ask for millions."""
    number, at = len(new.slots), "slots"
    for n, draft in enumerate(new.sessions):
        if number > MOST_SLOTS:
            break
        number, at = number + most_slots(draft.session), f"sessions.{n}"
    if number > MOST_SLOTS:
        raise Invalid.field(at, "TOO_MANY_SLOTS", f"{number} slots by here: send at most {MOST_SLOTS} at once.")


Named = tuple[str, PublishedSlot]


class _Reader:
    def __init__(self, tz: ZoneInfo, practitioners: dict[str, int]) -> None:
        self._zone = tz
        self._practitioners = practitioners
        self.faults: list[FieldError] = []

    def slots(self, drafts: Sequence[SlotDraft]) -> Iterator[Named]:
        for n, draft in enumerate(drafts):
            path = f"slots.{n}"
            starts_at = self._instant(draft.starts_at, f"{path}.starts_at")
            ends_at = self._instant(draft.ends_at, f"{path}.ends_at")
            practitioner_id = self._detail(draft.detail, path)
            if not 1 <= len(draft.provider_slot_id) <= LONGEST_SLOT_ID:
                message = f"An identifier has 1 to {LONGEST_SLOT_ID} characters."
                self._fault(f"{path}.provider_slot_id", "SLOT_ID", message)
            if starts_at is not None and ends_at is not None:
                self.faults += time_faults(starts_at, ends_at, field=f"{path}.ends_at")
                yield path, _slot(draft.provider_slot_id, starts_at, ends_at, practitioner_id, draft.detail)

    def sessions(self, drafts: Sequence[SessionDraft]) -> Iterator[Named]:
        for n, draft in enumerate(drafts):
            path = f"sessions.{n}"
            practitioner_id = self._detail(draft.detail, path)
            try:
                expansion = expand(draft.session, self._zone, field=path)
            except Invalid as error:
                self.faults += error.errors
                continue
            self.faults += expansion.problems
            for slot in expansion.slots:
                made = _slot(slot.provider_slot_id, slot.starts_at, slot.ends_at, practitioner_id, draft.detail)
                yield path, made

    def check_dates(self, replaces: tuple[date, date] | None) -> None:
        if replaces is not None and replaces[1] < replaces[0]:
            self._fault("replaces.last_date", "DATES_REVERSED", "The last date is before the first.")

    def check_names(self, paths: Sequence[str], names: Sequence[str], withdrawn: Sequence[str]) -> None:
        """No name twice, and none both published and withdrawn."""
        first: dict[str, str] = {}
        for path, name in zip(paths, names, strict=True):
            if name in first:
                at = f"{path}.provider_slot_id" if path.startswith("slots") else path
                self._fault(at, "DUPLICATE", f"The slot {name!r} is named at {first[name]} already.")
            first.setdefault(name, path)
        for n, name in enumerate(withdrawn):
            if name in first:
                message = f"The slot {name!r} is published at {first[name]} and can't be withdrawn with it."
                self._fault(f"withdraw.{n}", "DUPLICATE", message)

    def _instant(self, moment: datetime, path: str) -> datetime | None:
        try:
            return instant(moment, self._zone, field=path)
        except Invalid as error:
            self.faults += error.errors
            return None

    def _detail(self, detail: Detail, path: str) -> int | None:
        if not 1 <= detail.capacity <= MOST_PLACES:
            self._fault(f"{path}.capacity", "CAPACITY", f"A slot has 1 to {MOST_PLACES} places.")
        if not detail.priorities:
            self._fault(f"{path}.priorities", "PRIORITIES", "Name at least one priority, or leave the field out.")
        if detail.practitioner is None:
            return None
        found = self._practitioners.get(detail.practitioner)
        if found is None:
            message = f"There is no clinician {detail.practitioner!r} at your organisation."
            self._fault(f"{path}.practitioner", "PRACTITIONER_UNKNOWN", message)
        return found

    def _fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(FieldError(path, code, message))


def _slot(
    name: str, starts_at: datetime, ends_at: datetime, practitioner_id: int | None, detail: Detail
) -> PublishedSlot:
    return PublishedSlot(
        provider_slot_id=name,
        starts_at=starts_at,
        ends_at=ends_at,
        practitioner_id=practitioner_id,
        appointment_type=detail.appointment_type,
        mode=detail.mode,
        priorities=priority_bits(detail.priorities),
        capacity=detail.capacity,
    )
