"""Why referrals stay unplaced."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I8, I64, ranges
from optimiser.compiling import Buckets, Shard
from optimiser.plan import Unplaced
from optimiser.problem import Problem

_STEP = 2000  # referrals looked at together


def unplaced_reasons(problem: Problem, buckets: Buckets, shards: list[Shard], slot: I64) -> I8:
    """Code of ``Unplaced`` for each referral of a canonical problem; shards must include the plan's blocks."""
    out = np.zeros(len(problem.referrals), np.int8)
    lists = problem.shortlists
    for shard in shards:
        local = np.flatnonzero(slot[shard.rows] < 0)
        rows = shard.rows[local]
        count = np.diff(lists.indptr)[rows]
        owner = np.repeat(np.arange(len(rows)), count)
        listed = lists.service[ranges(lists.indptr[rows], count)]
        stocked = np.bincount(owner[np.isin(listed, shard.service)], minlength=len(rows)) > 0
        code = np.where(
            count == 0, Unplaced.NO_SHORTLIST, np.where(stocked, Unplaced.OUTSIDE_WINDOW, Unplaced.NO_SLOTS)
        )
        in_window = np.diff(shard.entry_indptr)[local] > 0
        for begin in range(0, len(local), _STEP):
            part = slice(begin, begin + _STEP)
            code[part] = np.where(in_window[part], _limits(shard, local[part]), code[part])
        out[rows] = code
    return out


def _limits(shard: Shard, rows: I64) -> I8:
    """The first limit that stops all pairs of each row."""
    entries = np.diff(shard.entry_indptr)[rows]
    entry = ranges(shard.entry_indptr[rows], entries)
    size = (shard.entry_b - shard.entry_a)[entry]
    owner = np.repeat(np.repeat(np.arange(len(rows)), entries), size)
    bucket = ranges(shard.entry_a[entry], size)
    row = rows[owner]
    left = (shard.priorities[bucket] >> shard.priority[row].astype(np.uint8)) & 1 == 1
    named = (shard.practitioner[row] == -1) | (shard.practitioner[row] == shard.bucket_practitioner[bucket])
    tests = (
        (Unplaced.NOT_FOR_THIS_PRIORITY, left),
        (Unplaced.OTHER_PRACTITIONER, named),
        (Unplaced.NEEDS_NOT_MET, shard.needs[row] & ~shard.offers[bucket] == 0),
        (Unplaced.TIMES_NEVER_SUIT, (shard.unsuitable[row] >> shard.part[bucket].astype(np.uint32)) & 1 == 0),
        (Unplaced.PATIENT_BUSY, ~shard.busy_at(row, bucket)),
    )
    code = np.full(len(rows), Unplaced.TAKEN, np.int8)
    alive = np.ones(len(owner), np.bool_)
    for reason, passed in tests:
        alive &= passed
        none_left = np.bincount(owner[alive], minlength=len(rows)) == 0
        code[none_left & (code == Unplaced.TAKEN)] = reason
    return code
