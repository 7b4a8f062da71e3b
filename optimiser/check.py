"""An independent check of every hard rule, straight from the problem: no code, formula or index is the planner's.

Whole columns are tested at once; only what is found broken is looked at one by one, to say it in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimiser.audit import Facts, Ints, Mask, expand
from optimiser.audit_cost import cost_ranges
from optimiser.audit_rest import block_faults, false_regrets, reserve_faults
from optimiser.plan import Plan
from optimiser.problem import Problem

CHUNK = 200_000
"""Referrals of the plan looked at together."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken, by referral and slot key (-1: not about one)."""

    rule: str
    referral: int
    slot: int
    message: str


def check(problem: Problem, plan: Plan) -> list[Violation]:
    """Every violation in a plan; an empty list if it may be carried out. About 0.3 seconds for 100,000 referrals.

    Raises ValueError if columns of the plan that belong together differ in length.
    """
    return _Checker(problem, plan).run()


class _Checker:
    def __init__(self, problem: Problem, plan: Plan) -> None:
        _same_length(plan)
        self.plan = plan
        self.policy = problem.policy
        self.out: list[Violation] = []
        self.problem, self.facts = problem, Facts(problem)
        self.ref = self.facts.referral_of(plan.referral_key)
        self.slot = self.facts.slot_of(plan.slot_key)
        self.full = np.zeros(len(problem.slots), np.bool_)

    def add(self, rule: str, referral: int, slot: int, message: str) -> None:
        self.out.append(Violation(rule, referral, slot, message))

    def add_all(self, rule: str, at: Ints, slot_key: Ints, message: str) -> None:
        """One violation for each of these rows of the plan."""
        for row, slot in zip(at.tolist(), slot_key.tolist(), strict=True):
            self.add(rule, int(self.plan.referral_key[row]), slot, message)

    def run(self) -> list[Violation]:
        self._who()
        for rows in self._chunks():
            given = rows[(self.ref[rows] >= 0) & (self.plan.slot_key[rows] != -1)]
            self._eligible(given, self.plan.slot_key[given], self.slot[given], "")
        held = _Held(self.facts, self.ref, self.slot)
        self._two_places(held)
        self._capacity()
        for rows in self._chunks():
            self._alternatives(rows, held)
        self._costs()
        self._reasons()
        for referral, message in block_faults(self.facts, self.plan):
            self.add("block", referral, -1, message)
        return self.out

    def _chunks(self) -> Iterator[Ints]:
        n = len(self.plan.referral_key)
        for first in range(0, n, CHUNK):
            yield np.arange(first, min(first + CHUNK, n))

    def _who(self) -> None:
        keys = np.sort(self.plan.referral_key)
        twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
        for key in np.unique(self.plan.referral_key[self.ref < 0]).tolist():
            self.add("unknown_referral", key, -1, "the plan names a referral that is not in the problem")
        for key in twice[self.facts.referral_of(twice) >= 0].tolist():
            self.add("two_guaranteed", key, -1, "the referral is in the plan more than once")
        seen = np.zeros(len(self.facts.refs), np.bool_)
        seen[self.ref[self.ref >= 0]] = True
        for key in self.facts.refs.key[~seen].tolist():
            self.add("missing_referral", key, -1, "the plan leaves this referral out")

    def _eligible(self, row: Ints, slot_key: Ints, slot: Ints, prefix: str) -> None:
        """Rows of the plan (all of known referrals), each with a slot."""
        unknown = slot < 0
        self.add_all(prefix + "unknown_slot", row[unknown], slot_key[unknown], "no such slot")
        row, slot_key, slot = row[~unknown], slot_key[~unknown], slot[~unknown]
        for rule, broken in self.facts.limits_broken(self.ref[row], slot).items():
            if broken.any():
                message = f"the slot breaks the referral's limit: {rule}"
                self.add_all(prefix + rule, row[broken], slot_key[broken], message)

    def _two_places(self, held: _Held) -> None:
        left, right = held.met()
        for row, other in zip(left.tolist(), right.tolist(), strict=True):
            slot, there = int(self.plan.slot_key[row]), int(self.plan.slot_key[other])
            self.add("two_places", int(self.plan.referral_key[row]), slot, f"overlaps slot {there} of the same patient")

    def _capacity(self) -> None:
        slots = self.facts.slots
        used = np.bincount(self.slot[self.slot >= 0], minlength=len(slots))
        kept = np.zeros(len(slots), np.int64)
        priced = self.facts.slot_of(self.plan.priced_slot_key)
        kept[priced[priced >= 0]] = self.plan.reserved[priced >= 0]
        for at in np.flatnonzero(((used > 0) | (kept != 0)) & (used + kept > slots.capacity)).tolist():
            self.add("capacity", -1, int(slots.key[at]), f"{used[at]} given and {kept[at]} reserved")
        for rule, message in reserve_faults(self.problem, self.plan, kept):
            self.add(rule, -1, -1, message)
        self.full = np.asarray(used + kept >= slots.capacity, np.bool_)

    def _alternatives(self, rows: Ints, held: _Held) -> None:
        """Those of some referrals of the plan."""
        shown, policy = self.plan.alternatives, self.policy
        rows = rows[self.ref[rows] >= 0]
        count = shown.indptr[rows + 1] - shown.indptr[rows]
        for row in rows[count > policy.alternatives].tolist():
            number = int(shown.indptr[row + 1] - shown.indptr[row])
            self.add("alternatives_number", int(self.plan.referral_key[row]), -1, f"{number} alternatives")
        nowhere = rows[(count > 0) & (self.plan.slot_key[rows] == -1)]
        message = "alternatives, but no guaranteed slot"
        self.add_all("alternatives_without_guaranteed", nowhere, np.full(len(nowhere), -1), message)
        row, at, turn = expand(rows, shown.indptr[rows], count)
        key = shown.slot_key[at]
        slot = self.facts.slot_of(key)
        self._eligible(row, key, slot, "alternative_")
        taken = (slot >= 0) & self.full[slot] if len(self.full) else np.zeros(len(slot), np.bool_)
        self.add_all("alternative_taken", row[taken], key[taken], "the slot has no place that is free")
        self._alike(row, key, slot, turn)
        dear = shown.regret[at] > policy.max_regret
        self.add_all("alternative_regret", row[dear], key[dear], "regret above the policy's limit")
        wrong = false_regrets(self.facts, self.plan, self.ref, row, at, slot)
        self.add_all("alternative_regret", row[wrong], key[wrong], "the regret stated is not the true one")
        wrong = shown.difference[at] != self.facts.difference(slot, self.slot[row])
        self.add_all("alternative_code", row[wrong], key[wrong], "the difference stated is not the true one")
        pair, other = held.elsewhere(row, slot)
        for one, there in zip(pair.tolist(), other.tolist(), strict=True):
            message = f"overlaps slot {self.plan.slot_key[there]} of the same patient"
            self.add("alternative_two_places", int(self.plan.referral_key[row[one]]), int(key[one]), message)

    def _alike(self, row: Ints, key: Ints, slot: Ints, turn: Ints) -> None:
        """Alternatives against the guaranteed slot, then against those before them."""
        self._say_alike(row, key, self.plan.slot_key[row], self.facts.difference(slot, self.slot[row]) == 0)
        back, at = 1, np.flatnonzero(turn >= 1)
        while len(at):
            same = self.facts.difference(slot[at], slot[at - back]) == 0
            self._say_alike(row[at], key[at], key[at - back], same)
            back += 1
            at = at[turn[at] >= back]

    def _say_alike(self, row: Ints, key: Ints, other: Ints, same: Mask) -> None:
        for one in np.flatnonzero(same).tolist():
            message = f"too like slot {other[one]}"
            self.add("alternative_alike", int(self.plan.referral_key[row[one]]), int(key[one]), message)

    def _costs(self) -> None:
        plan = self.plan
        total = plan.expected_cost + _exact_sum(plan.cost)
        for rows in self._chunks():
            rows = rows[(self.ref[rows] >= 0) & ((self.slot[rows] >= 0) | (plan.slot_key[rows] == -1))]
            low, high = cost_ranges(self.facts, self.ref[rows], self.slot[rows])
            cost = plan.cost[rows]
            for at in np.flatnonzero((cost < low) | (cost > high)).tolist():
                message = f"costs {cost[at]}, should be from {low[at]} to {high[at]} (tie-break)"
                self.add("cost", int(plan.referral_key[rows[at]]), int(plan.slot_key[rows[at]]), message)
        if total != plan.objective:
            self.add("objective", -1, -1, f"costs add up to {total}, not {plan.objective}")
        if plan.certified and plan.bound is not None and plan.bound > total:
            self.add("bound", -1, -1, "the bound is above the cost")

    def _reasons(self) -> None:
        wrong = np.flatnonzero((self.plan.slot_key == -1) != (self.plan.unplaced_reason != 0))
        message = "a reason where there is a slot, or none where there is none"
        self.add_all("unplaced_reason", wrong, self.plan.slot_key[wrong], message)


