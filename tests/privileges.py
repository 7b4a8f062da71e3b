"""What the application deletes in any test must be what its database role may delete (``booking/services/grants.py``).

Most tests run as the owner of the tables, who may do anything: a delete the role has not the privilege for would
only fail in use.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from booking.services.grants import DELETABLE

ROOT = Path(__file__).resolve().parent.parent
OWNERS = ("retention.py", "seed.py")
"""Run by the owner of the tables, not by the web processes or the scheduler."""


def watch() -> None:
    """Refuse, from now on and in every session, what the application's role would be refused."""
    event.listen(Session, "do_orm_execute", _statement)
    event.listen(Mapper, "before_delete", _row)


def _statement(state: ORMExecuteState) -> None:
    if state.is_delete and _caller() not in (None, *OWNERS):
        _check(state.statement.entity_description["table"].name)  # type: ignore[attr-defined]


def _row(mapper: Mapper[Any], _connection: object, _target: object) -> None:
    _check(mapper.local_table.name)  # type: ignore[attr-defined]


def _check(table: str) -> None:
    assert table in DELETABLE, f"the application deletes from {table}, and its database role may not"


def _caller() -> str | None:
    """The file of ours that asked for it; None where it was a test."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path != Path(__file__) and path.is_relative_to(ROOT) and ".venv" not in path.parts:
            return path.name if path.is_relative_to(ROOT / "booking") else None
        frame = frame.f_back  # type: ignore[assignment]
    return None
