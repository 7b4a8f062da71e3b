"""Administration in a real browser: somebody is let in and out, a token used, the tour taken."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.demo import seed, sign_ins
from booking.keys import Keys
from booking.services.work import SYSTEM, Work
from tests import servers
from tests.browser.conftest import DESKTOP, Clinic, Open, accessible, sign_in
from tests.browser.states import staff
from tests.conftest import SECRET

ON_SQLITE = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
MANAGER = "referring_admin@p81001"


def let_in(page: Page, name: str, username: str) -> str:
    """Make an account; returns its first password."""
    page.goto("/staff/admin")
    page.get_by_role("link", name="People and roles").click()
    page.get_by_role("link", name="Let somebody in").click()
    page.get_by_label("Their name").fill(name)
    page.get_by_label("User name").fill(username)
    page.get_by_role("checkbox", name="Referring clinician").check()
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="First password: shown once")).to_be_visible()
    return page.locator(".adm-secret code").last.inner_text()


@ON_SQLITE
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_somebody_is_let_in_and_out_again(clinic: Clinic, opened: Open, javascript: bool) -> None:
    manager, them = opened(javascript=javascript), opened(javascript=javascript)
    username, name = f"bo.{javascript}@practice.example", f"Dr Bo D’Arcy 🦉 {'ליאת' if javascript else 'مريم'}"
    staff(manager, MANAGER)
    first = let_in(manager, name, username)
    address = manager.url
    manager.reload()
    expect(manager.get_by_text(first)).to_have_count(0)

    them.goto("/staff/admin/people")  # a deep link of somebody who may not open it
    them.get_by_label("User name").fill(username)
    them.get_by_label("Password").fill(first)
    them.get_by_role("button", name="Sign in").click()
    expect(them.get_by_role("heading", level=1)).to_have_text("Choose your own password")
    them.get_by_label("User name").fill(username)
    them.get_by_label("The first password you were given").fill(first)
    them.get_by_label("A password of your own").fill("three wise old owls")
    them.get_by_label("The same again").fill("three wise old owls")
    them.get_by_role("button", name="Save it and sign in").click()
    expect(them.get_by_text(f"{name}, referring clinician")).to_be_visible()

    manager.goto(address)
    manager.get_by_role("button", name="Withdraw the role Referring clinician").click()
    expect(manager.get_by_text("no longer referring clinician")).to_be_visible()
    them.goto("/staff/referrals")
    expect(them.get_by_role("heading", level=1)).to_have_text("Staff sign-in")

    manager.get_by_role("link", name=f"What {name} did, in the audit trail").click()
    expect(manager.get_by_role("cell", name="Changed their password")).to_be_visible()
    manager.get_by_label("Who").select_option("")
    manager.get_by_label("What", exact=True).select_option(label="Withdrew a role")
    manager.get_by_role("button", name="Search").click()
    expect(manager.get_by_role("cell", name="Withdrew a role").first).to_be_visible()
    expect(manager.get_by_role("cell", name="Changed their password")).to_have_count(0)


@ON_SQLITE
def test_a_token_is_made_used_and_ended(clinic: Clinic, opened: Open) -> None:
    page = opened()
    staff(page, "provider_admin@ra1")
    page.goto("/staff/admin/tokens")
    page.get_by_label("Which system").fill("Diary 'feed'")
    page.get_by_role("radio", name="Clinic administrator").check()
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#token").inner_text()

    def call() -> int:
        wanted = urllib.request.Request(f"{clinic.url}/api/v1/slots", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(wanted, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert call() == 200
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("row", name="Diary 'feed'").get_by_role("button", name="End it").click()
    expect(page.get_by_text("does not work any more")).to_be_visible()
    assert call() == 401


@ON_SQLITE
def test_by_keyboard_alone(clinic: Clinic, opened: Open) -> None:
    page = opened()
    staff(page, MANAGER)
    page.goto("/staff/admin/people/new")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Their name")).to_be_focused()
    page.keyboard.type("Keyboard Person")
    page.keyboard.press("Tab")
    page.keyboard.type("keys@practice.example")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Make the account")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keyboard Person")


@ON_SQLITE
def test_errors_say_what_to_do_and_what_to_quote(clinic: Clinic, opened: Open) -> None:
    page = opened()
    page.goto("/nothing-here")
    expect(page.get_by_role("heading", level=1)).to_have_text("We can’t find that")
    number = page.locator("main .app-code").inner_text()
    assert len(number) == 24
    sign_in(page, clinic.letter())
    page.goto("/staff/admin")
    expect(page.get_by_role("heading", level=1)).to_have_text("This page is not for your role")
    page.get_by_role("link", name="Your choices and appointment").click()
    expect(page).to_have_url(f"{clinic.url}/choices")


# The tour


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo region on a server of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('demo')}/booking.db"
    database = Database(url)
    migrate.upgrade(database)
    config = Config(database_url=url, secret_key=SECRET, demo=True)
    with database.unit_of_work() as session:
        made = seed.seed(Work(session, SYSTEM, datetime.now(UTC), config, Keys(SECRET)), 1)
    sign_ins.write(made, sign_ins.file_of(url))
    database.dispose()
    with servers.gunicorn(url, DEMO="true") as server:
        yield server.url


def step(page: Page, number: int, name: str) -> None:
    """Begin a step, from wherever one is."""
    if number > 1:
        page.get_by_role("link", name="Back to the tour").click()
    page.get_by_role("button", name=f"Sign in as {name} for step {number}").click()
    expect(page.get_by_text(f"step {number}/6")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_the_tour_is_walked_from_end_to_end(demo: str, chromium: Browser, javascript: bool) -> None:
    context = chromium.new_context(base_url=demo, viewport=DESKTOP, java_script_enabled=javascript)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Take the tour").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A tour in six steps")
    if javascript:
        accessible(page)
    expect(page.get_by_text("Ivor Winterbourne")).to_be_visible()
    step(page, 1, "Dr Ottoline Marsh")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Refer")
    step(page, 2, "Olena Коваленко")
    if page.get_by_role("button", name="Choose this time").count():  # the first of the two tours books
        page.get_by_role("button", name="Choose this time").first.click()
        page.get_by_role("button", name="Confirm this appointment").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Appointment confirmed")
    step(page, 3, "Barnaby Frost")
    step(page, 4, "Barnaby Frost")
    step(page, 5, "Olena Коваленко")
    step(page, 6, "Ione Blackwood")
    page.get_by_role("link", name="Back to the tour").click()
    expect(page.get_by_text("You have begun 6 of 6 steps.")).to_be_visible()
    expect(page.get_by_text("Seen", exact=True)).to_have_count(6)
    page.get_by_role("button", name="Start the tour again").click()
    expect(page.get_by_text("Seen", exact=True)).to_have_count(0)
    expect(page.get_by_role("region", name="Tour")).to_have_count(0)
    context.close()
