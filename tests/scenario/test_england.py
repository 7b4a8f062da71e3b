"""Standard scenario 1 on a tiny data set of the same layout, through the command; and its rules one by one."""

from __future__ import annotations

import csv
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from booking.db import Database
from booking.domain.ids import nhs_number_is_valid
from booking.domain.words import BookingState
from booking.edge.flask_app import BookingApp
from booking.models import Booking, Offer, Patient, Referral, Slot
from booking.scenario import england
from booking.scenario.data import BANDS, Data, DataError, load
from booking.scenario.homes import FARTHEST_KM, at_home, homes
from booking.scenario.loader import nhs_numbers
from tests.factories import Region

PLACES = ["ods_code", "name", "latitude", "longitude"]
ROOT = Path(__file__).resolve().parent.parent.parent


def _write(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two commissioners 20 km apart, three practices for one and none for the other, eight sites, two functions."""
    made = tmp_path / "data"
    made.mkdir()
    _write(made / "commissioners.csv", PLACES, [["C1", "ONE", 53.4, -2.2], ["C2", "TWO", 53.6, -2.2]])
    practices = [[f"P{n}", f"PRACTICE {n}", 53.4 + n / 50, -2.2, f"M{n} 1AA", "C1"] for n in range(3)]
    _write(made / "practices.csv", [*PLACES, "postcode", "commissioner"], practices)
    sites = [
        [f"S{n}", f"Hospital {n}", 53.3 + n / 20, -2.2, "Independent" if n % 4 == 3 else "NHS", f"M{n} 9ZZ",
         f"T{n // 2}", f"Trust {n // 2}"]
        for n in range(8)
    ]  # fmt: skip
    _write(made / "sites.csv", [*PLACES, "sector", "postcode", "provider_ods_code", "provider_name"], sites)
    waiting = [
        [c, f, name, *[3 if band < 20 else 1 if band == 52 else 0 for band in range(len(BANDS))]]
        for c in ("C1", "C2") for f, name in (("100", "General Surgery"), ("330", "Dermatology"))
    ]  # fmt: skip
    _write(made / "waiting.csv", ["commissioner", "treatment_function", "treatment_function_name", *BANDS], waiting)
    completed = [[c, f, 60, 20] for c in ("C1", "C2") for f in ("100", "330")]
    _write(made / "completed.csv", ["commissioner", "treatment_function", "non_admitted", "admitted"], completed)
    return made


@pytest.fixture
def data(folder: Path) -> Data:
    return load(folder)


def test_everybody_counted_is_a_referral(data: Data) -> None:
    made = england.build(data)
    assert len(made) == 4 * 61
    assert int((made.waited >= 364).sum()) == 4
    assert made.waited.max() <= 60 * 7
    counts = np.bincount(made.waited // 7, minlength=20)[:20]
    assert counts.tolist() == [12] * 20


def test_priorities_are_drawn_by_weeks_waited(data: Data) -> None:
    made = england.build(data)
    assert set(made.priority[made.waited >= 42].tolist()) == {0}
    assert 2 not in made.priority[made.waited >= 14]
    assert 2 in made.priority[made.waited < 14]


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [(10, [4, 4, 1, 1], [4, 4, 1, 1]), (7, [4, 4, 4], [3, 2, 2]), (1, [4, 1], [1, 0]), (0, [4], [0]), (3, [], [])],
)
def test_supply_is_shared_by_largest_remainders(total: int, weights: list[int], expected: list[int]) -> None:
    assert england.shares(total, weights) == expected


def test_supply_is_what_was_completed(data: Data) -> None:
    made = england.build(data)
    assert int(made.service_weekly.sum()) == 4 * round(80 * 7 / 31)
    assert int(made.service_weekly.min()) >= 1


def test_slots_keep_to_working_days_and_hours(data: Data) -> None:
    made = england.build(data)
    days = {date.fromordinal(made.as_of.toordinal() + day) for day in set(made.slot_day.tolist())}
    holidays = {date(2015, 4, 3), date(2015, 4, 6), date(2015, 5, 4), date(2015, 5, 25)}
    assert not days & holidays
    assert all(day.weekday() < 5 for day in days)
    assert min(made.slot_day) >= 1
    assert max(made.slot_day) <= 90
    assert set(made.slot_time.tolist()) <= set(range(24))
    assert int(made.slot_places[made.slot_day >= 7].sum()) == 12 * int(made.service_weekly.sum())


def test_shortlists_are_the_nearest_and_never_fewer_than_three(data: Data) -> None:
    made = england.build(data)
    lists = made.lists.of(made.list_of)
    sizes = np.diff(lists.indptr)
    assert sizes.min() >= 3
    assert sizes.max() <= 10
    for row in range(0, len(made), 17):
        mine = slice(lists.indptr[row], lists.indptr[row + 1])
        assert (np.diff(lists.km[mine]) >= 0).all()
        assert set(made.service_function[lists.service[mine]].tolist()) == {int(made.function[row])}
        assert (lists.km[mine][3:] <= 50).all()


def test_a_shortlist_is_what_sorting_all_services_by_distance_gives(data: Data) -> None:
    made = england.build(data)
    lists = made.lists.of(made.list_of)
    sites = data.sites
    for row in range(0, len(made), 7):
        services = np.flatnonzero(made.service_function == made.function[row])
        home = made.practice[row]
        at = made.service_site[services]
        km = england.haversine(
            data.practices.latitude[home], data.practices.longitude[home], sites.latitude[at], sites.longitude[at]
        )
        order = np.argsort(km, kind="stable")[: england.SHORTLIST]
        near = [o for turn, o in enumerate(order) if turn < england.SHORTLIST_LEAST or km[o] <= england.SHORTLIST_KM]
        mine = slice(lists.indptr[row], lists.indptr[row + 1])
        assert lists.service[mine].tolist() == services[near].tolist()
        assert lists.km[mine].tolist() == km[near].tolist()


def test_the_problem_is_in_order_and_has_the_same_shortlists(data: Data) -> None:
    made = england.build(data)
    given = england.problem(data, made)
    assert given.canonical() is given
    lists, listed = made.lists.of(made.list_of), given.shortlists
    assert listed.indptr.tolist() == lists.indptr.tolist()
    for row in range(0, len(made), 7):
        mine = slice(lists.indptr[row], lists.indptr[row + 1])
        expected = sorted(zip((lists.service[mine] + 1).tolist(), lists.km[mine].astype(np.float32), strict=True))
        assert list(zip(listed.service[mine].tolist(), listed.distance_km[mine], strict=True)) == expected


def test_at_home_a_shortlist_is_what_sorting_by_the_way_from_home_gives(data: Data) -> None:
    made = england.build(data)
    own = at_home(data, made, 7)
    latitude, longitude = homes(data, made, 7)
    assert (
        england.haversine(
            latitude, longitude, data.practices.latitude[made.practice], data.practices.longitude[made.practice]
        ).max()
        <= FARTHEST_KM + 0.05
    )
    lists = own.lists.of(own.list_of)
    sites = data.sites
    for person in range(0, len(made), 7):
        service = np.flatnonzero(made.service_function == made.function[person])
        site = made.service_site[service]
        km = england.haversine(latitude[person], longitude[person], sites.latitude[site], sites.longitude[site])
        order = np.argsort(km, kind="stable")[: england.SHORTLIST]
        kept = order[(km[order] <= england.SHORTLIST_KM) | (np.arange(len(order)) < england.SHORTLIST_LEAST)]
        mine = slice(int(lists.indptr[person]), int(lists.indptr[person + 1]))
        assert lists.service[mine].tolist() == service[kept].tolist()
        assert lists.km[mine] == pytest.approx(km[kept], rel=1e-4)


def test_a_commissioner_without_practices_borrows_the_nearest(data: Data) -> None:
    made = england.build(data.only(["C2"]))
    assert set(made.practice.tolist()) <= {0, 1, 2}


def test_people_are_the_same_whatever_else_is_in_the_run(data: Data) -> None:
    alone, all_of_them = england.build(data.only(["C1"])), england.build(data)
    assert np.array_equal(alone.waited, all_of_them.waited[: len(alone)])
    assert np.array_equal(alone.practice, all_of_them.practice[: len(alone)])
    assert not np.array_equal(alone.waited, england.build(data.only(["C1"]), seed=1).waited)


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "sites.csv").write_text("ods_code,name\n")
    with pytest.raises(DataError, match=r"sites\.csv has no column 'latitude'"):
        load(folder)
    (folder / "sites.csv").unlink()
    with pytest.raises(DataError, match=r"no sites\.csv"):
        load(folder)


def test_an_unknown_commissioner_is_named(data: Data) -> None:
    with pytest.raises(DataError, match=r"no 'XX'"):
        data.only(["XX"])


def test_invented_nhs_numbers_are_valid_and_unlike() -> None:
    numbers = nhs_numbers(2000)
    assert len(set(numbers)) == 2000
    assert all(nhs_number_is_valid(number) for number in numbers)


def test_a_live_run_plans_books_and_finds_nothing_wrong(
    app: BookingApp, folder: Path, database: Database, tmp_path: Path
) -> None:
    """Load, plan, a real server, patients over HTTP; the report counts what must never be, from the database."""
    app.clock = lambda: datetime.now(UTC)
    report = tmp_path / "report.json"
    result = app.test_cli_runner().invoke(
        args=["scenario", "england", "--data", str(folder), "--patients-book", "60", "--at-once", "4",
              "--json", str(report)]
    )  # fmt: skip
    assert result.exit_code == 0, result.output + repr(result.exception)
    said = json.loads(report.read_text())
    assert said["scenario"]["referrals"] == 244
    assert said["scenario"]["shifted"].startswith("dates and holidays moved from 2015-04-01")
    assert said["plan"]["certified"] is True
    assert said["plan"]["placed"] == 244
    assert set(said["faults"].values()) == {0}
    assert said["booking"]["booked"] == 60
    assert set(said["booking"]["booked_by_kind"]) >= {"guaranteed", "alternative"}
    with database.unit_of_work(write=False) as session:
        assert session.scalar(select(func.count()).where(Booking.state == BookingState.BOOKED)) == 60
        assert session.scalar(select(func.count(Referral.id))) == session.scalar(select(func.count(Patient.id))) == 244
        assert (session.scalar(select(func.count(Offer.id))) or 0) > 244
        assert session.scalar(select(func.sum(Slot.capacity))) == said["scenario"]["slots"]


def test_a_database_in_use_is_refused(app: BookingApp, folder: Path, region: Region) -> None:
    result = app.test_cli_runner().invoke(args=["scenario", "england", "--data", str(folder)])
    assert result.exit_code == 1
    assert "needs an empty one" in result.output


def test_the_standard_day_on_paper(folder: Path, tmp_path: Path, database: Database, app: BookingApp) -> None:
    report = tmp_path / "report.json"
    result = app.test_cli_runner().invoke(
        args=["scenario", "england", "--data", str(folder), "--paper", "--workers", "0", "--json", str(report)]
    )
    assert result.exit_code == 0, result.output
    said = json.loads(report.read_text())
    assert said["scenario"]["as_of"] == "2015-04-01"
    assert said["plan"]["certified"] is True
    assert said["plan"]["unavoidable"]["breaches"] <= said["plan"]["comparison"]["plan"]["breaches"]


def _real_data() -> Path | None:
    named = os.environ.get("CHOOSE_AND_BOOK_DATA")
    beside = [*ROOT.parent.glob("data/england-2015"), *ROOT.parent.glob("*/data/england-2015")]
    candidates = [Path(named)] if named else beside
    return next((path for path in candidates if (path / "waiting.csv").exists()), None)


@pytest.mark.skipif(_real_data() is None, reason="the data set is not here: set CHOOSE_AND_BOOK_DATA")
def test_the_real_data_add_up() -> None:
    folder = _real_data()
    assert folder is not None
    data = load(folder)
    assert sum(sum(row.bands) for row in data.waiting) == 2_786_675
    assert sum(data.completed.values()) == 861_178 + 306_586
    made = england.build(data.only(["01N"]))
    assert len(made) == 4119
