"""The proof that a plan is optimal: primal = dual over all eligible pairs.

With any prices of 0 or more, one for each bucket, no plan can cost less than

    sum over referrals of min(unplaced cost, min over eligible pairs of cost + price)  -  sum of capacity * price

(weak duality). A plan that reaches this bound is optimal, whoever made it. ``dual_bound`` computes it pair by pair
from the shard's own limits; it shares no code with any solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimiser.arrays import I32, I64, U8, U32, U64
from optimiser.compiling import Shard, fold, make_shard, shard_rows
from optimiser.errors import PlanError
from optimiser.jit import kernel

if TYPE_CHECKING:
    from optimiser.plan import Plan
    from optimiser.problem import Problem


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound on the cost of any plan of a shard, over ``pairs`` eligible pairs."""

    value: int
    pairs: int


def dual_bound(shard: Shard, prices: I64) -> Bound:
    """The bound that prices (0 or more, one for each bucket) prove, from every eligible pair.

    Raises PlanError on a negative price, which would prove nothing.
    """
    if bool((prices < 0).any()):
        raise PlanError("a price is negative")
    best = shard.unplaced.copy()
    kept = np.full(len(shard.rows), -1, np.int64)
    kept[shard.keep_row] = shard.keep_bucket
    pairs = _least(
        shard.entry_indptr, shard.entry_a, shard.entry_b, shard.entry_travel, shard.kind, shard.table, shard.day,
        prices, shard.key, shard.salt, max(shard.policy.tie_break, 1), kept, shard.policy.keep,
        np.left_shift(np.uint8(1), shard.priority.astype(np.uint8)), shard.priorities, shard.needs, shard.offers,
        shard.unsuitable, shard.part.astype(np.uint32), shard.practitioner, shard.bucket_practitioner,
        shard.busy.indptr, shard.busy.start_minute, shard.busy.end_minute, shard.start, shard.end, best,
    )  # fmt: skip
    phantom = shard.expected_unplaced.copy()
    np.minimum.at(phantom, shard.expected_row, shard.expected_cost + prices[shard.expected_bucket])
    total = int(best.sum()) + int((phantom * shard.expected_supply).sum()) - int((shard.capacity * prices).sum())
    return Bound(total, int(pairs))


@kernel
def _least(
    indptr: I64, first: I64, last: I64, travel: I64, kind: I64, table: I64, day: I32, prices: I64, key: U64, salt: U64,
    tie: int, kept: I64, bonus: int, bit: U8, open_to: U8, needs: U32, offers: U32, never: U32, part: U32, named: I64,
    who: I64, busy: I64, busy_start: I64, busy_end: I64, start: I64, end: I64, best: I64,
) -> int:  # fmt: skip
    """Lower ``best`` of each row to its cheapest ``cost + price``; how many pairs are eligible."""
    pairs = 0
    for row in range(len(best)):
        for entry in range(indptr[row], indptr[row + 1]):
            for bucket in range(first[entry], last[entry]):
                if open_to[bucket] & bit[row] == 0 or needs[row] & offers[bucket] != needs[row]:
                    continue
                if (never[row] >> part[bucket]) & np.uint32(1) != 0:
                    continue
                if named[row] != -1 and named[row] != who[bucket]:
                    continue
                meets = False
                for at in range(busy[row], busy[row + 1]):
                    if busy_start[at] < end[bucket] and start[bucket] < busy_end[at]:
                        meets = True
                if meets:
                    continue
                pairs += 1
                cost = table[kind[row], day[bucket]] + travel[entry] + prices[bucket]
                if bucket == kept[row]:
                    cost -= bonus
                if cost < best[row]:  # the tie-break only adds
                    z = (key[row] ^ salt[bucket]) + np.uint64(0x9E3779B97F4A7C15)
                    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                    cost += np.int64((z ^ (z >> np.uint64(31))) % np.uint64(tie))
                    best[row] = min(best[row], cost)
    return pairs


@dataclass(frozen=True, slots=True)
class Certificate:
    """Outcome of ``certify``: the plan's cost, the bound its prices prove, and whether they meet."""

    primal: int
    dual: int
    pairs: int

    @property
    def valid(self) -> bool:
        """True if no plan can cost less."""
        return self.primal == self.dual


def certify(problem: Problem, plan: Plan) -> Certificate:
    """Check a plan against a problem by its prices alone; ``plan.blocks`` count as times the patient is busy.

    Raises PlanError if the plan is of another problem or its prices are negative. Feasibility is ``check``'s part.
    """
    problem = problem.canonical()
    if problem.digest() != plan.digest:
        raise PlanError("the plan was made from another problem")
    buckets = fold(problem)
    price = np.zeros(len(buckets.capacity), np.int64)
    at = np.flatnonzero(buckets.of_slot >= 0)
    price[buckets.of_slot[at]] = plan.slot_price[at]
    if not np.array_equal(price[buckets.of_slot[at]], plan.slot_price[at]):
        raise PlanError("slots of one half-day have different prices")
    dual = pairs = 0
    for specialty, rows in shard_rows(problem):
        shard = make_shard(problem, buckets, specialty, rows)
        mine = np.isin(plan.blocks.referral, problem.referrals.key[shard.rows])
        row = np.searchsorted(problem.referrals.key[shard.rows], plan.blocks.referral[mine])
        blocked = shard.with_blocks(row, plan.blocks.start_minute[mine], plan.blocks.end_minute[mine])
        low = shard.first_bucket
        bound = dual_bound(blocked, price[low : low + len(shard.capacity)])
        dual += bound.value
        pairs += bound.pairs
    return Certificate(int(plan.cost.sum()) + plan.expected_cost, dual, pairs)
