"""The bulk reader's shortcuts against the domain's own rules, and its many processes against one."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from booking.db import Database
from booking.domain.referral import CHOOSING
from booking.domain.targets import age_on
from booking.domain.weights import RANK, Weights
from booking.domain.words import Priority
from booking.services.planning.narrowing import ages
from booking.services.planning.prices import pack, unpack
from booking.services.planning.read import read
from booking.services.planning.workers import pool
from booking.services.work import Work
from optimiser import Policy, solve
from optimiser.costs import day_parts, travel_cost
from tests import factories
from tests.factories import Region
from tests.planning.conftest import people

DATES = st.dates(date(1920, 1, 1), date(2025, 1, 1))
EPOCH = date(1970, 1, 1)


@given(DATES, st.integers(0, 150))
def test_birthdays_are_those_of_the_domain(born: date, years: int) -> None:
    number = int(ages(np.array([float((born - EPOCH).days)]), np.array([years]))[0])
    birthday = EPOCH + timedelta(days=number)
    assert age_on(born, birthday) == years
    assert years == 0 or age_on(born, birthday - timedelta(days=1)) == years - 1


@given(st.lists(st.tuples(DATES, st.integers(0, 2), st.integers(1, 10**12))))
def test_prices_are_stored_and_read_back(prices: list[tuple[date, int, int]]) -> None:
    assert unpack(pack(prices)) == prices


@given(
    st.sampled_from(list(Priority)), st.integers(0, 400), st.integers(1, 200), st.integers(0, 91),
    st.integers(0, 300),
)  # fmt: skip
def test_one_pair_costs_what_the_optimiser_says(
    priority: Priority, waited: int, target: int, day: int, km: int
) -> None:
    policy = Policy()
    weights = Weights.of(policy.to_dict())
    assert weights is not None
    mine = weights.parts(RANK[priority], waited=waited, target=target, day=day, km=float(km))
    arrays = (np.array([value]) for value in (RANK[priority], waited, target, day))
    theirs = [int(cost[0]) for cost in day_parts(policy, *arrays)]
    assert [mine["breach"], mine["lateness"], mine["wait"]] == theirs
    assert mine["travel"] == travel_cost(policy, np.array([km], np.float32))[0]


def test_the_planner_plans_for_the_states_in_which_patients_choose() -> None:
    assert {state.value for state in CHOOSING} == {
        "NOT_BOOKED", "APPT_CANCELLED_BY_PATIENT", "APPT_CANCELLED_BY_PROVIDER", "DEFERRED_TO_PROVIDER",
        "TRIAGED_PROVIDER_TO_ACTION",
    }  # fmt: skip


def test_a_plan_does_not_depend_on_how_many_processes_make_it(work: Work, region: Region, database: Database) -> None:
    people(work, region, 25)
    problem = read(database, as_of=work.today, now=work.now).problem
    with pool(2) as executor:
        apart = solve(problem, executor=executor)
    assert apart.fingerprint() == solve(problem).fingerprint()


def test_places_are_kept_for_the_urgent_arrivals_to_expect(work: Work, region: Region, database: Database) -> None:
    """Eight weeks with a two-week-wait referral every day: one a day is expected from tomorrow on, and a quarter more,
    as long as they must be seen before the last slot published, on day 30; later slots may serve those who come later.
    """
    factories.slots(work, region.services[0], work.now + timedelta(days=30), 1)
    for days in range(1, 57):
        start = work.today - timedelta(days=days)
        people(work, region, 1, priority=Priority.TWO_WEEK_WAIT, rtt_clock_start=start)
    people(work, region, 5, priority=Priority.TWO_WEEK_WAIT, rtt_clock_start=work.today)  # the day has only begun
    expected = read(database, as_of=work.today, now=work.now).problem.expected
    assert set(expected.count.tolist()) == {1, 2}
    assert sorted(set(expected.arrival_day.tolist())) == list(range(1, 30 - 14 + 1))
    assert abs(int(expected.count.sum()) - 16 * 1.25) <= 2
    assert len(read(database, as_of=work.today, now=work.now, reserve=False).problem.expected) == 0


def test_a_history_of_days_is_too_short_to_reserve_by(work: Work, region: Region, database: Database) -> None:
    for days in range(1, 7):
        start = work.today - timedelta(days=days)
        people(work, region, 1, priority=Priority.TWO_WEEK_WAIT, rtt_clock_start=start)
    assert len(read(database, as_of=work.today, now=work.now).problem.expected) == 0


def test_who_is_not_referred_at_weekends_is_not_expected_then(work: Work, region: Region, database: Database) -> None:
    factories.slots(work, region.services[0], work.now + timedelta(days=60), 1)
    for days in range(1, 57):
        start = work.today - timedelta(days=days)
        if start.weekday() < 5:
            people(work, region, 3, priority=Priority.TWO_WEEK_WAIT, rtt_clock_start=start)
    expected = read(database, as_of=work.today, now=work.now).problem.expected
    at_weekends = (work.today.weekday() + expected.arrival_day) % 7 >= 5
    assert expected.count[at_weekends].sum() / 2 < 0.4 * expected.count[~at_weekends].sum() / 5
