"""Alembic's entry. One history for SQLite and PostgreSQL; the connection is the caller's, if there is one."""

from alembic import context

from booking.config import from_environment
from booking.db import Database
from booking.models import Base


def _run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    database = Database(from_environment().database_url)
    with database.engine.connect() as connection:
        _run(connection)
        connection.commit()
    database.dispose()
