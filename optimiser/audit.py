"""What the checker knows of a problem, worked out apart from the planner: who may have what, and which slots differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimiser.problem import Problem

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_AT_ONCE = 50_000
"""Pairs of a referral and a slot whose shortlists are searched together."""


def expand(owner: Ints, first: Ints, count: Ints) -> tuple[Ints, Ints, Ints]:
    """``first[i]``, ``first[i] + 1`` … (``count[i]`` of them): whose each is, itself, and its turn from 0."""
    total = int(count.sum())
    turn = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(owner, count), np.repeat(first, count) + turn, turn


class _Index:
    """Where a key is in a column of unique keys in any order."""

    def __init__(self, keys: Ints) -> None:
        rising = bool((keys[1:] > keys[:-1]).all())
        self._order: Ints | None = None if rising else np.argsort(keys)
        self._keys = keys if self._order is None else keys[self._order]

    def of(self, wanted: Ints) -> Ints:
        """Positions, -1 where absent."""
        if len(self._keys) == 0:
            return np.full(len(wanted), -1, np.int64)
        at = np.searchsorted(self._keys, wanted)
        at[at == len(self._keys)] = 0
        there = self._keys[at] == wanted
        return np.where(there, at if self._order is None else self._order[at], -1)


class Facts:
    """A problem, in whatever order it is."""

    def __init__(self, problem: Problem) -> None:
        self.policy = problem.policy
        self.refs, self.slots, self.lists = problem.referrals, problem.slots, problem.shortlists
        self.referral_of = _Index(self.refs.key).of
        """Positions of referrals by key, -1 where there is none."""
        self.slot_of = _Index(self.slots.key).of

    def listed(self, ref: Ints, slot: Ints) -> Ints:
        """The shortlist entry of the slot's service on the referral's list, -1 if it is not there."""
        out = np.full(len(ref), -1, np.int64)
        start, size = self.lists.indptr[ref], self.lists.indptr[ref + 1] - self.lists.indptr[ref]
        service = self.slots.service[slot]
        for first in range(0, len(ref), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            pair, entry, _ = expand(np.arange(first, first + len(ref[some])), start[some], size[some])
            same = self.lists.service[entry] == service[pair]
            out[pair[same]] = entry[same]
        return out

    def limits_broken(self, ref: Ints, slot: Ints) -> dict[str, Mask]:
        """By rule, which of these pairs of a referral and a slot (positions) break it."""
        refs, slots, lists, policy = self.refs, self.slots, self.lists, self.policy
        entry = self.listed(ref, slot)
        on_list = entry >= 0
        day, bit = slots.day[slot], np.left_shift(1, refs.priority[ref].astype(np.int64))
        in_window = np.ones(len(ref), np.bool_)
        mine = entry[on_list]
        in_window[on_list] = (lists.first_day[mine] <= day[on_list]) & (day[on_list] <= lists.last_day[mine])
        needs, named = refs.needs[ref], refs.practitioner[ref]
        never = refs.unsuitable[ref].astype(np.int64) >> slots.part[slot].astype(np.int64)
        return {
            "shortlist": ~on_list,
            "specialty": refs.specialty[ref] != slots.specialty[slot],
            "horizon": (day < policy.notice_days) | (day > policy.horizon_days),
            "window": ~in_window,
            "patient_dates": (day < refs.earliest_day[ref]) | (day > refs.latest_day[ref]),
            "priority": slots.priorities[slot].astype(np.int64) & bit == 0,
            "needs": needs & slots.offers[slot] != needs,
            "unsuitable_time": never & 1 == 1,
            "practitioner": (named != -1) & (named != slots.practitioner[slot]),
            "busy": self._busy(ref, slot),
            "no_place": slots.capacity[slot] < 1,
        }

    def _busy(self, ref: Ints, slot: Ints) -> Mask:
        """Whether the patient has another appointment then."""
        busy = self.refs.busy
        out = np.zeros(len(ref), np.bool_)
        pair, at, _ = expand(np.arange(len(ref)), busy.indptr[ref], busy.indptr[ref + 1] - busy.indptr[ref])
        start, end = self.slots.start_minute[slot[pair]], self.slots.end_minute[slot[pair]]
        out[pair[(start < busy.end_minute[at]) & (end > busy.start_minute[at])]] = True
        return out

    def overlap(self, left: Ints, right: Ints) -> Mask:
        """Whether two slots (positions) are at the same time."""
        start, end = self.slots.start_minute, self.slots.end_minute
        return np.asarray((start[left] < end[right]) & (end[left] > start[right]), np.bool_)

    def difference(self, left: Ints, right: Ints) -> npt.NDArray[np.int64]:
        """In what two slots (positions) first differ: 1 provider, 2 day, 3 time of day; 0 alike, -1 if one is none."""
        slots = self.slots
        if len(slots) == 0:
            return np.full(len(left), -1, np.int64)
        provider = slots.provider[left] != slots.provider[right]
        days = np.abs(slots.day[left] - slots.day[right]) >= self.policy.alternative_days
        time_of_day = slots.part[left] % 3 != slots.part[right] % 3
        code = np.where(provider, 1, np.where(days, 2, np.where(time_of_day, 3, 0)))
        return np.where((left < 0) | (right < 0), -1, code)
