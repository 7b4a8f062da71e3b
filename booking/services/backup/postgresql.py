"""``pg_dump`` and ``pg_restore`` as they are on this machine. Passwords go by the environment, never by argument."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from booking.db import Database
from booking.services.backup.archive import BackupError

_DEBIAN = Path("/usr/lib/postgresql")


def tool(name: str) -> str:
    """The newest one on this machine: Debian keeps one of each version outside the PATH."""
    versions = [(int(path.parent.parent.name), str(path)) for path in _DEBIAN.glob(f"[0-9]*/bin/{name}")]
    found = max(versions)[1] if versions else shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not on this machine: install PostgreSQL's client programs")
    return found


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """What the programs connect with: the address as an argument, the password in the environment."""
    from psycopg.conninfo import make_conninfo

    parts = make_url(url)
    named = {"host": parts.host, "port": parts.port, "user": parts.username, "dbname": parts.database}
    given = {name: value for name, value in named.items() if value is not None}
    address = make_conninfo("", **given, **{name: str(value) for name, value in parts.query.items()})
    password = {"PGPASSWORD": str(parts.password)} if parts.password is not None else {}
    return address, {**os.environ, **password}


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        # Its first line names the object; further ones may quote rows.
        said = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise BackupError(f"{Path(command[0]).name} failed: {re.sub(r'password=[^ ]+', '', said)}")


@contextmanager
def snapshot(database: Database) -> Iterator[tuple[Connection, str]]:
    """A transaction that sees one moment, and the name by which ``pg_dump`` sees the same one."""
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.connect() as connection:
        # The dump may take longer than our own transactions are ever allowed to idle.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection, str(connection.scalar(text("SELECT pg_export_snapshot()")))


def dump(database: Database, name: str, target: Path) -> None:
    address, environment = _connection(database.url)
    _run(
        [tool("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--compress=0", f"--snapshot={name}",
         f"--file={target}", f"--dbname={address}"],
        environment,
    )  # fmt: skip


def load(url: str, source: Path, *, over: bool) -> None:
    """Bring a dump back, all or nothing; ``over`` drops what stands in its place first."""
    address, environment = _connection(url)
    clean = ["--clean", "--if-exists"] if over else []
    _run(
        [tool("pg_restore"), "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", *clean,
         f"--dbname={address}", str(source)],
        environment,
    )  # fmt: skip
