"""The public data set a scenario is built from: five plain CSV files, read as they are."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
BANDS = [*(f"weeks_{week:02d}" for week in range(52)), "weeks_52_plus"]


class DataError(ValueError):
    """The data set is incomplete; the message names file and column."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Things with a code, a name and coordinates (degrees), in the file's order; ``more`` holds further columns."""

    code: list[str]
    name: list[str]
    latitude: F64
    longitude: F64
    more: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The waiting list of a commissioner for a treatment function, by weeks waited (53 bands)."""

    commissioner: str
    function: str
    name: str
    bands: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    commissioners: Places
    practices: Places
    sites: Places
    waiting: list[Waiting]
    completed: dict[tuple[str, str], int]
    """(commissioner, treatment function) to pathways completed in the month, with and without a stay."""

    def names(self) -> dict[str, str]:
        """Treatment functions by code."""
        return {row.function: row.name for row in self.waiting}

    def only(self, commissioners: Sequence[str]) -> Data:
        """The part of these commissioners (all of them if none is named); :class:`DataError` names an unknown one."""
        if not commissioners:
            return self
        unknown = set(commissioners) - set(self.commissioners.code)
        if unknown:
            raise DataError(f"commissioners.csv has no {min(unknown)!r}")
        some = set(commissioners)
        return Data(
            self.commissioners, self.practices, self.sites,
            [row for row in self.waiting if row.commissioner in some],
            {key: count for key, count in self.completed.items() if key[0] in some},
        )  # fmt: skip


def load(folder: Path) -> Data:
    """Read the five files; :class:`DataError` where one is missing or lacks a column."""
    keys = ["commissioner", "treatment_function"]
    waiting = [
        Waiting(row[keys[0]], row[keys[1]], row["treatment_function_name"], tuple(int(row[band]) for band in BANDS))
        for row in _rows(folder / "waiting.csv", [*keys, "treatment_function_name", *BANDS])
    ]
    completed = {
        (row["commissioner"], row["treatment_function"]): int(row["non_admitted"]) + int(row["admitted"])
        for row in _rows(folder / "completed.csv", [*keys, "non_admitted", "admitted"])
    }
    return Data(
        _places(folder / "commissioners.csv", ()),
        _places(folder / "practices.csv", ("postcode", "commissioner")),
        _places(folder / "sites.csv", ("sector", "postcode", "provider_ods_code", "provider_name")),
        waiting, completed,
    )  # fmt: skip


def _places(path: Path, more: Sequence[str]) -> Places:
    rows = list(_rows(path, ["ods_code", "name", "latitude", "longitude", *more]))
    return Places(
        [row["ods_code"] for row in rows], [row["name"] for row in rows],
        np.array([float(row["latitude"]) for row in rows]), np.array([float(row["longitude"]) for row in rows]),
        {column: [row[column] for row in rows] for column in more},
    )  # fmt: skip


def _rows(path: Path, columns: Iterable[str]) -> Iterable[dict[str, str]]:
    if not path.exists():
        raise DataError(f"there is no {path.name} in {path.parent}")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path.name} has no column {missing[0]!r}")
        yield from reader
