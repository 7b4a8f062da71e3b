"""What became of a file, and the rows that were not taken, in a file of their own."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from booking.domain.errors import BookingError
from booking.services.imports.reading import BadCell, TableFile, TableRow, escaped

KEPT = 1000
"""Bad cells held in memory for the report; all are counted, and all go to the file of bad rows."""
REASON = "reason"

Step = Callable[[int, int], None]
"""Told now and then: rows done so far, and bytes read so far."""


@dataclass(slots=True)
class Report:
    """Counts of one file. ``counts`` says what became of its good rows; ``notes`` what else there is to know."""

    file: str
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    bad: list[BadCell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stored: bool = False
    bad_file: Path | None = None

    def refuse(self, cells: Iterable[BadCell]) -> None:
        """Count one bad row with what is wrong in it."""
        self.refused += 1
        if len(self.bad) < KEPT:
            self.bad.extend(cells)


class ImportRefused(BookingError):
    """Rows were bad and nothing was stored; the report says which."""

    code = "IMPORT_REFUSED"
    status = 422

    def __init__(self, *reports: Report) -> None:
        super().__init__("Nothing was stored: " + ", ".join(f"{r.refused} bad rows in {r.file}" for r in reports))
        self.reports = reports


class BadRows:
    """Writes ``<file>.bad.csv``: the bad rows as they came, with a ``reason`` column. Made when the first comes.

    It is written beside its place and moved there by :meth:`keep`, once what was good is committed.
    """

    def __init__(self, table: TableFile) -> None:
        self.path = table.path.with_name(f"{table.path.name}.bad.csv")
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._columns = [name for name in table.columns if name != REASON]
        self._places = [n for n, name in enumerate(table.columns) if name != REASON]
        self._delimiter = table.delimiter
        self._file: IO[str] | None = None
        self._writer: Any = None

    def add(self, row: TableRow | BadCell, reasons: Sequence[BadCell]) -> None:
        if self._file is None:
            self._file = self._part.open("w", encoding="utf-8-sig", newline="")
            self._writer = csv.writer(self._file, delimiter=self._delimiter)
            self._writer.writerow([*self._columns, REASON])
        if isinstance(row, BadCell):
            cells = (row.value.split(self._delimiter) + [""] * len(self._columns))[: len(self._columns)]
        else:
            cells = [row.cells[place] for place in self._places]
        why = "; ".join(f"line {bad.line}{f', {bad.column}' if bad.column else ''}: {bad.reason}" for bad in reasons)
        self._writer.writerow([escaped(cell) for cell in [*cells, why]])

    def keep(self) -> Path | None:
        """Put the file in its place; None where no row was bad."""
        if self._file is None:
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)
        self._file = None
        return self.path

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
            self._file = None
