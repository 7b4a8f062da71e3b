"""Standard scenario 1: the waiting list of England on 31 March 2015, planned, proved, checked and compared.

python -m benchmarks.england --data DIR [--commissioners N|all] [--json FILE]

``N`` commissioners are those nearest to the centre of Manchester. ``--growth 10000,100000,1000000`` solves parts of
the whole (the commissioners nearest to Manchester, as many as it takes) and gives the exponent of the time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.assignment import first_rows
from benchmarks.common import machine
from benchmarks.frontier import commissioners as commissioner_labels
from benchmarks.memory import Peak
from booking.scenario import england
from booking.scenario.data import Data, load
from booking.scenario.homes import at_home
from booking.services.planning.workers import default_workers, pool
from optimiser import Plan, Policy, Problem, Progress, certify, check, solve
from optimiser.fairness import PLAN, Fairness, Labels, fairness, groups_with_longer_mean_wait, slots_of
from optimiser.measure import at_least, breaches, unavoidable
from optimiser.rivals import every

MANCHESTER = (53.4808, -2.2426)


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the five CSV files")
    parser.add_argument("--commissioners", default="all", help="how many, nearest to Manchester first; or all")
    parser.add_argument("--commissioner", action="append", default=[], metavar="CODE", help="these, by ODS code")
    parser.add_argument("--seed", type=int, default=england.STANDARD_SEED)
    parser.add_argument("--own-coordinates", action="store_true", help="patients live around their practice, not at it")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="weights as JSON instead of the default ones")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes; 0 solves in this one")
    parser.add_argument(
        "--quick", action="store_true", help="unavoidable breaches only as far as the plan's own prices prove them"
    )
    parser.add_argument(
        "--placing-late", action="store_true", help="also the fewest breaches if nobody already late is left aside"
    )
    parser.add_argument("--growth", metavar="N,N,…", help="referrals to solve one after another instead")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    policy = Policy()
    if chosen.policy is not None:
        policy = Policy.from_dict(json.loads(chosen.policy.read_text(encoding="utf-8")))
    policy = replace(policy, alternatives=0)
    data = load(chosen.data)
    with Peak() as peak, pool(chosen.workers) as executor:
        if chosen.growth:
            report = growth(data, chosen, policy, executor)
        else:
            report = whole(chosen_part(data, chosen), chosen, policy, executor)
        report["peak_bytes"] = peak.bytes
    report.update(
        scenario="standard scenario 1", seed=chosen.seed, as_of=england.STANDARD_DAY.isoformat(), forecast="none",
        policy=policy.to_dict(), workers=chosen.workers, machine=machine(),
        homes="around the practice" if chosen.own_coordinates else "at the practice",
    )  # fmt: skip
    print(text(report))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def chosen_part(data: Data, chosen: argparse.Namespace) -> Data:
    """The part of the data that was asked for."""
    if chosen.commissioner:
        return data.only(chosen.commissioner)
    if chosen.commissioners == "all":
        return data
    return data.only(nearest(data)[: int(chosen.commissioners)])


def nearest(data: Data) -> list[str]:
    """Commissioners, those nearest to the centre of Manchester first."""
    far = england.distances(*MANCHESTER, data.commissioners)
    return [data.commissioners.code[at] for at in np.argsort(far, kind="stable").tolist()]


def built(data: Data, chosen: argparse.Namespace, policy: Policy) -> Problem:
    """The scenario as a problem."""
    made = england.build(data, seed=chosen.seed)
    if chosen.own_coordinates:
        made = at_home(data, made, chosen.seed)
    return england.problem(data, made, policy)


def say(what: str) -> None:
    """To the terminal, not into the report."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def told(at: Progress) -> None:
    """Progress of a solve."""
    say(f"{at.stage} {at.done} of {at.total} specialties, {at.seconds:.0f} s, cost {at.objective:,}")


def whole(data: Data, chosen: argparse.Namespace, policy: Policy, executor: Executor | None) -> dict[str, Any]:
    """Everything about one part of England."""
    say("building the scenario")
    began = time.perf_counter()
    problem = built(data, chosen, policy)
    seconds = {"build": time.perf_counter() - began}
    say(f"planning {len(problem.referrals):,} referrals, {len(problem.slots):,} slots")
    began = time.perf_counter()
    plan = solve(problem, executor=executor, progress=told)
    seconds["solve"] = time.perf_counter() - began
    began = time.perf_counter()
    proof = certify(problem, plan)
    seconds["certificate"] = time.perf_counter() - began
    say("checking every rule")
    began = time.perf_counter()
    broken = check(problem, plan)
    seconds["check"] = time.perf_counter() - began
    began = time.perf_counter()
    report = compared(problem, plan, commissioner_labels(data), executor, quick=chosen.quick)
    seconds["compare"] = time.perf_counter() - began
    if chosen.placing_late:
        say("the same with nobody already late left aside")
        placing = unavoidable(problem, executor, placing_late=True)
        report |= {"unavoidable_placing_late": placing["breaches"], "unavoidable_placing_late_bound": placing["bound"]}
    return {
        "commissioners": len({row.commissioner for row in data.waiting}),
        "referrals": len(problem.referrals), "slots": int(problem.slots.capacity.sum()), "pairs": plan.pairs,
        "pairs_in_memory": plan.pairs_in_memory, "seconds": round(seconds["solve"] + seconds["certificate"], 2),
        "seconds_by_stage": {name: round(value, 2) for name, value in seconds.items()},
        "objective": plan.objective, "bound": plan.bound,
        "certified": plan.certified and proof.valid and proof.dual == plan.bound,
        "rules_broken": len(broken), "placed": int((plan.slot_key >= 0).sum()), "fingerprint": plan.fingerprint(),
        **report,
    }  # fmt: skip


