"""Which scheduler works: the one that holds the lock. The lock goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from contextlib import suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from booking.db import Database

LOCK_KEY = 0x63616233  # "cab3": any number that nobody else uses in this database


class Leadership(ABC):
    """A lock that at most one process has."""

    @abstractmethod
    def take(self) -> bool:
        """Whether it is ours now."""

    @abstractmethod
    def still_held(self) -> bool:
        """Whether it is still ours; a database that restarted has forgotten it."""

    @abstractmethod
    def release(self) -> None:
        """Let somebody else have it."""


class PostgresqlLeadership(Leadership):
    """An advisory lock on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def take(self) -> bool:
        try:
            connection = self._engine.connect()
            if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
                self._connection = connection
                return True
            connection.close()
        except DBAPIError:
            pass  # no database at this moment: nobody leads
        return False

    def still_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            return bool(self._connection.scalar(text("SELECT 1")))
        except DBAPIError:
            return False

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Freed in words, since a session's end is seen by the server only a moment later; and the connection
            # does not go back to the pool, so that a lock that could not be freed goes with it.
            with suppress(DBAPIError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
            connection.invalidate()
            connection.close()


class FileLeadership(Leadership):
    """A lock on a file beside the embedded database: all who use that are on this machine."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> bool:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def still_held(self) -> bool:
        return self._handle is not None

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def leadership(database: Database) -> Leadership:
    if database.is_sqlite:
        return FileLeadership(f"{database.engine.url.database}.scheduler-lock")
    return PostgresqlLeadership(database)
