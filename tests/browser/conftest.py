"""A real Chromium against the real application: gunicorn, both databases, today's date."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.keys import Keys
from booking.services.work import Work
from tests import factories, servers
from tests.conftest import SECRET, SYSTEM, create_database
from tests.factories import Region

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 640}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Letter:
    """What the patient has in hand."""

    reference: str
    code: str


@dataclass
class Clinic:
    """The running application and its region."""

    url: str
    database: Database
    region: Region
    numbers: Iterator[int]

    def work(self, session):  # type: ignore[no-untyped-def]
        config = Config(database_url=self.database.url, secret_key=SECRET, cookie_secure=False)
        return Work(session, SYSTEM, datetime.now(UTC), config, Keys(SECRET))

    def letter(self) -> Letter:
        """A new patient with a referral to both services."""
        with self.database.unit_of_work() as session, factories.using(session):
            patient = factories.PatientFactory(
                practice_id=self.region.practice.id, given_name=f"Nr{next(self.numbers)}"
            )
            made, code = factories.referral(self.work(session), self.region, patient=patient)
            return Letter(made.ubrn, code)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def clinic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A region of its own for each file of tests: what one books, publishes or cancels is not in another's way."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('browser')}/booking.db"
    else:
        prefix = request.getfixturevalue("postgresql_prefix")
        create_database(prefix, "booking_browser")
        url = f"{prefix}/booking_browser"
    database = Database(url)
    migrate.upgrade(database)
    made = Clinic("", database, None, itertools.count(1))  # type: ignore[arg-type]
    with database.unit_of_work() as session, factories.using(session):
        made.region = factories.region(made.work(session))
    with servers.gunicorn(url) as server:
        made.url = server.url
        yield made
    database.dispose()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, clinic: Clinic) -> Iterator[Open]:
    """Opens windows of separate visitors; what the browser's console complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def window(viewport: dict[str, int] | None = None, *, javascript: bool = True) -> Page:
        context = chromium.new_context(
            base_url=clinic.url, viewport=viewport or DESKTOP, java_script_enabled=javascript,  # type: ignore[arg-type]
            has_touch=viewport == PHONE, accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _bad(message) else None)
        page.on("request", lambda request: _inside(request.url, clinic.url, complaints))
        return page

    yield window
    for context in contexts:
        context.close()
    assert complaints == []


def _bad(message) -> bool:  # type: ignore[no-untyped-def]
    return message.type == "error" and not message.text.startswith("Failed to load resource: the server responded")


def _inside(url: str, home: str, complaints: list[str]) -> None:
    if not url.startswith((home, "data:")):
        complaints.append(f"a request went outside: {url}")


def settled(page: Page) -> None:
    """Wait until a page that a click led to is all there. Asked again and again: pages may not ``eval``."""
    for _ in range(200):
        with contextlib.suppress(Error):
            if page.evaluate("document.documentElement !== null && document.readyState === 'complete'"):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"{page.url} is not all there after ten seconds")


def accessible(page: Page) -> None:
    """No violation that axe can find, and no scrolling sideways."""
    settled(page)
    found = Axe().run(page, options={"runOnly": STANDARDS})
    assert found.violations_count == 0, found.generate_report()
    fits(page)


def fits(page: Page) -> None:
    """Nothing is wider than the window (WCAG 1.4.10, reflow at 320 px)."""
    settled(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} scrolls sideways by {wide} px"


def sign_in(page: Page, letter: Letter) -> None:
    page.goto("/sign-in")
    fill_in(page, letter)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()  # a click answers before its page is there


def fill_in(page: Page, letter: Letter) -> None:
    page.get_by_label("Booking reference number").fill(letter.reference)
    page.get_by_label("Access code").fill(letter.code)
    for name, value in (("Day", "17"), ("Month", "5"), ("Year", "1960")):
        page.get_by_label(name).fill(value)


def choices(page: Page):  # type: ignore[no-untyped-def]
    return page.get_by_role("button", name="Choose this time")
