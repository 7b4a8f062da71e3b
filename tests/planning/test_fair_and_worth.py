"""What a plan says of itself: who waits longer for it, and where one more session would help, down to the reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.db import Database
from booking.domain.words import Language, OrganisationKind, Priority, Role
from booking.models import PlanRun, Referral
from booking.services.planning.groups import read_groups
from booking.services.work import Work
from tests import factories
from tests.factories import Region, bearer
from tests.planning.conftest import Flask, people, snapshot

API = "/api/v1"
PLACES = 60
"""Free in the region."""


@pytest.fixture
def crowded(work: Work, region: Region) -> list[Referral]:
    """Twenty people more than there are places; every tenth from another commissioner's practice."""
    other = factories.OrganisationFactory(ods_code="00Y", kind=OrganisationKind.COMMISSIONER)
    far = factories.OrganisationFactory(ods_code="P99999", commissioner_id=other.id)
    made = []
    for n in range(PLACES + 20):
        patient = factories.PatientFactory(
            practice_id=region.practice.id, deprivation_decile=n % 10 + 1 if n % 4 else None, step_free=n % 5 == 0,
            interpreter_language="Polish" if n % 8 == 0 else None, video_possible=n % 2 == 0,
            language=Language.WELSH if n % 16 == 0 else Language.ENGLISH,
        )  # fmt: skip
        made.append(factories.referral(work, region, patient=patient, priority=tuple(Priority)[n % 3])[0])
    for one in made[9::10]:
        one.practice_id = far.id
    work.session.commit()
    return made


@pytest.fixture
def commissioner(work: Work, region: Region) -> dict[str, str]:
    headers = bearer(factories.token(work, region, Role.COMMISSIONER))
    work.session.commit()
    return headers


