"""Half-days of one day as one bucket, where nobody in the shard minds the time of day: half the work, nothing lost.

If no referral of a shard has times that never suit, other appointments or a half-day to keep, then the half-days of
a service's day that offer the same are alike for every cost and rule. They are solved as one bucket and told apart
afterwards. The proof is made on the half-days themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimiser.arrays import I64, rank_in_runs
from optimiser.compiling import Shard


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A shard of whole days, and the whole day of each half-day of the shard it was made from."""

    shard: Shard
    of: I64

    def merge_prices(self, price: I64) -> I64:
        """Prices of whole days from those of half-days: the lowest of each."""
        out = np.full(len(self.shard.capacity), np.iinfo(np.int64).max, np.int64)
        np.minimum.at(out, self.of, price)
        return out

    def split(self, shard: Shard, bucket: I64, reserved: I64) -> tuple[I64, I64]:
        """Half-day of each row, and places of each half-day in reserve, from those of whole days.

        Greater need gets the earlier half-day; the reserve the last places.
        """
        place, indptr = self._places(shard)
        out = np.full(len(bucket), -1, np.int64)
        rows = np.flatnonzero(bucket >= 0)
        due = shard.target[rows].astype(np.int64) - shard.waited[rows]
        rows = rows[np.lexsort((shard.key[rows], due, -shard.priority[rows].astype(np.int64), bucket[rows]))]
        out[rows] = place[indptr[bucket[rows]] + rank_in_runs(bucket[rows])]
        owner = np.repeat(np.arange(len(reserved)), reserved)
        kept = place[indptr[owner + 1] - 1 - rank_in_runs(owner)]
        return out, np.bincount(kept, minlength=len(self.of)).astype(np.int64)

    def _places(self, shard: Shard) -> tuple[I64, I64]:
        """Every place as its half-day, by whole day and time, with pointers by whole day."""
        order = np.lexsort((np.arange(len(self.of)), self.of))
        place = np.repeat(order, shard.capacity[order])
        indptr = np.zeros(len(self.shard.capacity) + 1, np.int64)
        np.cumsum(self.shard.capacity, out=indptr[1:])
        return place, indptr


def merged(shard: Shard) -> Merged | None:
    """The shard in whole days; None if somebody minds the time of day, or there is nothing to merge."""
    minds = bool(shard.unsuitable.any()) or len(shard.busy.start_minute) > 0 or len(shard.keep_row) > 0
    if minds or len(shard.capacity) == 0:
        return None
    columns = (shard.service, shard.day, shard.bucket_practitioner, shard.offers, shard.priorities)
    order = np.lexsort(columns[::-1])
    ordered = [c[order] for c in columns]
    fresh, block = np.ones(len(order), np.bool_), np.ones(len(order), np.bool_)
    fresh[1:] = np.any([c[1:] != c[:-1] for c in ordered], axis=0)
    block[1:] = np.any([c[1:] != c[:-1] for c in ordered[:2]], axis=0)
    if bool(fresh.all()):
        return None
    of = np.empty(len(order), np.int64)
    of[order] = np.cumsum(fresh) - 1
    one = order[fresh]
    # Both orders are by service and day first, so that a day's half-days stand in the same stretch in either.
    starts = np.append(np.flatnonzero(block[fresh]), len(one))
    stretch = np.append(np.cumsum(block) - 1, len(starts) - 1)
    capacity = np.bincount(of, weights=shard.capacity, minlength=len(one)).astype(np.int64)
    line = shard.expected_row * np.int64(len(one)) + of[shard.expected_bucket]
    _, columns_kept = np.unique(line, return_index=True)
    whole = replace(
        shard, service=shard.service[one], provider=shard.provider[one], day=shard.day[one], part=shard.part[one],
        offers=shard.offers[one], priorities=shard.priorities[one],
        bucket_practitioner=shard.bucket_practitioner[one], capacity=capacity, start=shard.start[one],
        end=shard.end[one], salt=shard.salt[one],
        entry_a=starts[stretch[shard.entry_a]].astype(np.int32),
        entry_b=starts[stretch[shard.entry_b]].astype(np.int32),
        expected_row=shard.expected_row[columns_kept], expected_bucket=of[shard.expected_bucket[columns_kept]],
        expected_cost=shard.expected_cost[columns_kept],
    )  # fmt: skip
    return Merged(whole, of)
