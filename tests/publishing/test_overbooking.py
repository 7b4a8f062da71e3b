"""Extra places against missed appointments: set by those who define a service, applied when slots are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.db import Database
from booking.domain.overbooking import extra_places
from booking.domain.words import Role
from booking.models import AuditEntry, Service, Slot
from booking.services.work import Work
from tests import factories
from tests.publishing.conftest import Provider, session, slot
from tests.test_database_refuses import refused

Headers = dict[str, str]


@pytest.mark.parametrize(
    ("places", "percent", "before", "expected"),
    [
        ([1] * 10, 10, (0, 0), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([1] * 10, 20, (0, 0), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        ([1] * 9, 10, (0, 0), [0] * 9),  # one would be more than a tenth
        ([1] * 10, 0, (0, 0), [0] * 10),
        ([5, 5, 10], 10, (0, 0), [1, 0, 1]),
        ([20], 30, (0, 0), [6]),
        ([1], 10, (9, 0), [1]),  # published one by one, the tenth completes the share
        ([1], 10, (9, 1), [0]),
        ([1, 1], 10, (500, 0), [1, 0]),  # and never makes up for what was published without
        ([], 10, (0, 0), []),
    ],
)
def test_rule(places: list[int], percent: int, before: tuple[int, int], expected: list[int]) -> None:
    assert extra_places(places, percent, before=before) == expected


def test_never_more_than_the_percentage() -> None:
    for percent in range(31):
        for count in range(60):
            extra = extra_places([1] * count, percent)
            assert len(extra) == count
            assert sum(extra) == count * percent // 100
            assert max(extra, default=0) <= 1


@pytest.fixture
def definer(work: Work, region: factories.Region) -> Headers:
    headers = factories.bearer(factories.token(work, region, Role.SERVICE_DEFINER))
    work.session.commit()
    return headers


def overbook(client: FlaskClient, headers: Headers, service_id: int, percent: Any, expect: int = 200) -> Any:
    """Set the percentage through the front door."""
    path = f"/api/v1/organisation/services/{service_id}"
    version = client.get(path, headers=headers).headers.get("ETag", '"1"')
    body = {"overbooking_percent": percent}
    answer = client.patch(path, json=body, headers={**headers, "If-Match": version})
    assert answer.status_code == expect, answer.get_data(as_text=True)
    return answer.get_json()


def places(provider: Provider) -> dict[str, tuple[int, int, int]]:
    """Capacity, extra and free places of the provider's slots in April, by the listing."""
    listed = provider.get(first_date="2026-04-01", last_date="2026-04-30", service_id=provider.service_id, limit=100)
    return {s["provider_slot_id"]: (s["capacity"], s["overbooked_places"], s["free"]) for s in listed["slots"]}


def total(provider: Provider) -> tuple[int, int]:
    """Places and extra ones of all of the provider's slots in April."""
    found = places(provider).values()
    return sum(one[0] for one in found), sum(one[1] for one in found)


def test_off_unless_set(provider: Provider, client: FlaskClient, definer: Headers) -> None:
    provider.publish(sessions=[session()])
    assert total(provider) == (56, 0)
    path = f"/api/v1/organisation/services/{provider.service_id}"
    assert client.get(path, headers=definer).get_json()["overbooking_percent"] == 0


def test_a_share_of_the_slots_gets_one_more_place(
    provider: Provider, client: FlaskClient, definer: Headers, database: Database
) -> None:
    assert overbook(client, definer, provider.service_id, 10)["overbooking_percent"] == 10
    published = provider.publish(sessions=[session()])
    assert published["added"] == 56
    assert total(provider) == (61, 5)
    found = places(provider)
    assert found["TUE/20260407T0900"] == (2, 1, 2)
    assert set(found.values()) == {(1, 0, 1), (2, 1, 2)}
    with database.unit_of_work(write=False) as reader:
        entries = reader.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        changed = next(e for e in entries if e.action == "service.change")
        assert (changed.before, changed.after) == ({"overbooking_percent": 0}, {"overbooking_percent": 10})
        publication = next(e for e in entries if e.action == "publish")
        assert publication.after is not None
        assert publication.after["overbooked_places"] == 5


def test_what_is_published_keeps_its_places(provider: Provider, client: FlaskClient, definer: Headers) -> None:
    provider.publish(sessions=[session()])
    overbook(client, definer, provider.service_id, 30)
    again = provider.publish(sessions=[session()])
    assert (again["unchanged"], again["changed"]) == (56, 0)
    assert total(provider) == (56, 0)
    provider.publish(slots=[slot()])  # new on a day that has 14 places already: the share is of its own
    assert places(provider)["A1"] == (2, 1, 2)
    overbook(client, definer, provider.service_id, 0)
    again = provider.publish(slots=[slot()], sessions=[session()])
    assert again["unchanged"] == 57
    assert places(provider)["A1"] == (2, 1, 2)


