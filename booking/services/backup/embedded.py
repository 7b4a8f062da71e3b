"""The embedded database, copied by SQLite's own backup interface: one moment, whatever is being written."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from booking.services.backup.archive import BackupError

_PATIENCE = 30.0


def path_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def copy(url: str, target: Path) -> None:
    """All pages in one step under a shared lock: readers go on, a writer's commit waits for the copy to end."""
    source = path_of(url)
    if not source.exists():
        raise BackupError(f"there is no database at {source}")
    try:
        with closing(sqlite3.connect(source, timeout=_PATIENCE)) as from_, closing(sqlite3.connect(target)) as to:
            from_.backup(to, pages=-1)
    except sqlite3.Error as error:
        raise BackupError(f"the database can't be copied: {error}") from error


def check(path: Path) -> None:
    """SQLite's own check of a copy's pages and indexes."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"the copy of the database can't be read: {error}") from error
    if said != "ok":
        raise BackupError(f"the copy of the database is damaged: {said}")


def load(url: str, source: Path) -> None:
    """Put a copy in the database's place, page by page inside one transaction of SQLite's."""
    target = path_of(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            _writing(f"{target}.writer-lock"),
            closing(sqlite3.connect(source)) as from_,
            closing(sqlite3.connect(target, timeout=_PATIENCE)) as to,
        ):
            from_.backup(to, pages=-1)
    except sqlite3.Error as error:
        raise BackupError(f"the database can't be written: {error}") from error


@contextmanager
def _writing(lock: str) -> Iterator[None]:
    """In line with the application's own writers (see ``booking/db.py``)."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
