"""Administration as its managers see it: people, tokens, audit, messages, the service's health; one's own account."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from booking.domain.words import Channel, Role
from booking.models import Account, JobRun, Organisation, OutboxMessage, Referral
from booking.services.delivery import TO_POST
from booking.services.job_notes import SCHEDULER, Note, write
from tests import factories
from tests.browser.conftest import Clinic, Open
from tests.browser.states import NOBODY, State, each, look

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
DOWNLOADS = {"web.audit_file", "web.failed_message_letter", "web.robots"}
PRACTICE, PROVIDER = "referring_admin@p81001", "provider_admin@ra1"
COMMISSIONER, ANALYST = "commissioner@00x", "information_analyst@00x"
ADMIN = "/staff/admin"


def _is_up(clinic: Clinic) -> str:
    """The scheduler wrote just now; one job failed."""
    now = datetime.now(UTC)
    failed = Note("deliver", now, 5, finished_at=now - timedelta(minutes=1), failed_at=now, error="OperationalError")
    with clinic.database.unit_of_work() as session:
        write(session, [Note(SCHEDULER, now, 30, finished_at=now), Note("seal", now, 300, finished_at=now), failed])
    return f"{ADMIN}/health"


def _is_silent(clinic: Clinic) -> str:
    with clinic.database.unit_of_work() as session:
        for run in session.scalars(select(JobRun)):
            run.finished_at = datetime(2026, 1, 1, tzinfo=UTC)
    return f"{ADMIN}/health"


def _messages(clinic: Clinic) -> str:
    letter, now = clinic.letter(), datetime.now(UTC)
    with clinic.database.unit_of_work() as session:
        digits = letter.reference.replace(" ", "")
        referral = session.scalars(select(Referral).where(Referral.ubrn == digits)).one()
        for number, (channel, why) in enumerate(((Channel.LETTER, TO_POST), (Channel.EMAIL, "Undeliverable: no box"))):
            session.add(
                OutboxMessage(
                    event_key=f"{digits}:{number}", kind="referral-ready", referral_id=referral.id,
                    payload={"ubrn": digits}, created_at=now, next_attempt_at=now, attempts=2, failed_at=now,
                    channel=channel, last_error=why,
                )
            )  # fmt: skip
    return "/staff/messages"


def _long_name(clinic: Clinic) -> str:
    name = "Prof. Wilhelmina Aurora Thistlewood-O’Shaughnessy van der Berg 👩‍⚕️ مريم عبد الرحمن"
    with clinic.database.unit_of_work() as session:
        organisation = session.get_one(Organisation, clinic.region.practice.id)
        number = next(clinic.numbers)
        role = factories.account(
            clinic.work(session), Role.REFERRING_CLINICIAN, organisation,
            f"wilhelmina.aurora.thistlewood-oshaughnessy.van-der-berg.{number}@a-very-long-practice-name.example",
        )  # fmt: skip
        session.get_one(Account, role.account_id).name = name
        return f"{ADMIN}/people/{role.account_id}"


def _members(clinic: Clinic) -> str:
    _long_name(clinic)
    return f"{ADMIN}/people"


def _me(clinic: Clinic) -> str:
    return f"{ADMIN}/people/{clinic.region.account_roles[Role.REFERRING_ADMIN].account_id}"


def _press(name: str, *, last: bool = False) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        button = page.get_by_role("main").get_by_role("button", name=name)
        (button.last if last else button.first).click()
        page.get_by_role("heading", name=re.compile("There is a problem|Nothing was changed|Done")).first.wait_for()

    return act


def _first_password(page: Page) -> None:
    page.get_by_role("button", name="Make a first password").click()
    page.get_by_role("heading", name="First password: shown once").wait_for()


def _token(page: Page) -> None:
    page.get_by_label("Which system").fill("Diary feed")
    page.get_by_role("main").get_by_role("radio").first.check()
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("heading", name="Shown once: copy it now").wait_for()


def _has_token(page: Page) -> None:
    _token(page)
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System clients")
    expect(page.get_by_role("button", name="End it").first).to_be_visible()


def _at(path: str) -> Callable[[Clinic], str]:
    return lambda _: path


STATES = [
    State("web.admin", "practice", PRACTICE, _at(ADMIN), heading="Administration"),
    State("web.admin", "analyst", ANALYST, _at(ADMIN)),
    State("web.people", "full", PRACTICE, _members),
    State("web.person", "long name", PRACTICE, _long_name),
    State("web.person", "oneself refused", PRACTICE, _me, _press("Withdraw", last=True)),
    State("web.person", "first password", PRACTICE, _long_name, _first_password),
    State("web.person_new", "empty", PROVIDER, _at(f"{ADMIN}/people/new"), heading="Let somebody in"),
    State("web.person_new", "refused", PROVIDER, _at(f"{ADMIN}/people/new"), _press("Make the account")),
    State("web.tokens", "empty", COMMISSIONER, _at(f"{ADMIN}/tokens")),
    State("web.tokens", "refused", PROVIDER, _at(f"{ADMIN}/tokens"), _press("Make the token")),
    State("web.tokens", "shown once", PROVIDER, _at(f"{ADMIN}/tokens"), _token),
    State("web.tokens", "full", PROVIDER, _at(f"{ADMIN}/tokens"), _has_token),
    State("web.organisation", "provider", PROVIDER, _at(f"{ADMIN}/organisation")),
    State("web.organisation", "analyst", ANALYST, _at(f"{ADMIN}/organisation")),
    State("web.audit", "changes", PRACTICE, _at(f"{ADMIN}/audit"), heading="Audit trail"),
    State("web.audit", "reads", PRACTICE, _at(f"{ADMIN}/audit?kind=reads")),
    State("web.audit", "empty", PRACTICE, _at(f"{ADMIN}/audit?last=2020-01-01")),
    State("web.audit", "refused", PRACTICE, _at(f"{ADMIN}/audit?first=x&reference=12")),
    State("web.audit", "patient refused", PRACTICE, _at(f"{ADMIN}/audit"), _press("Look them up")),
    State("web.audit", "without names", COMMISSIONER, _at(f"{ADMIN}/audit")),
    State("web.failed_messages", "empty", PROVIDER, _at("/staff/messages")),
    State("web.failed_messages", "full", PRACTICE, _messages),
    State("web.failed_messages", "refused", PRACTICE, _messages, _press("Done with")),
    State("web.health", "silent", ANALYST, _is_silent),
    State("web.health", "a job failed", COMMISSIONER, _is_up),
    State("web.account", "plain", "provider_clinician@ra1", _at("/staff/account"), heading="Your account"),
    State("web.account", "refused", "provider_clinician@ra1", _at("/staff/account"), _press("Change my password")),
    State("web.first_password", "empty", NOBODY, _at("/staff/first-password")),
    State("web.first_password", "refused", NOBODY, _at("/staff/first-password"), _press("Save it and sign in")),
    State("web.help", "plain", NOBODY, _at("/help"), heading="Help"),
    State("web.accessibility", "plain", NOBODY, _at("/accessibility"), heading="Accessibility statement"),
    State("web.privacy", "plain", NOBODY, _at("/privacy"), heading="Privacy and cookies"),
    State("web.tour", "no demo", NOBODY, _at("/tour"), heading="We can’t find that"),
]  # fmt: skip


@each(STATES)
def test_accessible(clinic: Clinic, opened: Open, state: State) -> None:
    look(clinic, opened, state)
