"""What anybody sees: the front page, signing in, choosing a role, and errors."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from booking.domain.words import Role
from booking.models import AccountRole
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.states import NOBODY, State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.staff"}


def _send(page: Page) -> None:
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="There is a problem").wait_for()


def _two_roles(clinic: Clinic) -> str:
    """Somebody who is both clinician and administrator at the practice."""
    with clinic.database.unit_of_work() as session:
        work = clinic.work(session)
        held = factories.account(work, Role.REFERRING_CLINICIAN, clinic.region.practice, "two.roles@p81001")
        session.add(
            AccountRole(account_id=held.account_id, organisation_id=held.organisation_id, role=Role.REFERRING_ADMIN)
        )
    return "/staff/role"


STATES = [
    State("web.front", "plain", NOBODY, lambda _: "/"),
    State("web.sign_in", "empty", NOBODY, lambda _: "/sign-in"),
    State("web.sign_in", "refused", NOBODY, lambda _: "/sign-in", _send),
    State("web.staff_sign_in", "empty", NOBODY, lambda _: "/staff/sign-in"),
    State("web.staff_sign_in", "refused", NOBODY, lambda _: "/staff/sign-in", _send),
    State("web.staff_role", "two", "two.roles@p81001", _two_roles, heading="Which role are you in today?"),
]


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
