"""What a session is worth, against solving again with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimiser import Expected, PlanError, Problem, check, greedy, solve
from optimiser.compiling import fold
from optimiser.gains import values
from optimiser.generate import generate
from optimiser.worth import Verifier, Worth, usual_kinds, with_session, worth

from .conftest import SMALL, problem, shortlists, slots


def some_problem(seed: int) -> Problem:
    """Half of them with every limit, with and without too few places, some with arrivals to come."""
    load = (0.8, 1.0, 1.4, 2.0)[seed % 4]
    given = generate(120, seed=seed, load=load, limits=seed % 2 == 1, services=3, specialties=2).canonical()
    if seed % 3:
        return given
    service = np.unique(given.slots.service)[:2]
    coming = Expected.build(specialty=service // 3, service=service, priority=[1, 2], arrival_day=[5, 20], count=[3, 2])
    return replace(given, expected=coming)


def one(rows: Worth, at: int) -> Worth:
    return rows.take(np.array([at]))


@pytest.mark.parametrize("seed", range(8))
def test_no_session_brings_more_than_it_is_said_to_be_worth(seed: int) -> None:
    """Brute force: the dearest and some others added and solved again. Of a single place the bound is exact."""
    given = some_problem(seed)
    plan = solve(given)
    if not plan.certified or len(plan.blocks.referral):
        pytest.skip("two referrals of one patient meet: the bound is of the plan with that time refused")
    rng = np.random.default_rng(seed)
    exact = not len(given.expected) and not len(given.referrals.busy.start_minute)
    for places in (1, 4):
        rows, verifier = worth(given, plan, places=places), Verifier(given)
        for at in [0, 1, *rng.choice(len(rows), 4).tolist()]:
            made = verifier.verify(one(rows, at))
            assert 0 <= made.gained <= int(rows.value[at]), (places, at)
            if places == 1 and exact:
                assert made.gained == int(rows.value[at])


def test_lowest_prices_are_proof_too() -> None:
    """At the lowest prices as at the plan's own, primal equals dual: nobody would save by moving, and all is paid."""
    given = generate(200, seed=2, load=1.4, limits=False).canonical()
    plan = solve(given)
    found = values(given, plan)
    buckets = fold(given)
    highest = plan.slot_price[buckets.slot[buckets.indptr[:-1]]]
    assert (found.price <= highest).all()
    assert (found.price < highest).any()
    assert int(found.referral.sum()) - int((found.price * buckets.capacity).sum()) == plan.objective


def test_a_place_for_whoever_has_none() -> None:
    """One slot for two people: a session gives the other one a place, and saves one breach, not two."""
    refs = {"key": [1, 2], "priority": [0, 0], "waited_days": [100, 90]}
    given = problem(refs, shortlists([7], [7]), slots((1, 7, 3, 9)), replace(SMALL, alternatives=0))
    plan = solve(given)
    rows = worth(given, plan, places=5)
    assert int(rows.breaches[0]) == 1
    assert int(rows.people[0]) == 2
    made = Verifier(given).verify(one(rows, 0))
    assert (made.breaches_before, made.breaches_after) == (1, 0)
    assert (made.unplaced_before, made.unplaced_after) == (1, 0)
    assert made.days_saved > 0


def test_nothing_is_worth_anything_where_all_have_their_best() -> None:
    given = problem(
        {"key": [1], "priority": [0], "waited_days": [5]}, shortlists([7]), slots((1, 7, 1, 9), (2, 7, 9, 9))
    )
    rows = worth(given, solve(given))
    assert len(rows) > 0
    assert not rows.value.any()


def test_limits_hold_for_a_session_too() -> None:
    """A service whose slots are for routine patients gets a session for routine patients."""
    refs = {"key": [1, 2], "priority": [1, 0], "waited_days": [5, 5]}
    free = slots((1, 7, 20, 9), (2, 8, 27, 9), priorities=np.array([1, 7]))
    given = problem(refs, shortlists([7, 8], [7, 8]), free)
    rows = worth(given, solve(given), places=3)
    early = one(rows, int(np.flatnonzero((rows.service == 7) & (rows.day == 2))[0]))
    assert int(early.people[0]) == 1
    at_eight = one(rows, int(np.flatnonzero((rows.service == 8) & (rows.day == 2))[0]))
    assert int(at_eight.people[0]) == 2
    assert Verifier(given).verify(early).gained <= int(early.value[0])


def test_days_weeks_and_months() -> None:
    given = some_problem(2)
    rows = worth(given, solve(given), places=2)
    when = [given.as_of.fromordinal(given.as_of.toordinal() + int(day)) for day in rows.day]
    assert [day.weekday() for day in when] == rows.weekday.tolist()
    assert set(rows.weekday.tolist()) == {0, 1, 2, 3, 4}
    assert [day.year * 12 + day.month - 1 for day in when] == rows.month.tolist()
    best, least = rows.best_of_weeks(), rows.any_day()
    weeks: dict[tuple[int, int], int] = {}
    for s, w, v in zip(rows.service.tolist(), rows.week.tolist(), rows.value.tolist(), strict=True):
        weeks[s, w] = max(weeks.get((s, w), 0), v)
    assert (
        dict(zip(zip(best.service.tolist(), best.week.tolist(), strict=True), best.value.tolist(), strict=True))
        == weeks
    )
    days: dict[tuple[int, int, int], int] = {}
    for s, m, d, v in zip(*(c.tolist() for c in (rows.service, rows.month, rows.weekday, rows.value)), strict=True):
        days[s, m, d] = min(days.get((s, m, d), v), v)
    keys = zip(least.service.tolist(), least.month.tolist(), least.weekday.tolist(), strict=True)
    assert dict(zip(keys, least.value.tolist(), strict=True)) == days


def test_a_session_is_a_sound_part_of_a_problem() -> None:
    given = some_problem(1)
    kinds = usual_kinds(given.slots)
    more = with_session(given, kinds, int(kinds.service[0]), 10, 4)
    new = int(np.argmax(more.slots.key))
    assert int(more.slots.capacity[new]) == 4
    assert int(more.slots.part[new]) // 3 == (given.as_of.weekday() + 10) % 7
    usual = int(kinds.slot[0])
    for name in ("service", "specialty", "provider", "offers", "priorities", "practitioner"):
        assert getattr(more.slots, name)[new] == getattr(given.slots, name)[usual], name
    minutes = more.slots.end_minute[new] - more.slots.start_minute[new]
    assert minutes == given.slots.end_minute[usual] - given.slots.start_minute[usual]
    assert more.slots.take(np.flatnonzero(np.arange(len(more.slots)) != new)).key.tolist() == given.slots.key.tolist()
    plan = solve(more)
    assert check(more, plan) == []
    assert plan.objective < solve(given).objective


def test_what_proves_nothing_values_nothing() -> None:
    given = some_problem(2)
    with pytest.raises(PlanError, match="not certified"):
        worth(given, greedy(given))
    with pytest.raises(PlanError, match="another problem"):
        worth(some_problem(0), solve(given))
    with pytest.raises(ValueError, match="places"):
        worth(given, solve(given), places=0)


def test_the_same_whatever_the_order() -> None:
    from .conftest import shuffle

    given = some_problem(5)
    first, again = (worth(p, solve(p), places=3) for p in (given, shuffle(given, 1)))
    for name in ("service", "day", "value", "breaches", "people"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
