"""Whom to ask, and what of the others' places they may be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.reseating import make_room
from optimiser import Difference, Plan, Policy, Problem, solve
from optimiser.arrays import I64, Bool, find, rank_in_runs
from optimiser.choice import choice
from optimiser.compiling import Shard, fold, shards_of
from optimiser.generate import generate
from optimiser.waves import automatic, in_order, shown

from .conftest import problem, shortlists, slots
from .seating import seating


def planned(seed: int, n: int, load: float, **policy: int) -> tuple[Problem, Plan]:
    given = generate(n, seed=seed, specialties=2, services=3, load=load, policy=Policy(horizon_days=42, **policy))
    given = given.canonical()
    return given, solve(given)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 150), st.sampled_from((0, 30, 50, 80, 100)))
def test_an_automatic_wave_leaves_its_share_of_every_service_and_period(seed: int, n: int, percent: int) -> None:
    given, plan = planned(seed, n, 0.9, wave_percent=percent, wave_days=14)
    asked = automatic(given, plan)
    assert len(np.unique(asked)) == len(asked)
    slot = find(given.slots.key, plan.slot_key[asked])
    assert (slot >= 0).all()
    block = given.slots.service.astype(np.int64) * 1000 + given.slots.day // 14
    routine = given.referrals.priority[asked] == 0
    for one in np.unique(block[slot[routine]]).tolist():
        mine = block[slot] == one
        given_out, total = int(mine.sum()), int(given.slots.capacity[block == one].sum())
        urgent = int((mine & ~routine).sum())
        assert given_out <= max(total * (100 - percent) // 100, 1, urgent)
    needier = in_order(given, plan)
    assert set(needier[given.referrals.priority[needier] > 0].tolist()) <= set(asked.tolist())


def test_the_greatest_need_is_asked_first() -> None:
    given, plan = planned(4, 120, 1.0)
    asked = automatic(given, plan)
    order = in_order(given, plan)
    assert 0 < len(asked) < len(order)
    assert asked.tolist() == [row for row in order.tolist() if row in set(asked.tolist())]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 120), st.sampled_from((0.7, 1.0, 1.4)), st.integers(1, 40))
def test_whatever_is_shown_can_be_had_and_differs(seed: int, n: int, load: float, wave: int) -> None:
    """Every pencilled place shown has a real augmenting path, found by the other search; all rules of showing hold."""
    given, plan = planned(seed, n, load, reseat_moves=2)
    asked = in_order(given, plan)[:wave]
    found = shown(given, plan, asked)
    assert len(found.indptr) == len(asked) + 1
    row = np.repeat(asked, np.diff(found.indptr))
    own, other = (find(given.slots.key, keys) for keys in (plan.slot_key[row], found.slot_key))
    assert (other >= 0).all()
    assert (rank_in_runs(np.repeat(np.arange(len(asked)), np.diff(found.indptr))) < given.policy.alternatives).all()
    assert (found.regret <= given.policy.max_regret).all()
    places = given.slots
    differs = {
        Difference.PROVIDER: places.provider[own] != places.provider[other],
        Difference.DAY: np.abs(places.day[own] - places.day[other]) >= given.policy.alternative_days,
        Difference.TIME_OF_DAY: places.part[own] % 3 != places.part[other] % 3,
    }
    for code, mask in differs.items():
        assert mask[found.difference == code].all()
    held = np.zeros(len(places), np.int64)
    np.add.at(held, find(places.key, plan.slot_key[asked]), 1)
    assert (held[other] < places.capacity[other]).all()
    _has_a_path(given, plan, asked, row[found.pencilled], other[found.pencilled])


def _has_a_path(given: Problem, plan: Plan, asked: I64, row: I64, slot: I64) -> None:
    """Whoever is pencilled for each slot shown can be moved: to a free place, or into the one the patient gives up."""
    buckets = fold(given)
    at = find(given.slots.key, plan.slot_key)
    bucket = np.where(at >= 0, buckets.of_slot[at], -1)
    left = np.where(buckets.of_slot >= 0, given.slots.capacity, 0) - plan.reserved
    left = left - np.bincount(at[at >= 0], minlength=len(given.slots))
    free = np.zeros(len(buckets.capacity), np.int64)
    np.add.at(free, buckets.of_slot[buckets.slot], left[buckets.slot])
    movable = np.ones(len(given.referrals), np.bool_)
    movable[asked] = False
    shards = {shard.specialty: shard for shard in shards_of(given, buckets)}
    for one, wanted in zip(row.tolist(), slot.tolist(), strict=True):
        shard = shards[int(given.referrals.specialty[one])]
        local = np.where(bucket[shard.rows] >= 0, bucket[shard.rows] - shard.first_bucket, -1)
        open_ = free[shard.first_bucket : shard.first_bucket + len(shard.capacity)].copy()
        open_[bucket[one] - shard.first_bucket] += 1
        sitting = np.flatnonzero(movable[shard.rows] & (at[shard.rows] == wanted))
        assert any(_moves(shard, local, movable[shard.rows], open_, person) for person in sitting.tolist())


def _moves(shard: Shard, local: I64, movable: Bool, free: I64, person: int) -> bool:
    """Whether a person can go elsewhere, as a newcomer would, within their limit and with one move fewer."""
    around = seating(shard, local, movable, free)
    mine = movable.copy()
    mine[person] = False
    owner = np.repeat(np.arange(len(shard)), np.diff(around.indptr))
    keep = (owner != person) | (around.place != local[person])
    without = replace(
        around, movable=mine & (local >= 0), place=around.place[keep], cost=around.cost[keep],
        indptr=np.searchsorted(owner[keep], np.arange(len(shard) + 1)).astype(np.int64),
    )  # fmt: skip
    start = {place: cost for place, cost in without.of(person).items() if cost <= around.limit[person]}
    return make_room(without, start, person, 1) is not None


def test_more_choice_where_some_are_not_asked_yet() -> None:
    given, plan = planned(11, 150, 1.05)
    asked = in_order(given, plan)[:30]
    found = shown(given, plan, asked)
    before = np.diff(plan.alternatives.indptr)[asked]
    assert (np.diff(found.indptr) > 0).sum() > 2 * (before > 0).sum()
    assert found.pencilled.any()


def test_no_moves_shows_only_what_is_free() -> None:
    given, plan = planned(11, 150, 1.05, reseat_moves=0)
    assert not shown(given, plan, in_order(given, plan)[:30]).pencilled.any()


def test_the_shares_who_had_a_choice() -> None:
    free = slots((1, 1, 2, 9), (2, 2, 2, 9), (3, 1, 9, 9), (4, 1, 2, 14), (5, 1, 3, 9))
    given = problem({"key": [10], "priority": [0], "waited_days": [0]}, shortlists([1, 2]), free)
    people = np.array([1, 1, 2, 2, 3, 3, 4, 4, 5])
    offers = np.array([1, 2, 1, 3, 1, 4, 1, 5, 1])
    assert choice(given, people, offers) == {
        "asked": 5, "any": 0.6, "provider": 0.2, "day": 0.2, "time_of_day": 0.2,
    }  # fmt: skip
    nobody = np.zeros(0, np.int64)
    assert choice(given, nobody, nobody)["asked"] == 0
