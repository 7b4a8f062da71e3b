"""What is worked out in whole columns or compiled loops, against the same in plain Python on small problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from optimiser import Alternatives, Blocks, Busy, Plan, Policy, Problem, Shortlists, check, rivals
from optimiser.alternatives import alternatives, choose
from optimiser.arrays import I64, within_rows
from optimiser.clashes import clashes, other_times, shared
from optimiser.compiling import Shard, fold, make_shard, shard_rows, shards_of
from optimiser.generate import generate
from optimiser.greedy import greedy
from optimiser.plan import Difference, Unplaced
from optimiser.reasons import shard_reasons
from optimiser.sequential import bucket_costs, greedy_order, in_turn

from . import plain_turn
from .conftest import problem, shortlists, shuffle, slots
from .plain_check import Checker, plain_check

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=25, deadline=None)


def small(seed: int, limits: bool = True) -> Problem:
    """Some tens of referrals, short of places."""
    return generate(
        60, seed=seed, specialties=2, services=4, load=1.3, limits=limits, policy=Policy(horizon_days=21)
    ).canonical()  # fmt: skip


def damaged(plan: Plan, given: Problem, rng: np.random.Generator) -> Plan:
    """The plan with a few of everything set at random, unknown keys included."""
    n = len(plan.referral_key)
    slot_keys = np.concatenate((given.slots.key, [-1, -1, 7]))

    def some(values: I64, drawn: I64) -> I64:
        return np.where(rng.random(len(values)) < 0.15, drawn, values).astype(values.dtype)

    count = rng.integers(0, 4, n) * (rng.random(n) < 0.5)
    shown = int(count.sum())
    alternatives = Alternatives(
        np.concatenate(([0], np.cumsum(count))).astype(np.int64), rng.choice(slot_keys[:40], shown),
        rng.integers(0, 2 * given.policy.max_regret, shown), rng.integers(1, 4, shown).astype(np.int8),
    )  # fmt: skip
    return replace(
        plan,
        referral_key=some(plan.referral_key, rng.choice(np.append(plan.referral_key, 3), n)),
        slot_key=some(plan.slot_key, rng.choice(slot_keys, n)),
        cost=some(plan.cost, rng.integers(0, 10**12, n)),
        reserved=some(plan.reserved, rng.integers(-1, 3, len(plan.reserved))),
        blocks=Blocks(
            rng.choice(np.append(given.referrals.key, 3), 5), rng.integers(0, 9_000, 5), rng.integers(8_000, 12_000, 5)
        ),
        unplaced_reason=some(plan.unplaced_reason, rng.integers(0, 3, n)),
        alternatives=alternatives,
        certified=True,
    )


@FEW
@given_by(SEEDS)
def test_the_checker_finds_what_the_plain_one_finds(seed: int) -> None:
    given = shuffle(small(seed), seed)
    plan = greedy(given)
    assert check(given, plan) == plain_check(given, plan) == []
    bad = damaged(plan, given, np.random.default_rng(seed))
    found = check(given, bad)
    assert Counter(found) == Counter(plain_check(given, bad))
    assert len({violation.rule for violation in found}) > 8


def test_the_checker_counts_on_beyond_64_bits() -> None:
    """Weights at the top of their range: the cost of one referral alone needs more than 64 bits."""
    heavy = Policy(horizon_days=21, late_square=(10**13,) * 3)
    given = small(3)
    plan = greedy(given)
    other = replace(
        given, policy=heavy, referrals=replace(given.referrals, waited_days=given.referrals.waited_days + 3000)
    )
    assert Counter(check(other, plan)) == Counter(plain_check(other, plan))


@pytest.mark.parametrize("column", ["slot_key", "cost", "unplaced_reason", "reserved"])
def test_columns_of_a_plan_must_be_of_one_length(column: str) -> None:
    given = small(1)
    plan = greedy(given)
    with pytest.raises(ValueError, match=rf"plan\.{column} has"):
        check(given, replace(plan, **{column: getattr(plan, column)[:-1]}))
    short = replace(plan.alternatives, indptr=plan.alternatives.indptr[:-1])
    with pytest.raises(ValueError, match=r"plan\.alternatives"):
        check(given, replace(plan, alternatives=short))


@FEW
@given_by(SEEDS)
def test_a_shard_has_the_pairs_that_break_no_rule(seed: int) -> None:
    given = small(seed)
    buckets = fold(given)
    rules = Rules(given, greedy(given))
    slot = given.slots.key[buckets.slot[buckets.indptr[:-1]]].tolist()
    for shard in shards_of(given, buckets):
        for row, pairs in enumerate(plain_turn.eligible(shard)):
            at = int(shard.rows[row])
            fine = {b for b in range(len(slot)) if rules.allow(int(given.referrals.key[at]), slot[b])}
            spans = {b for b in fine if not _span_is_busy(given, at, int(buckets.start[b]), int(buckets.end[b]))}
            assert {bucket + shard.first_bucket for _, _, bucket in pairs} == spans


class Rules(Checker):
    """The plain checker, asked about one pair at a time."""

    def allow(self, referral: int, slot: int) -> bool:
        self.out.clear()
        self._eligible(referral, slot, "")
        return not self.out


def _span_is_busy(given: Problem, row: int, start: int, end: int) -> bool:
    busy = given.referrals.busy
    mine = range(busy.indptr[row], busy.indptr[row + 1])
    return any(busy.start_minute[at] < end and busy.end_minute[at] > start for at in mine)


@FEW
@given_by(SEEDS, st.booleans())
def test_patients_in_turn(seed: int, limits: bool) -> None:
    given = small(seed, limits)
    for shard in shards_of(given, fold(given)):
        order = greedy_order(shard)
        assert (
            in_turn(shard, order, shard.capacity).tolist() == plain_turn.in_turn(shard, order, shard.capacity).tolist()
        )


def _by_wait(shard: Shard) -> I64:
    return np.lexsort((shard.key, -shard.waited))


def _plain_fences(shard: Shard) -> I64:
    return plain_turn.ring_fenced(shard, _by_wait(shard), rivals._fences(shard))


PLAIN: dict[str, Callable[[Shard], I64]] = {
    "open_fcfs": lambda s: plain_turn.in_turn(s, _by_wait(s), s.capacity),
    "ring_fenced_fcfs": _plain_fences,
    "priority_longest_wait": lambda s: plain_turn.in_turn(s, np.lexsort((s.key, -s.waited, -s.priority)), s.capacity),
    "due_date": lambda s: plain_turn.in_turn(s, np.lexsort((s.key, -s.waited, s.target - s.waited)), s.capacity),
}


@FEW
@given_by(SEEDS, st.booleans())
def test_rivals(seed: int, limits: bool) -> None:
    given = small(seed, limits)
    buckets = fold(given)
    together = rivals.every(given)
    assert list(together) == list(rivals.ALL) == list(PLAIN)
    for name, plain in PLAIN.items():
        assert np.array_equal(rivals.ALL[name](given), together[name])
        for specialty, rows in shard_rows(given):
            shard = make_shard(given, buckets, specialty, rows)
            slot = together[name][rows]
            bucket = np.where(slot >= 0, buckets.of_slot[slot] - shard.first_bucket, -1)
            assert bucket.tolist() == plain(shard).tolist()


@FEW
@given_by(SEEDS)
def test_alternatives(seed: int) -> None:
    """Candidates by the published rule, then picked by it: by the plan, and by what waves pick with."""
    given = small(seed)
    buckets = fold(given)
    rng = np.random.default_rng(seed)
    for shard in shards_of(given, buckets):
        own = in_turn(shard, greedy_order(shard), shard.capacity)
        price = rng.integers(0, 200_000, len(shard.capacity))
        value = bucket_costs(shard, own) + np.where(own >= 0, price[own], 0)
        free = rng.integers(0, 2, len(shard.capacity))
        found = alternatives(shard, own, value, free)
        row, bucket, regret = _candidates(shard, own, value, free)
        given_them = choose(shard, own, row, bucket, regret)
        expected = _picked(shard, own, list(zip(row.tolist(), bucket.tolist(), regret.tolist(), strict=True)))
        for made in (found, given_them):
            columns = (made.row, made.bucket, made.regret, made.difference)
            assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


def _picked(shard: Shard, own: I64, candidates: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """One after another the least regret of what differs from all before, new kinds of difference first."""
    out = []
    for row in sorted({row for row, _, _ in candidates}):
        left = [(bucket, regret) for r, bucket, regret in candidates if r == row]
        before, kinds = [int(own[row])], set[int]()
        while len(before) <= shard.policy.alternatives:
            left = [one for one in left if all(_differ(shard, one[0], other) for other in before)]
            if not left:
                break
            turn = [(_differ(shard, b, before[0]) in kinds, regret, b) for b, regret in left]
            _, regret, bucket = min(turn)
            kind = _differ(shard, bucket, before[0])
            out.append((row, bucket, regret, kind))
            before.append(bucket)
            kinds.add(kind)
    return out


def _differ(shard: Shard, one: int, other: int) -> int:
    """The first of provider, day and time of day in which two half-days differ, 0 for none."""
    if shard.provider[one] != shard.provider[other]:
        return Difference.PROVIDER
    if abs(int(shard.day[one]) - int(shard.day[other])) >= shard.policy.alternative_days:
        return Difference.DAY
    return Difference.TIME_OF_DAY if shard.part[one] % 3 != shard.part[other] % 3 else 0


def _candidates(shard: Shard, own: I64, value: I64, free: I64) -> tuple[I64, I64, I64]:
    """At each service of a row the soonest free half-days of each time of day, now, a week and two weeks on."""
    policy, out = shard.policy, []
    for row, pairs in enumerate(plain_turn.eligible(shard)):
        for service in sorted({int(shard.service[bucket]) for _, _, bucket in pairs}):
            mine = sorted(bucket for _, _, bucket in pairs if shard.service[bucket] == service and free[bucket])
            kinds: dict[tuple[int, int], int] = {}
            for bucket in mine if own[row] >= 0 else []:
                weeks = (int(shard.day[bucket]) - int(shard.day[mine[0]])) // policy.alternative_days
                kinds.setdefault((min(weeks, 2), int(shard.part[bucket]) % 3), bucket)
            for bucket in kinds.values():
                one = np.full(len(shard.rows), -1, np.int64)
                one[row] = bucket
                regret = int(bucket_costs(shard, one)[row] - value[row])
                if bucket != own[row] and regret <= policy.max_regret:
                    out.append((row, regret, bucket))
    table = np.array(sorted(out), np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 2], table[:, 1]


@FEW
@given_by(SEEDS)
def test_reasons(seed: int) -> None:
    """Straight from the limits: the first one that no pair within the window gets past."""
    given = small(seed)
    for shard in shards_of(given, fold(given)):
        code = shard_reasons(given, shard, np.ones(len(shard), np.bool_))
        for row, at in enumerate(shard.rows.tolist()):
            assert code[row] == _reason(given, shard, row, at)


def _reason(given: Problem, shard: Shard, row: int, at: int) -> Unplaced:
    lists = given.shortlists
    listed = lists.service[lists.indptr[at] : lists.indptr[at + 1]].tolist()
    if not listed:
        return Unplaced.NO_SHORTLIST
    if not set(listed) & set(shard.service.tolist()):
        return Unplaced.NO_SLOTS
    pairs = [
        b for e in range(shard.entry_indptr[row], shard.entry_indptr[row + 1])
        for b in range(shard.entry_a[e], shard.entry_b[e])
    ]  # fmt: skip
    if not pairs:
        return Unplaced.OUTSIDE_WINDOW
    limits: list[tuple[Unplaced, Callable[[int], bool]]] = [
        (Unplaced.NOT_FOR_THIS_PRIORITY, lambda b: bool(shard.priorities[b] & 1 << int(shard.priority[row]))),
        (Unplaced.OTHER_PRACTITIONER, lambda b: shard.practitioner[row] in (-1, shard.bucket_practitioner[b])),
        (Unplaced.NEEDS_NOT_MET, lambda b: int(shard.needs[row]) & ~int(shard.offers[b]) == 0),
        (Unplaced.TIMES_NEVER_SUIT, lambda b: not int(shard.unsuitable[row]) >> int(shard.part[b]) & 1),
        (Unplaced.PATIENT_BUSY, lambda b: not shard.busy_at(np.array([row]), np.array([b]))[0]),
    ]
    for reason, passes in limits:
        pairs = [b for b in pairs if passes(b)]
        if not pairs:
            return reason
    return Unplaced.TAKEN


@FEW
@given_by(SEEDS)
def test_patients_with_several_referrals(seed: int) -> None:
    given = small(seed)
    refs, buckets = given.referrals, fold(given)
    rng = np.random.default_rng(seed)
    bucket = rng.integers(-1, len(buckets.capacity), len(refs))
    groups: dict[int, list[int]] = {}
    for row in sorted(range(len(refs)), key=lambda r: (int(refs.patient[r]), r)):
        groups.setdefault(int(refs.patient[row]), []).append(row)
    several = [rows for rows in groups.values() if len(rows) > 1]
    assert shared(given).tolist() == sorted(row for rows in several for row in rows)
    expected = [
        (row, int(buckets.start[bucket[other]]), int(buckets.end[bucket[other]]))
        for rows in several for row in rows for other in rows if other != row and bucket[other] >= 0
    ]  # fmt: skip
    assert list(zip(*(column.tolist() for column in other_times(given, buckets, bucket)), strict=True)) == expected


def test_the_lesser_need_gives_way() -> None:
    """Lower priority, then later due date, then larger key; each pair meets at one time."""
    refs = {
        "key": [1, 2, 3, 4, 5, 6], "patient": [1, 1, 2, 2, 3, 3], "priority": [0, 1, 0, 0, 0, 0],
        "waited_days": [90, 3, 10, 20, 5, 5],
    }  # fmt: skip
    given = problem(refs, shortlists(*[[7]] * 6), slots((1, 7, 3, 9), capacity=9))
    loser, start, end = clashes(given, fold(given), np.zeros(6, np.int64))
    assert sorted(given.referrals.key[loser].tolist()) == [1, 3, 6]
    assert set(zip(start.tolist(), end.tolist(), strict=True)) == {
        (int(given.slots.start_minute[0]), int(given.slots.end_minute[0]))
    }


@given_by(st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=6))
def test_neighbours_within_rows(rows: list[list[int]]) -> None:
    values = np.array([v for row in rows for v in row], np.int64)
    indptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    falls = any(b < a for row in rows for a, b in pairwise(row))
    assert bool(within_rows(values[1:] < values[:-1], indptr).any()) == falls


@FEW
@given_by(SEEDS)
def test_canonical_is_sorted_and_stays_itself(seed: int) -> None:
    given = small(seed)
    mixed = shuffle(given, seed)
    made = mixed.canonical()
    assert made.canonical() is made
    assert made.digest() == mixed.digest() == given.digest()
    lists, busy = made.shortlists, made.referrals.busy
    for row in range(len(made.referrals)):
        mine = lists.service[lists.indptr[row] : lists.indptr[row + 1]].tolist()
        assert mine == sorted(mine)
        times = busy.start_minute[busy.indptr[row] : busy.indptr[row + 1]].tolist()
        assert times == sorted(times)


def test_lists_and_times_out_of_order_are_sorted() -> None:
    busy = Busy(np.array([0, 2]), np.array([60, 0]), np.array([90, 30]))
    refs = {"key": [1], "priority": [0], "waited_days": [3], "busy": busy}
    given = problem(refs, shortlists([8, 7]), slots((1, 7, 3, 9)))
    assert given.canonical().shortlists.service.tolist() == [7, 8]
    assert given.canonical().referrals.busy.start_minute.tolist() == [0, 60]
    sorted_lists = Shortlists(*(getattr(given.canonical().shortlists, c) for c in Shortlists.DTYPES))
    assert replace(given, shortlists=sorted_lists).canonical().digest() == given.digest()


def test_a_way_that_needs_64_bits() -> None:
    """Distances so dear that a travel cost exceeds 32 bits."""
    given = problem(
        {"key": [1], "priority": [0], "waited_days": [3]}, shortlists([(7, 50.0)]), slots((1, 7, 3, 9)),
        Policy(travel_km=10**8),
    )  # fmt: skip
    shard = shards_of(given, fold(given))[0]
    assert shard.entry_travel.tolist() == [50 * 10**8]
    assert check(given, greedy(given)) == []


def test_no_slots_at_all() -> None:
    given = problem({"key": [1], "priority": [0], "waited_days": [3]}, shortlists([7]), slots((1, 7, 3, 9), capacity=0))
    shard = shards_of(given, fold(given))[0]
    assert len(shard.entry_a) == len(shard.capacity) == 0
    assert rivals.every(given)["ring_fenced_fcfs"].tolist() == [-1]
    assert greedy(given).reasons() == {"NO_SLOTS": 1}
