"""Every page in every state, looked at by axe on a desktop and at 320 px, and with text of twice the size.

Each kind of visitor has a list of states.

A state says who looks, how the world is made so, and what is done on the page to get there. ``test_every_page.py``
compares the lists with the application's routes: a page that is in no list fails it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Clinic, Letter, Open, accessible, fits, sign_in
from tests.factories import PASSWORD

NOBODY = ""
PATIENT = "patient"


@dataclass(frozen=True)
class State:
    """One page as one kind of visitor finds it."""

    endpoint: str
    """The route, like ``web.times``."""
    name: str
    """What is special about it: ``empty``, ``full``, ``refused`` …"""
    who: str
    """:data:`NOBODY`, :data:`PATIENT` (a new one, or whose letter ``arrange`` returns), or a user name."""
    arrange: Callable[[Clinic], str | tuple[str, Letter]]
    """Makes the world so, committed, and returns the path to open."""
    act: Callable[[Page], None] | None = None
    """What is done on the page to get there: sending a form empty, opening a panel."""
    heading: str | None = None
    """The page's first heading, where it should be asserted: a test of the state, not only of its markup."""

    def __str__(self) -> str:
        return f"{self.endpoint.removeprefix('web.')}-{self.name}".replace(" ", "_")


def staff(page: Page, username: str) -> None:
    """Sign in as somebody of the region's staff."""
    page.goto("/staff/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.wait_for_load_state()


def look(clinic: Clinic, opened: Open, state: State) -> None:
    """Bring the page about, on a desktop; run axe; narrow the window to 320 px, and again; then enlarge the text."""
    arranged = state.arrange(clinic)
    path, letter = arranged if isinstance(arranged, tuple) else (arranged, None)
    page = opened(DESKTOP)
    if state.who == PATIENT:
        sign_in(page, letter or clinic.letter())
    elif state.who != NOBODY:
        staff(page, state.who)
    page.goto(path)
    if state.act is not None:
        state.act(page)
    if state.heading is not None:
        expect(page.get_by_role("heading", level=1)).to_have_text(state.heading)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    accessible(page)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    accessible(page)
    enlarged(page)


def enlarged(page: Page) -> None:
    """Text of twice the size in half a window of 1280 px: nothing scrolls sideways (WCAG 1.4.4)."""
    page.set_viewport_size({"width": 640, "height": 512})
    # Through the style sheet's own object: our policy allows no inline style.
    page.evaluate("document.styleSheets[0].insertRule('html { font-size: 200% !important; }', 0)")
    fits(page)


def each(states: Sequence[State]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("state", states, ids=str)
