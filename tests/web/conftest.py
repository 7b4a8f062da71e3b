"""A visitor: a client that reads pages, fills in their forms as they stand (CSRF token and all) and sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import event
from werkzeug.test import TestResponse

from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.models import Referral
from booking.services.work import Work
from tests import factories
from tests.factories import PASSWORD, Region


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(app: BookingApp, compiled: FileSystemBytecodeCache) -> BookingApp:
    """Each test has an application of its own; that each compiles the templates anew is not what is tested."""
    app.jinja_env.bytecode_cache = compiled
    return app


@dataclass
class PageForm:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Every form of a page with the values it would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(PageForm(given.get("action", ""), given.get("method", "get")))
        if not self.forms:
            return
        fields = self.forms[-1].fields
        if tag == "input" and given.get("type") in ("radio", "checkbox") and "checked" not in given:
            return
        if tag in ("input", "textarea") and given.get("name"):
            fields[given["name"]] = given.get("value", "")
        if tag == "select":
            self._select = given.get("name", "")
        if tag == "option" and ("selected" in given or self._select not in fields):
            fields[self._select] = given.get("value", "")


def forms(response: TestResponse) -> list[PageForm]:
    reader = _Reader()
    reader.feed(response.text)
    return reader.forms


@dataclass
class Visitor:
    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, follow_redirects=True)

    def send(self, page: TestResponse, action: str, *, at: int = 0, **changes: Any) -> TestResponse:
        """Fill in and send the ``at``-th form to post of the page whose action begins so."""
        found = [form for form in forms(page) if form.method == "post" and form.action.startswith(action)][at]
        data = {**found.fields, **{name.replace("__", "-"): value for name, value in changes.items()}}
        return self.client.post(found.action, data=data, follow_redirects=True)

    def asked(self, path: str) -> int:
        """How many statements the page takes."""
        statements: list[str] = []
        engine = self.client.application.database.engine  # type: ignore[attr-defined]

        def count(*args: object) -> None:
            statements.append(str(args[2]))

        event.listen(engine, "before_cursor_execute", count)
        try:
            assert self.get(path).status_code == 200
        finally:
            event.remove(engine, "before_cursor_execute", count)
        return len(statements)

    def sign_in(self, reference: str, code: str, born: str = "17 5 1960") -> TestResponse:
        day, month, year = born.split()
        return self.send(
            self.get("/sign-in"), "/sign-in", reference=reference, access_code=code, date_of_birth__day=day,
            date_of_birth__month=month, date_of_birth__year=year,
        )  # fmt: skip

    def staff(self, username: str, password: str = PASSWORD) -> TestResponse:
        return self.send(self.get("/staff/sign-in"), "/staff/sign-in", username=username, password=password)


@pytest.fixture
def newcomer(app: BookingApp) -> Callable[[], Visitor]:
    return lambda: Visitor(app.test_client())


@pytest.fixture
def visitor(newcomer: Callable[[], Visitor]) -> Visitor:
    return newcomer()


@dataclass
class Referred:
    ubrn: str
    code: str
    referral: Referral


@pytest.fixture
def referred(work: Work, region: Region) -> Referred:
    """The region's patient, referred to both services."""
    made, code = factories.referral(work, region)
    work.session.commit()
    return Referred(made.ubrn, code, made)


@pytest.fixture
def other(work: Work, region: Region) -> Referred:
    """Another patient of the same practice, referred to the same services."""
    patient = factories.PatientFactory(practice_id=region.practice.id, given_name="Bert", family_name="<b>Bold</b>")
    made, code = factories.referral(work, region, patient=patient, reason="A rash <script>alert(1)</script>")
    work.session.commit()
    return Referred(made.ubrn, code, made)


@pytest.fixture
def patient(visitor: Visitor, referred: Referred) -> Visitor:
    visitor.sign_in(referred.ubrn, referred.code)
    return visitor


@pytest.fixture
def staff(newcomer: Callable[[], Visitor], region: Region) -> Callable[[Role], Visitor]:
    """Somebody of the region's staff, signed in, in that role."""
    places = {"REFERRING": "p81001", "PROVIDER": "ra1", "SERVICE": "ra1", "COMMISSIONER": "00x", "INFORMATION": "00x"}

    def signed_in(role: Role) -> Visitor:
        someone = newcomer()
        someone.staff(f"{role.lower()}@{places[role.split('_')[0]]}")
        return someone

    return signed_in
