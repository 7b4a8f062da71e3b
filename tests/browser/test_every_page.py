"""No page is forgotten: every GET route of the web stands in a list of states that axe looks at."""

from __future__ import annotations

import importlib
from pathlib import Path

from app import create_app
from booking.config import Config
from tests.browser.states import State

DOWNLOADS = {"web.appointment_calendar", "web.openid_start", "web.openid_callback"}
"""What answers a GET with a file or a redirect, never with a page."""


def states() -> list[State]:
    found = []
    for path in sorted(Path(__file__).parent.glob("test_pages_*.py")):
        found += importlib.import_module(f"tests.browser.{path.stem}").STATES
    return found


def downloads() -> set[str]:
    found = set(DOWNLOADS)
    for path in sorted(Path(__file__).parent.glob("test_pages_*.py")):
        found |= getattr(importlib.import_module(f"tests.browser.{path.stem}"), "DOWNLOADS", set())
    return found


def test_every_page_is_looked_at(tmp_path: Path) -> None:
    app = create_app(Config(database_url=f"sqlite:///{tmp_path}/none.db", secret_key="x" * 40, testing=True))
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint.startswith("web.")
    }
    looked_at = {state.endpoint for state in states()}
    assert pages - downloads() - looked_at == set()
    assert looked_at - pages == set()


def test_names_are_unique() -> None:
    names = [str(state) for state in states()]
    assert sorted(set(names)) == sorted(names)
