"""The policy matrix: every route × every role × own, another organisation's and another patient's object, for real.

A role outside the policy gets 403, somebody else's object is a 404, one's own is answered, and no answer to anybody
holds a word of what they may not see. A route that the registry can't call fails: then add to ``matrix_registry``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from booking.config import Config
from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.edge.policy import RoutePolicy, Via, policy_of
from booking.keys import Keys
from booking.models import AuthSession
from booking.services.work import Work
from tests import factories
from tests.conftest import SYSTEM, Clock
from tests.identity import matrix_registry as registry
from tests.identity.matrix_registry import Scene
from tests.identity.matrix_world import STAFF, Side, ThrownAway, Whose, World, build

SKIPPED = {"static"}
STRANGER = None


@dataclass(frozen=True)
class Call:
    """One method of one route."""

    rule: Rule
    method: str
    policy: RoutePolicy
    view: Callable[..., Any]

    @property
    def endpoint(self) -> str:
        return self.rule.endpoint

    @property
    def arguments(self) -> set[str]:
        return set(self.rule.arguments)

    @property
    def is_api(self) -> bool:
        return self.policy.via is Via.BEARER

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"


def calls(app: BookingApp) -> list[Call]:
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
        view = app.view_functions[rule.endpoint]
        policy = policy_of(view)
        if rule.endpoint not in SKIPPED and policy is not None:
            found += [Call(rule, m, policy, view) for m in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


@dataclass
class Tally:
    """What was tried, and what came of it."""

    cells: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


class Matrix:
    """Calls routes as people of side A, each call in a transaction that is thrown away."""

    def __init__(self, app: BookingApp, world: World, database: ThrownAway) -> None:
        self.app, self.world, self.database = app, world, database
        self.client: FlaskClient = app.test_client(use_cookies=False)
        self.tally = Tally()
        self._serialise = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]

    @property
    def me(self) -> Whose:
        return self.world.a.whose[0]

    def token(self, call: Call, role: Role | None) -> str | None:
        if role is None:
            return None
        mine = self.scene(call, role, self.world.a, self.me)
        return self.me.tokens[mine.referral.id] if role is Role.PATIENT else self.world.a.tokens[role]

    def scene(self, call: Call, role: Role | None, side: Side, whose: Whose) -> Scene:
        return Scene(role or Role.PATIENT, side, whose, call.endpoint)

    def send(
        self, call: Call, role: Role | None, path: Scene, body: Scene, instead: dict[str, Scene] | None = None
    ) -> TestResponse:
        """Call the route with ``path``'s objects in the path (``instead`` names others) and ``body``'s in the body."""
        token, headers = self.token(call, role), {}
        if token and call.is_api:
            headers["Authorization"] = f"Bearer {token}"
        elif token:
            headers["Cookie"] = f"choose_and_book={self._serialise.dumps({'token': token})}"
        versions = [registry.VERSIONS[name](path) for name in call.arguments if name in registry.VERSIONS]
        if call.method != "GET":
            headers["If-Match"] = f'"{versions[0] if versions else 1}"'
        other = instead or {}
        url = re.sub(
            r"<[^>]*?(\w+)>",
            lambda match: str(self._argument(call, match[1], other.get(match[1], path))),
            call.rule.rule,
        )
        with self.database.cell():
            return self.client.open(url, method=call.method, headers=headers, **self._content(call, body))

    def _argument(self, call: Call, name: str, scene: Scene) -> Any:
        for known in (registry.PARAMETERS, registry.EVERYWHERE):
            if name in known:
                return known[name](scene)
        raise LookupError(f"{call}: PARAMETERS or EVERYWHERE must say what {name} is")

    def _content(self, call: Call, scene: Scene) -> dict[str, Any]:
        """Body and query as the route's schemas ask for them, or a page's form."""
        if not call.is_api:
            form = registry.FORMS.get(call.endpoint, lambda _: {})(scene)
            return {"data": form} if call.method == "POST" else {}
        content: dict[str, Any] = {}
        for parameter in getattr(call.view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
            where = {"json": "json", "query": "query_string", "form": "data", "files": "data"}[parameter["in"]]
            content.setdefault(where, {}).update(registry.values(parameter["schema"], scene))
        return content

    # What each cell must answer

    def own(self, call: Call, role: Role | None, *, allowed: bool) -> None:
        mine = self.scene(call, role, self.world.a, self.me)
        answer = self.send(call, role, mine, mine)
        if allowed:
            refused = answer.status_code in (401, 403, 404) or _sent_to_sign_in(answer)
            done = answer.status_code < 400
            outcome = "answered" if done else "refused by a rule of the domain"
            self._note(call, role, "own", answer, wrong=refused, outcome=outcome)
            return
        wanted = 403 if role is not STRANGER else 401 if call.is_api else 302
        self._note(call, role, "own", answer, wrong=answer.status_code != wanted, outcome=f"{wanted}")

    def foreign(self, call: Call, role: Role, side: Side, whose: Whose, name: str, *, allowed: bool) -> None:
        mine = self.scene(call, role, self.world.a, self.me)
        theirs = self.scene(call, role, side, whose)
        in_body = call.endpoint in registry.IN_BODY
        answer = self.send(call, role, theirs, theirs if in_body else mine)
        wanted = registry.IN_BODY.get(call.endpoint) or {404}
        wanted = registry.NOT_404[call.endpoint][0] if call.endpoint in registry.NOT_404 else wanted
        wanted = wanted if allowed else {403}
        wrong = answer.status_code not in wanted
        taken_over = call.endpoint == "practices.transfer_patient"
        self._note(call, role, name, answer, wrong=wrong, outcome=f"{answer.status_code}", seen=taken_over)

    def mixed(self, call: Call, role: Role, side: Side, whose: Whose) -> None:
        """Of several objects in a path, one that belongs to somebody else."""
        mine, theirs = self.scene(call, role, self.world.a, self.me), self.scene(call, role, side, whose)
        for name in sorted(call.arguments & set(registry.PARAMETERS)):
            answer = self.send(call, role, mine, mine, {name: theirs})
            self._note(call, role, f"{name} of another", answer, wrong=answer.status_code != 404, outcome="404")

    def public(self, call: Call, role: Role | None) -> None:
        mine = self.scene(call, role, self.world.a, self.me)
        answer = self.send(call, role, mine, mine)
        self._note(call, role, "public", answer, wrong=False, outcome="public")

    def _note(
        self, call: Call, role: Role | None, what: str, answer: TestResponse, *, wrong: bool, outcome: str,
        seen: bool = False,
    ) -> None:  # fmt: skip
        tally, cell = self.tally, f"{call} as {role or 'a stranger'}, {what}"
        tally.cells += 1
        tally.outcomes[outcome] += 1
        if wrong or answer.status_code >= 500:
            tally.wrong.append(f"{cell}: {answer.status_code} {answer.data[:300]!r}")
        held = {word for word in self.secrets(role) if word.encode() in answer.data}
        if held and not seen:
            tally.leaks.append(f"{cell}: {sorted(held)}")

    def secrets(self, role: Role | None) -> set[str]:
        """The canaries that whoever is in this role must never be shown."""
        everybody = self.world.everybody
        if role is Role.PATIENT:
            mine = {id(self.me)}
        elif role is None or self.world.a.organisation(role) is self.world.a.commissioner:
            mine = set()  # commissioners never see who a patient is
        else:
            mine = {id(one) for one in self.world.a.whose}
        return {word for one in everybody if id(one) not in mine for word in one.canaries}


def _sent_to_sign_in(answer: TestResponse) -> bool:
    where = answer.headers.get("Location", "").split("?")[0]
    return answer.status_code == 302 and where == "/sign-in"


@pytest.fixture
def thrown_away(database: Database) -> Iterator[ThrownAway]:
    made = ThrownAway(database)
    yield made
    made.close()


@pytest.fixture
def matrix(app: BookingApp, thrown_away: ThrownAway, config: Config, keys: Keys, clock: Clock) -> Matrix:
    app.database = thrown_away
    app.config["WTF_CSRF_ENABLED"] = False  # which form's token is right is not what is asked here
    with thrown_away.session() as session, factories.using(session):
        world = build(Work(session, SYSTEM, clock(), config, keys))
    return Matrix(app, world, thrown_away)


@pytest.mark.slow
def test_no_role_reaches_what_is_not_its_own(matrix: Matrix) -> None:
    every = calls(matrix.app)
    roles = [*STAFF, Role.PATIENT]
    theirs, neighbour = matrix.world.b, matrix.world.a.whose[1]
    for call in every:
        if call.policy.public:
            for role in (*roles, STRANGER):
                matrix.public(call, role)
            continue
        matrix.own(call, STRANGER, allowed=False)
        for role in roles:
            allowed = role in call.policy.roles
            matrix.own(call, role, allowed=allowed)
            about_something = call.arguments & set(registry.PARAMETERS) or call.endpoint in registry.IN_BODY
            if allowed and len(call.arguments & set(registry.PARAMETERS)) > 1:
                matrix.mixed(call, role, theirs, theirs.whose[0])
            if about_something:
                matrix.foreign(call, role, theirs, theirs.whose[0], "another organisation's", allowed=allowed)
            personal = call.arguments & registry.PATIENTS_OWN or call.endpoint in registry.IN_BODY
            if role is Role.PATIENT and personal:
                matrix.foreign(call, role, matrix.world.a, neighbour, "another patient's", allowed=allowed)
    tally = matrix.tally
    print(
        f"\n{len(every)} routes × {len(roles) + 1} callers: {tally.cells} cells, {len(tally.leaks)} leaks, "
        f"{len(tally.wrong)} wrong answers; {dict(tally.outcomes.most_common())}"
    )
    faults = [*(f"LEAK {leak}" for leak in tally.leaks), *tally.wrong]
    assert not faults, "\n".join(faults)
    assert tally.outcomes["404"] > 200
    assert tally.outcomes["answered"] > 200


def test_the_matrix_finds_a_leak(matrix: Matrix) -> None:
    """Let somebody else's referral through, and the walk says so."""
    from booking.services import referrals

    call = next(one for one in calls(matrix.app) if str(one) == "GET /api/v1/referrals/<ubrn>")
    theirs = matrix.world.b
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(referrals, "_visible", lambda _work, query: query)
        matrix.foreign(call, Role.REFERRING_ADMIN, theirs, theirs.whose[0], "another's", allowed=True)
    assert len(matrix.tally.wrong) == len(matrix.tally.leaks) == 1
    matrix.foreign(call, Role.REFERRING_ADMIN, theirs, theirs.whose[0], "another's", allowed=True)
    assert len(matrix.tally.leaks) == 1


def test_each_cell_finds_the_world_as_it_was(matrix: Matrix) -> None:
    call = next(one for one in calls(matrix.app) if str(one) == "DELETE /api/v1/me/sessions")
    mine = matrix.scene(call, Role.PATIENT, matrix.world.a, matrix.me)
    for _ in range(2):
        assert matrix.send(call, Role.PATIENT, mine, mine).status_code == 204


def test_an_ended_session_is_nobody(matrix: Matrix) -> None:
    with matrix.database.unit_of_work() as session:
        session.execute(update(AuthSession).values(revoked_at=matrix.app.clock()))
    for call in calls(matrix.app):
        if call.is_api and not call.policy.public:
            mine = matrix.scene(call, Role.REFERRING_ADMIN, matrix.world.a, matrix.me)
            assert matrix.send(call, Role.REFERRING_ADMIN, mine, mine).status_code == 401, str(call)
