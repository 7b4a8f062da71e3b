"""A file of slots from a browser: tried out first with every fault beside its row, taken only when somebody says so."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from booking.domain.errors import Invalid, NotFound
from booking.models import SlotUpload
from booking.services.imports.reading import BadCell, TableRow
from booking.services.imports.report import BadRows, Report
from booking.services.imports.slots import SlotFile, open_slots, store_slots
from booking.services.publication_input import own_service
from booking.services.work import Work

MOST_ROWS = 5000
MOST_BYTES = 2_000_000
SHOWN = 100
"""Bad rows shown on the page; the file of bad rows has them all."""
KEPT = timedelta(days=1)
LONGEST_CELL = 200


@dataclass(frozen=True, slots=True)
class Fault:
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row as it was typed, and what is wrong in it."""

    line: int
    cells: list[str]
    faults: list[Fault]
    whole: bool
    """The row can't be told apart into columns: ``cells`` is its text."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a file, and what became of its good rows, or would become."""

    columns: list[str]
    rows: int
    refused: int
    counts: dict[str, int]
    bad: list[BadRow]

    @property
    def good(self) -> int:
        return self.rows - self.refused


class _Listed(BadRows):
    """The file of bad rows, and the first of them to show."""

    rows: list[BadRow]

    def add(self, row: TableRow | BadCell, reasons: Sequence[BadCell]) -> None:
        super().add(row, reasons)
        if len(self.rows) < SHOWN:
            faults = [Fault(bad.column, bad.reason) for bad in reasons]
            whole = isinstance(row, BadCell)
            cells = [row.value] if isinstance(row, BadCell) else list(row.cells)
            self.rows.append(BadRow(row.line, [cell[:LONGEST_CELL] for cell in cells], faults, whole))


@dataclass(slots=True)
class _Outcome:
    found: Found
    bad_file: bytes | None
    report: Report = field(repr=False)


def look(work: Work, name: str, content: bytes, service_id: int | None) -> SlotUpload:
    """Try a file out and keep it with what was found; nothing of it is published.

    Raises :class:`Invalid` for one that is too large, ``FileRefused`` for what is no table of slots.
    """
    if not content.strip():
        raise Invalid.field("file", "EMPTY", "Choose a file: the one that came is empty.")
    if len(content) > MOST_BYTES:
        message = f"Choose a file of at most {MOST_BYTES // 1_000_000} MB, or send it in parts."
        raise Invalid.field("file", "TOO_LARGE", message)
    if service_id is not None:
        own_service(work, service_id)
    tried = _store(work, name, content, service_id, keep=False)
    _tidy(work)
    made = SlotUpload(
        organisation_id=work.actor.organisation_id, service_id=service_id, name=name[:200],
        content=gzip.compress(content), found=asdict(tried.found), bad_rows=tried.bad_file,
        uploaded_at=work.now, uploaded_by=work.actor.name, taken_at=None,
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def own(work: Work, upload_id: int, *, lock: bool = False) -> SlotUpload:
    """One of the caller's files that were looked at; :class:`NotFound` for any other, and after a day."""
    query = select(SlotUpload).where(
        SlotUpload.id == upload_id, SlotUpload.organisation_id == work.actor.organisation_id,
        SlotUpload.uploaded_at > work.now - KEPT,
    )  # fmt: skip
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = work.session.scalars(query).first()
    if found is None:
        raise NotFound("There is no such file any more, or it is not yours. Files are kept for a day.")
    return found


def found_in(upload: SlotUpload) -> Found:
    given: dict[str, Any] = dict(upload.found)
    bad = [
        BadRow(row["line"], row["cells"], [Fault(**one) for one in row["faults"]], row["whole"]) for row in given["bad"]
    ]
    return Found(given["columns"], given["rows"], given["refused"], given["counts"], bad)


def bad_rows(upload: SlotUpload) -> bytes:
    if upload.bad_rows is None:
        raise NotFound("No row of this file was at fault.")
    return gzip.decompress(upload.bad_rows)


def take(work: Work, upload_id: int, *, good_only: bool) -> SlotUpload:
    """Publish the file's rows: all of them, or those that are good. Sent twice, it is done once.

    Where all were wanted and one is refused now, nothing is published: it stays untaken, with what was found now.
    """
    upload = own(work, upload_id, lock=True)
    if upload.taken_at is not None:
        return upload
    done = _store(work, upload.name, gzip.decompress(upload.content), upload.service_id, keep=True, all_=not good_only)
    upload.found, upload.bad_rows = asdict(done.found), done.bad_file
    if done.report.stored:
        upload.taken_at = work.now
    work.session.flush()
    return upload


def _store(
    work: Work, name: str, content: bytes, service_id: int | None, *, keep: bool, all_: bool = False
) -> _Outcome:  # fmt: skip
    """Publish the file in a savepoint, which stands only where ``keep`` says so and, with ``all_``, no row is bad."""
    with tempfile.TemporaryDirectory(prefix="slots-") as folder:
        path = Path(folder) / "slots.csv"
        path.write_bytes(content)
        opened = open_slots(
            work.session, path, service=None if service_id is None else str(service_id),
            organisation_id=work.actor.organisation_id,
        )  # fmt: skip
        opened.table.name = name
        _check_length(opened)
        bad = _Listed(opened.table)
        bad.rows = []
        attempt = work.session.begin_nested()
        try:
            report = store_slots(work, opened, lambda _rows, _position: None, keep=bad)
            report.stored = keep and not (all_ and report.refused)
            if report.stored:
                attempt.commit()
            else:
                attempt.rollback()
            kept = bad.keep()
            written = gzip.compress(kept.read_bytes()) if kept is not None else None
        except BaseException:
            if attempt.is_active:
                attempt.rollback()
            raise
        finally:
            bad.drop()
    counts = {word: number for word, number in report.counts.items() if number}
    rows = sorted(bad.rows, key=lambda row: row.line)
    found = Found(list(opened.table.columns), report.rows, report.refused, counts, rows)
    return _Outcome(found, written, report)


def _check_length(opened: SlotFile) -> None:
    for number, _ in enumerate(opened.table, 1):
        if number > MOST_ROWS:
            message = f"Send at most {MOST_ROWS} rows at once; larger files are for the interface, or for an operator."
            raise Invalid.field("file", "TOO_MANY_ROWS", message)


def _tidy(work: Work) -> None:
    """What nobody took within a day goes."""
    old = SlotUpload.uploaded_at <= work.now - KEPT
    work.session.execute(
        delete(SlotUpload)
        .where(SlotUpload.organisation_id == work.actor.organisation_id, old)
        .execution_options(synchronize_session=False)
    )
