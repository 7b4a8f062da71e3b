"""Array types and the few index helpers that everything else is built from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
F32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

INF = np.int64(2**61)  # larger than any cost, small enough to add to one


def no_i64() -> I64:
    """An empty array, as a default."""
    return np.zeros(0, np.int64)


def no_i32() -> I32:
    """An empty array, as a default."""
    return np.zeros(0, np.int32)


def no_i8() -> I8:
    """An empty array, as a default."""
    return np.zeros(0, np.int8)


def ranges(start: Array, length: Array) -> I64:
    """Concatenate ``arange(start[i], start[i] + length[i])`` for all i."""
    length = np.asarray(length, np.int64)
    total = int(length.sum())
    if total == 0:
        return np.zeros(0, np.int64)
    ends = np.cumsum(length)
    out: I64 = np.repeat(np.asarray(start, np.int64) - (ends - length), length)
    out += np.arange(total, dtype=np.int64)
    return out


def indptr_of(counts: Array) -> I64:
    """Row pointers (n + 1) from row counts (n)."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def take_rows(indptr: I64, rows: Array) -> tuple[I64, I64]:
    """Choose rows of a CSR structure: the new row pointers, and which old entries follow in order."""
    counts = np.diff(indptr)[rows]
    return indptr_of(counts), ranges(indptr[:-1][rows], counts)


def within_rows(between: Bool, indptr: I64) -> Bool:
    """A mask over neighbours of CSR entries (i and i + 1), with those of different rows taken out, in place."""
    starts = indptr[1:-1]
    between[starts[(starts > 0) & (starts <= len(between))] - 1] = False
    return between


def rank_in_runs(sorted_ids: Array) -> I64:
    """0, 1, 2 … within each run of equal ids of a sorted array."""
    n = len(sorted_ids)
    if n == 0:
        return np.zeros(0, np.int64)
    first = np.flatnonzero(np.concatenate(([True], sorted_ids[1:] != sorted_ids[:-1])))
    return np.arange(n, dtype=np.int64) - np.repeat(first, np.diff(np.append(first, n)))


def find(sorted_keys: I64, wanted: I64) -> I64:
    """Positions of ``wanted`` in an ascending array of unique keys, -1 where absent."""
    if len(sorted_keys) == 0:
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == wanted, at, -1).astype(np.int64)


def mix(values: Array) -> U64:
    """Scramble 64-bit integers one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    z = values.astype(np.uint64, copy=True)
    with np.errstate(over="ignore"):
        z += np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
