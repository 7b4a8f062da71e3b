"""The whole site over the demo region: every link of every role leads somewhere, no page breaks the house's rules."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urlsplit

import pytest
from jinja2 import FileSystemBytecodeCache
from werkzeug.test import TestResponse

from app import create_app
from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.demo import seed, sign_ins
from booking.demo.sign_ins import PatientSignIn, SignIns, StaffSignIn
from booking.edge.flask_app import BookingApp
from booking.edge.hardening import CSP
from booking.keys import Keys
from booking.services.work import SYSTEM, Work
from booking.web.context import NAV
from tests.conftest import NOW, SECRET, Clock
from tests.web.conftest import Visitor

pytestmark = pytest.mark.slow
FIRST_LOAD, AFTER = 150 * 1024, 30 * 1024
MOST_PAGES, PER_ENDPOINT = 90, 3
ELSEWHERE = {"https://www.nationalarchives.gov.uk"}
"""Addresses outside that a page may link to."""
WEIGHED_APART = {"docs"}
"""The API's documentation: one page for programmers, and long."""

ONE_PAGE = {"web.refer", "web.refer_to"}
"""The same page at two addresses: with the patient looked up already, and without."""


@dataclass
class Site:
    app: BookingApp
    people: SignIns


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    config = Config(
        database_url=f"sqlite:///{folder}/booking.db", secret_key=SECRET, cookie_secure=False, testing=True, demo=True,
        attachments=f"disk:{folder / 'attachments'}",
    )  # fmt: skip
    app = create_app(config)
    database = Database(config.database_url)
    migrate.upgrade(database)
    app.database, app.clock = database, Clock()
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    with database.unit_of_work() as session:
        made = seed.seed(Work(session, SYSTEM, NOW, config, Keys(SECRET)), 1)
    sign_ins.write(made, sign_ins.file_of(config.database_url))
    return Site(app, made)


def come_in(site: Site, who: PatientSignIn | StaffSignIn | None, target: str = "/") -> tuple[Visitor, TestResponse]:
    """Signed in as them by way of ``target``, a link that needs it; and the page that followed."""
    visitor = Visitor(site.app.test_client())
    page = visitor.get(target)
    if isinstance(who, StaffSignIn):
        page = page if "/sign-in" in page.request.path else visitor.get("/staff/sign-in")
        page = visitor.send(page, "/staff/sign-in", username=who.username, password=who.password)
        if page.request.path == "/staff/role":
            chosen = re.search(r'name="role" value="(\d+)"', page.text)
            assert chosen is not None
            page = visitor.send(page, "/staff/role", role=chosen[1])
    elif isinstance(who, PatientSignIn):
        page = page if "/sign-in" in page.request.path else visitor.get("/sign-in")
        born = {f"date_of_birth__{part}": str(value) for part, value in who.date_of_birth.items()}
        page = visitor.send(page, "/sign-in", reference=who.reference, access_code=who.access_code, **born)
    return visitor, page


@dataclass
class Walk:
    """What a walk along the links found."""

    seen: dict[str, TestResponse] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def links(page: TestResponse) -> list[str]:
    found = re.findall(r'<a\b[^>]*\bhref="([^"]*)"', page.text)
    return [urldefrag(address.replace("&amp;", "&"))[0] for address in found]


def walk(site: Site, visitor: Visitor, start: str) -> Walk:
    """Follow the links, a few of each route, until there are no more or enough."""
    done, waiting, number = Walk(), [start, "/"], Counter[str]()
    adapter = site.app.url_map.bind("localhost")
    while waiting and len(done.seen) < MOST_PAGES:
        address = waiting.pop(0)
        if address in done.seen or not address.startswith("/"):
            continue
        endpoint = str(adapter.match(urlsplit(address).path)[0])
        number[endpoint] += 1
        if number[endpoint] > PER_ENDPOINT:
            continue
        page = visitor.client.get(address)
        while page.status_code in (302, 303):
            page = visitor.client.get(page.headers["Location"])
        done.seen[address] = page
        if page.status_code != 200:
            done.broken.append(f"{address}: {page.status_code}")
        elif page.mimetype == "text/html":
            waiting += links(page)
    return done


