"""Taking a backup: the database as it was at one moment, and the attachments that its rows name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from booking import migrate
from booking.config import Config
from booking.db import Database
from booking.keys import Keys
from booking.models import Attachment
from booking.services.backup import embedded, postgresql
from booking.services.backup.archive import ATTACHMENTS, DATABASE, BackupError, Manifest, Writer
from booking.storage import attachment_store

_STORED = select(Attachment.storage_key).where(Attachment.removed_at.is_(None)).order_by(Attachment.id)


def fingerprint(config: Config) -> str:
    """Tells two secret keys apart and says nothing else about them."""
    return Keys(config.secret_key).hash("backup")[:16]


def take(database: Database, config: Config, target: Path) -> Manifest:
    """Write an archive, while everything runs. What was acknowledged before the call is in it.

    A file is in the store before its row is committed and stays for a while after its row was taken away: so
    what the copied rows name is still there to be read after the copy.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: a backup never overwrites one")
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent}")
    manifest = Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"), kind="sqlite" if database.is_sqlite else "postgresql",
        revision=migrate.current(database), key=fingerprint(config), attachments=config.attachments.partition(":")[0],
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder, Writer(target) as writer:
        copy = Path(folder) / DATABASE
        keys = _copy_sqlite(database, copy) if database.is_sqlite else _copy_postgresql(database, copy)
        writer.add_file(DATABASE, copy)
        copy.unlink()
        if manifest.attachments == "disk":
            manifest.missing = _add_attachments(writer, config, keys)
        writer.finish(manifest)
    return manifest


def _copy_sqlite(database: Database, copy: Path) -> list[str]:
    embedded.copy(database.url, copy)
    embedded.check(copy)
    copied = Database(f"sqlite:///{copy}")
    try:
        with copied.unit_of_work(write=False) as session:
            return list(session.scalars(_STORED))
    finally:
        copied.dispose()


def _copy_postgresql(database: Database, copy: Path) -> list[str]:
    with postgresql.snapshot(database) as (connection, name):
        postgresql.dump(database, name, copy)
        return list(connection.scalars(_STORED))


def _add_attachments(writer: Writer, config: Config, keys: Iterable[str]) -> list[str]:
    store, missing = attachment_store(config), []
    for key in keys:
        try:
            writer.add_bytes(f"{ATTACHMENTS}{key}", store.get(key))
        except FileNotFoundError:
            missing.append(key)
    return missing
