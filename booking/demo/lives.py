"""One past referral after another, by the same rules as a present one, gathered to be written in bulk.

Every action asks the table of transitions, its own rule and the clock's, and leaves its event and its entry in the
audit trail; each message stands in the outbox as delivered, so that none of them leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, select

from booking.domain.actions import check_action
from booking.domain.clock import Tick, clock_change
from booking.domain.geo import KM_PER_MILE
from booking.domain.ids import new_access_code, new_booking_reference, new_ubrn
from booking.domain.referral import Action, ReferralState, next_state
from booking.domain.targets import due_date
from booking.domain.words import (
    BookingState,
    Channel,
    ClockChange,
    ClockState,
    Language,
    OfferState,
    Priority,
    Role,
    SlotStatus,
)
from booking.models import (
    AccessCode,
    AuditEntry,
    Booking,
    ClockEvent,
    Offer,
    OutboxMessage,
    Patient,
    Publication,
    Referral,
    ReferralEvent,
    ReferralService,
    Slot,
)
from booking.services import access, audit
from booking.services.bulk import continue_keys, insert
from booking.services.patients import NewPatient
from booking.services.policy import current_policy
from booking.services.transitions import NO_REASON, Why
from booking.services.work import HOME_ZONE, Actor, Work

DELIVERED_AFTER = timedelta(seconds=40)
_KEYED: tuple[type[Any], ...] = (Publication, Slot, Patient, Referral, Booking)
_STATE_OF = {ClockChange.START: ClockState.RUNNING, ClockChange.NULLIFY: ClockState.NULLIFIED,
             ClockChange.STOP: ClockState.STOPPED}  # fmt: skip
_CLAIMS = {Action.RECORD_ATTENDED: BookingState.ATTENDED, Action.RECORD_DID_NOT_ATTEND: BookingState.DID_NOT_ATTEND,
           Action.CANCEL_APPOINTMENT_BY_PATIENT: BookingState.CANCELLED}  # fmt: skip


def table_of(model: type[Any]) -> Table:
    table: Table = model.__table__
    return table


class Archive:
    """Rows by table until they are written together; keys go on from those that are there."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.rows: dict[type[Any], list[dict[str, Any]]] = {}
        work.session.flush()
        self._keys = {model: work.session.scalar(select(func.max(model.id))) or 0 for model in _KEYED}
        self.targets = current_policy(work.session, work.today).target_days

    def key(self, model: type[Any]) -> int:
        self._keys[model] += 1
        return self._keys[model]

    def add(self, model: type[Any], **values: Any) -> dict[str, Any]:
        self.rows.setdefault(model, []).append(values)
        return values

    def record(self, entry: AuditEntry) -> tuple[int, str]:
        self.add(AuditEntry, **{name: getattr(entry, name) for name in _ENTRY})
        return entry.sequence, entry.hash

    def write(self) -> None:
        """All of it, in the caller's transaction: whatever the database refuses is refused here too."""
        connection = self.work.session.connection()
        for model in _ORDER:
            rows = self.rows.get(model, [])
            if rows:
                names = list(rows[0])
                insert(connection, table_of(model), names, ([row[name] for name in names] for row in rows))
        continue_keys(connection, [table_of(model) for model in _KEYED])

    def patient(self, new: NewPatient, practice: Actor, at: datetime, decile: int) -> int:
        """Registered with the actor's practice at that time."""
        key = self.key(Patient)
        self.add(
            Patient, id=key, nhs_number=new.nhs_number, given_name=new.given_name, family_name=new.family_name,
            date_of_birth=new.date_of_birth, sex=new.sex, postcode=new.postcode, latitude=new.latitude,
            longitude=new.longitude, practice_id=practice.organisation_id, email=new.email, mobile=new.mobile,
            interpreter_language=new.interpreter_language, step_free=new.step_free, clinician_sex=new.clinician_sex,
            video_possible=new.video_possible, unsuitable_times=new.unsuitable_times,
            farthest_km=new.farthest_miles * KM_PER_MILE if new.farthest_miles is not None else None,
            channel=Channel.EMAIL if new.email else Channel.SMS if new.mobile else Channel.LETTER,
            language=Language.ENGLISH, large_print=False, deprivation_decile=decile, version=1, created_at=at,
        )  # fmt: skip
        then = replace(self.work, now=at, actor=practice)
        after = {"practice": practice.organisation_code}
        self.record(audit.following(then, f"patient:{key}", "patient.create", None, after=after))
        return key

    def slot(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return self.add(Slot, id=self.key(Slot), status=SlotStatus.PUBLISHED, version=1, **values)


_ENTRY = ("chain", "sequence", "at", "actor", "role", "organisation", "on_behalf_of", "action", "before", "after",
          "request_id", "previous_hash", "hash")  # fmt: skip
_ORDER: tuple[type[Any], ...] = (
    Publication, Slot, Patient, Referral, ReferralService, AccessCode, ReferralEvent, ClockEvent, Booking, Offer,
    OutboxMessage, AuditEntry,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Referred:
    """What the practice wrote."""

    patient_id: int
    channel: Channel
    practice: Actor
    specialty: str
    clinic_type: str
    priority: Priority
    reason: str
    letter: str
    shortlist: Sequence[int]


@dataclass
class Life:
    """A referral and what happens to it, in the order of time."""

    archive: Archive
    referred: Referred
    began: datetime
    row: dict[str, Any] = field(default_factory=dict)
    last: tuple[int, str] | None = None
    ticks: int = 0
    appointment: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        new, at = self.referred, self.began
        start, ubrn = at.astimezone(HOME_ZONE).date(), new_ubrn()
        self.row = self.archive.add(
            Referral, id=self.archive.key(Referral), ubrn=ubrn, patient_id=new.patient_id,
            practice_id=new.practice.organisation_id, referrer=new.practice.name, specialty_code=new.specialty,
            clinic_type_code=new.clinic_type, priority=new.priority, reason=new.reason,
            clinical_information=new.letter, rtt_clock_start=start, rtt_clock_state=ClockState.RUNNING,
            rtt_clock_stopped_on=None, due_date=due_date(start, new.priority, self.archive.targets), service_id=None,
            letter_outstanding=False, accepted_at=None, state=ReferralState.DRAFT, version=0, created_at=at,
        )  # fmt: skip
        for place, service_id in enumerate(new.shortlist, 1):
            self.archive.add(ReferralService, referral_id=self.key, service_id=service_id, position=place)
        self.do(at, new.practice, Action.ISSUE, detail={"priority": new.priority, "shortlist": list(new.shortlist)})
        work = self.archive.work
        self.archive.add(
            AccessCode, referral_id=self.key, code_hash=access.code_hash(work, ubrn, new_access_code()), created_at=at,
            expires_at=at + timedelta(days=work.config.access_code_days),
        )  # fmt: skip
        self.tell(at, "referral-ready", f"referral:{self.key}:ready")

    @property
    def key(self) -> int:
        return int(self.row["id"])

    @property
    def patient(self) -> Actor:
        return Actor("patient", Role.PATIENT, referral_id=self.key)

    def do(
        self, at: datetime, who: Actor, action: Action, why: Why = NO_REASON, detail: dict[str, Any] | None = None
    ) -> None:
        """Move along the table of transitions; a refusal is the same as in use."""
        before, day = self.row["state"], at.astimezone(HOME_ZONE).date()
        to = next_state(before, action)
        check_action(action, role=who.role, reason=why.reason, comment=why.comment, on=day)
        self.row["state"], self.row["version"] = to, self.row["version"] + 1
        if action is Action.ACCEPT:
            self.row["accepted_at"] = at
        elif action in (Action.BOOK, Action.CANCEL_APPOINTMENT_BY_PATIENT):
            self.row["accepted_at"] = None
        self.archive.add(
            ReferralEvent, referral_id=self.key, sequence=self.row["version"], action=action, from_state=before,
            to_state=to, actor=who.name, role=who.role, on_behalf_of=None, at=at, reason_code=why.reason,
            comment=why.comment, detail=detail or {},
        )  # fmt: skip
        self._clock(at, day, action, before)
        after = {"state": to, **(detail or {}), **({"reason": why.reason} if why.reason else {})}
        then = replace(self.archive.work, now=at, actor=who)
        chain, word = f"referral:{self.key}", f"referral.{action.lower()}"
        self.last = self.archive.record(
            audit.following(then, chain, word, self.last, before={"state": before}, after=after)
        )

    def _clock(self, at: datetime, day: date, action: Action, before: ReferralState) -> None:
        first = action is Action.RECORD_DID_NOT_ATTEND
        tick = clock_change(action, self.row["state"], self.row["rtt_clock_state"], first_appointment=first)
        if before is ReferralState.DRAFT:
            tick = Tick(ClockChange.START, "The referral was made")
        if tick is None:
            return
        self.ticks += 1
        self.row["rtt_clock_state"] = _STATE_OF[tick.change]
        self.row["rtt_clock_stopped_on"] = None if tick.change is ClockChange.START else day
        self.archive.add(
            ClockEvent, referral_id=self.key, sequence=self.ticks, change=tick.change, on_date=day,
            reason=tick.reason, event_sequence=self.row["version"], at=at,
        )  # fmt: skip

    def tell(self, at: datetime, kind: str, event_key: str, **about: str) -> None:
        """A message that has left."""
        self.archive.add(
            OutboxMessage, event_key=event_key, kind=kind, referral_id=self.key,
            payload={"ubrn": self.row["ubrn"], **about}, created_at=at, next_attempt_at=at, attempts=1,
            delivered_at=at + DELIVERED_AFTER, channel=self.referred.channel,
        )  # fmt: skip

    def news(self, at: datetime, kind: str, **about: str) -> None:
        self.tell(at, kind, f"referral:{self.key}:{self.row['version']}:{kind}", **about)

    def offer(self, at: datetime, slots: Sequence[Mapping[str, Any]], words: str) -> None:
        """What the plan of that night proposed; over by now."""
        for rank, slot in enumerate(slots, 1):
            self.archive.add(
                Offer, referral_id=self.key, slot_id=slot["id"], rank=rank, guaranteed=rank == 1,
                state=OfferState.SUPERSEDED, reasons={"words": [words]}, regret=0, created_at=at,
                expires_at=min(at + timedelta(days=7), slot["starts_at"]),
            )  # fmt: skip

    def book(self, at: datetime, who: Actor, slot: Mapping[str, Any]) -> None:
        reference = new_booking_reference()
        self.row["service_id"] = slot["service_id"]
        self.appointment = self.archive.add(
            Booking, id=self.archive.key(Booking), reference=reference, referral_id=self.key,
            patient_id=self.row["patient_id"], slot_id=slot["id"], place=1, starts_at=slot["starts_at"],
            ends_at=slot["ends_at"], state=BookingState.BOOKED, created_at=at, booked_at=at, released_at=None,
            reason_code=None,
        )  # fmt: skip
        self.do(at, who, Action.BOOK, detail={"booking": reference, "slot": slot["id"]})
        self.tell(at, "appointment-booked", f"booking:{reference}:booked", reference=reference)

    def settle(self, at: datetime, who: Actor, action: Action, why: Why = NO_REASON) -> None:
        """What became of the appointment: attended, not attended, given back by the patient."""
        if self.appointment is None:
            raise RuntimeError("there is no appointment")
        booked, reference = self.appointment, self.appointment["reference"]
        booked["state"] = _CLAIMS[action]
        self.do(at, who, action, why, detail={"booking": reference})
        if action is Action.CANCEL_APPOINTMENT_BY_PATIENT:
            booked["released_at"], booked["reason_code"] = at, why.reason
            self.tell(at, "appointment-cancelled", f"booking:{reference}:cancelled", reference=reference)
        elif action is Action.RECORD_DID_NOT_ATTEND:
            self.news(at, "did-not-attend", reference=reference)
