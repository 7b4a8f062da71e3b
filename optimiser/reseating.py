"""Room for one more: people who are only pencilled move within what they accept, along a least-cost augmenting path.

A greedy allocation refuses somebody although moving another would seat both. Here the newcomer takes a place, whoever
is displaced takes another, and so on to a place that is free: a shortest path (Dijkstra, 1959) in the residual graph.
The length of a move is what it costs the person moved, gains counting as nothing, since nobody is moved for their own
good between plans; so lengths are never negative and the shortest path is found. Equal lengths: fewer moves first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, INF, Bool, indptr_of, ranges, rank_in_runs
from optimiser.compiling import Shard


@dataclass(frozen=True, slots=True, eq=False)
class Seating:
    """n people, B kinds of place. Acceptable pairs are CSR rows of people: ``place`` and ``cost`` at ``indptr``."""

    indptr: I64
    place: I64
    cost: I64
    seat: I64  # place of each person, -1: none
    movable: Bool  # only pencilled: what is confirmed or shown never moves
    limit: I64  # the most a person's place may cost them after a move
    free: I64  # [B] places nobody has

    def of(self, person: int) -> dict[int, int]:
        """Acceptable places of a person with their costs."""
        mine = slice(int(self.indptr[person]), int(self.indptr[person + 1]))
        return dict(zip(self.place[mine].tolist(), self.cost[mine].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Path:
    """Who goes where, the newcomer first; ``loss`` is what those moved lose together, without the newcomer."""

    moves: tuple[tuple[int, int], ...]
    cost: int  # of the newcomer's place
    loss: int


def reseat(seating: Seating, newcomer: int, most_moves: int, most_cost: int | None = None) -> Path | None:
    """The path of least cost plus loss that seats the newcomer, moving at most ``most_moves`` others; None if none.

    ``most_cost``: what the newcomer's own place may cost. Everybody moved keeps to their limit.
    """
    start = {p: c for p, c in seating.of(newcomer).items() if most_cost is None or c <= most_cost}
    found = _search(seating, start, newcomer, most_moves)
    if found is None:
        return None
    total, moves = found
    return Path(moves, start[moves[0][1]], total - start[moves[0][1]])


def _search(
    seating: Seating, start: dict[int, int], newcomer: int, most_moves: int
) -> tuple[int, tuple[tuple[int, int], ...]] | None:
    """Dijkstra over (place, people moved so far): a limit on moves needs both, for the cheapest way may be too long."""
    sitting = _sitting(seating)
    queue: list[tuple[int, int, int, tuple[tuple[int, int], ...]]] = [
        (cost, 0, place, ((newcomer, place),)) for place, cost in start.items()
    ]
    heapq.heapify(queue)
    fewest: dict[int, int] = {}
    while queue:
        length, moves, place, way = heapq.heappop(queue)
        if fewest.get(place, most_moves + 1) <= moves:
            continue  # reached before at no greater length and with no more moves
        fewest[place] = moves
        if seating.free[place] > 0:
            return length, way
        if moves == most_moves:
            continue
        visited = {at for _, at in way}
        for person in sitting.get(place, ()):
            own = seating.of(person)
            for other, cost in own.items():
                if other not in visited and cost <= seating.limit[person]:
                    further = (length + max(cost - own[place], 0), moves + 1, other, (*way, (person, other)))
                    heapq.heappush(queue, further)
    return None


def _sitting(seating: Seating) -> dict[int, list[int]]:
    """The people who may be moved, by their place."""
    out: dict[int, list[int]] = {}
    for person in np.flatnonzero(seating.movable & (seating.seat >= 0)).tolist():
        out.setdefault(int(seating.seat[person]), []).append(person)
    return out


def apply(seating: Seating, path: Path) -> tuple[I64, I64]:
    """Seats and free places after a path."""
    seat, free = seating.seat.copy(), seating.free.copy()
    for person, place in path.moves:
        seat[person] = place
    free[path.moves[-1][1]] -= 1
    return seat, free


def seating(shard: Shard, bucket: I64, movable: Bool, free: I64, rows: I64) -> Seating:
    """The seating of some rows of a shard: every eligible pair; limits by the policy's ``reseat_loss``, never a breach.

    ``bucket`` (local) and ``movable`` follow the shard's rows, ``free`` its buckets; the result's people are ``rows``.
    """
    owner, place, cost = pairs(shard, rows)
    seat = bucket[rows]
    limit = np.full(len(rows), shard.policy.reseat_loss, np.int64)
    mine = place == seat[owner]
    limit[owner[mine]] += cost[mine]
    known = np.bincount(owner[mine], minlength=len(rows)) > 0
    fine = (seat[owner] < 0) | ~_breaks(shard, rows[owner], seat[owner], place)
    owner, place, cost = owner[fine], place[fine], cost[fine]
    indptr = indptr_of(np.bincount(owner, minlength=len(rows)))
    return Seating(indptr, place, cost, seat, movable[rows] & known, limit, free)


def pairs(shard: Shard, rows: I64) -> tuple[I64, I64, I64]:
    """Every eligible pair of some rows: position in ``rows`` (ascending), bucket, cost (keep bonus left out)."""
    count = np.diff(shard.entry_indptr)[rows]
    entry = ranges(shard.entry_indptr[rows], count)
    owner = np.repeat(np.arange(len(rows), dtype=np.int64), count)
    size = shard.entry_b[entry] - shard.entry_a[entry]
    place = ranges(shard.entry_a[entry], size)
    way: I64 = np.asarray(np.repeat(shard.entry_travel[entry], size), np.int64)
    owner = np.repeat(owner, size)
    row = rows[owner]
    fine = shard.suits(row, place) & ~shard.busy_at(row, place)
    owner, place, way, row = owner[fine], place[fine], way[fine], row[fine]
    cost = shard.table[shard.kind[row], shard.day[place]] + way + shard.tie(row, place)
    order = np.lexsort((cost, place, owner))
    owner, place, cost = owner[order], place[order], cost[order]
    first = rank_in_runs(owner * np.int64(len(shard.capacity) + 1) + place) == 0
    return owner[first], place[first], cost[first]


def cost_of(shard: Shard, row: I64, bucket: I64) -> I64:
    """Cost of any pairs of rows and buckets (keep bonus left out), INF where they are not eligible."""
    count = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row), dtype=np.int64), count)
    entry = ranges(shard.entry_indptr[row], count)
    there = (shard.entry_a[entry] <= bucket[pair]) & (bucket[pair] < shard.entry_b[entry])
    out = np.full(len(row), INF, np.int64)
    np.minimum.at(out, pair[there], shard.entry_travel[entry[there]])
    at = np.flatnonzero(out < INF)
    at = at[shard.suits(row[at], bucket[at]) & ~shard.busy_at(row[at], bucket[at])]
    cost = np.full(len(row), INF, np.int64)
    r, b = row[at], bucket[at]
    cost[at] = out[at] + shard.table[shard.kind[r], shard.day[b]] + shard.tie(r, b)
    return cost


def _breaks(shard: Shard, row: I64, own: I64, other: I64) -> Bool:
    """Whether moving a row from its bucket to another would make it miss a target that its own meets."""
    return np.asarray(missed(shard, row, other) & ~missed(shard, row, own), np.bool_)


def missed(shard: Shard, row: I64, bucket: I64) -> Bool:
    """Whether the bucket's day is past the row's target, for those not late already."""
    waited, target = shard.waited[row], shard.target[row]
    return np.asarray((waited <= target) & (waited + shard.day[bucket] > target), np.bool_)
