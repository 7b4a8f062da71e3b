"""Our solver beside others, on identical assignment instances: the same objective, seconds, peak memory.

python -m benchmarks.solvers [--sizes 1000,10000,100000] [--seconds 300] [--json FILE]
python -m benchmarks.solvers --data DIR --commissioner 01N --function 330 [--sizes …]
python -m benchmarks.solvers --data DIR --commissioners 10 --cheapest 40 [--sizes …]

``--cheapest N`` leaves each referral its N cheapest eligible pairs, so that rivals can hold many referrals; all
specialties are then one instance.

Every solver gets the same pairs and costs, in a process of its own; one that takes longer than ``--seconds`` is ended.
Ours is timed from its compact input to its checked proof (finding the pairs included), with its kernels compiled
before; the others from a finished model to their answer, which building the model is not part of. Every answer is
checked against the pairs, and its cost added up in whole numbers. Different objectives are an error. Peak memory is
that of the whole process, interpreter and input included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.assignment import (
    WEIGHTS,
    Instance,
    NotSolvedError,
    NotTriedError,
    cheapest_only,
    first_rows,
    generated,
    largest_shard,
    one_specialty,
    written_out,
)
from benchmarks.common import machine
from benchmarks.england import nearest
from benchmarks.frontier import _part
from booking.scenario import england
from booking.scenario.data import load
from optimiser import Problem
from optimiser.arrays import I64
from optimiser.compiling import Shard
from optimiser.shard_solver import solve_shard

OURS = "ours"
BUILDING = 2.0  # a model may take so many times the limit to build


@dataclass(slots=True)
class Result:
    """What came of one solver; ``seconds`` and ``objective`` only if it finished."""

    solver: str
    note: str = ""
    objective: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    build_seconds: float | None = None
    peak_bytes: int | None = None


def main() -> None:
    """Read the options, run, print; the exit code is 1 if two solvers disagree or ours is not proven."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000", help="referrals of each instance")
    parser.add_argument("--seconds", type=float, default=300.0, help="time limit of each solver")
    parser.add_argument("--memory", type=float, default=12.0, metavar="GB", help="limit of each solver")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="solvers beside ours; all if none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder with the five CSV files: standard scenario 1 instead")
    parser.add_argument("--commissioner", action="append", default=[], metavar="CODE", help="ODS code; all if none")
    parser.add_argument("--commissioners", type=int, metavar="N", help="those nearest to Manchester instead")
    parser.add_argument("--cheapest", type=int, metavar="N", help="only so many pairs of each referral")
    parser.add_argument("--function", metavar="CODE", help="treatment function; the largest if left out")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    try:
        sizes = [int(size) for size in chosen.sizes.split(",")]
    except ValueError:
        parser.error(f"--sizes: {chosen.sizes!r} is not a list of whole numbers")
    if chosen.cheapest is not None and (chosen.data is None or chosen.cheapest < 1):
        parser.error("--cheapest: at least 1, and with --data only")
    report: dict[str, Any] = {
        "machine": machine(), "seed": chosen.seed, "seconds": chosen.seconds,
        "data": "standard scenario 1" if chosen.data else "generated", "commissioners": chosen.commissioner,
        "nearest": chosen.commissioners, "function": chosen.function, "cheapest": chosen.cheapest, "sizes": [],
    }  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no solver outlives this process
    fine = True
    for size in sizes:
        shard = instance_of(chosen, size)
        made = compared(shard, chosen.only, chosen.seconds, chosen.memory)
        fine = fine and made["agree"]
        report["sizes"].append(made)
        print(text(made), flush=True)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if fine else 1)


def instance_of(chosen: argparse.Namespace, size: int) -> Shard:
    """The shard of one size that every solver gets."""
    if chosen.cheapest is None:
        return largest_shard(problem(chosen, size))
    return cheapest_only(largest_shard(one_specialty(problem(chosen, size))), chosen.cheapest)


def problem(chosen: argparse.Namespace, size: int) -> Problem:
    """The problem of one size, generated or of the scenario."""
    if chosen.data is None:
        return generated(size, chosen.seed)
    data = load(chosen.data)
    codes = chosen.commissioner if chosen.commissioners is None else nearest(data)[: chosen.commissioners]
    data = _part(data.only(codes), [chosen.function] if chosen.function else [])
    return first_rows(england.problem(data, england.build(data), WEIGHTS), size)


