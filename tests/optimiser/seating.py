"""People pencilled in the places of a problem, as the search for a path asks for them; nothing here searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from booking.domain.reseating import Moves
from optimiser.arrays import I64, INF, Bool, indptr_of
from optimiser.compiling import Shard
from optimiser.reseating import cost_of, missed


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

    def is_free(self, place: int) -> bool:
        return bool(self.free[place] > 0)

    def sitting(self, place: int) -> list[int]:
        return np.flatnonzero(self.movable & (self.seat == place)).tolist()

    def losses(self, person: int) -> dict[int, int]:
        own = self.of(person)
        here = own[int(self.seat[person])]
        return {p: max(c - here, 0) for p, c in own.items() if c <= self.limit[person]}

    def after(self, moves: Moves) -> tuple[I64, I64]:
        """Seats and free places once everybody has moved."""
        seat, free = self.seat.copy(), self.free.copy()
        for person, place in moves:
            seat[person] = place
        free[moves[-1][1]] -= 1
        return seat, free


def seating(shard: Shard, bucket: I64, movable: Bool, free: I64) -> Seating:
    """The seating of a shard: limits by the policy's ``reseat_loss``, and no place that misses a target met so far.

    ``bucket`` (local) and ``movable`` follow the shard's rows, ``free`` its buckets.
    """
    row, place = (axis.ravel() for axis in np.indices((len(shard), len(shard.capacity)), np.int64))
    cost, own = cost_of(shard, row, place), bucket[row]
    fine = (cost < INF) & ((own < 0) | ~missed(shard, row, place) | missed(shard, row, own))
    row, place, cost = row[fine], place[fine], cost[fine]
    limit, known = np.full(len(shard), shard.policy.reseat_loss, np.int64), np.zeros(len(shard), np.bool_)
    here = place == bucket[row]
    limit[row[here]] += cost[here]
    known[row[here]] = True
    indptr = indptr_of(np.bincount(row, minlength=len(shard)))
    return Seating(indptr, place, cost, bucket, movable & known, limit, free)
