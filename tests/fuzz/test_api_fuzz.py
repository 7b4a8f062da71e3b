"""Whoever asks for whatever: no answer is a server error, undocumented, half-done, or about somebody else's patient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from booking.domain.words import Role
from tests.fuzz.run import Fuzz, prepare
from tests.fuzz.world import MARK

ROLES = [role.value for role in Role if role not in (Role.PATIENT, Role.SYSTEM)]
OTHERS = ["client PROVIDER_ADMIN", "client REFERRING_ADMIN", "patient by identity", "nobody", "somebody signed out"]
STATES = ["NOT_BOOKED", "BOOKED", "APPT_CANCELLED_BY_PATIENT", "REJECTED"]
REQUESTS = 60


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    made = prepare(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.app.database.dispose()


@pytest.mark.parametrize("name", [*ROLES, *OTHERS, *(f"patient {state}" for state in STATES)])
def test_every_answer_holds(fuzz: Fuzz, name: str) -> None:
    assert name in fuzz.world.callers
    found = fuzz.batch(name, seed=1, requests=REQUESTS if fuzz.world.callers[name].role else REQUESTS // 4)
    assert not found, "\n".join(found)


def test_the_requests_reach_their_aim(fuzz: Fuzz) -> None:
    """Much of what is asked is done, or all of the above would say little."""
    for name in ("REFERRING_CLINICIAN", "PROVIDER_ADMIN", "COMMISSIONER"):
        fuzz.batch(name, seed=2, requests=REQUESTS)
    made = [(operation, status) for (operation, status), _ in fuzz.tally.items()]
    assert len({operation for operation, status in made if status < 300}) > 45
    assert {status for _, status in made} >= {200, 201, 401, 403, 404, 409, 415, 422, 428}


def test_a_leak_would_be_seen(fuzz: Fuzz) -> None:
    """The marks of patients stand in answers to those who may see them."""
    gp = fuzz.world.callers["REFERRING_CLINICIAN"]
    text = fuzz.app.test_client().get("/api/v1/referrals?limit=100", headers=gp.headers).data
    shown = {int(number) for number in MARK.findall(text)}
    assert len(shown) > 10
    assert shown <= gp.sees


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_utc_has_not(fuzz: Fuzz, instant: str) -> None:
    client, callers = fuzz.app.test_client(), fuzz.world.callers
    read = client.get("/api/v1/audit", query_string={"until": instant}, headers=callers["REFERRING_ADMIN"].headers)
    assert (read.status_code, read.json["errors"][0]["field"]) == (422, "until")
    patient = callers["patient NOT_BOOKED"]
    slot_id, times = next(iter(fuzz.world.slots.items()))
    choice = {"slot_id": slot_id, **times, "starts_at": instant}
    booked = client.post(f"/api/v1/referrals/{min(patient.reaches)}/bookings", json=choice, headers=patient.headers)
    assert (booked.status_code, booked.json["errors"][0]["field"]) == (422, "starts_at")
