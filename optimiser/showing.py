"""The rule for alternatives, row by row: see ``optimiser.alternatives``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimiser.arrays import I8, I64, Bool
from optimiser.jit import kernel
from optimiser.pairs import Pairs, allowed, tie_of

KINDS = 9
"""Candidates of one service: of three times of day the soonest half-days, those ``days`` later and twice that."""


class Rule(NamedTuple):
    """The part of the policy that matters here."""

    most: int
    days: int
    max_regret: int
    keep: int


@kernel
def show(
    p: Pairs, rows: I64, own: I64, value: I64, free: Bool, provider: I64, rule: Rule, longest: int, row_out: I64,
    bucket_out: I64, regret_out: I64, difference_out: I8,
) -> int:  # fmt: skip
    """Write what each of ``rows`` is shown, in order; how many there are. ``longest``: entries of a shortlist at most.

    ``own`` and ``value`` follow all rows: each one's bucket, and its cost plus that bucket's price.
    """
    bucket, regret = np.empty(longest * KINDS, np.int64), np.empty(longest * KINDS, np.int64)
    code = np.empty(longest * KINDS, np.int64)
    count = 0
    for row in rows:
        n = _candidates(p, row, own[row], value[row], free, rule, bucket, regret)
        first = count
        count += _pick(
            p, own[row], bucket[:n], regret[:n], code, provider, rule, bucket_out[count:], regret_out[count:],
            difference_out[count:],
        )  # fmt: skip
        row_out[first:count] = row
    return count


@kernel
def pick(
    p: Pairs, own: I64, row: I64, bucket: I64, regret: I64, provider: I64, rule: Rule, row_out: I64, bucket_out: I64,
    regret_out: I64, difference_out: I8,
) -> int:  # fmt: skip
    """The same of candidates given, sorted by row."""
    code = np.empty(len(row), np.int64)
    count = start = 0
    while start < len(row):
        end = start + 1
        while end < len(row) and row[end] == row[start]:
            end += 1
        first = count
        count += _pick(
            p, own[row[start]], bucket[start:end], regret[start:end], code, provider, rule, bucket_out[count:],
            regret_out[count:], difference_out[count:],
        )  # fmt: skip
        row_out[first:count] = row[start]
        start = end
    return count


@kernel
def _pick(
    p: Pairs, own: int, bucket: I64, regret: I64, code: I64, provider: I64, rule: Rule, bucket_out: I64,
    regret_out: I64, difference_out: I8,
) -> int:  # fmt: skip
    """Write what is shown of one row's candidates, in order; how many. ``code`` is room for one number of each."""
    for at in range(len(bucket)):
        code[at] = _difference(p, provider, rule.days, bucket[at], own)
    count = shown = 0  # bits of the differences shown
    for _ in range(rule.most):
        best = -1
        for at in range(len(bucket)):
            if code[at] > 0 and (best < 0 or _sooner(shown, code, regret, bucket, at, best)):
                best = at
        if best < 0:
            break
        bucket_out[count], regret_out[count], difference_out[count] = bucket[best], regret[best], code[best]
        count += 1
        shown |= 1 << code[best]
        for at in range(len(bucket)):
            if code[at] > 0 and _difference(p, provider, rule.days, bucket[at], bucket[best]) == 0:
                code[at] = 0
    return count


@kernel
def _sooner(shown: int, code: I64, regret: I64, bucket: I64, one: int, other: int) -> bool:
    """Whether candidate ``one`` goes before the other: a new kind of difference, then less regret, then the bucket."""
    again, other_again = (shown >> code[one]) & 1, (shown >> code[other]) & 1
    if again != other_again:
        return bool(again < other_again)
    if regret[one] != regret[other]:
        return bool(regret[one] < regret[other])
    return bool(bucket[one] < bucket[other])


@kernel
def _candidates(
    p: Pairs, row: int, own: int, value: int, free: Bool, rule: Rule, bucket_out: I64, regret_out: I64
) -> int:  # fmt: skip
    """Buckets with a free place that the row may have, and what the plan loses by each; how many there are."""
    n = 0
    cost = p.table[p.kind[row]]
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        way = p.travel[entry]
        soonest, seen = -1, 0
        for bucket in range(p.first[entry], p.last[entry]):
            if not free[bucket] or not allowed(p, row, bucket):
                continue
            day = p.day[bucket]
            if cost[day] + way - value > rule.max_regret + rule.keep:
                break  # later days cost no less
            if soonest < 0:
                soonest = day
            kind = min((day - soonest) // rule.days, 2) * 3 + np.int64(p.part[bucket]) % 3
            if (seen >> kind) & 1:
                continue
            seen |= 1 << kind
            paid = cost[day] + way + tie_of(p, row, bucket)
            if bucket == p.keep_bucket[row]:
                paid = p.keep_cost[row]
            if bucket != own and paid - value <= rule.max_regret:
                bucket_out[n], regret_out[n] = bucket, paid - value
                n += 1
    return n


@kernel
def _difference(p: Pairs, provider: I64, days: int, left: int, right: int) -> int:
    """Code of ``optimiser.plan.Difference``: in what two buckets first differ, 0 if they are alike."""
    if provider[left] != provider[right]:
        return 1
    if abs(p.day[left] - p.day[right]) >= days:
        return 2
    return 3 if p.part[left] % np.uint32(3) != p.part[right] % np.uint32(3) else 0
