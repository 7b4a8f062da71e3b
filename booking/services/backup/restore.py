"""Bringing a backup back: everything is checked before anything is touched."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from booking.config import Config
from booking.db import Database
from booking.services.backup import embedded, postgresql
from booking.services.backup.archive import ATTACHMENTS, DATABASE, BackupError, Manifest, unpack
from booking.storage import attachment_store


def restore(source: Path, url: str, config: Config, *, force: bool = False) -> Manifest:
    """Restore ``source`` into the database at ``url`` and its files into the attachment store of the settings.

    :class:`BackupError`, with nothing changed, where the archive is damaged, of the other kind of database, or
    the database holds something and ``force`` is not given.
    """
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    if not source.is_file():
        raise BackupError(f"there is no file {source}")
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        manifest = unpack(source, Path(folder))
        if manifest.kind != kind:
            raise BackupError(f"{source} is of a {manifest.kind} database and can't be restored into {kind}")
        full = _holds_something(url)
        if full and not force:
            raise BackupError("the database is not empty: nothing was changed (--force overwrites it)")
        copy = Path(folder) / DATABASE
        if kind == "sqlite":
            embedded.check(copy)
            embedded.load(url, copy)
        else:
            postgresql.load(url, copy, over=full)
        _restore_attachments(Path(folder), config)
    return manifest


def _holds_something(url: str) -> bool:
    if url.startswith("sqlite") and not embedded.path_of(url).exists():
        return False
    database = Database(url)
    try:
        return bool(inspect(database.engine).get_table_names())
    except SQLAlchemyError as error:
        raise BackupError(f"the database can't be reached: {type(error).__name__}") from error
    finally:
        database.dispose()


def _restore_attachments(folder: Path, config: Config) -> None:
    store = attachment_store(config)
    for path in sorted((folder / ATTACHMENTS).iterdir()):
        store.put(path.name, path.read_bytes())
