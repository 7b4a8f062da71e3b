"""The assignment problems of OR-Library, whose optima are published.

python -m benchmarks.orlib --files DIR [--json FILE]

DIR holds ``assign100.txt`` to ``assign800.txt`` (a whole matrix: n, then n * n costs) and, if at hand, the sparse
``assignp800.txt`` to ``assignp5000.txt`` (n, then lines of row, column and cost, from 1 on). Beasley, *OR-Library:
distributing test problems by electronic mail*, J. Oper. Res. Soc. 41 (1990). The files are not part of this project.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.common import machine
from optimiser.arrays import I64
from optimiser.columns import Columns, merge
from optimiser.compiling import Shard, fold, make_shard
from optimiser.generate import AS_OF
from optimiser.policy import Policy
from optimiser.problem import Problem, Referrals, Shortlists, Slots
from optimiser.shard_solver import ShardPlan, solve_shard

OPTIMA = {
    "assign100": 305, "assign200": 475, "assign300": 626, "assign400": 804, "assign500": 991, "assign600": 1176,
    "assign700": 1362, "assign800": 1552, "assignp800": 2239, "assignp1500": 5839, "assignp3000": 18696,
    "assignp5000": 48533,
}  # fmt: skip
DAYS = 900
"""Half-days of one service that a shard of a matrix may have."""


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """``n`` rows and columns, and what each allowed pair costs."""

    n: int
    pairs: Columns

    @property
    def whole(self) -> bool:
        """Whether every pair is allowed."""
        return len(self.pairs) == self.n * self.n


def read(path: Path) -> Matching:
    """A problem of either layout. Raises ValueError naming the file if it is of neither."""
    try:
        numbers = np.array(path.read_text(encoding="ascii").split(), np.int64)
    except ValueError:
        raise ValueError(f"{path}: something that is not a whole number") from None
    n = int(numbers[0]) if len(numbers) else 0
    body = numbers[1:]
    if n > 0 and len(body) == n * n and not path.stem.startswith("assignp"):
        cell = np.arange(n * n, dtype=np.int64)
        return Matching(n, Columns(cell // n, cell % n, body))
    if n == 0 or len(body) % 3:
        raise ValueError(f"{path}: neither n and a matrix of n by n nor n and triples")
    row, column, cost = body.reshape(-1, 3).T
    if min(row.min(), column.min()) < 1 or max(row.max(), column.max()) > n:
        raise ValueError(f"{path}: a row or column beyond 1 to {n}")
    return Matching(n, merge(n, row - 1, column - 1, cost))


def by_day(matching: Matching) -> Shard:
    """A whole matrix as a shard: each row a kind of referral of its own, each column the one place of a day."""
    n = matching.n
    return shard_of(matching.pairs.cost.reshape(n, n), np.ones(n, np.int64), np.full(n, _never(matching)))


def shard_of(cost: I64, capacity: I64, unplaced: I64) -> Shard:
    """Any costs [R, B] as a shard of R referrals and one service with B days (900 at most) of ``capacity`` places."""
    rows, buckets = cost.shape
    if buckets > DAYS:
        raise ValueError(f"{buckets} columns are more than {DAYS} days")
    shard = _plain(rows, buckets)
    return replace(
        shard, kind=np.arange(rows, dtype=np.int64), table=np.ascontiguousarray(cost), capacity=capacity,
        unplaced=unplaced,
    )  # fmt: skip


def as_forecast(matching: Matching) -> Shard:
    """Any pairs as a shard: each row a line of the forecast with one arrival, whose pairs are listed one by one."""
    n, pairs = matching.n, matching.pairs
    return replace(
        _plain(0, n), expected_supply=np.ones(n, np.int64), expected_unplaced=np.full(n, _never(matching)),
        expected_row=pairs.row, expected_bucket=pairs.bucket, expected_cost=pairs.cost,
    )  # fmt: skip


def _never(matching: Matching) -> np.int64:
    """More than any perfect matching costs: nobody stays unplaced who need not."""
    return np.int64(matching.n * (int(matching.pairs.cost.max(initial=0)) + 1))


def _plain(rows: int, buckets: int) -> Shard:
    """A shard made as every other is, of so many half-days with one place; the costs are to be put in."""
    policy = Policy(
        notice_days=1, horizon_days=min(max(buckets, 1), DAYS), tie_break=0, travel_km=0, keep=0, breach=(0, 0, 0),
        late_day=(0, 0, 0), late_square=(0, 0, 0),
    )  # fmt: skip
    at = np.arange(buckets)
    service, day = 1 + at // DAYS, 1 + at % DAYS
    slots = Slots.build(
        key=at + 1, service=service, specialty=1, provider=service, day=day, part=day % 7 * 3,
        start_minute=day * 1440, end_minute=day * 1440 + 30,
    )  # fmt: skip
    key = np.arange(1, rows + 1)
    refs = Referrals.build(policy=policy, key=key, specialty=1, priority=0 * key, waited_days=0 * key)
    lists = Shortlists(
        np.arange(rows + 1, dtype=np.int64), np.ones(rows, np.int64), np.zeros(rows, np.float32),
        np.zeros(rows, np.int32), np.full(rows, DAYS, np.int32),
    )  # fmt: skip
    problem = Problem(AS_OF, refs, lists, slots, policy).canonical()
    shard = make_shard(problem, fold(problem), 1, np.arange(rows, dtype=np.int64))
    return replace(shard, day=shard.day - 1)  # the first column of the table is the first half-day's


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file solved in one way."""

    file: str
    way: str
    rows: int
    pairs: int
    published: int
    objective: int
    certified: bool
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether the optimum is the published one, and proven."""
        return self.objective == self.published and self.certified


def solved(path: Path) -> list[Outcome]:
    """A file solved in every way that holds it. Raises ValueError if a plan is no perfect matching."""
    matching = read(path)
    out = []
    for way, shard in {"by day": by_day, "as forecast": as_forecast}.items():
        if way == "by day" and not matching.whole:
            continue
        made = shard(matching)
        began = time.perf_counter()
        plan = solve_shard(made)
        seconds = time.perf_counter() - began
        cost, took = _cost(matching, plan), round(seconds, 3)
        pairs, published = len(matching.pairs), OPTIMA[path.stem]
        out.append(Outcome(path.stem, way, matching.n, pairs, published, cost, plan.certified, took))
    return out


def _cost(matching: Matching, plan: ShardPlan) -> int:
    """The cost of a plan, added up from the file where the plan names the rows."""
    if len(plan.bucket) == 0:
        if not bool((plan.reserved == 1).all()):
            raise ValueError("the plan is no perfect matching")
        return plan.objective
    if not np.array_equal(np.sort(plan.bucket), np.arange(matching.n)):
        raise ValueError("the plan is no perfect matching")
    return int(matching.pairs.cost.reshape(matching.n, matching.n)[np.arange(matching.n), plan.bucket].sum())


def main() -> None:
    """Read the options, solve, print; the exit code is 1 if an optimum is not the published one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    there = [chosen.files / f"{name}.txt" for name in OPTIMA if (chosen.files / f"{name}.txt").exists()]
    if not there:
        parser.error(f"--files: none of assign100.txt … is in {chosen.files}")
    outcomes: list[Outcome] = []
    solve_shard(by_day(Matching(2, Columns(*np.array([[0, 0, 1, 1], [0, 1, 0, 1], [1, 2, 2, 1]])))))  # compiles
    print("| file | solved | rows | pairs | published | ours | proven | seconds |\n" + "| --- " * 8 + "|")
    for path in there:
        for one in solved(path):
            outcomes.append(one)
            print(
                f"| {one.file} | {one.way} | {one.rows:,} | {one.pairs:,} | {one.published:,} | {one.objective:,} "
                f"| {'yes' if one.certified else 'NO'} | {one.seconds:.3f} |",
                flush=True,
            )
    if chosen.json is not None:
        report = {"machine": machine(), "files": [asdict(one) for one in outcomes]}
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(one.exact for one in outcomes) else 1)


if __name__ == "__main__":
    main()
