"""Many rows into one table at once: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import DBAPIError

BLOCK = 2_000
"""Rows handed to the driver at once."""


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows of plain values (text, numbers, booleans, dates, UTC instants, dicts, None) as they come; how many.

    All constraints and triggers hold as ever: a refusal is SQLAlchemy's own error, and none of the rows are in once
    the caller has rolled back. Columns left out take the database's own default, not the model's.
    """
    known = {column.name for column in table.columns}
    unknown = set(columns) - known
    if unknown:
        raise ValueError(f"{table.name} has no column {min(unknown)!r}")
    with _refusals(connection):
        write = _copy if connection.dialect.name == "postgresql" else _execute
        return write(connection, table.name, columns, rows)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    count, rest = 0, iter(rows)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        while block := list(islice(rest, BLOCK)):
            copy.write("".join(["\t".join([_TEXT[type(value)](value) for value in row]) + "\n" for row in block]))
            count += len(block)
    return count


def _execute(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    count = 0

    def counted() -> Iterator[list[Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield [_plain(value) for value in row]

    driver: Any = connection.connection.driver_connection
    marks = ", ".join("?" * len(columns))
    driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", counted())  # noqa: S608
    return count


@contextmanager
def _refusals(connection: Connection) -> Iterator[None]:
    """The driver's errors as SQLAlchemy's, since it is not asked; without the parameters, which are people's."""
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except dbapi.Error as error:
        raise DBAPIError.instance(
            None, None, error, dbapi.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


@lru_cache(maxsize=1 << 16)
def instant(value: datetime) -> str:
    """A UTC instant as SQLAlchemy itself writes it to SQLite; PostgreSQL reads the same in a session of UTC."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _plain(value: Any) -> Any:
    """As SQLite stores it."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, dict) else value


def _words(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class _Texts(dict[type, Callable[[Any], str]]):
    """How COPY reads a value of each type; a subclass (such as a StrEnum) as its base."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        found = next((self[base] for base in kind.__mro__[1:] if base in self), None)
        if found is None:
            raise TypeError(f"a {kind.__name__} can't be written in bulk")
        self[kind] = found
        return found


_TEXT = _Texts(
    {
        str: _words,
        int: int.__repr__,
        float: float.__repr__,
        bool: lambda value: "t" if value else "f",
        type(None): lambda _value: "\\N",
        datetime: instant,
        date: date.isoformat,
        dict: lambda value: _words(json.dumps(value)),
    }
)


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
