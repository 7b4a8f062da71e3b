"""Why referrals stay unplaced."""

from __future__ import annotations

import numpy as np

from optimiser.arrays import I8, I64, Bool, ranges
from optimiser.compiling import Shard
from optimiser.jit import kernel
from optimiser.pairs import Pairs, pairs_of
from optimiser.plan import Unplaced
from optimiser.problem import Problem

_LIMITS = np.array(
    [
        Unplaced.NOT_FOR_THIS_PRIORITY, Unplaced.OTHER_PRACTITIONER, Unplaced.NEEDS_NOT_MET, Unplaced.TIMES_NEVER_SUIT,
        Unplaced.PATIENT_BUSY, Unplaced.TAKEN,
    ],
    np.int8,
)  # fmt: skip
"""In the order ``_passed`` tests them."""


def shard_reasons(problem: Problem, shard: Shard, unplaced: Bool) -> I8:
    """Code of ``Unplaced`` for each row of a shard, which must include the plan's blocks; 0 if not ``unplaced``."""
    out = np.zeros(len(shard.rows), np.int8)
    local = np.flatnonzero(unplaced)
    if len(local) == 0:
        return out
    lists, rows = problem.shortlists, shard.rows[local]
    count = lists.indptr[rows + 1] - lists.indptr[rows]
    owner = np.repeat(np.arange(len(rows)), count)
    listed = lists.service[ranges(lists.indptr[rows], count)]
    stocked = np.bincount(owner[np.isin(listed, shard.service)], minlength=len(rows)) > 0
    code = np.where(count == 0, Unplaced.NO_SHORTLIST, np.where(stocked, Unplaced.OUTSIDE_WINDOW, Unplaced.NO_SLOTS))
    in_window = np.diff(shard.entry_indptr)[local] > 0
    passed = np.zeros(len(local), np.int64)
    _passed(pairs_of(shard), local, passed)
    out[local] = np.where(in_window, _LIMITS[passed], code)
    return out


@kernel
def _passed(p: Pairs, rows: I64, out: I64) -> None:
    """How many of the limits, one after another, any pair of each row passes."""
    for at, row in enumerate(rows):
        most = 0
        for entry in range(p.indptr[row], p.indptr[row + 1]):
            for bucket in range(p.first[entry], p.last[entry]):
                most = max(most, _limits(p, row, bucket))
                if most == 5:
                    break
            if most == 5:
                break
        out[at] = most


@kernel
def _limits(p: Pairs, row: int, bucket: int) -> int:
    """How many limits a pair passes before the first that it fails."""
    if p.open[bucket] & p.bit[row] == 0:
        return 0
    if p.named[row] != -1 and p.named[row] != p.who[bucket]:
        return 1
    if p.needs[row] & ~p.offers[bucket] != 0:
        return 2
    if (p.never[row] >> p.part[bucket]) & np.uint32(1) != 0:
        return 3
    for at in range(p.busy[row], p.busy[row + 1]):
        if p.busy_start[at] < p.end[bucket] and p.busy_end[at] > p.start[bucket]:
            return 4
    return 5
