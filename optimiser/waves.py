"""Whom to ask now, and what they may be shown of places that are only pencilled for those not asked yet.

An automatic wave asks in order of need (priority, due date, key), and of the places a service has free in each
period of ``policy.wave_days`` days it gives out at most what leaves ``policy.wave_percent`` of them, but one at least;
patients more urgent than routine are asked whatever is left. A place pencilled for somebody not asked may be shown if
that person can be moved: along at most ``policy.reseat_moves`` moves to a free place, nobody losing more than
``policy.reseat_loss`` or coming to miss a target by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.alternatives import choose, pick_slots
from optimiser.arrays import I8, I64, INF, U64, Bool, find, indptr_of, no_i8, ranges, rank_in_runs
from optimiser.clashes import other_times
from optimiser.compiling import Buckets, Shard, fold, shards_of
from optimiser.pairs import pairs_of
from optimiser.plan import Plan
from optimiser.problem import Priority, Problem
from optimiser.reach import have_room, nearest
from optimiser.reseating import cost_of, missed

CHUNK_ROWS = 2_000
"""People whose pairs are looked at together."""
PER_KIND = 2
MOST = 60
"""So many places of one kind, and of one patient, are looked at for what could be shown."""


def in_order(problem: Problem, plan: Plan) -> I64:
    """Positions of the referrals that have a place, greatest need first: priority, then due date, then key."""
    refs = problem.referrals
    due = refs.target_days - refs.waited_days
    order = np.lexsort((refs.key, due, -refs.priority.astype(np.int64)))
    return order[plan.slot_key[order] >= 0] if len(order) else order


def automatic(problem: Problem, plan: Plan) -> I64:
    """Positions of the referrals to ask now, greatest need first. The problem must be canonical."""
    policy, slots = problem.policy, problem.slots
    order = in_order(problem, plan)
    if len(order) == 0:
        return order
    _, service = np.unique(slots.service, return_inverse=True)
    _, block = np.unique(service * np.int64(1 << 20) + slots.day // policy.wave_days, return_inverse=True)
    places = np.bincount(block, weights=slots.capacity).astype(np.int64)
    most = np.maximum(places * (100 - policy.wave_percent) // 100, 1)
    mine = block[find(slots.key, plan.slot_key[order])]
    by_block = np.argsort(mine, kind="stable")
    turn = np.empty(len(order), np.int64)
    turn[by_block] = rank_in_runs(mine[by_block])
    urgent = problem.referrals.priority[order] > Priority.ROUTINE
    asked: I64 = order[(turn < most[mine]) | urgent]
    return asked


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What else the referrals asked may be shown, CSR rows in the order asked, best first.

    ``regret``: what the plan loses by it at least (its reduced cost, in cost units). ``pencilled``: somebody not
    asked is pencilled there and would be moved.
    """

    indptr: I64
    slot_key: I64
    regret: I64
    difference: I8
    pencilled: Bool


def shown(problem: Problem, plan: Plan, asked: I64) -> Shown:
    """Alternatives of the referrals asked (positions, each with a place) from all places that can be had for them.

    Whoever is pencilled there moves to a free place, or to the one the patient asked gives up for it. The problem must
    be canonical and the plan its own.
    """
    slots = problem.slots
    buckets = fold(problem)
    slot = find(slots.key, plan.slot_key)
    bucket = np.where(slot >= 0, buckets.of_slot[slot], -1) if len(slots) else slot
    free = np.where(buckets.of_slot >= 0, slots.capacity, 0) - plan.reserved
    free = free - np.bincount(slot[slot >= 0], minlength=len(slots))
    is_asked = np.zeros(len(problem.referrals), np.bool_)
    is_asked[asked] = True
    waiting = np.flatnonzero(~is_asked & (slot >= 0))
    room = _Room(problem, buckets, bucket, slot, free, waiting, _blocked(problem, buckets, bucket, waiting))
    return _in_order(_choose(room, plan, np.sort(asked)), np.sort(asked), asked, problem, free)


