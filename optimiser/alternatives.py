"""Other slots worth showing to a patient: free, cheap for the plan, and truly different.

Rule: an alternative differs from the guaranteed slot, and from every other alternative shown, by provider, or by at
least ``policy.alternative_days`` days, or by time of day (morning, afternoon, evening). Each further one is the slot
of least regret among those that differ, a kind of difference not shown yet going first. A plan's candidates are, at
each shortlisted service and of each time of day, the soonest free half-days: of all, ``alternative_days`` after the
service's first, and twice that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I8, I64, U64, indptr_of, mix
from optimiser.compiling import Buckets, Shard
from optimiser.pairs import pairs_of
from optimiser.policy import Policy
from optimiser.showing import Rule, pick, show


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
    longest = int(np.diff(shard.entry_indptr).max(initial=0))
    n = show(
        pairs_of(shard), row, bucket, value, free > 0, shard.provider, _rule(policy), longest, out.row, out.bucket,
        out.regret, out.difference,
    )  # fmt: skip
    return _first(out, n)


def _rule(policy: Policy) -> Rule:
    return Rule(policy.alternatives, policy.alternative_days, policy.max_regret, policy.keep)


def _first(found: Choices, n: int) -> Choices:
    """The first so many, without the room that was made for more."""
    return Choices(found.row[:n].copy(), found.bucket[:n].copy(), found.regret[:n].copy(), found.difference[:n].copy())


def choose(shard: Shard, own: I64, row: I64, bucket: I64, regret: I64) -> Choices:
    """The same of candidates found elsewhere, sorted by row; ``own`` is each row's bucket."""
    policy = shard.policy
    size = min(len(row), len(shard.rows) * policy.alternatives)
    out = Choices(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int8))
    n = pick(
        pairs_of(shard), own, row, bucket, regret, shard.provider, _rule(policy), out.row, out.bucket, out.regret,
        out.difference,
    )  # fmt: skip
    return _first(out, n)


def pick_slots(buckets: Buckets, bucket: I64, key: U64, free: I64) -> I64:
    """A free slot of each (global) bucket, spread by a hash of the referral so that not all see the same one."""
    counts = (free[buckets.slot] > 0).astype(np.int64)
    owner = np.repeat(np.arange(len(buckets.capacity)), np.diff(buckets.indptr))
    indptr = indptr_of(np.bincount(owner, weights=counts, minlength=len(buckets.capacity)).astype(np.int64))
    slots = buckets.slot[counts > 0]
    size = np.diff(indptr)[bucket].astype(np.uint64)
    turn = (mix(key ^ bucket.astype(np.uint64)) % np.maximum(size, np.uint64(1))).astype(np.int64)
    return np.asarray(slots[indptr[bucket] + turn], np.int64)
