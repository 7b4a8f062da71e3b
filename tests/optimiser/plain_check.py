"""The checker once more as plain Python, one referral after another: what the one in columns is compared with."""

from __future__ import annotations

from collections import Counter
from math import isnan
from typing import Any

from optimiser.check import Violation
from optimiser.plan import Plan
from optimiser.policy import Policy
from optimiser.problem import Problem


def plain_check(problem: Problem, plan: Plan) -> list[Violation]:
    """Every violation in a plan."""
    return Checker(problem, plan).run()


class Checker:
    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.plan = plan
        self.policy = problem.policy
        self.out: list[Violation] = []
        refs, slots, lists = problem.referrals, problem.slots, problem.shortlists
        self.refs = _records(refs, "key")
        self.slots = _records(slots, "key")
        indptr, busy = lists.indptr.tolist(), refs.busy
        columns = [getattr(lists, c).tolist() for c in ("service", "distance_km", "first_day", "last_day")]
        times = list(zip(busy.start_minute.tolist(), busy.end_minute.tolist(), strict=True))
        busy_at = busy.indptr.tolist()
        for i, key in enumerate(refs.key.tolist()):
            mine = range(indptr[i], indptr[i + 1])
            self.refs[key]["shortlist"] = {columns[0][j]: (columns[1][j], columns[2][j], columns[3][j]) for j in mine}
            self.refs[key]["busy"] = times[busy_at[i] : busy_at[i + 1]]
        self.expected = list(
            zip(*(getattr(problem.expected, c).tolist() for c in problem.expected.DTYPES), strict=True)
        )

    def add(self, rule: str, referral: int, slot: int, message: str) -> None:
        self.out.append(Violation(rule, referral, slot, message))

    def run(self) -> list[Violation]:
        keys = self.plan.referral_key.tolist()
        given = self.plan.slot_key.tolist()
        self._who(keys)
        held: dict[int, list[tuple[int, int]]] = {}
        for key, slot in zip(keys, given, strict=True):
            if key in self.refs and slot != -1:
                self._eligible(key, slot, "")
                held.setdefault(self.refs[key]["patient"], []).append((key, slot))
        self._two_places(held)
        self._capacity(given)
        self._alternatives(keys, given, held)
        self._costs(keys, given)
        self._reasons(keys, given)
        self._reserve()
        self._blocks()
        return self.out

    def _who(self, keys: list[int]) -> None:
        for key, times in Counter(keys).items():
            if key not in self.refs:
                self.add("unknown_referral", key, -1, "the plan names a referral that is not in the problem")
            elif times > 1:
                self.add("two_guaranteed", key, -1, "the referral is in the plan more than once")
        for key in self.refs.keys() - set(keys):
            self.add("missing_referral", key, -1, "the plan leaves this referral out")

    def _eligible(self, key: int, slot_key: int, prefix: str) -> None:
        ref, slot = self.refs[key], self.slots.get(slot_key)
        if slot is None:
            self.add(prefix + "unknown_slot", key, slot_key, "no such slot")
            return
        window = ref["shortlist"].get(slot["service"])
        wrong = {
            "shortlist": window is None,
            "specialty": ref["specialty"] != slot["specialty"],
            "horizon": not self.policy.notice_days <= slot["day"] <= self.policy.horizon_days,
            "window": window is not None and not window[1] <= slot["day"] <= window[2],
            "patient_dates": not ref["earliest_day"] <= slot["day"] <= ref["latest_day"],
            "priority": not slot["priorities"] & (1 << ref["priority"]),
            "needs": ref["needs"] & slot["offers"] != ref["needs"],
            "unsuitable_time": bool(ref["unsuitable"] & (1 << slot["part"])),
            "practitioner": ref["practitioner"] not in (-1, slot["practitioner"]),
            "busy": any(_overlap(slot["start_minute"], slot["end_minute"], s, e) for s, e in ref["busy"]),
            "no_place": slot["capacity"] < 1,
        }
        for rule, broken in wrong.items():
            if broken:
                self.add(prefix + rule, key, slot_key, f"the slot breaks the referral's limit: {rule}")

    def _overlaps(self, left: int, right: int) -> bool:
        a, b = self.slots.get(left), self.slots.get(right)
        return bool(a and b and _overlap(a["start_minute"], a["end_minute"], b["start_minute"], b["end_minute"]))

    def _two_places(self, held: dict[int, list[tuple[int, int]]]) -> None:
        for mine in held.values():
            for i, (key, slot) in enumerate(mine):
                for _, other in mine[:i]:
                    if self._overlaps(slot, other):
                        self.add("two_places", key, slot, f"overlaps slot {other} of the same patient")

    def _capacity(self, given: list[int]) -> None:
        used = Counter(slot for slot in given if slot != -1)
        kept = dict(zip(self.plan.priced_slot_key.tolist(), self.plan.reserved.tolist(), strict=True))
        for slot in used.keys() | {s for s, n in kept.items() if n}:
            if slot in self.slots and used[slot] + kept.get(slot, 0) > self.slots[slot]["capacity"]:
                self.add("capacity", -1, slot, f"{used[slot]} given and {kept.get(slot, 0)} reserved")
        self.full = {key for key, slot in self.slots.items() if used[key] + kept.get(key, 0) >= slot["capacity"]}

    def _alternatives(self, keys: list[int], given: list[int], held: dict[int, list[tuple[int, int]]]) -> None:
        shown = self.plan.alternatives
        indptr, slot_keys = shown.indptr.tolist(), shown.slot_key.tolist()
        regrets, codes = shown.regret.tolist(), shown.difference.tolist()
        for i, key in enumerate(keys):
            mine = slot_keys[indptr[i] : indptr[i + 1]]
            if not mine or key not in self.refs:
                continue
            if len(mine) > self.policy.alternatives:
                self.add("alternatives_number", key, -1, f"{len(mine)} alternatives")
            if given[i] == -1:
                self.add("alternatives_without_guaranteed", key, -1, "alternatives, but no guaranteed slot")
            for j, slot in enumerate(mine):
                self._one_alternative(key, slot, given[i], mine[:j])
                if regrets[indptr[i] + j] > self.policy.max_regret:
                    self.add("alternative_regret", key, slot, "regret above the policy's limit")
                if self._false_regret(i, key, slot, given[i], regrets[indptr[i] + j]):
                    self.add("alternative_regret", key, slot, "the regret stated is not the true one")
                if codes[indptr[i] + j] != self._difference(slot, given[i]):
                    self.add("alternative_code", key, slot, "the difference stated is not the true one")
                for other_key, other in held.get(self.refs[key]["patient"], []):
                    if other_key != key and self._overlaps(slot, other):
                        self.add("alternative_two_places", key, slot, f"overlaps slot {other} of the same patient")

    def _false_regret(self, row: int, key: int, slot: int, own: int, stated: int) -> bool:
        there = slot in self.slots and own in self.slots
        if not there or self.slots[slot]["service"] not in self.refs[key]["shortlist"]:
            return False
        low, high = self._cost_range(self.refs[key], slot)
        price = dict(zip(self.plan.priced_slot_key.tolist(), self.plan.slot_price.tolist(), strict=True))
        return not low <= stated + int(self.plan.cost[row]) + price.get(own, 0) <= high

    def _one_alternative(self, key: int, slot: int, own: int, before: list[int]) -> None:
        self._eligible(key, slot, "alternative_")
        if slot in self.full:
            self.add("alternative_taken", key, slot, "the slot has no place that is free")
        for other in (own, *before):
            if self._difference(slot, other) == 0:
                self.add("alternative_alike", key, slot, f"too like slot {other}")

    def _difference(self, left: int, right: int) -> int:
        a, b = self.slots.get(left), self.slots.get(right)
        if a is None or b is None:
            return -1
        if a["provider"] != b["provider"]:
            return 1
        if abs(a["day"] - b["day"]) >= self.policy.alternative_days:
            return 2
        return 3 if a["part"] % 3 != b["part"] % 3 else 0

    def _costs(self, keys: list[int], given: list[int]) -> None:
        total = self.plan.expected_cost
        for key, slot, cost in zip(keys, given, self.plan.cost.tolist(), strict=True):
            total += cost
            if key in self.refs and (slot == -1 or slot in self.slots):
                low, high = self._cost_range(self.refs[key], slot)
                if not low <= cost <= high:
                    self.add("cost", key, slot, f"costs {cost}, should be from {low} to {high} (tie-break)")
        if total != self.plan.objective:
            self.add("objective", -1, -1, f"costs add up to {total}, not {self.plan.objective}")
        if self.plan.certified and self.plan.bound is not None and self.plan.bound > total:
            self.add("bound", -1, -1, "the bound is above the cost")

    def _cost_range(self, ref: dict[str, Any], slot_key: int) -> tuple[int, int]:
        policy, tie = self.policy, max(self.policy.tie_break - 1, 0)
        if slot_key == -1:
            last = policy.horizon_days + policy.unplaced_days
            cost = _day_cost(policy, ref, last, always_breach=True) + policy.travel_cap_km * policy.travel_km
            return cost + policy.tie_break, cost + policy.tie_break
        slot = self.slots[slot_key]
        km = ref["shortlist"].get(slot["service"], (0.0,))[0]
        km = min(policy.unknown_km if isnan(km) else km, policy.travel_cap_km)
        cost = _day_cost(policy, ref, slot["day"]) + round(km * policy.travel_km)
        previous = self.slots.get(ref["previous_slot"])
        alike = ("service", "specialty", "day", "part", "practitioner", "offers", "priorities")
        if previous is not None and previous["capacity"] > 0 and all(previous[c] == slot[c] for c in alike):
            cost -= policy.keep
        return cost, cost + tie

    def _reserve(self) -> None:
        if any(number < 0 for number in self.plan.reserved.tolist()):
            self.add("reserve", -1, -1, "fewer than no places are reserved")
        kept: Counter[tuple[int, int]] = Counter()
        for key, number in zip(self.plan.priced_slot_key.tolist(), self.plan.reserved.tolist(), strict=True):
            if key in self.slots:
                kept[self.slots[key]["specialty"], self.slots[key]["service"]] += number
        coming: dict[tuple[int, int], list[int]] = {}
        last = self.policy.horizon_days + self.policy.unplaced_days
        for specialty, service, priority in sorted({line[:3] for line in self.expected}):
            mine = [line for line in self.expected if line[:3] == (specialty, service, priority)]
            whole, past = sum(line[4] for line in mine), sum(line[4] for line in mine if line[3] <= 0)
            number = self._share(whole) - self._share(past)
            someone = {"priority": priority, "waited_days": 0, "target_days": self.policy.target_days[priority]}
            cost = _day_cost(self.policy, someone, last, always_breach=True)
            cost += self.policy.travel_cap_km * self.policy.travel_km + self.policy.tie_break
            coming.setdefault((specialty, service), []).extend([cost] * number)
        least = 0
        for place in sorted(coming.keys() | kept.keys()):
            costs = sorted(coming.get(place, []))
            if kept[place] > len(costs):
                message = f"{kept[place]} places of service {place[1]} are kept for {len(costs)} arrivals"
                self.add("reserve", -1, -1, message)
            least += sum(costs[: max(0, len(costs) - kept[place])])
        most = sum(sum(costs) for costs in coming.values())
        if not least <= self.plan.expected_cost <= most:
            message = f"the arrivals cost {self.plan.expected_cost}, should be from {least} to {most}"
            self.add("reserve_cost", -1, -1, message)

    def _share(self, count: int) -> int:
        return (count * self.policy.expected_percent + 99) // 100

    def _blocks(self) -> None:
        patients = Counter(ref["patient"] for ref in self.refs.values())
        blocks = self.plan.blocks
        for key, start, end in zip(
            blocks.referral.tolist(), blocks.start_minute.tolist(), blocks.end_minute.tolist(), strict=True
        ):
            if key not in self.refs or patients[self.refs[key]["patient"]] < 2 or not 0 < end - start <= 24 * 60:
                message = "a time is refused, but the patient has no other referral that could need it"
                self.add("block", key, -1, message)

    def _reasons(self, keys: list[int], given: list[int]) -> None:
        for key, slot, reason in zip(keys, given, self.plan.unplaced_reason.tolist(), strict=True):
            if (slot == -1) != (reason != 0):
                self.add("unplaced_reason", key, slot, "a reason where there is a slot, or none where there is none")


def _records(part: Any, key: str) -> dict[int, dict[str, Any]]:
    columns = {name: getattr(part, name).tolist() for name in part.DTYPES}
    rows = zip(*columns.values(), strict=True)
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows} if key == "key" else {}


def _overlap(start: int, end: int, other_start: int, other_end: int) -> bool:
    return start < other_end and end > other_start


def _day_cost(policy: Policy, ref: dict[str, Any], day: int, always_breach: bool = False) -> int:
    p, waited, target = ref["priority"], ref["waited_days"], ref["target_days"]
    wait = waited + day
    cost = policy.breach[p] if always_breach or waited <= target < wait else 0
    late, now, cap = max(wait - target, 0), max(waited - target, 0), policy.late_cap_days
    cost += policy.late_day[p] * (late - now)
    cost += policy.late_square[p] * (_square(late, cap) - _square(now, cap))
    cost += policy.wait_day[p] * day
    cost += policy.wait_square[p] * (wait * wait - waited * waited) // target
    return int(cost)


def _square(late: int, cap: int) -> int:
    return late * late if late <= cap else cap * cap + 2 * cap * (late - cap)
