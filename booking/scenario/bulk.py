"""Many rows into one table at once: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows of plain values (text, numbers, booleans, dates, UTC instants, dicts, None) as they come; how many.

    All constraints and triggers hold as ever. Columns left out take the database's own default, not the model's.
    """
    known = {column.name for column in table.columns}
    unknown = set(columns) - known
    if unknown:
        raise ValueError(f"{table.name} has no column {min(unknown)!r}")
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101  # a connection that is open has one
    names = ", ".join(columns)
    count = 0
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([_plain(value) for value in row])
                count += 1
        return count
    marks = ", ".join("?" * len(columns))

    def counted() -> Iterable[list[Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield [_plain(value) for value in row]

    driver.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", counted())  # noqa: S608  # our own names
    return count


def _plain(value: Any) -> Any:
    """As both databases read it from text; instants as SQLAlchemy itself writes them to SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, dict) else value


def continue_keys(connection: Connection, tables: Iterable[Table]) -> None:
    """After rows with keys of their own: the database's counters go on after the largest."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        largest = connection.scalar(select(func.max(table.c.id))) or 0
        if largest:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :largest)"),
                {"table": table.name, "largest": largest},
            )