class _Held:
    """The slots that each patient is given: rows of the plan, by patient and start."""

    def __init__(self, facts: Facts, ref: Ints, slot: Ints) -> None:
        self.facts, self.ref, self.slot = facts, ref, slot
        rows = np.flatnonzero((ref >= 0) & (slot >= 0))
        patient = facts.refs.patient[ref[rows]]
        order = np.lexsort((facts.slots.start_minute[slot[rows]], patient))
        self.rows = rows[order]
        self.patients, self.first, self.count = np.unique(patient[order], return_index=True, return_counts=True)

    def met(self) -> tuple[Ints, Ints]:
        """Pairs of rows of the plan, later one first, that give one patient two slots at once.

        In order of start some neighbours overlap if any two slots do, so the other patients are left alone.
        """
        slots, at = self.facts.slots, self.slot[self.rows]
        touch = np.flatnonzero(slots.start_minute[at[1:]] < slots.end_minute[at[:-1]])
        group = np.searchsorted(self.first, touch, side="right") - 1
        group = np.unique(group[touch + 1 < (self.first + self.count)[group]])
        one, mine, turn = expand(group, self.first[group], self.count[group])
        pair, other, _ = expand(np.arange(len(one)), self.first[one], turn)
        left, right = self.rows[mine[pair]], self.rows[other]
        both = self.facts.overlap(self.slot[left], self.slot[right])
        left, right = left[both], right[both]
        return np.maximum(left, right), np.minimum(left, right)

    def elsewhere(self, row: Ints, slot: Ints) -> tuple[Ints, Ints]:
        """Positions in ``row`` (rows of the plan, shown ``slot``), and rows that give the patient another at once."""
        none = np.zeros(0, np.int64)
        if len(self.patients) == 0:
            return none, none
        patient = self.facts.refs.patient[self.ref[row]]
        group = np.minimum(np.searchsorted(self.patients, patient), len(self.patients) - 1)
        several = (self.count[group] > 1) | (self.slot[row] < 0)
        at = np.flatnonzero((self.patients[group] == patient) & several & (slot >= 0))
        pair, mine, _ = expand(at, self.first[group[at]], self.count[group[at]])
        other = self.rows[mine]
        both = (self.ref[other] != self.ref[row[pair]]) & self.facts.overlap(slot[pair], self.slot[other])
        return pair[both], other[both]


def _same_length(plan: Plan) -> None:
    n = len(plan.referral_key)
    for name in ("slot_key", "cost", "unplaced_reason"):
        if len(getattr(plan, name)) != n:
            raise ValueError(f"plan.{name} has {len(getattr(plan, name))} values, not {n}")
    if len(plan.reserved) != len(plan.priced_slot_key):
        raise ValueError(f"plan.reserved has {len(plan.reserved)} values, not {len(plan.priced_slot_key)}")
    shown = plan.alternatives
    sizes = {len(shown.slot_key), len(shown.regret), len(shown.difference), int(shown.indptr[-1])}
    if len(shown.indptr) != n + 1 or len(sizes) != 1:
        raise ValueError(f"plan.alternatives has no {n} rows of equal columns")


def _exact_sum(values: npt.NDArray[np.int64]) -> int:
    """The sum, which may exceed 64 bits."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
