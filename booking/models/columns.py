"""Column types used all over: keys, enumerations."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, Enum, ForeignKey, Integer
from sqlalchemy.orm import mapped_column

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""64-bit keys; SQLite's INTEGER is 64-bit already and only that spelling counts up by itself."""

Key = Annotated[int, mapped_column(BigKey, primary_key=True)]


def fk(target: str) -> ForeignKey:
    """A foreign key that never deletes what depends on it."""
    return ForeignKey(target, ondelete="RESTRICT")


def enum(kind: type[StrEnum], name: str | None = None) -> Enum:
    """An enumeration stored as text with a CHECK, so that the database refuses any other word.

    ``name`` tells the CHECKs of two columns of one kind in one table apart.
    """
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=40,
        values_callable=lambda members: [member.value for member in members],
        name=name or kind.__name__.lower(),
    )
