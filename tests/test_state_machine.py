"""A state machine over the services: patients, practices, providers, jobs and time do what they like, in any order,
and after every step the invariants hold. On both databases; ``python -m tests.machine`` runs as many steps as asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from booking.db import Database
from tests.conftest import empty_postgresql
from tests.machine.rules import Living


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Makes an empty database for each run of the machine."""
    made: list[Database] = []

    def make() -> Database:
        for old in made:
            old.dispose()
        if request.param == "sqlite":
            path = tmp_path / f"{len(made)}.db"
            shutil.copy(request.getfixturevalue("empty_sqlite"), path)
            database = Database(f"sqlite:///{path}")
        else:
            database = Database(request.getfixturevalue("migrated_postgresql"))
            empty_postgresql(database)
        made.append(database)
        return database

    yield make
    for database in made:
        database.dispose()


def test_the_invariants_hold_whatever_people_do(fresh: Callable[[], Database]) -> None:
    class Machine(Living):
        def __init__(self) -> None:
            super().__init__()
            self.database = fresh()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12, stateful_step_count=40, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
