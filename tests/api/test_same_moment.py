"""Two requests in the same moment that can't both be right: one is done, the other told so, never a 5xx."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from booking.edge.flask_app import BookingApp
from booking.models import AccessCode, Patient, Referral
from tests.api.conftest import API, Headers, patient_body
from tests.conftest import Rows


def at_once(app: BookingApp, send: Callable[[Any], Any], times: int = 4) -> list[int]:
    """The statuses of so many identical requests sent together."""
    barrier, answers = threading.Barrier(times), []

    def press() -> None:
        with app.test_client() as client:
            barrier.wait()
            answers.append(send(client).status_code)

    threads = [threading.Thread(target=press) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_the_same_patient_registered_by_four(app: BookingApp, gp: Headers, rows: Rows) -> None:
    statuses = at_once(app, lambda client: client.post(f"{API}/patients", json=patient_body(), headers=gp))
    assert statuses == [201, 409, 409, 409]
    assert len(rows(select(Patient).where(Patient.nhs_number == "9434765919"))) == 1


def test_an_access_code_reissued_by_four(app: BookingApp, gp: Headers, referral: Referral, rows: Rows) -> None:
    path = f"{API}/referrals/{referral.ubrn}/access-codes"
    assert at_once(app, lambda client: client.post(path, headers=gp)) == [201] * 4
    live = select(AccessCode).where(AccessCode.referral_id == referral.id, AccessCode.revoked_at.is_(None))
    assert len(rows(live)) == 1


def test_offers_asked_for_by_four(app: BookingApp, me: Headers, referral: Referral) -> None:
    path = f"{API}/referrals/{referral.ubrn}/offers"
    assert at_once(app, lambda client: client.post(path, headers=me)) == [200] * 4
