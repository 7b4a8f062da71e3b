"""The front page."""

from __future__ import annotations

from scripts.screenshots import DESKTOP, Shots


def take(shots: Shots) -> None:
    shots.shoot(shots.visitor(DESKTOP), "front")
