"""Reading tables from files: encoding and delimiter told from the bytes, one row in memory at a time.

Nothing here knows a database. A cell that is wrong becomes a :class:`BadCell` with file, line, column, value
and reason; a file that is no table at all raises :class:`FileRefused`.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from booking.domain.errors import BookingError

DELIMITERS = ",;\t"
_BLOCK = 1 << 20
LONGEST_CELL = 10_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet may take for the start of a formula."""


class FileRefused(BookingError):
    """The file can't be read as a table; nothing of it was stored."""

    code = "FILE_REFUSED"
    status = 422


@dataclass(frozen=True, slots=True)
class BadCell:
    """What is wrong with one cell, or with the whole row where ``column`` is empty."""

    file: str
    line: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        which = f", column {self.column}, {self.value!r}" if self.column else ""
        return f"{self.file}, line {self.line}{which}: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class TableRow:
    """The cells of a row, trimmed, in the order of the file, and the line that it starts on."""

    line: int
    cells: Sequence[str]


def detect_encoding(path: Path) -> str:
    """``utf-8-sig``, ``utf-8`` or ``cp1252``, told by reading the file once in blocks.

    Bytes that are UTF-8 throughout are taken as that; Windows text in a Western language practically never is.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        block = file.read(_BLOCK)
        if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise FileRefused(f"{path.name} is UTF-16. Save it as CSV UTF-8.")
        name = "utf-8-sig" if block.startswith(codecs.BOM_UTF8) else "utf-8"
        try:
            while block:
                if b"\0" in block:
                    raise FileRefused(f"{path.name} is not text: it holds zero bytes.")
                decoder.decode(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _windows(path)
    return name


def _windows(path: Path) -> str:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            try:
                block.decode("cp1252")
            except UnicodeDecodeError:
                raise FileRefused(f"{path.name} is neither UTF-8 nor Windows-1252.") from None
            if b"\0" in block:
                raise FileRefused(f"{path.name} is not text: it holds zero bytes.")
    return "cp1252"


def detect_delimiter(first_line: str) -> str:
    """The one of comma, semicolon and tab that the first line has most of, outside quotes."""
    bare = "".join(first_line.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


class TableFile:
    """A CSV file as rows. Iterate once at a time; :attr:`position` says how many bytes were read so far.

    With a header, names are compared without case, and spaces count as underscores; ``required`` and
    ``optional`` are the columns it may have. Without one, ``required`` names the columns in order.
    """

    def __init__(
        self, path: Path, *, required: Sequence[str], optional: Collection[str] = (), header: bool = True
    ) -> None:
        self.path = path
        self.name = path.name
        try:
            self.size = path.stat().st_size
            self.encoding = detect_encoding(path)
            with path.open(encoding=self.encoding, newline="") as file:
                self.delimiter = detect_delimiter(file.readline(LONGEST_CELL * 100))
        except OSError as error:
            raise FileRefused(f"{path}: {error.strerror or error}") from None
        self.position = 0
        self._header = header
        self._required, self._optional = required, optional
        self.columns: list[str] = self._read_columns() if header else list(required)
        self.index = {name: n for n, name in enumerate(self.columns) if name}

    def bad(self, row: TableRow, column: str, reason: str) -> BadCell:
        at = self.index.get(column)
        return BadCell(self.name, row.line, column, "" if at is None else row.cells[at], reason)

    def __iter__(self) -> Iterator[TableRow | BadCell]:
        """The rows; where a line has another number of cells than the header, a :class:`BadCell` for it.

        The row of such a line can't be told apart by column, so its text is in the cell's ``value``.
        """
        width, previous = len(self.columns), 0
        with self.path.open("rb") as raw, io.TextIOWrapper(raw, encoding=self.encoding, newline="") as text:
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            try:
                for cells in reader:
                    line, previous = previous + 1, reader.line_num
                    if self._header and line == 1:
                        continue
                    self.position = raw.tell()
                    row = self._row(line, cells, width)
                    if row is not None:
                        yield row
            except csv.Error as error:
                raise FileRefused(f"{self.name}, line {previous + 1}: {error}. Is a quotation mark missing?") from None
        self.position = self.size

    def _row(self, line: int, cells: list[str], width: int) -> TableRow | BadCell | None:
        cells = [_plain(cell.strip()) for cell in cells]
        if not any(cells):
            return None
        if len(cells) > width and not any(cells[width:]):
            del cells[width:]  # spreadsheets like to add empty cells
        if len(cells) != width:
            reason = f"the row has {len(cells)} cells, there are {width} columns"
            return BadCell(self.name, line, "", self.delimiter.join(cells), reason)
        return TableRow(line, cells)

    def _read_columns(self) -> list[str]:
        with self.path.open(encoding=self.encoding, newline="") as file:
            try:
                first = next(csv.reader(file, delimiter=self.delimiter, strict=True), [])
            except csv.Error as error:
                raise FileRefused(f"{self.name}, line 1: {error}.") from None
        names = ["_".join(cell.lower().split()) for cell in first]
        while names and not names[-1]:
            names.pop()
        known = {*self._required, *self._optional}
        faults = [f"column {name!r} is not known" for name in names if name not in known]
        faults += [f"column {name!r} is missing" for name in self._required if name not in names]
        faults += [f"column {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
        if faults:
            expected = ", ".join([*self._required, *sorted(self._optional)])
            raise FileRefused(f"{self.name}, line 1: {'; '.join(faults)}. The columns are: {expected}.")
        return names


def _plain(cell: str) -> str:
    """Undo :func:`escaped`, so that a file of bad rows can be mended and read again."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA and len(cell) > 1 else cell


def escaped(cell: str) -> str:
    """A cell that a spreadsheet won't run as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