def _blocked(problem: Problem, buckets: Buckets, bucket: I64, rows: I64) -> list[Shard]:
    """Shards of some referrals (ascending), kept from the times of their patients' other places."""
    row, start, end = other_times(problem, buckets, bucket)
    out = []
    for shard in shards_of(problem.only(rows), buckets):
        local = find(rows[shard.rows], row)
        mine = local >= 0
        out.append(shard.with_blocks(local[mine], start[mine], end[mine]))
    return out


class _Room:
    """Which places can be had, and by whose moving."""

    def __init__(
        self, problem: Problem, buckets: Buckets, bucket: I64, slot: I64, free: I64, waiting: I64, shards: list[Shard]
    ) -> None:
        self.problem, self.buckets, self.bucket, self.slot, self.free = problem, buckets, bucket, slot, free
        self.waiting, self.shards = waiting, shards
        owner = buckets.of_slot[buckets.slot]
        self.open = np.bincount(owner, weights=free[buckets.slot], minlength=len(buckets.capacity)) > 0
        order = np.argsort(bucket[waiting], kind="stable")
        self._holder = order  # positions in ``waiting``, by bucket
        self._indptr = indptr_of(np.bincount(bucket[waiting], minlength=len(buckets.capacity)))
        self.moves = np.zeros(len(waiting), np.bool_)  # to a free place, by way of others or at once
        if problem.policy.reseat_moves:
            self._spread()

    def held(self) -> Bool:
        """Buckets where somebody is only pencilled."""
        return np.asarray(np.diff(self._indptr) > 0, np.bool_)

    def _spread(self) -> None:
        """Round after round: whoever can move to an open bucket opens their own."""
        for _ in range(self.problem.policy.reseat_moves):
            before = self.open.copy()
            for shard in self.shards:
                own = self.bucket[self.waiting[shard.rows]]
                rows = np.flatnonzero(~before[own])
                can = np.zeros(len(rows), np.bool_)
                mine, here = own[rows] - shard.first_bucket, slice(shard.first_bucket, None)
                have_room(
                    pairs_of(shard), shard.waited, shard.target, rows, mine, before[here], shard.policy.reseat_loss, can
                )  # fmt: skip
                self.moves[shard.rows[rows[can]]] = True
                self.open[own[rows[can]]] = True
            if np.array_equal(before, self.open):
                break

    def swaps(self, shard: Shard, gives: I64, wants: I64) -> I64:
        """For pairs of a bucket given up and one wanted (global, of the waiting's ``shard``): somebody pencilled at
        the latter who can take the former (position in ``waiting``), -1 if nobody."""
        count = np.diff(self._indptr)[wants]
        pair = np.repeat(np.arange(len(wants), dtype=np.int64), count)
        holder = self._holder[ranges(self._indptr[wants], count)]
        row = find(shard.rows, holder)
        cost_there = cost_of(shard, row, gives[pair] - shard.first_bucket)
        own = self.bucket[self.waiting[holder]] - shard.first_bucket
        cost_here = cost_of(shard, row, own)
        late = missed(shard, row, gives[pair] - shard.first_bucket) & ~missed(shard, row, own)
        fine = (cost_there < INF) & (cost_here < INF) & ~late
        fine &= cost_there - cost_here <= shard.policy.reseat_loss
        out = np.full(len(wants), -1, np.int64)
        out[pair[fine][::-1]] = holder[fine][::-1]
        return out


