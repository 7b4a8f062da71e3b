"""The sign-ins a seeded region is tried with, kept in one file only its owner can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy.engine import make_url

from booking.config import INSTANCE

NAME = "demo-sign-ins.json"


def file_of(database_url: str) -> Path:
    """Beside the embedded database they belong to; in ``instance/`` where the database is a server's."""
    url = make_url(database_url)
    beside = url.drivername.startswith("sqlite") and url.database
    return Path(beside).parent / NAME if beside else INSTANCE / NAME


@dataclass(frozen=True, slots=True)
class PatientSignIn:
    name: str
    about: str
    reference: str
    access_code: str
    date_of_birth: dict[str, int]


@dataclass(frozen=True, slots=True)
class StaffSignIn:
    name: str
    role: str
    about: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class SignIns:
    patients: list[PatientSignIn] = field(default_factory=list)
    staff: list[StaffSignIn] = field(default_factory=list)
    to_refer: dict[str, str] = field(default_factory=dict)
    """Somebody the tour's GP may refer: name, NHS number, and why."""


def parts(born: date) -> dict[str, int]:
    return {"day": born.day, "month": born.month, "year": born.year}


def write(found: SignIns, path: Path) -> None:
    """Whole or not at all, and readable by its owner only from the first byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(found), file, ensure_ascii=False, indent=2)
    beside.replace(path)


def read(path: Path) -> SignIns | None:
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return SignIns(
        [PatientSignIn(**one) for one in found["patients"]], [StaffSignIn(**one) for one in found["staff"]],
        found.get("to_refer", {}),
    )  # fmt: skip
