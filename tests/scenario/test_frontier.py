"""The benchmarks of fairness on a tiny data set of the public one's layout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import frontier, worth
from tests.scenario.test_england import folder

__all__ = ["folder"]


def test_the_frontier_is_measured_searched_and_drawn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"version": "own", "travel_km": 0}))
    arguments = ["--data", str(folder), "--rounds", "2", "--policy", str(own), "--json", str(tmp_path / "f.json")]
    monkeypatch.setattr(sys, "argv", ["frontier", *arguments, "--svg", str(tmp_path / "f.svg"), "--function", "330"])
    frontier.main()
    said = capsys.readouterr().out
    made = json.loads((tmp_path / "f.json").read_text())
    names = [point["name"] for point in made["points"]]
    assert names[:2] == ["default", "balanced"]
    assert "own" in names
    assert "round 1" in names
    assert set(made["frontier"]) <= set(names)
    assert all(point["breaches"] >= made["fewest"]["unavoidable"] for point in made["points"])
    waiting = 20 * 3 + 1
    for point in made["points"]:
        named = point["fairness"]["breakdowns"]["commissioner"]["named"]
        assert [(row["group"], row["people"]) for row in named] == [("C1", waiting), ("C2", waiting)]
    assert all(point["certified"] for point in made["points"])
    assert made["why"] in said
    for point in made["points"]:
        assert point["name"] in said
    assert ElementTree.parse(tmp_path / "f.svg").getroot().tag.endswith("svg")


def test_sessions_are_valued_and_tried(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(folder), "--verify", "3", "--places", "5", "--json", str(tmp_path / "w.json")]
    monkeypatch.setattr(sys, "argv", ["worth", *arguments])
    worth.main()
    made = json.loads((tmp_path / "w.json").read_text())
    assert made["certified"]
    assert len(made["sessions"]) == 3
    for one in made["sessions"]:
        assert 0 <= one["gained"] <= one["bound"]
        assert one["saved"] <= one["breaches"]
    assert "sessions valued" in capsys.readouterr().out
