"""The house's own rules: imports, policies on every route, one commit per request, migrations in step."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select

from booking import migrate
from booking.db import Database
from booking.domain.words import OrganisationKind
from booking.edge.flask_app import BookingApp, MissingPolicy
from booking.edge.flask_app import work as unit
from booking.edge.policy import Via, policy_of, public
from booking.models import Organisation
from booking.services.work import Work
from tests import factories
from tests.conftest import create_database
from tests.factories import Region, bearer

ROOT = Path(__file__).resolve().parent.parent


def test_import_rules_are_kept() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_web_process_never_loads_the_optimiser() -> None:
    code = (
        "import sys; from app import create_app; create_app(); "
        "print([m for m in ('ortools', 'numpy', 'pandas', 'optimiser') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_route_declares_who_may_call_it(app: BookingApp) -> None:
    missing = [
        rule.endpoint for rule in app.url_map.iter_rules()
        if rule.endpoint != "static" and policy_of(app.view_functions[rule.endpoint]) is None
    ]  # fmt: skip
    assert missing == []


def test_a_route_without_a_policy_is_never_served(app: BookingApp) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    with pytest.raises(MissingPolicy):
        app.test_client().get("/forgotten")


def test_api_routes_take_no_cookie(app: BookingApp) -> None:
    for rule in app.url_map.iter_rules():
        policy = policy_of(app.view_functions[rule.endpoint])
        if rule.rule.startswith("/api/v1"):
            assert policy is not None
            assert policy.via is Via.BEARER, rule.rule


def test_closed_routes_refuse_strangers(app: BookingApp) -> None:
    """Every route that is not public answers a stranger with 401 (API) or the way to sign in (pages)."""
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        policy = policy_of(app.view_functions[rule.endpoint])
        if policy is None or policy.public:
            continue
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        app.config["WTF_CSRF_ENABLED"] = False
        answer = client.open(path, method=method, json={} if path.startswith("/api") else None)
        assert answer.status_code == (401 if policy.via is Via.BEARER else 302), (method, path, answer.status_code)


def test_roles_outside_a_routes_policy_get_403(
    app: BookingApp, client: FlaskClient, work: Work, region: Region
) -> None:
    tokens = {role: factories.token(work, region, role) for role in region.account_roles}
    work.session.commit()
    refused = 0
    for rule in app.url_map.iter_rules():
        policy = policy_of(app.view_functions[rule.endpoint])
        if policy is None or policy.public or policy.via is not Via.BEARER:
            continue
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        for role, text in tokens.items():
            if role not in policy.roles:
                answer = client.open(path, method=method, headers=bearer(text), json={})
                assert answer.status_code == 403, (role, method, path, answer.status_code)
                refused += 1
    assert refused > 20


def _commits(database: Database) -> list[str]:
    seen: list[str] = []
    event.listen(database.engine, "commit", lambda _connection: seen.append("commit"))
    event.listen(database.engine, "rollback", lambda _connection: seen.append("rollback"))
    return seen


def test_a_request_is_one_commit(app: BookingApp, database: Database) -> None:
    @app.get("/probe/read")
    @public()
    def read() -> str:
        unit().session.scalars(select(Organisation)).all()
        return "read"

    @app.post("/probe/write")
    @public()
    def write() -> str:
        for code in ("X1", "X2"):
            unit().session.add(Organisation(ods_code=code, kind=OrganisationKind.PRACTICE, name=code))
            unit().session.flush()
        return "written"

    @app.post("/probe/fail")
    @public()
    def fail() -> str:
        unit().session.add(Organisation(ods_code="X3", kind=OrganisationKind.PRACTICE, name="X3"))
        unit().session.flush()
        raise LookupError("after the write")

    app.config["WTF_CSRF_ENABLED"] = False
    seen = _commits(database)
    client = app.test_client()
    client.get("/probe/read")
    assert seen == ["commit"]
    seen.clear()
    client.post("/probe/write")
    assert seen == ["commit"]
    seen.clear()
    with pytest.raises(LookupError):
        client.post("/probe/fail")
    assert seen == ["rollback"]
    with database.unit_of_work(write=False) as session:
        assert set(session.scalars(select(Organisation.ods_code))) == {"X1", "X2"}


def test_a_get_cannot_write(app: BookingApp, database: Database) -> None:
    @app.get("/probe/sly")
    @public()
    def sly() -> str:
        unit().session.add(Organisation(ods_code="X9", kind=OrganisationKind.PRACTICE, name="X9"))
        unit().session.flush()
        return "written by a GET"

    with pytest.raises(Exception, match=r"(?i)read-?only"):
        app.test_client().get("/probe/sly")
    with database.unit_of_work(write=False) as session:
        assert session.scalars(select(Organisation)).all() == []


def test_a_write_that_is_not_flushed_is_committed_too(app: BookingApp, database: Database) -> None:
    """What a view leaves in the session unflushed is part of the one commit, not lost."""

    @app.post("/probe/pending")
    @public()
    def pending() -> str:
        unit().session.add(Organisation(ods_code="X4", kind=OrganisationKind.PRACTICE, name="X4"))
        return "pending"

    app.config["WTF_CSRF_ENABLED"] = False
    assert app.test_client().post("/probe/pending").status_code == 200
    with database.unit_of_work(write=False) as session:
        assert session.scalars(select(Organisation.ods_code)).all() == ["X4"]


def test_a_failed_commit_is_never_answered_as_done(app: BookingApp, database: Database) -> None:
    @app.post("/probe/clash")
    @public()
    def clash() -> str:
        for name in ("one", "two"):
            unit().session.add(Organisation(ods_code="X5", kind=OrganisationKind.PRACTICE, name=name))
        return "done"

    app.config.update(WTF_CSRF_ENABLED=False, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    answer = app.test_client().post("/probe/clash")
    assert answer.status_code == 500
    assert "done" not in answer.text
    with database.unit_of_work(write=False) as session:
        assert session.scalars(select(Organisation)).all() == []


def test_models_and_migrations_agree(database: Database) -> None:
    assert migrate.differences(database) == []
    assert migrate.current(database) == migrate.head()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_go_down_and_up_again(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "m.db")
        database = Database(f"sqlite:///{tmp_path / 'm.db'}")
    else:
        prefix = request.getfixturevalue("postgresql_prefix")
        create_database(prefix, "migrations_test")
        database = Database(f"{prefix}/migrations_test")
        migrate.upgrade(database)
    migrate.downgrade(database, "base")
    migrate.upgrade(database)
    assert migrate.differences(database) == []
    database.dispose()


def test_the_migration_history_has_one_head() -> None:
    assert migrate.head() is not None
    names = [path.name for path in (ROOT / "migrations" / "versions").glob("*.py")]
    assert len({name.split("_")[0] for name in names}) == len(names)


def test_settings_name_what_is_wrong() -> None:
    from booking.config import ConfigError, from_environment

    for env, name in (
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"DATABASE_URL": "postgresql://x/y"}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 40, "HOLD_MINUTES": "soon"}, "HOLD_MINUTES"),
        ({"SECRET_KEY": "x" * 40, "DEMO": "perhaps"}, "DEMO"),
        ({"SECRET_KEY": "x" * 40, "HOLD_MINUTES": "0"}, "HOLD_MINUTES"),
        ({"SECRET_KEY": "x" * 40, "PUBLIC_URL": "booking.example.org"}, "PUBLIC_URL"),
        ({"SECRET_KEY": "x" * 40, "TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES"),
        ({"SECRET_KEY": "x" * 40, "OPERATOR_NAME": "x" * 301}, "OPERATOR_NAME"),
    ):
        with pytest.raises(ConfigError, match=name):
            from_environment(env)
