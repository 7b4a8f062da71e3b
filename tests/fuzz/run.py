"""One batch: a fresh copy of the world, one caller, requests, every answer checked, and then the whole database."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from app import create_app
from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.edge.policy import policy_of
from booking.services import invariants
from tests.conftest import NOW, SECRET
from tests.fuzz.checks import Checks
from tests.fuzz.requests import Maker, Operation, Request, operations
from tests.fuzz.world import Caller, World, build

LEAVES_A_MARK = ("/sessions", "/patient-sessions", "/patients/transfer")
"""Where a refusal is counted, so that nobody can try without end."""


@dataclass
class Fuzz:
    """The application, the world it was filled with, and the file that holds it."""

    app: BookingApp
    world: World
    folder: Path
    document: Mapping[str, Any]
    tally: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by operation and status."""

    def batch(self, name: str, seed: int, requests: int) -> list[str]:
        """Make ``requests`` as one caller; what was wrong, with the request that showed it."""
        path = self.folder / "batch.db"
        shutil.copy(self.folder / "world.db", path)
        database, self.app.database = self.app.database, Database(f"sqlite:///{path}")
        watch = sqlite3.connect(path)
        try:
            return _Batch(self, self.world.callers[name], seed, watch).run(requests)
        finally:
            watch.close()
            self.app.database.dispose()
            self.app.database = database


LATER = (timedelta(), timedelta(), timedelta(days=2, hours=3), timedelta(days=10))


def _allowed(app: BookingApp, role: Role | None) -> set[tuple[str, str]]:
    """The operations that the routes let this role use, as they are called in the document."""
    found = set()
    for rule in app.url_map.iter_rules():
        policy = policy_of(app.view_functions[rule.endpoint])
        if policy is not None and role in policy.roles:
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            found |= {(method, path) for method in rule.methods or ()}
    return found


class _Batch:
    def __init__(self, fuzz: Fuzz, caller: Caller, seed: int, watch: sqlite3.Connection) -> None:
        self.fuzz, self.caller, self.watch = fuzz, caller, watch
        self.random = Random(f"{caller.name} {seed}")
        self.maker = Maker(fuzz.document, fuzz.world, self.random)
        self.checks = Checks(fuzz.document, fuzz.world)
        self.signed_out = False
        self.client = fuzz.app.test_client()
        self.operations = operations(fuzz.document)
        allowed = _allowed(fuzz.app, caller.role)
        self.own = [one for one in self.operations if (one.method, one.path) in allowed] or self.operations
        self.now = NOW + self.random.choice(LATER)
        fuzz.app.clock = lambda: self.now

    def run(self, requests: int) -> list[str]:
        wrong: list[str] = []
        for one in self.own:
            if one.method == "GET" and not one.parameters("path"):
                listing = Request(one, one.path, dict(self.caller.headers))
                wrong += [f"{what}\n    {listing}" for what in self._send(listing)]
        for _ in range(requests):
            request = self.maker.request(self._operation(), self.caller)
            self._at_the_current_version(request)
            wrong += [f"{what}\n    {request}" for what in self._send(request)]
            if self.signed_out:
                break
        with self.fuzz.app.database.unit_of_work(write=False) as session:
            wrong += [f"afterwards {fault}" for fault in invariants.faults(session, self.now)]
        return wrong

    def _operation(self) -> Operation:
        """Mostly one that the caller's role may use."""
        found = self.random.choice(self.own if self.random.random() < 0.9 else self.operations)
        signs_out = found.method == "DELETE" and "/sessions" in found.path
        return self._operation() if signs_out and self.random.random() < 0.9 else found

    def _at_the_current_version(self, request: Request) -> None:
        """Give ``If-Match`` what the nearest thing above the path is at, as a caller would who has just read it."""
        if request.headers.get("If-Match") != "current":
            return
        path = request.path.split("?")[0]
        while path.count("/") > 3:
            answer = self.client.get(path, headers=self.caller.headers)
            if "ETag" in answer.headers:
                request.headers["If-Match"] = answer.headers["ETag"]
                return
            path = path.rsplit("/", 1)[0]
        request.headers["If-Match"] = '"1"'

    def _send(self, request: Request) -> list[str]:
        before = self._state()
        operation = request.operation
        try:
            answer = self.client.open(
                request.path, method=operation.method, headers=request.headers, data=request.data,
                content_type=request.content_type,
            )  # fmt: skip
        except Exception:
            return [f"an unhandled error\n{traceback.format_exc(limit=-6)}"]
        self.fuzz.tally[f"{operation.method} {operation.path}", answer.status_code] += 1
        self.signed_out = (
            answer.status_code == 401 and self.caller.role is not None and "-session" not in operation.path
        )
        wrong = list(self.checks.of(request, answer, self.caller))
        refused = answer.status_code >= 400 and not operation.path.endswith(LEAVES_A_MARK)
        if refused and self._state() != before:
            wrong.append(f"a {answer.status_code} that changed the database")
        if answer.is_json and answer.data and answer.status_code < 300:
            self.maker.learn(answer.json)
            if operation.path.endswith("/cancellation-preview"):
                self.maker.previewed = {**json.loads(request.data), "digest": answer.json["digest"]}
        return wrong

    def _state(self) -> Any:
        """Changes whenever another connection has committed something to the file."""
        return self.watch.execute("PRAGMA data_version").fetchone()


def prepare(folder: Path) -> Fuzz:
    """An application on a database file in ``folder``, filled."""
    path = folder / "world.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    config = Config(
        database_url=database.url, secret_key=SECRET, cookie_secure=False, testing=True,
        attachments=f"disk:{folder / 'attachments'}",
    )  # fmt: skip
    app = create_app(config)
    app.database.dispose()
    app.database, app.clock = database, lambda: NOW
    world = build(app)
    document = app.test_client().get("/api/openapi.json").get_json()
    return Fuzz(app, world, folder, document)
