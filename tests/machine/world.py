"""The small world the machine lives in: a region, people in every role, and a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select

from booking.config import Config
from booking.db import Database
from booking.domain.errors import BookingError
from booking.domain.words import BookingMode, Role, SlotStatus
from booking.keys import Keys
from booking.models import Referral, Service, Site, Slot
from booking.services.work import SYSTEM as SYSTEM_ACTOR
from booking.services.work import Actor, Work
from tests import factories
from tests.conftest import NOW, SECRET, SYSTEM


class World(RuleBasedStateMachine):
    """Each rule is one request: one transaction, committed or rolled back whole."""

    database: Database
    steps: ClassVar[int] = 0
    """Steps run by this process, all examples together."""
    tally: ClassVar[Counter[str]] = Counter()
    """What was done, and how often it was refused, all examples together."""

    def start(self) -> None:
        self.now: datetime = NOW
        self.acknowledged: dict[str, str] = {}
        self._mark: object = None
        self.keys, self.config = Keys(SECRET), Config(database_url=self.database.url, secret_key=SECRET, testing=True)
        with self.database.unit_of_work() as session, factories.using(session):
            work = Work(session, SYSTEM, self.now, self.config, self.keys)
            self.made = factories.region(work)
            others = [factories.PatientFactory(practice_id=self.made.practice.id) for _ in range(3)]
            self.patients = [self.made.patient.id, *(one.id for one in others)]
            # Few slots, so that they run out; some with two places.
            for slot in self.made.slots[6:]:
                slot.status = SlotStatus.WITHDRAWN
            self.made.slots[0].capacity = 2
            site = session.get_one(Site, self.made.services[0].site_id)
            self.triage = self._service(work, site, "Triage", BookingMode.TRIAGE)
            self.full = self._service(work, site, "Full clinic", BookingMode.DIRECTLY_BOOKABLE)
            self.telephone = self._service(work, site, "Telephone clinic", BookingMode.INDIRECTLY_BOOKABLE)

    def _service(self, work: Work, site: Site, name: str, mode: BookingMode) -> int:
        made: Service = factories.service(work, self.made.provider, site, name=name, booking_mode=mode)
        return made.id

    def changed(self) -> bool:
        """Whether anything was written, or time passed, since this was last asked: else all that held still holds.

        SQLite counts each writing transaction in its file's header; PostgreSQL has no such mark, and is always asked.
        """
        mark = None
        if self.database.is_sqlite:
            with open(str(self.database.engine.url.database), "rb") as file:
                mark = (file.read(28)[24:], self.now)
        unchanged = mark is not None and mark == self._mark
        self._mark = mark
        return not unchanged

    def act(self, actor: Actor, use: Callable[[Work], Any], what: str) -> Any:
        """Run ``use`` as a request of ``actor``; a refusal rolls back and is an answer too."""
        World.steps += 1
        try:
            with self.database.unit_of_work() as session:
                answer = use(Work(session, actor, self.now, self.config, self.keys))
        except BookingError as refusal:
            World.tally[f"{what}: {refusal.code}"] += 1
            return refusal
        World.tally[what] += 1
        return answer

    def as_system(self, use: Callable[[Work], Any], what: str) -> Any:
        return self.act(SYSTEM_ACTOR, use, what)

    def gp(self) -> Actor:
        return Actor("Dr Lake", Role.REFERRING_CLINICIAN, self.made.practice.id, "P81001")

    def somebody(self, role: Role, ubrn: str) -> Actor:
        """A person in that role: the patient of the referral, or staff of the region's first organisations."""
        if role is Role.PATIENT:
            return self.patient(ubrn)
        if role in (Role.REFERRING_CLINICIAN, Role.REFERRING_ADMIN):
            return replace(self.gp(), name=role, role=role)
        return Actor(role, role, self.made.provider.id, "RA1")

    def patient(self, ubrn: str) -> Actor:
        with self.database.unit_of_work(write=False) as session:
            found = session.scalar(select(Referral.id).where(Referral.ubrn == ubrn))
            return Actor("patient", Role.PATIENT, referral_id=found)

    def slots(self, work: Work) -> list[Slot]:
        return list(work.session.scalars(select(Slot).order_by(Slot.id)))