def faults(address: str, page: TestResponse, endpoint: str) -> list[str]:
    """What on a page breaks the rules of the house."""
    text, found = page.text, []
    if page.headers["Content-Security-Policy"] != CSP:
        found.append("another Content-Security-Policy")
    if re.search(r"<style|\sstyle=|<script(?![^>]*\bsrc=)|\son[a-z]+=\"", text):
        found.append("inline style or script")
    if not re.search(r'<html lang="(en|cy)"', text):
        found.append("no language")
    if len(re.findall(r"<h1\b", text)) != 1:
        found.append("not one h1")
    if re.search(r"<img(?![^>]*\balt=)", text):
        found.append("an image without alt")
    outside = re.findall(r'(?:href|src|action)="(https?://[^/"]+)', text)
    found += [f"leads outside: {one}" for one in outside if one not in ELSEWHERE]
    title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    if title is None or not title[1].strip().endswith(("– Choose and book", "– Dewis a threfnu")):
        found.append("no title, or of another pattern")
    if endpoint not in WEIGHED_APART and len(gzip.compress(page.data)) > AFTER:
        found.append(f"{len(gzip.compress(page.data))} bytes compressed")
    return [f"{address}: {one}" for one in found]


def everybody(site: Site) -> list[tuple[str, PatientSignIn | StaffSignIn | None, str]]:
    staff = [(one.username, one, "/staff") for one in site.people.staff]
    patients = [(one.name, one, "/choices") for one in site.people.patients[:4]]
    return [("nobody", None, "/"), *staff, *patients]  # type: ignore[list-item]


def test_every_link_of_everybody_leads_somewhere_and_every_page_keeps_the_rules(site: Site) -> None:
    wrong: list[str] = []
    adapter = site.app.url_map.bind("localhost")
    for name, who, home in everybody(site):
        visitor, _ = come_in(site, who)
        found = walk(site, visitor, home)
        wrong += [f"{name}: {one}" for one in found.broken]
        titles: dict[str, str] = {}
        for address, page in found.seen.items():
            if page.status_code != 200 or page.mimetype != "text/html":
                continue
            endpoint = str(adapter.match(page.request.path)[0])
            wrong += [f"{name}: {one}" for one in faults(address, page, endpoint)]
            title = page.text.split("<title>")[1].split("</title>")[0]
            first = titles.setdefault(title, endpoint)
            if first != endpoint and {first, endpoint} != ONE_PAGE:
                wrong.append(f"{name}: {endpoint} and {first} are both called {title!r}")
        assert len(found.seen) > (3 if who is None else 4), name
    assert wrong == [], "\n".join(wrong)


def test_the_navigation_leads_to_pages_one_may_open(site: Site) -> None:
    from booking.edge.policy import policy_of

    for role, entries in NAV.items():
        for endpoint, words in entries:
            view = site.app.view_functions.get(endpoint)
            if view is None:
                continue
            policy = policy_of(view)
            assert policy is not None
            assert policy.public or role in policy.roles, f"{role} may not open {words}"


def test_the_first_load_is_light_for_everybody(site: Site) -> None:
    for name, who, home in everybody(site):
        visitor, _ = come_in(site, who)
        page = visitor.get(home)
        total = len(gzip.compress(page.data))
        for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
            answer = visitor.client.get(address.replace("&amp;", "&"), headers={"Accept-Encoding": "gzip"})
            assert answer.status_code == 200, address
            total += len(answer.data)
        assert total < FIRST_LOAD, f"{name}: {total} bytes"


def test_a_deep_link_returns_after_signing_in(site: Site) -> None:
    targets = {
        "gp": "/staff/account", "practice": "/staff/admin/people", "clinic": "/staff/clinic",
        "commissioner": "/staff/plan",
    }  # fmt: skip
    for one in site.people.staff:
        if one.username in targets:
            _, page = come_in(site, one, targets[one.username])
            assert page.request.path == targets[one.username]
    _, page = come_in(site, site.people.patients[0], "/times")
    assert page.request.path == "/times"


def test_robots_read_what_explains_and_nothing_else(site: Site) -> None:
    text = site.app.test_client().get("/robots.txt").text
    assert text.endswith("Disallow: /\n")
    assert "Allow: /help" in text
