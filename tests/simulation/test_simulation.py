"""The simulator: the same chance for every policy, nobody lost, no place given twice, and what holds at the limits."""

from __future__ import annotations

import re
from dataclasses import replace
from math import sqrt
from statistics import stdev
from xml.etree import ElementTree

import numpy as np
import pytest

from optimiser import certify, check, solve
from optimiser.policy import Policy
from optimiser.simulation import (
    POLICIES,
    Behaviour,
    Figures,
    Settings,
    SettingsError,
    interval,
    paired,
    plots,
    run_all,
    simulate,
    text_report,
)
from optimiser.simulation.draws import cancels_after, gumbel, uniform
from optimiser.simulation.figures import BY_PRIORITY, OVERALL, figures
from optimiser.simulation.intervals import quantile
from optimiser.simulation.ours import Ours
from optimiser.simulation.rivals import Open, soonest
from optimiser.simulation.run import play
from optimiser.simulation.settings import HISTORY_DAYS, PUBLISHED_DAYS, SESSION_SLOTS
from optimiser.simulation.state import Fault, State, Where, overtime
from optimiser.simulation.world import NEVER, build

TINY = Settings(days=20, warm_up=10, services=4)
QUICK = ("open", "ring-fenced", "priority", "in-turn")


@pytest.fixture(scope="module")
def played() -> dict[str, State]:
    """Every policy on one small region."""
    return {name: play(TINY, 1, rule()) for name, rule in POLICIES.items()}


@pytest.mark.parametrize("policy", POLICIES)
def test_everybody_is_in_one_state(played: dict[str, State], policy: str) -> None:
    state = played[policy]
    people, on_list = state.world.people, state.world.people.on_list
    assert state.counts().sum() == len(people)
    came = on_list[people.day[on_list] < TINY.last_day]
    assert not (state.where[came] == Where.TO_COME).any()
    # A wait ends once for every appointment missed, and once more for who is seen or returned to the practice.
    clocks = np.bincount([clock.person for clock in state.record.clocks], minlength=len(people))
    once_more = np.isin(state.where, [Where.SEEN, Where.RETURNED])
    assert np.array_equal(clocks, state.missed + once_more)
    most = state.behaviour.comes_back + 1
    assert np.array_equal(state.where == Where.DISCHARGED, state.missed == most)


@pytest.mark.parametrize("policy", POLICIES)
def test_places_are_never_overfull(played: dict[str, State], policy: str) -> None:
    state = played[policy]
    state.check()
    assert all(clinic.booked <= clinic.places + clinic.extra for clinic in state.record.clinics)
    assert all(clinic.came <= clinic.booked for clinic in state.record.clinics)
    assert all(asked.shown > 0 for asked in state.record.asked)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_booked_stays(played: dict[str, State], policy: str) -> None:
    """Every booking ended by its patient, its clinic or its day: none was moved."""
    record = played[policy].record
    booked = sum(asked.took for asked in record.asked)
    kept = sum(clock.lead >= 0 for clock in record.clocks)
    still = int((played[policy].where == Where.BOOKED).sum())
    assert booked == kept + still + len(record.cancelled) + len(record.displaced)


def test_the_same_seed_is_the_same_run() -> None:
    short = replace(TINY, days=8, warm_up=4)
    for policy in ("ring-fenced", "ours-three"):
        assert simulate(short, 5, policy) == simulate(short, 5, policy)
    assert simulate(short, 5, "open") != simulate(short, 6, "open")


def test_processes_change_nothing() -> None:
    short = replace(TINY, days=4, warm_up=2)
    alone = run_all(short, [1, 2], ["open", "ours-one"])
    told: list[tuple[int, int, str]] = []
    together = run_all(short, [1, 2], ["open", "ours-one"], workers=2, listener=lambda *what: told.append(what))
    assert alone.runs == together.runs
    assert [done for done, _, _ in told] == [1, 2, 3, 4]


