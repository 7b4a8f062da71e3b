"""Fairness figures against a plain recount; the frontier; the search for a policy."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from optimiser import Policy, Problem, solve
from optimiser.fairness import (
    JUDGED_FROM,
    PLAN,
    RIVAL,
    WORST,
    Labels,
    fairness,
    groups_with_longer_mean_wait,
    slots_of,
)
from optimiser.frontier import Goal, Study, efficient, ladder, scaled, search, sweep
from optimiser.frontier_plot import svg, table
from optimiser.generate import generate
from optimiser.rivals import open_fcfs, ring_fenced_fcfs

from .conftest import problem, shortlists, slots


@pytest.fixture(scope="module")
def crowded() -> Problem:
    return generate(500, seed=8, load=1.15, limits=False).canonical()


def test_figures_agree_with_a_plain_recount(crowded: Problem) -> None:
    refs = crowded.referrals
    deprived = Labels(np.arange(len(refs)) % 6 - 1, ("1", "2", "3", "4", "5"))
    methods = {PLAN: slots_of(crowded, solve(crowded)), RIVAL: ring_fenced_fcfs(crowded)}
    report = fairness(crowded, methods, {"deprivation": deprived})
    nothing = crowded.policy.horizon_days + crowded.policy.unplaced_days
    for name, slot in methods.items():
        waits, days, missed = defaultdict(list), defaultdict(list), defaultdict(int)
        for i, at in enumerate(slot.tolist()):
            day = int(crowded.slots.day[at]) if at >= 0 else nothing
            waited, target = int(refs.waited_days[i]), int(refs.target_days[i])
            late = waited > target
            groups = [
                ("everybody", "everybody"),
                ("deprivation", str(i % 6) if i % 6 else "not known"),
                ("priority", "already_late" if late else ["routine", "urgent", "two_week_wait"][refs.priority[i]]),
            ]
            for group in groups:
                waits[group].append(waited + day)
                days[group].append(day)
                missed[group] += not late and (at < 0 or waited + day > target)
        rows = {(row.breakdown, row.group): row for row in (report.everybody, *report.rows)}
        for group, all_waits in waits.items():
            ordered, figures = sorted(all_waits), rows[group].methods[name]
            assert rows[group].people == len(ordered)
            assert figures.breaches == missed[group]
            assert figures.mean_day == pytest.approx(sum(days[group]) / len(ordered))
            assert figures.mean_wait == pytest.approx(sum(ordered) / len(ordered))
            assert figures.p95 == ordered[-(-95 * len(ordered) // 100) - 1]
            assert figures.p99 == ordered[-(-99 * len(ordered) // 100) - 1]
            assert figures.longest == ordered[-1]


def test_somebody_without_a_slot_counts_on_both_sides() -> None:
    """Dropping ten people is worse for their group than seeing them late, and shows."""
    refs = {"key": np.arange(20), "priority": 0, "waited_days": 10}
    given = problem(refs, shortlists(*[[7]] * 20), slots(*((k, 7, 1, 9) for k in range(20))))
    dropped = np.where(np.arange(20) < 10, -1, np.arange(20))
    half = {"half": Labels((np.arange(20) >= 10).astype(np.int64), ("first", "second"))}
    report = fairness(given, {PLAN: dropped, RIVAL: np.arange(20)}, half)
    first = next(row for row in report.rows if row.group == "first")
    assert first.extra_days() == 28 + 28 - 1
    assert first.methods[PLAN].unplaced == first.methods[PLAN].breaches == 10
    assert "half: first" in groups_with_longer_mean_wait(report)
    assert "half: second" not in groups_with_longer_mean_wait(report)
    assert groups_with_longer_mean_wait(report, days=55.0) == []


def test_small_groups_are_shown_but_not_judged() -> None:
    few = JUDGED_FROM - 1
    refs = {"key": np.arange(20), "priority": 0, "waited_days": 10}
    given = problem(refs, shortlists(*[[7]] * 20), slots(*((k, 7, k + 1, 9) for k in range(20))))
    ours, theirs = np.arange(20), np.arange(20)[::-1].copy()
    last = Labels(np.where(np.arange(20) >= 20 - few, 0, 1), ("last", "others"))
    report = fairness(given, {PLAN: ours, RIVAL: theirs}, {"turn": last})
    row = next(row for row in report.rows if row.group == "last")
    assert (row.people, row.judged) == (few, False)
    assert row.extra_days() > 1
    assert report.longer() == []
    wider = fairness(
        given, {PLAN: ours, RIVAL: theirs}, {"turn": Labels((ours < 10).astype(np.int64), ("last", "first"))}
    )
    assert wider.longer() == ["turn: last"]
    assert wider.worst().group == "last"


def test_only_the_worst_of_many_groups_are_named(crowded: Problem) -> None:
    n = len(crowded.referrals)
    many = Labels(np.arange(n) % 30, tuple(f"C{at:02d}" for at in range(30)))
    methods = {PLAN: open_fcfs(crowded), RIVAL: ring_fenced_fcfs(crowded)}
    report = fairness(crowded, methods, {"commissioner": many})
    told = report.to_dict()["breakdowns"]["commissioner"]
    extra = sorted((row.extra_days() for row in report.rows if row.breakdown == "commissioner"), reverse=True)
    assert told["groups"] == 30
    assert [row["extra_days"] for row in told["named"]] == [round(one, 2) for one in extra[:WORST]]
    longer = [row for row in report.rows if row.breakdown == "commissioner" and row.judged and row.extra_days() > 1]
    assert len([one for one in report.longer() if one.startswith("commissioner")]) == len(longer)


def test_labels_must_fit(crowded: Problem) -> None:
    slot = ring_fenced_fcfs(crowded)
    with pytest.raises(ValueError, match="'plan' is missing"):
        fairness(crowded, {RIVAL: slot})
    with pytest.raises(ValueError, match="'language' has 3 labels for 500"):
        fairness(crowded, {PLAN: slot}, {"language": Labels(np.zeros(3, np.int64), ("English",))})
    with pytest.raises(ValueError, match="'other' has 2 slots for 500"):
        fairness(crowded, {PLAN: slot, "other": slot[:2]})


def test_nobody_to_report() -> None:
    none = problem(
        {"key": [], "priority": [], "waited_days": []}, shortlists([]).take(np.zeros(0, np.int64)), slots((1, 7, 1, 9))
    )
    report = fairness(none, {PLAN: np.zeros(0, np.int64), RIVAL: np.zeros(0, np.int64)})
    assert report.to_dict()["everybody"][0]["people"] == 0
    assert report.longer() == []


def test_a_day_of_a_group_made_dearer_shortens_its_wait(crowded: Problem) -> None:
    """The multiplier does what it is for: more weight on a priority, and its patients wait less."""
    study = Study(crowded)
    means = []
    for factors in ((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 20.0, 1.0), (1.0, 20.0, 1.0, 1.0)):
        rows = study.point("", scaled(Policy(), factors)).report.rows
        means.append({row.group: row.methods[PLAN].mean_day for row in rows if row.breakdown == "priority"})
    assert means[1]["two_week_wait"] < means[0]["two_week_wait"]
    assert means[2]["urgent"] < means[0]["urgent"]
    assert scaled(Policy(), (1, 1, 1, 1)) == Policy()


def test_the_ladder_trades_breaches_for_waits(crowded: Problem) -> None:
    study = Study(crowded)
    points = sweep(study, ladder(Policy(), (1, 50, 10_000)))
    assert points[2].breaches <= points[1].breaches <= points[0].breaches
    assert points[2].breaches < points[0].breaches
    front = efficient(points)
    assert points[2] in front
    assert all(a.extra_days < b.extra_days and a.breaches > b.breaches for a, b in pairwise(front))


def test_search_meets_a_goal_that_can_be_met(crowded: Problem) -> None:
    study = Study(crowded)
    found = search(study, Policy(), Goal(avoided=0.3, days=4.0), rounds=6)
    assert found.met
    assert found.best.meets(Goal(0.3, 4.0))
    assert found.why.startswith("met after")


def test_search_says_why_a_goal_cannot_be_met() -> None:
    given = generate(300, seed=4, load=1.5, limits=False)
    study = Study(given)
    found = search(study, Policy(), Goal(avoided=0.99, days=0.01), rounds=2)
    assert not found.met
    assert f"{study.fewest()['unavoidable']:,} people can't be seen in time" in found.why
    assert "days longer" in found.why
    assert found.best.distance(Goal(0.99, 0.01)) == min(p.distance(Goal(0.99, 0.01)) for p in found.points)


def test_the_plot_says_what_the_table_says(crowded: Problem) -> None:
    study = Study(crowded)
    points = sweep(study, {"default": Policy(), "a & b": replace(Policy(), travel_km=0)})
    lines = table(points).splitlines()
    assert len(lines) == 3
    assert f"{points[0].breaches:,}" in lines[1]
    root = ElementTree.fromstring(svg(points, study.breaches))
    named = {child.tag.split("}")[1]: child.text for child in root if child.tag.split("}")[1] in ("title", "desc")}
    assert root.attrib["role"] == "img"
    assert "worst-off group" in (named["title"] or "")
    for point in points:
        assert f"{point.name}: {point.breaches:,} breaches" in (named["desc"] or "")