def test_withdrawn_and_put_back_is_published_afresh(provider: Provider, client: FlaskClient, definer: Headers) -> None:
    overbook(client, definer, provider.service_id, 20)
    week = [slot(f"A{n}", f"2026-04-07T{9 + n:02}:00", f"2026-04-07T{9 + n:02}:20") for n in range(5)]
    provider.publish(slots=week)
    assert total(provider) == (6, 1)
    provider.publish(withdraw=[one["provider_slot_id"] for one in week])
    overbook(client, definer, provider.service_id, 0)
    assert provider.publish(slots=week)["changed"] == 5
    assert total(provider) == (5, 0)


def test_changing_a_free_slot_keeps_its_extra_place(provider: Provider, client: FlaskClient, definer: Headers) -> None:
    overbook(client, definer, provider.service_id, 30)
    provider.publish(slots=[slot(capacity=4)])
    assert places(provider)["A1"] == (5, 1, 5)
    assert provider.publish(slots=[slot(capacity=1)])["changed"] == 1
    assert places(provider)["A1"] == (2, 1, 2)


def test_the_largest_slot_has_no_room_for_more(provider: Provider, client: FlaskClient, definer: Headers) -> None:
    overbook(client, definer, provider.service_id, 30)
    provider.publish(slots=[slot(capacity=490)])
    assert places(provider)["A1"] == (500, 10, 500)


def test_both_places_are_booked_and_no_third(
    provider: Provider, client: FlaskClient, definer: Headers, work: Work, region: factories.Region
) -> None:
    overbook(client, definer, provider.service_id, 30)
    others = [slot(f"B{n}", f"2026-04-08T{n:02}:00", f"2026-04-08T{n:02}:20") for n in range(9, 12)]
    provider.publish(slots=[slot(), *others])
    assert places(provider)["A1"] == (2, 1, 2)
    found = work.session.query(Slot).filter_by(provider_slot_id="A1").one()
    body = {"slot_id": found.id, "starts_at": found.starts_at.isoformat(), "ends_at": found.ends_at.isoformat()}
    people = [factories.PatientFactory(practice_id=region.practice.id) for _ in range(3)]
    referrals = [factories.referral(work, region, patient=one)[0] for one in people]
    headers = [factories.bearer(factories.patient_token(work, one)) for one in referrals]
    work.session.commit()
    answers = [
        client.post(f"/api/v1/referrals/{referral.ubrn}/bookings", json=body, headers=head)
        for referral, head in zip(referrals, headers, strict=True)
    ]
    assert [answer.status_code for answer in answers[:2]] == [201, 201]
    assert answers[2].get_json()["code"] == "SLOT_NOT_AVAILABLE"
    assert places(provider)["A1"] == (2, 1, 0)


def test_files_follow_the_same_rule(
    provider: Provider, client: FlaskClient, definer: Headers, work: Work, run: Any, tmp_path: Path
) -> None:
    overbook(client, definer, provider.service_id, 10)
    rows = [f"F{n},2026-04-07,{9 + n // 3:02}:{n % 3 * 20:02},20" for n in range(20)]
    file = tmp_path / "slots.csv"
    file.write_text("\n".join(["slot_id,date,start,minutes", *rows]))
    result = run("slots", file, "--service", provider.service_id)
    assert result.exit_code == 0, result.output
    assert total(provider) == (22, 2)


@pytest.mark.parametrize("percent", [-1, 31, 2.5, "10", None])
def test_bad_percentages_are_refused(provider: Provider, client: FlaskClient, definer: Headers, percent: Any) -> None:
    answer = overbook(client, definer, provider.service_id, percent, expect=422)
    assert "overbooking_percent" in str(answer)


def test_only_those_who_may(
    provider: Provider, client: FlaskClient, definer: Headers, work: Work, region: factories.Region
) -> None:
    overbook(client, provider.headers, provider.service_id, 10, expect=403)  # a provider's administrator reads
    stranger = factories.account(work, Role.SERVICE_DEFINER, region.other_provider)
    region.account_roles[Role.SERVICE_DEFINER] = stranger
    other = factories.bearer(factories.token(work, region, Role.SERVICE_DEFINER))
    work.session.commit()
    overbook(client, other, provider.service_id, 10, expect=404)


def test_the_database_refuses(work: Work, region: factories.Region) -> None:
    made = factories.slots(work, region.services[0], work.now, 1)[0]

    def percent(work: Work, value: int) -> None:
        work.session.execute(
            update(Service).where(Service.id == region.services[0].id).values(overbooking_percent=value)
        )

    def extra(work: Work, value: int) -> None:
        work.session.execute(update(Slot).where(Slot.id == made.id).values(overbooked_places=value))

    refused(work, "ck_service_overbooking", percent, 31)
    refused(work, "ck_service_overbooking", percent, -1)
    refused(work, "ck_slot_overbooked_places", extra, 1)
    refused(work, "ck_slot_overbooked_places", extra, -1)