def test_common_random_numbers(played: dict[str, State]) -> None:
    """Who comes, when, and which clinics are held is the same under every policy."""
    first = next(iter(played.values()))
    for state in played.values():
        assert np.array_equal(state.world.people.day, first.world.people.day)
        assert np.array_equal(state.world.people.km, first.world.people.km)
        assert [(c.day, c.service, c.places) for c in state.record.clinics] == [
            (c.day, c.service, c.places) for c in first.record.clinics
        ]
    # Two policies that ask the same person the same question get the same answer.
    one, other = State(first.world), State(first.world)
    for state in (one, other):
        state.begin(0)
    for person in one.waiting()[:50]:
        offers = soonest(one, person, one.free > 0)
        assert one.ask(person, offers) == other.ask(person, offers)


def test_draws_are_uniform_and_fixed() -> None:
    draws = np.array([uniform(1, 2, n) for n in range(4000)])
    assert uniform(1, 2, 3) == uniform(1, 2, 3) != uniform(1, 3, 2)
    assert 0 < draws.min() < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.02
    assert np.histogram(draws, 10, (0, 1))[0].min() > 330
    assert abs(np.mean([gumbel(7, n) for n in range(4000)]) - np.euler_gamma) < 0.08


def test_choice_is_multinomial_logit() -> None:
    """The share that takes one of two offers is that of the closed form, over many people."""
    state = State(build(TINY, 1))
    state.begin(0)
    how, people, sessions = state.behaviour, state.world.people, state.world.sessions
    expected, took = [], 0
    for person in state.waiting():
        offers = soonest(state, person, state.free > 0)[:2]
        value = []
        for session in offers:
            at = people.services[person].tolist().index(sessions.service[session])
            likes = how.liked_time * (sessions.part[session] % 3 == people.likes[person])
            day = how.wait_a_day * sessions.day[session]
            value.append(how.attraction + day + how.travel_a_km * people.km[person, at] + likes)
        weight = np.exp(value)
        expected.append(weight.sum() / (1 + weight.sum()))
        took += state._chooses(person, offers) >= 0
    spread = sqrt(sum(p * (1 - p) for p in expected))
    assert abs(took - sum(expected)) < 3 * spread
    assert 0.8 < np.mean(expected) < 0.98


def test_cancelling_is_geometric() -> None:
    days = [cancels_after(0.0025, 1, n) for n in range(20_000)]
    assert min(days) >= 1
    assert abs(np.mean(np.array(days) <= 28) - (1 - 0.9975**28)) < 0.01
    assert cancels_after(0.0, 1, 2) > 10_000


def test_no_show_curve() -> None:
    how = Behaviour()
    rates = [how.no_show(lead) for lead in range(200)]
    assert rates[0] == pytest.approx(how.no_show_least)
    assert rates == sorted(rates)
    assert how.no_show(10_000) == pytest.approx(how.no_show_most)


