"""Going through a file of the directory: parse each row, store set by set, and gather what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from booking.services import audit
from booking.services.imports.cells import RowFault
from booking.services.imports.reading import BadCell, TableFile, TableRow
from booking.services.imports.report import BadRows, Report, Step
from booking.services.work import Work

SET_SIZE = 1000
T = TypeVar("T")
Values = dict[str, Any]


class Cells:
    """The cells of one row by column, and the faults found in it."""

    def __init__(self, table: TableFile, row: TableRow) -> None:
        self.row = row
        self._table = table
        self.faults: list[RowFault] = []

    def text(self, column: str) -> str:
        at = self._table.index.get(column)
        return "" if at is None else self.row.cells[at]

    def has(self, column: str) -> bool:
        """Whether the file has the column at all."""
        return column in self._table.index

    def read(self, read: Callable[..., T], column: str, *more: Any) -> Any:
        """The value of a cell that must be there; None, with the fault noted, where it is wrong."""
        try:
            return read(self.text(column), column, *more)
        except RowFault as fault:
            self.faults.append(fault)
            return None

    def maybe(self, read: Callable[..., T], column: str, *more: Any) -> Any:
        """As :meth:`read`, and None where the cell is empty."""
        return self.read(read, column, *more) if self.text(column) else None


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    row: TableRow
    values: Values


class Kind(Protocol):
    """How the rows of one kind of file are read and stored."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row; the same name twice in a file is refused."""

    def parse(self, cells: Cells) -> Values | None:
        """The row's values, or None for a row that is to be passed over. Faults go to ``cells``."""

    def store(self, work: Work, rows: list[Parsed], report: Report) -> dict[Parsed, RowFault]:
        """Write rows and count them in the report; those that can't be written come back with the reason."""


def load(work: Work, table: TableFile, kind: Kind, step: Step, keep: BadRows | None) -> Report:
    """Go through the whole file in this transaction. Whether to commit is the caller's, who looks at ``refused``."""
    report = Report(table.name)
    refuse = _refuser(report, keep)
    lines: dict[tuple[str, ...], int] = {}
    for part in _parts(table):
        good: list[Parsed] = []
        for row in part:
            report.rows += 1
            if isinstance(row, BadCell):
                refuse(row, [row])
                continue
            cells = Cells(table, row)
            values = kind.parse(cells)
            first = lines.setdefault(tuple(cells.text(column).upper() for column in kind.key), row.line)
            if first != row.line and values is not None:
                cells.faults.append(RowFault(kind.key[-1], f"the same as in line {first}"))
            if cells.faults:
                refuse(row, [table.bad(row, fault.column, fault.reason) for fault in cells.faults])
            elif values is not None:
                good.append(Parsed(row, values))
        for parsed, fault in kind.store(work, good, report).items():
            refuse(parsed.row, [table.bad(parsed.row, fault.column, fault.reason)])
        step(report.rows, table.position)
    if report.counts["added"] or report.counts["changed"]:
        audit.record(work, f"import:{table.name}"[:60], "import", after=dict(report.counts))
        work.session.flush()
    return report


def _refuser(report: Report, keep: BadRows | None) -> Callable[[TableRow | BadCell, list[BadCell]], None]:
    def refuse(row: TableRow | BadCell, cells: list[BadCell]) -> None:
        report.refuse(cells)
        if keep is not None:
            keep.add(row, cells)

    return refuse


def _parts(table: TableFile) -> Iterator[list[TableRow | BadCell]]:
    part: list[TableRow | BadCell] = []
    for row in table:
        part.append(row)
        if len(part) == SET_SIZE:
            yield part
            part = []
    yield part
