"""A service stops being booked online while its patients book: each is booked, or their practice is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.referral import ReferralState
from booking.edge.flask_app import BookingApp
from booking.models import AuditEntry, Referral
from booking.services.unusable import TOLD
from booking.services.work import Work
from tests import factories
from tests.api.conftest import API, Headers, choice
from tests.conftest import Rows
from tests.factories import Region, bearer
from tests.rules.conftest import SERVICES, with_version

PATIENTS = 12


def test_everybody_is_booked_or_given_back(
    app: BookingApp, client: FlaskClient, work: Work, region: Region, definer: Headers, rows: Rows
) -> None:
    made = []
    for _ in range(PATIENTS):
        patient = factories.PatientFactory(practice_id=region.practice.id)
        referral, _code = factories.referral(work, region, patient=patient, shortlist=[region.services[0].id])
        made.append((referral.id, referral.ubrn, bearer(factories.patient_token(work, referral))))
    work.session.commit()
    slots = client.get(f"{API}/referrals/{made[0][1]}/slots?limit=100", headers=made[0][2]).json["slots"]
    path = f"{SERVICES}/{region.services[0].id}"
    closing = with_version(client, definer, path)

    def book(at: int) -> int:
        _, ubrn, headers = made[at]
        wanted = choice(slots[at])
        return app.test_client().post(f"{API}/referrals/{ubrn}/bookings", json=wanted, headers=headers).status_code

    def close(_at: int) -> int:
        return app.test_client().patch(path, json={"booking_mode": "ADVICE_ONLY"}, headers=closing).status_code

    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(close if at == PATIENTS // 2 else book, at) for at in range(PATIENTS)]
        answers = [task.result(timeout=60) for task in tasks]
    closed = answers.pop(PATIENTS // 2)
    assert closed in (200, 423)
    assert set(answers) <= {201, 422, 423}
    if closed == 423:
        assert close(0) == 200
    states = {one.id: one.state for one in rows(select(Referral))}
    told = {int(chain.split(":")[1]) for chain in rows(select(AuditEntry.chain).where(AuditEntry.action == TOLD))}
    assert {one for one, state in states.items() if state is not ReferralState.BOOKED} == told
    assert sum(state is ReferralState.BOOKED for state in states.values()) == answers.count(201)
