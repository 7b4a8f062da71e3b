"""The archive: a gzipped tar of the database's copy, the attachments, and last a manifest with all checksums."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database"
ATTACHMENTS = "attachments/"
_MEMBER = re.compile(rf"{DATABASE}|{ATTACHMENTS}[0-9a-f]{{32}}|{re.escape(MANIFEST)}")
_CHUNK = 1 << 20


class BackupError(Exception):
    """A backup can't be taken or brought back; the message says why, for the operator."""


@dataclass(slots=True)
class Manifest:
    """What an archive holds. ``made_at`` is when the copy was begun, ISO 8601 in UTC."""

    made_at: str
    kind: str
    """``sqlite`` or ``postgresql``."""
    revision: str | None
    """Of the schema."""
    key: str
    """Tells whether the secret key is the one of then; the key itself is never in an archive."""
    attachments: str
    """``disk`` where they are in the archive, ``s3`` where the bucket keeps them."""
    missing: list[str] = field(default_factory=list)
    """Keys of attachments that were not in the store."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Of every other member."""
    format: int = FORMAT


class Writer:
    """Writes members one after another; the archive has its name only once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._tar = tarfile.open(self._part, "w:gz", compresslevel=3)  # noqa: SIM115
        self._part.chmod(0o600)
        self.sha256: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tar.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

    def add_bytes(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self.sha256[name] = hashlib.sha256(data).hexdigest()
        self._tar.addfile(info, io.BytesIO(data))

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.sha256[name] = hashlib.file_digest(file, "sha256").hexdigest()
        self._tar.add(path, arcname=name, recursive=False)

    def finish(self, manifest: Manifest) -> None:
        manifest.sha256 = dict(self.sha256)
        self.add_bytes(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())


def unpack(path: Path, folder: Path) -> Manifest:
    """Unpack into an empty folder and check every byte; :class:`BackupError` where any is not as it was written."""
    try:
        found = _extract(path, folder)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BackupError(f"{path} is damaged or no backup: {type(error).__name__}") from error
    if MANIFEST not in found:
        raise BackupError(f"{path} is damaged: it ends before its manifest")
    manifest = _manifest(path, folder / MANIFEST)
    found.pop(MANIFEST)
    if found != manifest.sha256:
        wrong = sorted(name for name in {*found, *manifest.sha256} if found.get(name) != manifest.sha256.get(name))
        raise BackupError(f"{path} is damaged: {wrong[0]} is not what was saved")
    return manifest


def _extract(path: Path, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    (folder / ATTACHMENTS).mkdir()
    # Our own gzip reader: read to its end, it checks its own sum too.
    with gzip.open(path) as stream, tarfile.open(fileobj=stream) as tar:
        for member in tar:
            source = tar.extractfile(member)
            if source is None or not _MEMBER.fullmatch(member.name) or member.name in found:
                raise BackupError(f"{path} is no backup of ours: it holds {member.name!r}")
            with (folder / member.name).open("xb") as target:
                found[member.name] = _copy(source, target)  # type: ignore[arg-type]
        while stream.read(_CHUNK):
            pass
    return found


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _manifest(path: Path, file: Path) -> Manifest:
    try:
        manifest = Manifest(**json.loads(file.read_bytes()))
    except (ValueError, TypeError) as error:
        raise BackupError(f"{path} is damaged: its manifest can't be read") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{path} has format {manifest.format}; this version reads {FORMAT}")
    return manifest