def calm(**changes: float) -> Behaviour:
    """Nobody cancels, misses or declines, no clinic is cancelled, unless said."""
    still = {
        "no_show_least": 0.0,
        "no_show_most": 0.0,
        "cancel_a_day": 0.0,
        "clinic_cancelled": 0.0,
        "attraction": 50.0,
    }
    return replace(Behaviour(), **{**still, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["open", "ring-fenced", "in-turn", "ours-one", "ours-three"])
def test_with_places_to_spare_nobody_is_late(policy: str) -> None:
    light = Settings(days=20, warm_up=30, services=4, load=0.4, behaviour=calm(never_mornings=0, never_afternoons=0))
    found = simulate(light, 2, policy).values
    assert found["due"] > 0
    assert found["breaches.two_week_wait"] == found["breaches"] == 0
    assert found["no_shows"] == found["cancelled"] == found["displaced"] == found["declines"] == 0


def test_no_shows_are_those_of_the_curve() -> None:
    assert simulate(replace(TINY, behaviour=calm()), 1, "open").values["no_shows"] == 0
    some = replace(TINY, days=60, behaviour=calm(no_show_least=0.2, no_show_most=0.2))
    assert simulate(some, 1, "open").values["no_show_share"] == pytest.approx(0.2, abs=0.03)


def test_more_demand_more_waiting() -> None:
    light, heavy = (simulate(replace(TINY, load=load), 1, "open").values for load in (0.7, 1.3))
    assert light["wait_mean"] < heavy["wait_mean"]
    assert light["waiting_at_end"] <= heavy["waiting_at_end"]


def test_overbooking_fills_places_and_runs_over() -> None:
    some = replace(TINY, days=60, behaviour=replace(Behaviour(), no_show_least=0.15))
    without, with_ = (simulate(replace(some, overbook=percent), 1, "open").values for percent in (0, 100))
    assert without["extra_places"] == without["overtime_minutes"] == without["shared_slots"] == 0
    assert with_["extra_places"] == pytest.approx(0.15 * with_["places"], rel=0.3)
    assert with_["utilisation"] > without["utilisation"]
    assert with_["wait_mean"] < without["wait_mean"]
    assert with_["overtime_minutes"] > 0
    assert with_["clinics_over"] <= with_["clinics"]


@pytest.mark.parametrize(
    ("came", "minutes"),
    [
        ([1] * 10, 0),
        ([0] * 10, 0),
        ([2] + [1] * 9, 20),
        ([2, 0] + [1] * 8, 0),  # who did not come makes up for it
        ([1] * 9 + [2], 20),
        ([2] * 10, 200),
    ],
)
def test_overtime(came: list[int], minutes: int) -> None:
    assert overtime(np.array(came)) == minutes


def test_calendar_is_published_thirteen_weeks_ahead() -> None:
    world = build(TINY, 1)
    state = State(world)
    for day in range(3):
        fresh = state.begin(day)
        last = world.sessions.day[fresh].max()
        assert last <= day + PUBLISHED_DAYS
        assert day == 0 or (world.sessions.day[fresh] == day + PUBLISHED_DAYS).all()
    open_ = world.sessions.cancelled_on == NEVER
    assert (state.free[(world.sessions.day > 2) & (world.sessions.day <= 93) & open_] == SESSION_SLOTS).all()
    assert (state.free[world.sessions.day > 93] == 0).all()


def test_cancelled_clinics_put_their_patients_first() -> None:
    state = play(replace(TINY, behaviour=replace(Behaviour(), clinic_cancelled=0.2)), 1, Open())
    assert len(state.record.displaced) > 50
    assert not [c for c in state.record.clinics if c.places != SESSION_SLOTS]
    world = build(TINY, 1)
    state = State(world)
    state.begin(0)
    person = state.waiting()[-1]
    session = state.ask(person, soonest(state, person, state.free > 0)[:1])
    assert session >= 0
    state._cancel_clinic(session)
    assert state.take_displaced() == [person]
    assert state.free[session] == 0


def test_faults_are_found() -> None:
    state = State(build(TINY, 1))
    state.begin(0)
    one, other = state.waiting()[:2]
    session = soonest(state, one, state.free > 0)[0]
    state._book(one, session)
    with pytest.raises(Fault, match="not waiting"):
        state.ask(one, [session])
    with pytest.raises(Fault, match="can't be booked"):
        state._book(one, session)
    state.free[session] = 0
    with pytest.raises(Fault, match="can't be booked"):
        state._book(other, session)
    state.places[session][1] = other
    with pytest.raises(Fault, match="differ"):
        state.check()


def test_the_planner_is_the_real_one_and_certified() -> None:
    """The problem of a day is a problem like any other: certified, checked, with a reserve from history alone."""
    state = State(build(TINY, 1))
    state.begin(0)
    rule = Ours(offers=3, reserve=True, policy=Policy())
    people = np.array(state.waiting(), np.int64)
    problem = rule.problem(state, people)
    plan = solve(problem)
    assert plan.certified
    assert check(problem, plan) == []
    assert certify(problem, plan).valid
    assert plan.reserved.sum() > 0
    assert len(Ours(offers=3, reserve=False, policy=Policy()).problem(state, people).expected) == 0
    history = state.world.people
    past = history.day < 0
    urgent = int((past & (history.priority > 0)).sum())
    daily = problem.expected.count.sum() / (PUBLISHED_DAYS - 1 - 28)
    assert urgent / HISTORY_DAYS < daily < 1.6 * urgent / HISTORY_DAYS  # the mean, and the margin that is reserved
    weekdays = np.bincount(problem.expected.arrival_day % 7, problem.expected.count, 7)
    assert weekdays[5:].sum() < 0.1 * weekdays.sum()  # day 0 is a Monday: hardly anybody is referred at weekends


def test_forecast_is_wrong_by_what_is_said() -> None:
    kept = {}
    for error in (0.8, 1.0, 1.2):
        state = State(build(replace(TINY, forecast_error=error), 1))
        state.begin(0)
        problem = Ours(offers=1, reserve=True, policy=Policy()).problem(state, np.array(state.waiting(), np.int64))
        kept[error] = problem.expected.scaled(problem.policy.expected_percent).sum()
        assert kept[error] == pytest.approx(error * problem.expected.count.sum(), rel=0.03)
    assert kept[0.8] < kept[1.0] < kept[1.2]


def test_between_plans_patients_are_served_by_prices() -> None:
    weekly = simulate(replace(TINY, every=7), 1, "ours-three")
    assert weekly.plans <= 10  # one a week, and one for clinics cancelled that day
    rival = simulate(TINY, 1, "open")
    assert weekly.values["asked"] > 0.9 * rival.values["asked"]
    assert weekly.values["breaches"] < rival.values["breaches"] / 2


def test_reserve_and_fences_keep_urgent_patients_in_time(played: dict[str, State]) -> None:
    found = {policy: figures(played[policy], policy).values["breaches"] for policy in POLICIES}
    assert found["ours-one"] <= found["ring-fenced"] < found["open"]
    assert found["ours-three"] <= found["ring-fenced"]
    assert found["ours-three"] < found["ours-no-reserve"]


def test_intervals() -> None:
    tables = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042, 200: 1.972}  # Student's t, two-sided 95 %
    for freedom, value in tables.items():
        assert quantile(0.975, freedom) == pytest.approx(value, abs=0.0006)
    found = interval([3.0, 5.0, 10.0])
    assert found.mean == 6
    assert found.half_width == pytest.approx(4.303 * stdev([3, 5, 10]) / sqrt(3), rel=1e-3)
    assert interval([4.0]).half_width is None
    assert paired([5.0, 7.0], [1.0, 3.0]) == interval([4.0, 4.0])


