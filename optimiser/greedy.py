"""The greedy planner: baseline, and fallback when there is no time to solve."""

from __future__ import annotations

import time

import numpy as np

from optimiser.arrays import I64
from optimiser.certificate import dual_bound
from optimiser.compiling import Shard
from optimiser.plan import Plan
from optimiser.problem import Problem
from optimiser.sequential import greedy_buckets
from optimiser.shard_solver import ShardPlan
from optimiser.solve import run


def greedy(problem: Problem) -> Plan:
    """By priority, then due date, then longest wait, each takes the earliest eligible place, the nearest if several.

    Never certified, except by luck; its ``bound`` is the weak one of zero prices (each at its own best).
    No place is reserved for arrivals forecast: they count as unplaced.
    """
    return run(problem, _greedy_shard, "greedy", None, None, None)


def _greedy_shard(shard: Shard, until: float | None, warm: I64 | None) -> ShardPlan:
    del until, warm
    began = time.perf_counter()
    bucket, cost = greedy_buckets(shard)
    zero = np.zeros(len(shard.capacity), np.int64)
    proof = dual_bound(shard, zero)
    expected = int((shard.expected_supply * shard.expected_unplaced).sum())
    certified = proof.value == int(cost.sum()) + expected
    return ShardPlan(
        bucket, cost, zero, zero, expected, proof.value, certified, True, proof.pairs, 0, 0, time.perf_counter() - began
    )
