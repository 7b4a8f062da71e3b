"""Where attachments lie: a folder of this machine, or a bucket that speaks S3.

A file is whole or not there: it is written beside its place, forced to the disk, then renamed. Keys are random, so
nothing is ever overwritten and a name tells nobody anything.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from booking.config import Config
from booking.domain.errors import BookingError

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT = timedelta(seconds=20)
_KEY = re.compile(r"[0-9a-f]{32}")
_PART = ".part-"


class StoreUnavailable(BookingError):
    """The attachment store does not answer; nothing was changed."""

    code = "ATTACHMENTS_UNAVAILABLE"
    status = 503

    def __init__(self) -> None:
        super().__init__("Attachments can't be reached at the moment. Please try again.")


def new_key() -> str:
    return secrets.token_hex(16)


class AttachmentStore(ABC):
    """Bytes under keys of :func:`new_key`. Every method but :meth:`get` of a missing key raises only
    :class:`StoreUnavailable`."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Returning means that it is there for good."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """What was put; :class:`FileNotFoundError` where nothing was."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """There or not, it is gone."""

    @abstractmethod
    def older_than(self, age: timedelta) -> Iterator[str]:
        """Keys of files put longer ago than that, by the store's own clock, in no order."""


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreUnavailable from error


class Disk(AttachmentStore):
    """A folder, with one folder in it for each first two characters of the keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("not a key of ours")
        return self._folder / key[:2] / key

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        part = path.with_name(f"{_PART}{key}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync(self._folder)
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreUnavailable from error

    def get(self, key: str) -> bytes:
        with _disk_trouble():
            return self._path(key).read_bytes()

    def delete(self, key: str) -> None:
        with _disk_trouble(), contextlib.suppress(FileNotFoundError):
            self._path(key).unlink()

    def older_than(self, age: timedelta) -> Iterator[str]:
        until = time.time() - age.total_seconds()
        for path in self._folder.glob("??/*"):
            with _disk_trouble(), contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= until:
                    continue
                if _KEY.fullmatch(path.name):
                    yield path.name
                elif path.name.startswith(_PART):
                    path.unlink()  # whoever wrote it died in the middle


def _sync(folder: Path) -> None:
    """Force a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _bucket_trouble() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StoreUnavailable from error


class Bucket(AttachmentStore):
    """A bucket that speaks S3. Credentials come from the usual ``AWS_…`` variables or the machine's role."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        import obstore

        with _bucket_trouble():
            obstore.put(self._store, key, data)

    def get(self, key: str) -> bytes:
        import obstore

        with _bucket_trouble():
            return bytes(obstore.get(self._store, key).bytes())

    def delete(self, key: str) -> None:
        import obstore

        with _bucket_trouble(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def older_than(self, age: timedelta) -> Iterator[str]:
        import obstore

        until = datetime.now(UTC) - age
        with _bucket_trouble():
            for page in obstore.list(self._store):
                yield from (one["path"] for one in page if one["last_modified"] < until)


@cache
def _opened(url: str) -> AttachmentStore:
    kind, _, rest = url.partition(":")
    if kind == "disk":
        return Disk(Path(rest))
    from obstore.store import S3Store

    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    endpoint = asked.get("endpoint")
    options = {"endpoint": endpoint} if endpoint else {}
    return Bucket(
        S3Store(
            parts.netloc, prefix=parts.path.strip("/") or None, region=asked.get("region", "eu-west-2"),
            client_options={"timeout": TIMEOUT, "allow_http": bool(endpoint and endpoint.startswith("http://"))},
            retry_config={"max_retries": 2, "retry_timeout": TIMEOUT},
            **options,  # type: ignore[arg-type]
        )
    )  # fmt: skip


def attachment_store(config: Config) -> AttachmentStore:
    """The store that the settings name; opened once."""
    return _opened(config.attachments)