@pytest.mark.parametrize(
    ("field", "value"),
    [("days", 0), ("load", 0.0), ("services", 0), ("forecast_error", 6.0), ("overbook", -1), ("every", 0)],
)
def test_bad_settings_are_named(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"^{field}: "):
        Settings(**{field: value})  # type: ignore[arg-type]


def test_unknown_policies_are_named() -> None:
    with pytest.raises(SettingsError, match="policies: 'lottery'"):
        run_all(TINY, [1], ["lottery"])
    with pytest.raises(SettingsError, match="seeds"):
        run_all(TINY, [], ["open"])


def test_report_and_plots() -> None:
    results = run_all(TINY, [1, 2], QUICK[:2])
    text = text_report(results)
    assert re.search(r"^open +\d", text, re.MULTILINE)
    assert "95 %" in text
    drawn = plots(results)
    assert set(drawn) == {"breaches.svg", "waits-two-week-wait.svg", "waits-urgent.svg", "waits-routine.svg"}
    for picture in drawn.values():
        root = ElementTree.fromstring(picture)
        names = [child.tag.split("}")[1] for child in root]
        assert names[:2] == ["title", "desc"]
    figures: Figures = results.runs["open"][0]
    known = {name.split(".")[0] for name in figures.values}
    assert known == BY_PRIORITY.keys() | OVERALL.keys()
    assert sum(map(sum, figures.waits.values())) == figures.values["appointments"]
    one = run_all(TINY, [1], ["open"])
    assert "One seed only" in text_report(one)
    assert plots(one)
