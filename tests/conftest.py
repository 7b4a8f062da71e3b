"""Fixtures: both databases for real, emptied between tests; the application; a clock that tests can set."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app import create_app
from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.keys import Keys
from booking.models import Base
from booking.services.work import Actor, Work
from tests import factories, privileges, servers

privileges.watch()

SECRET = "x" * 40
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday; the clocks go forward on Sunday 29 March."""


@pytest.fixture(scope="session")
def postgresql_prefix() -> Iterator[str]:
    with servers.postgresql_server() as prefix:
        yield prefix


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file to copy: quicker than migrating for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_prefix: str) -> str:
    create_database(postgresql_prefix, "booking_test")
    url = f"{postgresql_prefix}/booking_test"
    database = Database(url)
    migrate.upgrade(database)
    database.dispose()
    return url


def create_database(prefix: str, name: str) -> None:
    import psycopg

    url = make_url(prefix)
    with psycopg.connect(
        f"host={url.host} port={url.port} user=postgres dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')


def empty_postgresql(database: Database) -> None:
    """Empty every table. ``session_replication_role`` puts the append-only triggers to sleep for it."""
    names = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database: each test runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "booking.db"
        shutil.copy(request.getfixturevalue("empty_sqlite"), path)
        made = Database(f"sqlite:///{path}")
    else:
        made = Database(request.getfixturevalue("migrated_postgresql"))
        empty_postgresql(made)
    yield made
    made.dispose()


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Config:
    return Config(
        database_url=database.url, secret_key=SECRET, cookie_secure=False, testing=True,
        attachments=f"disk:{tmp_path / 'attachments'}",
    )  # fmt: skip


class Clock:
    """The application's clock, standing still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(config: Config, database: Database, clock: Clock) -> BookingApp:
    made = create_app(config)
    made.database.dispose()
    made.database = database
    made.clock = clock
    return made


@pytest.fixture
def client(app: BookingApp) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def keys() -> Keys:
    return Keys(SECRET)


SYSTEM = Actor(name="test", role=Role.SYSTEM)
WorkMaker = Callable[..., Work]


@pytest.fixture
def work(database: Database, config: Config, clock: Clock, keys: Keys) -> Iterator[Work]:
    """One unit of work as the system, committed by the test with ``work.session.commit()``; factories use it."""
    session = database.session()
    with factories.using(session):
        yield Work(session, SYSTEM, clock(), config, keys)
    session.rollback()
    session.close()


@pytest.fixture
def region(work: Work) -> factories.Region:
    """A small region, committed: a commissioner, two practices, two providers, services with free slots."""
    made = factories.region(work)
    work.session.commit()
    return made


Rows = Callable[[Any], list[Any]]


@pytest.fixture
def rows(database: Database) -> Rows:
    """Run a select in a short transaction of its own: what is committed now. Leaves no lock behind."""

    def read(query: Any) -> list[Any]:
        with database.unit_of_work(write=False) as session:
            return list(session.scalars(query))

    return read


@pytest.fixture
def live_server(database: Database) -> Iterator[servers.LiveServer]:
    """The application under gunicorn, on the test's own database."""
    with servers.gunicorn(database.url) as server:
        yield server
