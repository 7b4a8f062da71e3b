"""What anybody sees: the front page, signing in, choosing a role, and errors."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Clinic, Open
from tests.browser.states import NOBODY, State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.staff"}


def _send(page: Page) -> None:
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="There is a problem").wait_for()


STATES = [
    State("web.front", "plain", NOBODY, lambda _: "/"),
    State("web.sign_in", "empty", NOBODY, lambda _: "/sign-in"),
    State("web.sign_in", "refused", NOBODY, lambda _: "/sign-in", _send),
    State("web.staff_sign_in", "empty", NOBODY, lambda _: "/staff/sign-in"),
    State("web.staff_sign_in", "refused", NOBODY, lambda _: "/staff/sign-in", _send),
]


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