def compared(
    problem: Problem, plan: Plan, commissioner: Labels, executor: Executor | None, *, quick: bool
) -> dict[str, Any]:
    """Breaches of the plan and of its rivals, the fewest there could be, and who waits longer."""
    say("comparing with the usual ways")
    slots = {PLAN: slots_of(problem, plan), **every(problem)}
    found = {name: _breaches(problem, slot) for name, slot in slots.items()}
    fair: Fairness = fairness(problem, slots, {"commissioner": commissioner})
    say(f"{found} breaches; longer: {groups_with_longer_mean_wait(fair)}")
    least = at_least(problem, plan)
    say(f"at least {least} are unavoidable, by the plan's own prices")
    fewest: dict[str, Any] = {"breaches": least, "bound": least, "certified": False}
    if not quick:
        say("proving the fewest breaches of any plan")
        fewest = unavoidable(problem, executor)
    ours = found.pop(PLAN)
    return {
        "breaches": {"ours": ours, **found, "unavoidable": fewest["breaches"]},
        "unavoidable_certified": fewest["certified"],
        "unavoidable_at_least": least,
        "unavoidable_bound": fewest["bound"],
        "groups_with_longer_mean_wait": groups_with_longer_mean_wait(fair),
        "fairness": fair.to_dict(),
    }


def _breaches(problem: Problem, slot: Any) -> int:
    day = np.where(slot >= 0, problem.slots.day[slot], -1)
    return int(breaches(problem, day).sum())


def growth(data: Data, chosen: argparse.Namespace, policy: Policy, executor: Executor | None) -> dict[str, Any]:
    """Seconds for more and more referrals, and the exponent between the first and the last."""
    rows = []
    order = nearest(data)
    solve(built(data.only(order[:1]), chosen, policy), executor=executor)  # compiled code is loaded once
    for wanted in (int(size) for size in chosen.growth.split(",")):
        count, people = 0, 0
        while people < wanted and count < len(order):
            people += sum(sum(row.bands) for row in data.waiting if row.commissioner == order[count])
            count += 1
        problem = built(data.only(order[:count]), chosen, policy)
        if wanted < len(problem.referrals):
            problem = first_rows(problem, wanted)
        began = time.perf_counter()
        plan = solve(problem, executor=executor)
        proof = certify(problem, plan)
        spent = time.perf_counter() - began
        say(f"{len(problem.referrals):,} referrals, {plan.pairs:,} pairs: {spent:.1f} s")
        rows.append({
            "referrals": len(problem.referrals), "commissioners": count, "pairs": plan.pairs,
            "seconds": round(spent, 2), "certified": plan.certified and proof.valid,
        })  # fmt: skip
    first, last = rows[0], rows[-1]
    exponent = np.log(last["seconds"] / first["seconds"]) / np.log(last["referrals"] / first["referrals"])
    return {"growth": rows, "exponent": round(float(exponent), 3)}


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    if "growth" in report:
        lines = [f"{row['referrals']:>10,} referrals {row['pairs']:>14,} pairs {row['seconds']:>8.2f} s  "
                 f"{'certified' if row['certified'] else 'NOT CERTIFIED'}" for row in report["growth"]]  # fmt: skip
        return "\n".join([*lines, f"time grows as n^{report['exponent']}"])
    found = report["breaches"]
    lines = [
        f"{report['referrals']:,} referrals, {report['slots']:,} places, {report['pairs']:,} eligible pairs "
        f"({report['pairs_in_memory']:,} in memory)",
        f"{report['seconds']} s (solve and certificate), {report['peak_bytes'] / 1e9:.2f} GB over all processes",
        f"cost {report['objective']:,}, bound {report['bound']:,}: "
        f"{'certified' if report['certified'] else 'NOT CERTIFIED'}, {report['rules_broken']} rules broken",
        "", f"{'breaches':24}{'':>10}  {'ours against it':>16}",
    ]  # fmt: skip
    for name, count in found.items():
        share = f"{100 * (found['ours'] / count - 1):+.1f} %" if count else ""
        lines.append(f"{name:24}{count:>10,}  {share:>16}")
    lines.append(f"{'of what is avoidable':24}{'':>10}  " + _avoidable(found))
    longer = report["groups_with_longer_mean_wait"]
    lines.append(f"groups whose mean wait is more than a day longer than ring-fenced: {', '.join(longer) or 'none'}")
    return "\n".join(lines)


def _avoidable(found: dict[str, int]) -> str:
    room = found["ring_fenced_fcfs"] - found["unavoidable"]
    return f"{100 * (found['ours'] - found['ring_fenced_fcfs']) / room:+.1f} % of ring-fenced's" if room > 0 else ""


if __name__ == "__main__":
    main()