def _choose(room: _Room, plan: Plan, asked: I64) -> tuple[I64, I64, I64, I8]:
    """Row (position in ``asked``), slot, regret and difference of what to show, rows ascending, best first."""
    problem, buckets, bucket = room.problem, room.buckets, room.bucket
    price = np.zeros(len(buckets.capacity), np.int64)
    price[buckets.of_slot[buckets.slot]] = plan.slot_price[buckets.slot]
    waiting = {shard.specialty: shard for shard in room.shards}
    none = np.zeros(0, np.int64)
    parts: list[tuple[I64, I64, I64, I8, I64]] = [(none, none, none, no_i8(), none)]
    for shard in _blocked(problem, buckets, bucket, asked):
        own = bucket[asked[shard.rows]]
        value = plan.cost[asked[shard.rows]] + price[own]
        row, place, regret, holder = _candidates(room, shard, waiting.get(shard.specialty), own, value, price)
        found = choose(shard, own - shard.first_bucket, row, place, regret)
        ids = row * np.int64(1 << 32) + place
        order = np.argsort(ids)
        by = holder[order[find(ids[order], found.row * np.int64(1 << 32) + found.bucket)]]
        parts.append(
            (shard.rows[found.row], found.bucket + shard.first_bucket, found.regret, found.difference, by)
        )  # fmt: skip
    row, place, regret, difference, holder = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    row, place, holder = row[order], place[order], holder[order]
    slot = _slots(room, place, problem.referrals.key[asked[row]].astype(np.uint64), holder)
    return row, slot, regret[order], difference[order]


def _candidates(
    room: _Room, shard: Shard, theirs: Shard | None, own: I64, value: I64, price: I64
) -> tuple[I64, I64, I64, I64]:
    """Row, bucket (local), regret and who would swap (-1: nobody has to), by row and regret: of every service, week
    and time of day the places of least regret, as far as they can be had."""
    here = slice(shard.first_bucket, shard.first_bucket + len(shard.capacity))
    may = (room.open | room.held() if shard.policy.reseat_moves else room.open)[here]
    none = np.zeros(0, np.int64)
    parts = [(none, none, none, none)]
    people, mine = pairs_of(shard), own - shard.first_bucket
    for first in range(0, len(shard), CHUNK_ROWS):
        rows = np.arange(first, min(first + CHUNK_ROWS, len(shard)))
        row, place, regret = (np.empty(len(rows) * MOST, np.int64) for _ in range(3))
        n = nearest(
            people, rows, mine, value, price[here], may, shard.policy.max_regret, PER_KIND, row, place, regret, MOST
        )  # fmt: skip
        row, place, regret = row[:n], place[:n], regret[:n]
        holder = np.full(len(row), -1, np.int64)
        closed = np.flatnonzero(~room.open[here][place])
        if theirs is not None:
            holder[closed] = room.swaps(theirs, own[row[closed]], place[closed] + shard.first_bucket)
        can = room.open[here][place] | (holder >= 0)
        parts.append((row[can], place[can], regret[can], holder[can]))
    row, place, regret, holder = (np.concatenate(column) for column in zip(*parts, strict=True))
    return row, place, regret, holder


def _slots(room: _Room, place: I64, key: U64, holder: I64) -> I64:
    """A slot of each bucket: the one of whoever swaps, else a free one or one whose holder can move."""
    offered = np.maximum(room.free, 0)
    offered[room.slot[room.waiting[room.moves]]] += 1
    slot = np.full(len(place), -1, np.int64)
    swapped = holder >= 0
    slot[swapped] = room.slot[room.waiting[holder[swapped]]]
    slot[~swapped] = pick_slots(room.buckets, place[~swapped], key[~swapped], offered)
    return slot


def _in_order(found: tuple[I64, I64, I64, I8], ascending: I64, asked: I64, problem: Problem, free: I64) -> Shown:
    """The same with rows in the order asked."""
    row, slot, regret, difference = found
    turn = np.argsort(asked, kind="stable")  # position in ``asked`` of each of ``ascending``
    new_row = turn[row]
    order = np.argsort(new_row, kind="stable")
    slot = slot[order]
    return Shown(
        indptr_of(np.bincount(new_row, minlength=len(ascending))), problem.slots.key[slot], regret[order],
        difference[order], np.asarray(free[slot] <= 0, np.bool_),
    )  # fmt: skip
