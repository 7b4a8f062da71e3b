"""SQL that both databases understand and that hands numbers over in bulk, ready for numpy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    LargeBinary,
    Select,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)
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


def among(session: Session, column: Any, keys: Iterable[int]) -> ColumnElement[bool]:
    """The column is one of these keys, as one parameter: an IN of a thousand takes longer to write than to run."""
    wanted = list(keys)
    if session.get_bind().dialect.name == "postgresql":
        mine: ColumnElement[bool] = column == any_(bindparam(None, wanted, ARRAY(BigInteger)))
        return mine
    each = func.json_each(json.dumps(wanted)).table_valued("value")
    listed: ColumnElement[bool] = column.in_(select(each.c.value))
    return listed


def known(column: Any, default: float = UNKNOWN) -> ColumnElement[Any]:
    """The column with NULL replaced, since numbers can't be null."""
    return func.coalesce(column, default)


def table(
    session: Session, query: Select[*tuple[Any, ...]], *, order: Sequence[str] = (), blocks: Any = None
) -> dict[str, Numbers]:
    """The result as one float64 array for each labelled column (exact for keys up to 2^53), sorted by ``order``.

    A NULL is a ``ValueError`` (:func:`known` replaces it). ``blocks`` names a key of the query that splits a large
    result: so many rows are under way at a time (:data:`CHUNK`), and never the whole of it as Python objects.
    """
    names = [str(column.key) for column in query.selected_columns]
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        parts = _packed(session, query, len(names), blocks)
    else:
        parts = _fetched(session, query)
    columns: list[list[Numbers]] = [[] for _ in names]
    for part in parts:
        for at, column in enumerate(columns):
            column.append(part[:, at].astype(np.float64))
    made = {name: np.concatenate([np.zeros(0), *column]) for name, column in zip(names, columns, strict=True)}
    for name, values in made.items():
        if np.isnan(values).any():
            raise ValueError(f"{name} is NULL somewhere")
    return _sorted(made, order) if order else made


def _sorted(rows: dict[str, Numbers], order: Sequence[str]) -> dict[str, Numbers]:
    at = np.lexsort([rows[name] for name in reversed(order)])
    if np.array_equal(at, np.arange(len(at))):
        return rows
    return {name: values[at] for name, values in rows.items()}


def _fetched(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[Numbers]:
    """SQLite: straight from the driver's cursor; SQLAlchemy's row objects would take three times as long."""
    cursor = session.connection().execute(query).cursor
    assert cursor is not None  # noqa: S101  # a SELECT has one
    while rows := cursor.fetchmany(CHUNK):
        yield np.array(rows, np.float64)


def _packed(session: Session, query: Select[*tuple[Any, ...]], width: int, key: Any) -> Iterator[Numbers]:
    """PostgreSQL: rows packed into one value by the server, eight bytes a number. As rows of a result (COPY's too)
    the same numbers take about eight times as long, for the protocol's sake."""
    if key is None:
        yield _unpacked(session, query, width)
        return
    keys = np.sort(_unpacked(session, query.with_only_columns(key.label("key")), 1)[:, 0])
    first = np.unique(keys[::CHUNK])
    for low, high in zip(first.tolist(), [*(first[1:] - 1).tolist(), *keys[-1:].tolist()], strict=True):
        yield _unpacked(session, query.where(key.between(int(low), int(high))), width)


_NAN: ColumnElement[float] = literal_column("'NaN'::float8")


def _unpacked(session: Session, query: Select[*tuple[Any, ...]], width: int) -> Numbers:
    rows = query.subquery()
    row: ColumnElement[bytes] | None = None
    for column in rows.c:
        number = cast(column, Integer) if isinstance(column.type, Boolean) else column
        # A NULL would take its whole row with it, unseen.
        sent: ColumnElement[bytes] = func.float8send(func.coalesce(cast(number, Double), _NAN), type_=LargeBinary)
        row = sent if row is None else row.op("||", return_type=LargeBinary())(sent)
    packed = session.scalar(select(func.string_agg(row, literal_column("''::bytea"), type_=LargeBinary)))
    return np.frombuffer(packed or b"", ">f8").reshape(-1, width)


def whole(values: Numbers) -> npt.NDArray[np.int64]:
    return values.astype(np.int64)


T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
