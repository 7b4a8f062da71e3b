"""What the measurements share: databases of both kinds, a small HTTP client, percentiles."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg

from booking import migrate
from booking.db import Database
from tests import servers

SECRET = "x" * 40


@contextlib.contextmanager
def databases(kinds: Sequence[str] = ("sqlite", "postgresql")) -> Iterator[dict[str, str]]:
    """URLs of fresh, empty, migrated databases. PostgreSQL runs with fsync on, as it would in earnest."""
    with contextlib.ExitStack() as stack:
        urls: dict[str, str] = {}
        if "sqlite" in kinds:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="choose-and-book-bench-"))
            urls["sqlite"] = f"sqlite:///{folder}/booking.db"
        if "postgresql" in kinds:
            os.environ["TEST_FSYNC"] = "on"
            prefix = stack.enter_context(servers.postgresql_server())
            with psycopg.connect(prefix.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE booking")
            urls["postgresql"] = f"{prefix}/booking"
        for url in urls.values():
            database = Database(url)
            migrate.upgrade(database)
            database.dispose()
        yield urls


def analyse(database: Database) -> None:
    """Bring the planner's statistics up to date, as a running database does by itself.

    The connection goes back to the pool as it came: left in autocommit, every statement after it would be a
    transaction of its own.
    """
    connection = database.engine.raw_connection()
    try:
        driver = connection.driver_connection
        if database.is_sqlite:
            driver.execute("ANALYZE")  # type: ignore[union-attr]
        else:
            driver.autocommit = True  # type: ignore[union-attr]
            try:
                driver.execute("VACUUM ANALYZE")  # type: ignore[union-attr]
            finally:
                driver.autocommit = False  # type: ignore[union-attr]
    finally:
        connection.close()


class Client:
    """One connection at a time to the server, as a browser makes one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

    def request(self, method: str, path: str, *, token: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