def test_groups_are_read_as_they_stand(crowded: list[Referral], database: Database) -> None:
    key = np.array(sorted([*(one.id for one in crowded), 10**9]), np.int64)
    with database.unit_of_work(write=False) as session:
        groups = read_groups(session, key)
    for n, at in enumerate(np.searchsorted(key, [one.id for one in crowded]).tolist()):
        said = {
            name: labels.names[code] if (code := int(labels.codes[at])) >= 0 else None
            for name, labels in groups.items()
        }
        fifths = ("most deprived fifth", "second fifth", "middle fifth", "fourth fifth", "least deprived fifth")
        assert said == {
            "deprivation": fifths[n % 10 // 2] if n % 4 else None,
            "step_free": "needs step-free access" if n % 5 == 0 else "no need stated",
            "interpreter": "needs an interpreter" if n % 8 == 0 else "no need stated",
            "video": "video possible" if n % 2 == 0 else "video not possible",
            "language": "Welsh" if n % 16 == 0 else "English",
            "commissioner": "00Y" if n % 10 == 9 else "00X",
        }
    assert {int(labels.codes[-1]) for labels in groups.values()} == {-1}  # one that nobody knows


def test_a_run_says_who_waits_longer(flask: Flask, crowded: list[Referral], work: Work) -> None:
    said = flask("plan").output
    assert "groups under 10 people are shown with *" in said
    report = work.session.scalars(select(PlanRun)).one().summary["fairness"]
    everybody = report["everybody"][0]
    assert everybody["people"] == len(crowded)
    assert everybody["methods"]["plan"]["unplaced"] == 20
    assert set(everybody["methods"]) == {"plan", "ring_fenced_fcfs", "priority_longest_wait"}
    assert set(report["breakdowns"]) == {
        "priority", "weeks_waited", "distance", "deprivation", "step_free", "interpreter", "video", "language",
        "commissioner",
    }  # fmt: skip
    for breakdown in report["breakdowns"].values():
        assert sum(row["people"] for row in breakdown["named"]) == len(crowded)
    unknown = [row for row in report["breakdowns"]["deprivation"]["named"] if row["group"] == "not known"]
    assert unknown[0]["people"] == 20
    assert f"{report['breaches_avoided']:.1%} of the breaches avoided" in said


def test_commissioners_read_it_with_small_numbers_kept_back(
    flask: Flask, crowded: list[Referral], client: FlaskClient, commissioner: dict[str, str]
) -> None:
    flask("plan")
    rows = client.get(f"{API}/reports/plan-fairness", headers=commissioner).json["rows"]
    everybody = rows[0]
    assert (everybody["breakdown"], everybody["people"]) == ("all", 78)  # 80, to the nearest multiple of 6
    assert everybody["unplaced"] == 18
    groups = {(row["breakdown"], row["group"]): row for row in rows}
    assert groups["language", "Welsh"]["people"] == 6  # 5
    assert groups["language", "Welsh"]["p95_days"] is None  # of fewer than 20
    assert all(row["people"] is None or row["people"] % 6 == 0 for row in rows)
    shown = client.get(f"{API}/plan-runs/latest", headers=commissioner).json["summary"]
    assert (shown["referrals"], shown["placed"], shown["without_a_time"]) == (78, 60, 18)
    for row in shown["comparison"].values():
        assert row["breaches"] is None or row["breaches"] % 6 == 0
        assert row["unplaced"] is None or row["unplaced"] % 6 == 0
    assert {"fairness", "next_session"} & shown.keys() == set()


def test_where_the_next_session_helps(
    flask: Flask, crowded: list[Referral], client: FlaskClient, commissioner: dict[str, str], region: Region, work: Work
) -> None:
    flask("plan")
    answer = client.get(f"{API}/reports/next-session", headers=commissioner)
    rows = answer.json["rows"]
    assert rows
    assert {row["places"] for row in rows} == {"12"}
    assert {row["provider"] for row in rows} == {"RA1", "RA2"}
    assert rows[0]["people"] == 12
    kept = work.session.scalars(select(PlanRun)).one().summary["next_session"]["sessions"]
    assert [one["value"] for one in kept] == sorted((one["value"] for one in kept), reverse=True)
    assert rows[0]["day"] == kept[0]["day"]
    other = client.get(f"{API}/reports/next-session?provider=RA2", headers=commissioner).json
    assert {row["provider"] for row in other["rows"]} == {"RA2"}
    assert client.get(f"{API}/reports/next-session?specialty=320", headers=commissioner).json["rows"] == []
    assert client.get(f"{API}/reports/next-session?from=2026-01-01", headers=commissioner).status_code == 422
    assert client.get(f"{API}/reports/next-session?format=csv", headers=commissioner).status_code == 200


def test_services_nobody_of_yours_is_sent_to_are_not_told(
    flask: Flask, crowded: list[Referral], client: FlaskClient, region: Region, work: Work
) -> None:
    stranger = factories.OrganisationFactory(ods_code="00Z", kind=OrganisationKind.COMMISSIONER)
    account = factories.account(work, Role.COMMISSIONER, stranger)
    headers = bearer(
        factories.token(work, factories.replace(region, account_roles={Role.COMMISSIONER: account}), Role.COMMISSIONER)
    )
    work.session.commit()
    flask("plan")
    assert client.get(f"{API}/reports/next-session", headers=headers).json["rows"] == []


def test_without_a_plan_there_is_nothing_to_tell(client: FlaskClient, commissioner: dict[str, str]) -> None:
    assert client.get(f"{API}/reports/next-session", headers=commissioner).json["rows"] == []
    rows = client.get(f"{API}/reports/plan-fairness", headers=commissioner).json["rows"]
    assert [row["people"] for row in rows] == [None]


def test_the_command_plans_tries_and_writes_nothing(
    flask: Flask, crowded: list[Referral], database: Database, tmp_path: Path
) -> None:
    before = snapshot(database)
    said = flask("next-session", "--places", "4", "--verify", "2", "--top", "3", "--json", str(tmp_path / "w.json"))
    assert snapshot(database) == before
    found: dict[str, Any] = json.loads((tmp_path / "w.json").read_text())
    assert len(found["best"]) == 3
    for one in found["best"][:2]:
        made = one["verified"]
        assert 0 < made["gained"] <= one["value"]
        assert made["breaches_before"] - made["breaches_after"] <= one["breaches"]
        assert made["unplaced_before"] == 20
        assert made["unplaced_after"] == 16
    assert found["best"][2]["verified"] is None
    assert "One more Dermatology session of 4 at RA" in said.output
    assert "is worth up to" in said.output


def test_the_command_names_what_is_wrong(flask: Flask, crowded: list[Referral]) -> None:
    assert (
        "--specialty: no service has the specialty '999'" in flask("next-session", "--specialty", "999", code=1).output
    )
    assert "--places" in flask("next-session", "--places", "0", code=2).output


def test_where_nobody_waits_no_session_is_worth_anything(flask: Flask, work: Work, region: Region) -> None:
    assert "No session is worth anything" in flask("next-session").output
    people(work, region, 1)
