"""Guaranteed means that it can be booked: the ways in which a promise could go stale, each closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from booking.domain.words import Priority
from booking.edge.flask_app import BookingApp
from booking.models import Booking, Referral, Site
from booking.services import sign_in
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, choice
from tests.conftest import Clock, Rows
from tests.factories import Region, bearer


def offered(client: FlaskClient, referral: Referral, me: Headers) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post(f"{API}/referrals/{referral.ubrn}/offers", headers=me).json["offers"]
    return found


def only(work: Work, region: Region, day: int, **service: Any) -> tuple[Referral, Headers]:
    """A referral to one service with one slot, so many days ahead."""
    site = work.session.get_one(Site, region.services[0].site_id)
    made = factories.service(work, region.provider, site, **service)
    factories.slots(work, made, work.now + timedelta(days=day), 1)
    referral, _ = factories.referral(work, region, shortlist=[made.id])
    me = bearer(factories.patient_token(work, referral))
    work.session.commit()
    return referral, me


def test_an_offer_ends_when_the_booking_window_closes_behind_it(
    client: FlaskClient, work: Work, region: Region, clock: Clock
) -> None:
    referral, me = only(work, region, 4, windows={Priority.ROUTINE: (3, 90)})
    offer = offered(client, referral, me)[0]
    assert offer["expires_at"][:10] == str(clock.now.date() + timedelta(days=2))  # midnight at the start of that day
    clock.now += timedelta(minutes=20)
    booked = client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=choice(offer), headers=me)
    assert booked.status_code == 201


def test_two_referrals_of_one_patient_are_not_promised_the_same_hour(
    client: FlaskClient, work: Work, region: Region, referral: Referral, me: Headers
) -> None:
    second, _ = factories.referral(work, region)
    me_too = bearer(factories.patient_token(work, second))
    work.session.commit()
    first = offered(client, referral, me)[0]
    other = offered(client, second, me_too)[0]
    assert first["ends_at"] <= other["starts_at"] or other["ends_at"] <= first["starts_at"]
    for which, offer, headers in ((referral, first, me), (second, other, me_too)):
        answer = client.post(f"{API}/referrals/{which.ubrn}/bookings", json=choice(offer), headers=headers)
        assert answer.status_code == 201, answer.json


def test_nobody_is_offered_a_day_on_which_they_are_too_old(client: FlaskClient, work: Work, region: Region) -> None:
    region.patient.date_of_birth = date(2008, 3, 4)  # 18 on Wednesday
    referral, me = only(work, region, 4, max_age=17)
    assert offered(client, referral, me) == []
    assert client.get(f"{API}/referrals/{referral.ubrn}/slots", headers=me).json["slots"] == []


def test_a_hold_in_its_last_minute_goes_on(client: FlaskClient, referral: Referral, me: Headers, work: Work) -> None:
    offer = offered(client, referral, me)[0]
    work.session.execute(update(Booking).values(held_until=work.now + timedelta(seconds=30)))
    work.session.commit()
    held = client.post(f"{API}/referrals/{referral.ubrn}/holds", json=choice(offer), headers=me)
    assert held.status_code == 201
    assert held.json["held_until"] > str(work.now + timedelta(minutes=9))


def test_the_answer_stands_though_the_session_can_not_be_noted(
    app: BookingApp, client: FlaskClient, referral: Referral, me: Headers, free: Any, clock: Clock,
    monkeypatch: pytest.MonkeyPatch, rows: Rows,
) -> None:  # fmt: skip
    slot = free()[0]
    clock.now += timedelta(minutes=5)

    def fail(*_: Any) -> None:
        raise OperationalError("UPDATE auth_session", {}, Exception("the disk is full"))

    monkeypatch.setattr(sign_in, "touch", fail)
    answer = client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=choice(slot), headers=me)
    assert answer.status_code == 201
    assert rows(select(Booking.reference)) == [answer.json["reference"]]


def test_an_appointment_that_is_over_is_not_cancelled(
    client: FlaskClient, referral: Referral, me: Headers, free: Any, clock: Clock, work: Work
) -> None:
    made = client.post(f"{API}/referrals/{referral.ubrn}/bookings", json=choice(free()[0]), headers=me).json
    clock.now += timedelta(days=2)
    later = bearer(factories.patient_token(replace(work, now=clock.now), referral))
    work.session.commit()
    answer = client.post(f"{API}/bookings/{made['reference']}/cancel", json={"reason": "TOO_UNWELL"}, headers=later)
    assert (answer.status_code, answer.json["code"]) == (409, "APPOINTMENT_OVER")
