"""Engine, session and unit of work: the only place that knows how each database begins and commits.

SQLite: the driver's own transaction handling is switched off. Writers take an exclusive file lock and
``BEGIN IMMEDIATE``, so that two writers queue instead of failing with "database is locked"; readers get a
plain ``BEGIN``. The rollback journal is used, not WAL: SQLite before 3.51.3 can corrupt a WAL database
at a checkpoint with several connections.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import JSON, TypeDecorator

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """An instant. Refuses naive values going in; always hands back aware UTC (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: instants carry their zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[Any] = {datetime: UTCDateTime(), dict[str, Any]: JSON(), list[Any]: JSON()}


class Database:
    """One engine and how to begin on it. Shared by all threads of a process; never across a fork."""

    def __init__(self, url: str, *, pool_size: int = 8, echo: bool = False) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self.engine = _sqlite_engine(url, echo=echo)
        else:
            self.engine = create_engine(
                url,
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_pre_ping=False,
                pool_recycle=1800,
                echo=echo,
                hide_parameters=True,  # an exception's text must not quote rows
                connect_args={
                    "options": "-c timezone=UTC -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
                },
            )

    def session(self, *, write: bool = True) -> Session:
        """A new session; ``write`` says at the start whether it may change anything."""
        bind = self.engine.execution_options(booking_write=write, postgresql_readonly=not write)
        return Session(bind, expire_on_commit=False, autoflush=True)

    @contextmanager
    def unit_of_work(self, *, write: bool = True) -> Iterator[Session]:
        """One transaction: commits once at the end, rolls back whole on any exception."""
        session = self.session(write=write)
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()

    def dispose(self) -> None:
        self.engine.dispose()


def _sqlite_engine(url: str, *, echo: bool) -> Engine:
    options = {"timeout": 30, "check_same_thread": False}
    engine = create_engine(url, echo=echo, hide_parameters=True, connect_args=options)
    path = engine.url.database
    if not path or path == ":memory:":
        raise ValueError("DATABASE_URL: the embedded database is a file; an in-memory one can't be shared")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", lambda connection: _sqlite_begin(connection, f"{path}.writer-lock"))
    # SQLAlchemy fires these before it ends the transaction itself; ending it here lets the lock go only after.
    event.listen(engine, "commit", lambda connection: _sqlite_end(connection, "COMMIT"))
    event.listen(engine, "rollback", lambda connection: _sqlite_end(connection, "ROLLBACK"))
    event.listen(engine, "checkin", lambda _connection, record: _release(record.info))
    return engine


PRAGMAS = (
    "foreign_keys=ON",
    "journal_mode=DELETE",
    "synchronous=FULL",
    "busy_timeout=30000",
    "cache_size=-65536",
    "temp_store=MEMORY",
)


_writing = threading.local()


def _sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection, lock_path: str) -> None:
    if not connection.get_execution_options().get("booking_write", True):
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("BEGIN")
        return
    if getattr(_writing, "path", None) == lock_path:
        raise RuntimeError("this thread is writing already: a second writer here would wait for itself for ever")
    # Queue on a file lock first: SQLite's own busy handler polls and is unfair (p99 2.0 s against 0.1 s).
    handle = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    connection.info["writer_lock"] = handle
    _writing.path = lock_path
    try:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        _release(connection.info)
        raise


def _sqlite_end(connection: Connection, verb: str) -> None:
    driver = connection.connection.driver_connection
    if driver is not None and driver.in_transaction:
        driver.execute(verb)
    _release(connection.info)


def _release(info: dict[Any, Any]) -> None:
    handle = info.pop("writer_lock", None)
    if handle is not None:
        _writing.path = None
        os.close(handle)  # closing lets the flock go
