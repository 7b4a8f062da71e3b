"""SQL that both databases understand and that hands numbers over in bulk, ready for numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import BigInteger, ColumnElement, Select, case, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

CHUNK = 50_000
UNKNOWN = -999.0
"""Stands for NULL in a numeric column: no coordinate, no distance, no key has this value."""

Numbers = npt.NDArray[np.float64]


class EpochMinutes(FunctionElement[int]):
    """Whole minutes since 1970 (UTC) of an instant."""

    type = BigInteger()
    inherit_cache = True


class EpochDays(FunctionElement[int]):
    """Days since 1970-01-01 of a date."""

    type = BigInteger()
    inherit_cache = True


@compiles(EpochMinutes, "postgresql")
def _minutes_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **kw)}) / 60) AS BIGINT)"


@compiles(EpochMinutes, "sqlite")
def _minutes_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(CAST(strftime('%s', {compiler.process(element.clauses, **kw)}) AS INTEGER) / 60)"


@compiles(EpochDays, "postgresql")
def _days_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(({compiler.process(element.clauses, **kw)}) - DATE '1970-01-01')"


@compiles(EpochDays, "sqlite")
def _days_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(julianday({compiler.process(element.clauses, **kw)}) - 2440587.5 AS INTEGER)"


def code(column: Any, values: Iterable[str]) -> ColumnElement[int]:
    """The position of a word among ``values``, -1 where it is none of them."""
    numbers = {value: at for at, value in enumerate(values)}
    return case(numbers, value=column, else_=-1) if numbers else func.coalesce(-1)


def known(column: Any, default: float = UNKNOWN) -> ColumnElement[Any]:
    """The column with NULL replaced, since numbers can't be null."""
    return func.coalesce(column, default)


def table(session: Session, query: Select[*tuple[Any, ...]]) -> dict[str, Numbers]:
    """The result as one float64 array for each labelled column (exact for keys up to 2^53), streamed."""
    names = [column.key for column in query.selected_columns]
    parts = []
    result = session.connection().execute(query.execution_options(yield_per=CHUNK))
    for rows in result.partitions(CHUNK):
        flat = np.fromiter(chain.from_iterable(rows), np.float64, count=len(rows) * len(names))
        parts.append(flat.reshape(-1, len(names)))
    whole = np.concatenate(parts) if parts else np.zeros((0, len(names)))
    return {str(name): whole[:, at] for at, name in enumerate(names)}


def whole(values: Numbers) -> npt.NDArray[np.int64]:
    return values.astype(np.int64)


T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