def compared(shard: Shard, only: Sequence[str], seconds: float, memory: float) -> dict[str, Any]:
    """Every solver on one shard."""
    from benchmarks.solver_rivals import RIVALS

    instance = written_out(shard)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="choose-and-book-solvers-") as folder:
        instance.save(Path(folder) / "instance.npz")
        (Path(folder) / "shard.pickle").write_bytes(pickle.dumps(shard))
        for name in (OURS, *RIVALS):
            if name == OURS or not only or name in only:
                results.append(alone(name, Path(folder), seconds, memory))
                print(f"{time.strftime('%H:%M:%S')} {results[-1]}", file=sys.stderr, flush=True)
    found = {result.objective for result in results if result.objective is not None}
    wrong = [result.solver for result in results if result.note.startswith("WRONG")]
    return {
        "referrals": instance.rows, "buckets": len(instance.capacity), "places": int(instance.capacity.sum()),
        "pairs": len(instance), "agree": len(found) == 1 and results[0].objective is not None and not wrong,
        "solvers": [asdict(result) for result in results],
    }  # fmt: skip


def alone(name: str, folder: Path, seconds: float, memory: float) -> Result:
    """One solver in a process of its own, ended when its time is up."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, folder, seconds, memory, theirs), daemon=True)
    process.start()
    theirs.close()
    result = Result(name)
    try:
        if not _told(mine, result, seconds * BUILDING + 60, "no model"):
            return result
        if result.build_seconds is not None:
            _told(mine, result, seconds + 5, "not")
    finally:
        process.kill()
        process.join()
    return result


def _told(pipe: Connection, result: Result, seconds: float, what: str) -> bool:
    """Wait for word from the solver and put it into ``result``; False, with a note, if none came."""
    if not pipe.poll(seconds):
        result.note = f"{what} within {seconds:.0f} s"
        return False
    try:
        said: dict[str, Any] = pipe.recv()
    except EOFError:
        result.note = "ended without a word: most likely out of memory"
        return False
    for name, value in said.items():
        setattr(result, name, value)
    return True


def _child(name: str, folder: Path, seconds: float, memory: float, pipe: Connection) -> None:
    """Build, say so, solve, say what came of it."""
    limit = int(memory * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        began = time.perf_counter()
        solve = _ours(folder, seconds) if name == OURS else _theirs(name, folder, seconds)
        pipe.send({"build_seconds": round(time.perf_counter() - began, 3)})
        began, cpu_began = time.perf_counter(), time.process_time()
        answer = solve()
        took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
        peak = _peak()
        instance = Instance.read(folder / "instance.npz")
        cost = instance.objective(instance.find(answer) if name == OURS else answer)
        pipe.send({"objective": cost, "seconds": round(took, 4), "cpu_seconds": round(cpu_took, 4), "peak_bytes": peak})
    except (NotTriedError, NotSolvedError, MemoryError) as reason:
        pipe.send({"note": str(reason) or "out of memory", "peak_bytes": _peak()})
    except ValueError as reason:
        pipe.send({"note": f"WRONG: {reason}"})


def _theirs(name: str, folder: Path, seconds: float) -> Callable[[], I64]:
    """The model of a rival; solving it gives pairs."""
    from benchmarks.solver_rivals import RIVALS

    return RIVALS[name](Instance.read(folder / "instance.npz"), seconds)


def _ours(folder: Path, seconds: float) -> Callable[[], I64]:
    """Our solver, its kernels compiled by small instances before; solving gives buckets."""
    shard: Shard = pickle.loads((folder / "shard.pickle").read_bytes())
    solve_shard(largest_shard(generated(500, 0)))
    solve_shard(shard.sample(max(1, len(shard) // 500)))

    def solve() -> I64:
        plan = solve_shard(shard, time.time() + seconds)
        if not plan.certified:
            raise NotSolvedError(f"not proven: {plan.objective} with a bound of {plan.bound}")
        return plan.bucket

    return solve


def _peak() -> int:
    """Most bytes ever resident in this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def text(made: dict[str, Any]) -> str:
    """One size as a table."""
    ours = made["solvers"][0]["seconds"]
    lines = [
        "", f"{made['referrals']:,} referrals, {made['places']:,} places, {made['pairs']:,} pairs", "",
        f"| {'solver':20} | {'seconds':>9} | {'of CPU':>9} | {'times ours':>10} | {'model':>7} | {'peak MB':>8} "
        f"| {'objective':>20} |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for one in made["solvers"]:
        if one["seconds"] is None:
            lines.append(f"| {one['solver']:20} | {one['note']} |")
            continue
        ratio = f"{one['seconds'] / ours:.1f}" if ours else ""
        lines.append(
            f"| {one['solver']:20} | {one['seconds']:9.2f} | {one['cpu_seconds']:9.2f} | {ratio:>10} "
            f"| {one['build_seconds']:7.1f} | {one['peak_bytes'] / 1e6:8.0f} | {one['objective']:20,} |"
        )
    return "\n".join([*lines, "" if made["agree"] else "\nTHE SOLVERS DO NOT AGREE"])


if __name__ == "__main__":
    main()
