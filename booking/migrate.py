"""Bring a database to the newest schema, and say whether models and migrations still agree."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from booking.config import ROOT
from booking.db import Database
from booking.models import Base


def _alembic() -> AlembicConfig:
    return AlembicConfig(str(ROOT / "migrations" / "alembic.ini"))


def upgrade(database: Database, revision: str = "head") -> None:
    config = _alembic()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(database: Database, revision: str) -> None:
    config = _alembic()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def current(database: Database) -> str | None:
    with database.session(write=False) as session:
        return revision_of(session.connection())


def head() -> str | None:
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def differences(database: Database) -> list[Any]:
    """What autogenerate would still change: empty when models and migrations agree."""
    with database.session(write=False) as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "target_metadata": Base.metadata}
        )
        return list(compare_metadata(context, Base.metadata))
