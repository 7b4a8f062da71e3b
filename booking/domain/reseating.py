"""Room for one more among people who are only pencilled: who moves where, so that each loses little.

A greedy allocation refuses somebody although moving another would seat both. Here the newcomer takes a place, whoever
is displaced takes another, and so on to a free one: a shortest path in the residual graph. Gains count as nothing, as
nobody is moved for their own good between plans, so that no length is negative. Places and people are asked for only
as the search comes by them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Protocol


class Room(Protocol):
    """What the search asks of the surroundings."""

    def is_free(self, place: int) -> bool:
        """Whether the place can be had without moving anybody."""

    def sitting(self, place: int) -> Iterable[int]:
        """People pencilled there, who may be moved."""

    def losses(self, person: int) -> Mapping[int, int]:
        """Where a person may be moved within their bound, and what each move loses them (0 for a gain)."""


Moves = tuple[tuple[int, int], ...]


def make_room(room: Room, start: Mapping[int, int], newcomer: int, most_moves: int) -> Moves | None:
    """(person, place) of everybody who moves, the newcomer first, so that cost and losses are least; None if no way.

    ``start`` has the newcomer's places with their costs. A shortest path (Dijkstra, 1959), with at most ``most_moves``
    others moved; equal ones: fewer moves, then lower keys.
    """
    queue: list[tuple[int, int, int, Moves]] = [(cost, 0, place, ((newcomer, place),)) for place, cost in start.items()]
    heapq.heapify(queue)
    fewest: dict[int, int] = {}
    while queue:
        length, moves, place, way = heapq.heappop(queue)
        if fewest.get(place, most_moves + 1) <= moves:
            continue
        fewest[place] = moves
        if room.is_free(place):
            return way
        if moves == most_moves:
            continue
        visited = {at for _, at in way}
        for person in room.sitting(place):
            for other, loss in room.losses(person).items():
                if other not in visited:
                    heapq.heappush(queue, (length + loss, moves + 1, other, (*way, (person, other))))
    return None
