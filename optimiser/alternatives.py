"""Other slots worth showing to a patient: free, cheap for the plan, and truly different.

Rule: an alternative differs from the guaranteed slot, and from every other alternative shown, by provider, or by at
least ``policy.alternative_days`` days, or by time of day (morning, afternoon, evening). Each further one is the slot
of least regret among those that differ, a kind of difference not shown yet going first. Candidates are, at each
shortlisted service, the soonest free half-day, the soonest at another time of day, the soonest
``alternative_days`` later, and those around the guaranteed day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I8, I64, U64, Array, Bool, indptr_of, mix, rank_in_runs
from optimiser.compiling import Buckets, Shard
from optimiser.pairs import pairs_of
from optimiser.plan import Difference
from optimiser.showing import Rule, show


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Alternatives of a shard: row, bucket (local), regret, difference; sorted by row, in the order to show."""

    row: I64
    bucket: I64
    regret: I64
    difference: I8


def alternatives(shard: Shard, bucket: I64, value: I64, free: I64) -> Choices:
    """Up to ``policy.alternatives`` for each placed row.

    ``bucket`` is each row's own, ``value`` its cost plus the price of its bucket, ``free`` the places of each bucket
    that nobody holds and no reserve needs.
    """
    policy, row = shard.policy, np.flatnonzero(bucket >= 0)
    size = len(row) * policy.alternatives
    out = Choices(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int8))
    rule = Rule(policy.alternatives, policy.alternative_days, policy.max_regret, policy.keep)
    longest = int(np.diff(shard.entry_indptr).max(initial=0))
    n = show(
        pairs_of(shard), row, bucket, value, free > 0, shard.provider, rule, longest, out.row, out.bucket, out.regret,
        out.difference,
    )  # fmt: skip
    return Choices(out.row[:n].copy(), out.bucket[:n].copy(), out.regret[:n].copy(), out.difference[:n].copy())


def _difference(shard: Shard, left: I64, right: I64) -> I8:
    """Code of the first difference between buckets, 0 if they are alike."""
    days = np.abs(shard.day[left].astype(np.int64) - shard.day[right]) >= shard.policy.alternative_days
    times = shard.part[left] % 3 != shard.part[right] % 3
    code = np.where(times, Difference.TIME_OF_DAY, 0)
    code = np.where(days, Difference.DAY, code)
    return np.where(shard.provider[left] != shard.provider[right], Difference.PROVIDER, code).astype(np.int8)


def choose(shard: Shard, own: I64, row: I64, bucket: I64, regret: I64) -> Choices:
    """Pick one after another by the rule; candidates are sorted by row and regret, ``own`` is each row's bucket."""
    code = _difference(shard, bucket, own[row]) if len(row) else np.zeros(0, np.int8)
    valid: Bool = code > 0
    shown = np.zeros((len(shard.rows), len(Difference) + 1), np.bool_)
    picks: list[Array] = []
    for _ in range(shard.policy.alternatives):
        live = np.flatnonzero(valid)
        if len(live) == 0:
            break
        again = shown[row[live], code[live]]
        live = live[np.lexsort((live, again, row[live]))]
        best = live[rank_in_runs(row[live]) == 0]
        picks.append(best)
        shown[row[best], code[best]] = True
        latest = np.full(len(shard.rows), -1, np.int64)
        latest[row[best]] = bucket[best]
        live = live[latest[row[live]] >= 0]
        valid[live] &= _difference(shard, bucket[live], latest[row[live]]) > 0
    at = np.concatenate(picks) if picks else np.zeros(0, np.int64)
    turn = np.repeat(np.arange(len(picks)), [len(p) for p in picks])
    at = at[np.lexsort((turn, row[at]))]
    return Choices(row[at], bucket[at], regret[at], code[at])


def pick_slots(buckets: Buckets, bucket: I64, key: U64, free: I64) -> I64:
    """A free slot of each (global) bucket, spread by a hash of the referral so that not all see the same one."""
    counts = (free[buckets.slot] > 0).astype(np.int64)
    owner = np.repeat(np.arange(len(buckets.capacity)), np.diff(buckets.indptr))
    indptr = indptr_of(np.bincount(owner, weights=counts, minlength=len(buckets.capacity)).astype(np.int64))
    slots = buckets.slot[counts > 0]
    size = np.diff(indptr)[bucket].astype(np.uint64)
    turn = (mix(key ^ bucket.astype(np.uint64)) % np.maximum(size, np.uint64(1))).astype(np.int64)
    return np.asarray(slots[indptr[bucket] + turn], np.int64)
