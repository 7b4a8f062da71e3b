"""A Flask whose every request is one unit of work: authorised before the view, committed once after it."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from flask import Flask, Response, g, request, session
from flask import current_app as proxy
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from booking.config import Config
from booking.db import Database
from booking.domain.errors import Forbidden, NotSignedIn, Unrecorded
from booking.domain.words import Role
from booking.edge import idempotency, on_behalf
from booking.edge.policy import RoutePolicy, Via, policy_of
from booking.keys import Keys
from booking.services import access_log, sign_in
from booking.services.refusals import translated
from booking.services.work import Actor, Work

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE_TOKEN = "token"  # noqa: S105  # the name of a key in the cookie, not a secret
LOOKS_AGAIN = "X-Live"
ANYBODY = Actor(name="anybody", role=Role.SYSTEM)
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64}", re.IGNORECASE)
"""A UUID or a trace id in hexadecimal: any wider and an NHS number, a code or a token could stand in every log."""


class MissingPolicy(RuntimeError):
    """A route that does not say who may call it is never served."""


class BookingApp(Flask):
    """Flask with a database, keys and a clock of its own."""

    settings: Config
    database: Database
    keys: Keys
    clock: Callable[[], datetime]

    def attach(self, settings: Config, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.keys = Keys(settings.secret_key)
        self.clock = lambda: datetime.now(UTC)

    def dispatch_request(self) -> ResponseReturnValue:
        """Authorise, run the view, store the idempotent answer, commit: all in one transaction.

        The response is complete before the commit, and is sent only if the commit succeeded; whatever
        raises rolls everything back. So no page ever says "booked" for a row that is not there.
        """
        rule = request.url_rule
        if request.routing_exception is not None or rule is None:
            return super().dispatch_request()
        policy = policy_of(self.view_functions[rule.endpoint])
        if rule.endpoint == "static":
            return super().dispatch_request()
        if policy is None:
            raise MissingPolicy(f"{rule.endpoint} declares no policy")
        write = request.method not in SAFE
        try:
            response = self._unit_of_work(policy, write)
            self._record_looks()
            return response
        finally:
            g.over = True  # what is rendered from here on, an error's page, has no transaction to read in
            self._touch()

    def _unit_of_work(self, policy: RoutePolicy, write: bool) -> Response:
        with translated(), self.database.unit_of_work(write=write) as db_session:
            g.work = Work(db_session, ANYBODY, self.clock(), self.settings, self.keys)
            actor = self._actor(policy)
            g.work = Work(db_session, actor, g.work.now, self.settings, self.keys)
            answer = idempotency.begin(g.work, request) if write and policy.idempotent else None
            if answer is not None and answer.replay is not None:
                return answer.replay
            response = self.make_response(super().dispatch_request())
            if answer is not None:
                idempotency.finish(g.work, answer, response)
            if write:
                access_log.write(db_session, g.work.looks, actor, g.work.now)
                g.work.looks.clear()
            return response

    def _record_looks(self) -> None:
        """Write down what a GET showed of patients' records, before it is shown: in a transaction of its own."""
        work: Work = g.work
        if not work.looks:
            return
        try:
            with self.database.unit_of_work() as apart:
                access_log.write(apart, work.looks, work.actor, self.clock())
        except DBAPIError as error:
            raise Unrecorded("What you asked for can't be shown: the reading of it could not be recorded.") from error

    def _actor(self, policy: RoutePolicy) -> Actor:
        token = _bearer() if policy.via is Via.BEARER else session.get(COOKIE_TOKEN)
        work: Work = g.work
        actor = sign_in.actor_for(work.session, self.keys, token, work.now) if token else None
        if actor is None:
            if policy.public:
                return _with_request_id(ANYBODY)
            raise NotSignedIn("Sign in first." if not token else "Your session has ended. Please sign in again.")
        # A page that looks again by itself is nobody's use of it: left alone it must not keep the session alive.
        if LOOKS_AGAIN not in request.headers and sign_in.due_for_touch(actor, work.now):
            g.touch = actor.session_id
        if not policy.public and actor.role not in policy.roles:
            g.work = replace(work, actor=_with_request_id(actor))  # the refusal's page says who is signed in
            raise Forbidden("Your role does not allow this.")
        if policy.via is Via.BEARER:
            named = on_behalf.on_behalf_of(request.headers.get(on_behalf.HEADER), actor)
            actor = replace(actor, on_behalf_of=named or actor.on_behalf_of)
        return _with_request_id(actor)

    def _touch(self) -> None:
        """Note that the session is in use: in a transaction of its own, for a GET's is read-only."""
        session_id = g.pop("touch", None)
        if session_id is not None:
            # The answer stands whatever becomes of this: it says what was committed before.
            with contextlib.suppress(DBAPIError), self.database.unit_of_work() as apart:
                sign_in.touch(apart, session_id, self.clock())


def _with_request_id(actor: Actor) -> Actor:
    return replace(actor, request_id=request_id())


def _bearer() -> str | None:
    header = request.authorization
    return header.token if header is not None and header.type == "bearer" else None


def request_id() -> str:
    """The caller's ``X-Request-ID`` if it is well formed, else a fresh one; the same all through a request."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12)
    return cast(str, g.request_id)


def current_app() -> BookingApp:
    return cast(BookingApp, proxy._get_current_object())  # type: ignore[attr-defined]


def work() -> Work:
    """The unit of work of this request."""
    return cast(Work, g.work)


def client_address() -> str:
    return request.remote_addr or "unknown"
