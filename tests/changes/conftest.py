"""A region with people who are booked, waiting or choosing, and callers to change their plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from booking.domain.words import Priority, Role
from booking.edge.flask_app import BookingApp
from booking.models import Booking, Offer, Referral, Slot
from booking.services import booking, offers, referrals
from booking.services.booking import Choice
from booking.services.work import Actor, Work
from tests import factories
from tests.conftest import Clock
from tests.factories import Region, bearer
from tests.planning.conftest import Flask, flask, region_today, today

__all__ = ["Flask", "flask", "region_today", "today"]

API = "/api/v1"
Headers = dict[str, str]


def as_patient(work: Work, referral: Referral) -> Work:
    return replace(work, actor=Actor("patient", Role.PATIENT, referral_id=referral.id))


def somebody(work: Work, region: Region, priority: Priority = Priority.ROUTINE, **fields: Any) -> Referral:
    """A patient of the practice with an issued referral; ``patient`` holds what is said of the patient."""
    patient = factories.PatientFactory(practice_id=region.practice.id, **fields.pop("patient", {}))
    return factories.referral(work, region, patient=patient, priority=priority, **fields)[0]


def book(work: Work, referral: Referral, slot: Slot) -> Booking:
    """Book as the patient; not committed."""
    return booking.book(as_patient(work, referral), referral.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))


def offered(work: Work, referral: Referral) -> list[Offer]:
    """Offers made to the referral at once; not committed."""
    return offers.propose_now(work, referrals.own_referral(as_patient(work, referral), referral.ubrn))


def booked(work: Work, region: Region, slot: Slot, **fields: Any) -> tuple[Referral, str]:
    """Somebody booked on the slot: the referral and the booking's reference."""
    referral = somebody(work, region, **fields)
    return referral, str(book(work, referral, slot).reference)


@pytest.fixture
def provider(work: Work, region: Region) -> Headers:
    headers = bearer(factories.token(work, region, Role.PROVIDER_ADMIN))
    work.session.commit()
    return headers


@pytest.fixture
def later(work: Work, clock: Clock) -> Callable[..., Work]:
    """Let time pass; the unit of work at the new time."""

    def go(**span: Any) -> Work:
        clock.now += timedelta(**span)
        return replace(work, now=clock.now)

    return go


@pytest.fixture
def post(client: FlaskClient) -> Callable[..., Any]:
    def send(path: str, headers: Headers, code: int, **body: Any) -> Any:
        answer = client.post(f"{API}{path}", json=body, headers=headers)
        assert answer.status_code == code, answer.json
        return answer.json

    return send


@pytest.fixture
def running(app: BookingApp) -> BookingApp:
    """The application as the scheduler has it."""
    return app
