"""Room for one more: least-cost augmenting paths over people who are only pencilled."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.reseating import Moves, make_room
from optimiser import Policy, Problem, greedy, solve
from optimiser.arrays import find
from optimiser.compiling import fold, shards_of

from .conftest import problem, shortlists, slots
from .seating import Seating, seating

REACH = 6


def seatings(seed: int, people: int, places: int, full: float) -> Seating:
    """A random seating of one newcomer (person 0) and others who sit on acceptable places."""
    rng = np.random.default_rng(seed)
    accepts = rng.random((people, places)) < 0.6
    cost = rng.integers(0, 30, (people, places))
    capacity = rng.integers(1, 3, places)
    seat = np.full(people, -1, np.int64)
    free = capacity.astype(np.int64)
    for person in range(1, people):
        open_ = np.flatnonzero(accepts[person] & (free > 0))
        if len(open_) and rng.random() < full:
            seat[person] = rng.choice(open_)
            free[seat[person]] -= 1
    row, place = np.nonzero(accepts)
    own = np.where(seat >= 0, cost[np.arange(people), seat], 0)
    movable = (rng.random(people) < 0.8) & (seat >= 0)
    indptr = np.searchsorted(row, np.arange(people + 1))
    return Seating(
        indptr.astype(np.int64), place.astype(np.int64), cost[row, place].astype(np.int64), seat, movable,
        (own + rng.integers(0, 20, people)).astype(np.int64), free,
    )  # fmt: skip


def brute_force(given: Seating, most: int) -> int | None:
    """Least cost plus losses over every sequence of distinct places, each taken from somebody who may leave it."""
    best: int | None = None
    mine = given.of(0)
    places = range(len(given.free))
    for length in range(1, min(most + 1, len(given.free)) + 1):
        for way in permutations(places, length):
            if way[0] not in mine or given.free[way[-1]] <= 0:
                continue
            total: int | None = mine[way[0]]
            for left, right in pairwise(way):
                options = [
                    max(given.of(one)[right] - given.of(one)[left], 0)
                    for one in np.flatnonzero(given.movable & (given.seat == left)).tolist()
                    if right in given.of(one) and given.of(one)[right] <= given.limit[one]
                ]
                if not options:
                    total = None
                    break
                assert total is not None
                total += min(options)
            if total is not None and (best is None or total < best):
                best = total
    return best


def total(given: Seating, moves: Moves) -> int:
    """What a path costs: the newcomer's place, and the losses of everybody moved."""
    (_, first), *others = moves
    return given.of(0)[first] + sum(given.losses(person)[place] for person, place in others)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 5), st.integers(0, 4))
def test_brute_force_agrees(seed: int, people: int, places: int, most: int) -> None:
    given = seatings(seed, people, places, 0.95)
    found = make_room(given, given.of(0), 0, most)
    expected = brute_force(given, most)
    assert (found is None) == (expected is None)
    if found is not None:
        assert total(given, found) == expected
        assert len(found) - 1 <= most


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 6))
def test_only_the_pencilled_move_within_their_bound_and_nothing_is_overfull(
    seed: int, people: int, places: int
) -> None:
    given = seatings(seed, people, places, 1.0)
    found = make_room(given, given.of(0), 0, REACH)
    if found is None:
        return
    seat, free = given.after(found)
    assert (free >= 0).all()
    before = np.bincount(given.seat[given.seat >= 0], minlength=places) + given.free
    assert (np.bincount(seat[seat >= 0], minlength=places) + free == before).all()
    moved = np.flatnonzero(seat != given.seat)
    assert 0 in moved
    for person in moved.tolist():
        if person:
            assert given.movable[person]
            assert given.of(person)[int(seat[person])] <= given.limit[person]


def greedy_gap() -> Problem:
    """Two kinds of appointment. Session 1 takes both kinds, session 2 only the first; one place in each.

    Referral 10 is of the first kind and may use both; 11 is of the second and may use session 1 alone, which is sooner.
    """
    refs = {"key": [10, 11], "priority": [0, 0], "waited_days": [5, 1]}
    return problem(refs, shortlists([1, 2], [1]), slots((100, 1, 2, 9), (200, 2, 4, 9)), Policy(horizon_days=28))


def test_the_greedy_gap_greedy_refuses_the_second_patient_and_the_plan_seats_both() -> None:
    given = greedy_gap()
    assert greedy(given).slots_for(given.referrals.key).tolist() == [100, -1]
    assert solve(given).slots_for(given.referrals.key).tolist() == [200, 100]


def test_the_greedy_gap_is_closed_by_moving_the_patient_who_is_only_pencilled() -> None:
    given = greedy_gap().canonical()
    buckets = fold(given)
    shard = shards_of(given, buckets)[0]
    bucket = buckets.of_slot[find(given.slots.key, greedy(given).slot_key)]
    bucket[1] = -1
    free = np.array([0, 1])
    pencilled = seating(shard, bucket, np.array([True, False]), free)
    assert make_room(pencilled, pencilled.of(1), 1, 3) == ((1, 0), (0, 1))
    confirmed = seating(shard, bucket, np.array([False, False]), free)
    assert make_room(confirmed, confirmed.of(1), 1, 3) is None
