"""The restricted master problem: a min-cost flow over the columns found so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import min_cost_flow

from optimiser.arrays import I64
from optimiser.errors import PlanError
from optimiser.folding import Columns


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """R rows (referrals, then phantoms) with a supply and a cost of staying unplaced; B buckets with a capacity."""

    supply: I64
    unplaced: I64
    capacity: I64
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A flow of least cost: units on each column, and of each row left unplaced."""

    used: I64
    left: I64
    cost: int


def solve_master(master: Master) -> Flow:
    """Solve by cost scaling (OR-Tools ``SimpleMinCostFlow``). Holds the interpreter lock while it runs.

    Raises PlanError with the solver's status; never for want of places, as every row may stay unplaced.
    """
    rows, buckets = len(master.supply), len(master.capacity)
    columns = master.columns
    sink = rows + buckets
    every_row, every_bucket = np.arange(rows, dtype=np.int64), np.arange(buckets, dtype=np.int64)
    tails = np.concatenate((columns.row, every_row, rows + every_bucket))
    heads = np.concatenate((rows + columns.bucket, np.full(rows + buckets, sink, np.int64)))
    limits = np.concatenate((master.supply[columns.row], master.supply, master.capacity))
    costs = np.concatenate((columns.cost, master.unplaced, np.zeros(buckets, np.int64)))
    network = min_cost_flow.SimpleMinCostFlow()
    arcs = network.add_arcs_with_capacity_and_unit_cost(tails, heads, limits, costs)
    network.set_nodes_supplies(every_row, master.supply)
    network.set_nodes_supplies(np.array([sink]), np.array([-int(master.supply.sum())]))
    status = network.solve()
    if status != network.OPTIMAL:
        raise PlanError(f"the flow solver gave up: {status!r}")
    flow = np.asarray(network.flows(arcs), np.int64)
    k = len(columns)
    return Flow(flow[:k], flow[k : k + rows], int(network.optimal_cost()))
