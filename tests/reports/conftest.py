"""Months of records written straight into the tables, and the commissioner who asks about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient

from booking.domain.ids import new_booking_reference
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, ClockState, OfferState, Priority, Role, SlotStatus, Worklist
from booking.models import Booking, Offer, Patient, Referral, ReferralService, Service, Slot
from booking.services.work import Work
from tests import factories
from tests.factories import Region, bearer

API = "/api/v1"
FEBRUARY = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)
Headers = dict[str, str]


@dataclass
class Records:
    """Writes what happened as rows: reports only read, so nothing need have happened by the book."""

    work: Work
    region: Region
    numbers: Any = field(default_factory=lambda: count(1))

    def referral(self, at: datetime = FEBRUARY, *, patient: Patient | None = None, **fields: Any) -> Referral:
        """Made at that time, for a patient of its own."""
        number = next(self.numbers)
        practice = fields.pop("practice_id", self.region.practice.id)
        service = fields.pop("listed", self.region.services[0])
        person = patient or factories.PatientFactory(practice_id=practice)
        made = Referral(
            **{
                "ubrn": f"{900_000_000_000 + number}", "patient_id": person.id, "practice_id": practice,
                "referrer": "Dr Lake", "specialty_code": "330", "priority": Priority.ROUTINE, "reason": "A mole",
                "rtt_clock_start": at.date(), "due_date": at.date() + timedelta(days=126),
                "state": ReferralState.NOT_BOOKED, "created_at": at, "worklist": Worklist.AWAITING_BOOKING,
                "worklist_organisation_id": practice, "worklist_since": at, "worklist_due": at.date(),
                "rtt_clock_state": ClockState.RUNNING, **fields,
            }
        )  # fmt: skip
        self.work.session.add(made)
        self.work.session.flush()
        self.work.session.add(ReferralService(referral_id=made.id, service_id=service.id, position=1))
        return made

    def slot(self, day: date, service: Service | None = None, **fields: Any) -> Slot:
        number, of = next(self.numbers), service or self.region.services[0]
        start = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(minutes=20 * (number % 20))
        made: Slot = factories.SlotFactory(
            service_id=of.id, site_id=of.site_id, starts_at=start, provider_slot_id=f"r{number}", **fields
        )
        return made

    def appointment(
        self, of: Referral, day: date, state: BookingState = BookingState.ATTENDED, *, booked: datetime | None = None,
        slot: Slot | None = None,
    ) -> Booking:  # fmt: skip
        """On a slot of its own that day."""
        at = slot or self.slot(day)
        released = datetime(day.year, day.month, day.day, tzinfo=UTC) if state is BookingState.CANCELLED else None
        made = Booking(
            referral_id=of.id, patient_id=of.patient_id, slot_id=at.id, place=1, starts_at=at.starts_at,
            ends_at=at.ends_at, state=state, created_at=booked or of.created_at, booked_at=booked or of.created_at,
            reference=new_booking_reference(), released_at=released,
        )  # fmt: skip
        self.work.session.add(made)
        self.work.session.flush()
        return made

    def offers(self, of: Referral, slots: list[Slot], at: datetime | None = None) -> None:
        """One batch, superseded since."""
        when = at or of.created_at + timedelta(hours=1)
        self.work.session.add_all(
            Offer(
                referral_id=of.id, slot_id=slot.id, rank=rank, guaranteed=rank == 1, state=OfferState.SUPERSEDED,
                reasons={}, created_at=when, expires_at=when + timedelta(days=3),
            )
            for rank, slot in enumerate(slots, 1)
        )  # fmt: skip

    def withdrawn(self, day: date, **fields: Any) -> Slot:
        return self.slot(day, status=SlotStatus.WITHDRAWN, **fields)

    def commit(self) -> None:
        self.work.session.commit()


@pytest.fixture
def records(work: Work, region: Region) -> Records:
    return Records(work, region)


@pytest.fixture
def commissioner(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.COMMISSIONER))
    work.session.commit()
    return headers


Report = Callable[..., dict[str, Any]]


@pytest.fixture
def report(client: FlaskClient, commissioner: Headers) -> Report:
    """A report about February 2026 (unless asked otherwise) as the commissioner reads it."""

    def read(name: str, query: str = "from=2026-02-01&to=2026-02-28") -> dict[str, Any]:
        answer = client.get(f"{API}/reports/{name}?{query}", headers=commissioner)
        assert answer.status_code == 200, answer.json
        made: dict[str, Any] = answer.json
        return made

    return read


def row(report: dict[str, Any], breakdown: str = "all", group: str = "all", **also: Any) -> dict[str, Any]:
    found = [
        one for one in report["rows"]
        if one["breakdown"] == breakdown and one["group"] == group and all(one[k] == v for k, v in also.items())
    ]  # fmt: skip
    assert len(found) == 1, report["rows"]
    made: dict[str, Any] = found[0]
    return made
