"""``flask simulate`` at its front door: a tiny run, its files, and input it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from booking.cli import simulate
from optimiser.simulation import POLICIES

TINY = ("--days", "10", "--warm-up", "5", "--services", "4", "--seeds", "2", "--workers", "1")


def test_a_tiny_run_writes_json_and_plots(tmp_path: Path) -> None:
    file, folder = tmp_path / "found.json", tmp_path / "plots"
    chosen = ("--policies", "ours-three", "--policies", "ring-fenced", "--overbook", "100", "--forecast-error", "0.8")
    result = CliRunner().invoke(
        simulate.simulate, [*TINY, *chosen, "--json", str(file), "--svg", str(folder)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert "2 policies with 2 seeds: 4 runs" in result.output
    assert "ours-three" in result.output
    found = json.loads(file.read_text())
    assert list(found["policies"]) == ["ring-fenced", "ours-three"]
    assert found["settings"]["overbook"] == 100
    assert found["settings"]["forecast_error"] == 0.8
    ours = found["policies"]["ours-three"]
    assert [run["seed"] for run in ours["runs"]] == [1, 2]
    assert ours["mean"]["breaches"]["half_width"] is not None
    difference = ours["minus_ring-fenced"]["breaches"]["mean"]
    rival = found["policies"]["ring-fenced"]["mean"]["breaches"]["mean"]
    assert difference == pytest.approx(ours["mean"]["breaches"]["mean"] - rival)
    assert ours["runs"][0]["figures"]["extra_places"] > 0
    pictures = sorted(folder.iterdir())
    assert len(pictures) == 4
    for picture in pictures:
        ElementTree.fromstring(picture.read_text())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--days", "0"), "--days"),
        (("--load", "0"), "--load"),
        (("--policies", "lottery"), "--policies"),
        (("--overbook", "500"), "--overbook"),
        (("--seeds", "0"), "--seeds"),
        (("--json", "/there/is/no/such/folder/found.json"), "--json"),
    ],
)
def test_bad_options_are_named(arguments: tuple[str, ...], named: str) -> None:
    result = CliRunner().invoke(simulate.simulate, [*TINY, *arguments])
    assert result.exit_code == 2
    assert named in result.output


def test_the_command_knows_every_policy() -> None:
    assert tuple(POLICIES) == simulate.POLICIES
