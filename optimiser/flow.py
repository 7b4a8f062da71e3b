"""The restricted master problem: a min-cost flow over the columns found so far, solved by OR-Tools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import min_cost_flow

from optimiser.arrays import I64
from optimiser.columns import Columns
from optimiser.errors import PlanError


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """R rows, each with one unit and a cost of staying unplaced; B buckets with a capacity."""

    unplaced: I64
    capacity: I64
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A flow of least cost: the column that each row uses (-1: unplaced)."""

    column: I64
    cost: int


def solve_master(master: Master) -> Flow:
    """Solve by cost scaling (OR-Tools ``SimpleMinCostFlow``). Holds the interpreter lock while it runs.

    Raises PlanError with the solver's status; never for want of places, as every row may stay unplaced.
    """
    rows, buckets = len(master.unplaced), len(master.capacity)
    columns = master.columns
    sink, k = rows + buckets, len(columns)
    every_row, every_bucket = np.arange(rows, dtype=np.int64), np.arange(buckets, dtype=np.int64)
    network = min_cost_flow.SimpleMinCostFlow()
    network.add_arcs_with_capacity_and_unit_cost(
        np.concatenate((columns.row, every_row, rows + every_bucket)),
        np.concatenate((rows + columns.bucket, np.full(rows + buckets, sink, np.int64))),
        np.concatenate((np.ones(k + rows, np.int64), master.capacity)),
        np.concatenate((columns.cost, master.unplaced, np.zeros(buckets, np.int64))),
    )
    network.set_nodes_supplies(every_row, np.ones(rows, np.int64))
    network.set_nodes_supplies(np.array([sink]), np.array([-rows]))
    status = network.solve()
    if status != network.OPTIMAL:
        raise PlanError(f"the flow solver gave up: {status!r}")
    used = np.flatnonzero(np.asarray(network.flows(np.arange(k, dtype=np.int64))))
    column = np.full(rows, -1, np.int64)
    column[columns.row[used]] = used
    return Flow(column, int(network.optimal_cost()))
