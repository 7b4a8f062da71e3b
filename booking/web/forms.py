"""Reading forms: every fault is kept beside its field, what was typed is kept too, and services' refusals fit in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from werkzeug.datastructures import MultiDict

from booking.domain.errors import BookingError, Invalid
from booking.domain.slot import FIRST_YEAR, LAST_YEAR
from booking.services.booking import Choice
from booking.web.spoken import gettext

Kind = TypeVar("Kind", bound=StrEnum)
LARGEST_KEY = 2**63 - 1


@dataclass
class Form:
    """What somebody typed, and what is wrong with it. ``focus`` says which box an error's link leads to."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.values.get(name, "")

    def all(self, name: str) -> list[str]:
        return self.values.getlist(name) if isinstance(self.values, MultiDict) else [self.get(name)]

    def fail(self, name: str, message: str) -> None:
        self.errors.setdefault(name, message)

    def text(self, name: str, message: str | None = None, *, most: int = 100) -> str:
        """The trimmed text; ``message`` is the fault of an empty box, None lets it be empty."""
        text = self.get(name).strip()
        if not text and message:
            self.fail(name, message)
        if len(text) > most:
            self.fail(name, gettext("This must be {most} characters or fewer.").format(most=most))
        elif any(ord(c) < 32 and c not in "\r\n\t" for c in text):
            self.fail(name, gettext("This holds characters that are not text."))
        return text

    def one_of(self, name: str, kind: type[Kind], message: str) -> Kind | None:
        try:
            return kind(self.get(name))
        except ValueError:
            self.fail(name, message)
            return None

    def number(self, name: str, message: str, *, most: float) -> float | None:
        text = self.get(name).strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            self.fail(name, message)
            return None
        return value

    def whole(self, name: str, message: str, least: int, most: int, *, needed: bool = True) -> int | None:
        """A whole number between these; None where an empty box is fine, or with the fault."""
        text = self.get(name).strip()
        if not text and not needed:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
            self.fail(name, message)
            return None
        return int(text)

    def clock(self, name: str, what: str, *, needed: bool = True) -> time | None:
        """A time of day in whole minutes; only staff are asked for one."""
        text = self.get(name).strip()
        if not text:
            if needed:
                self.fail(name, f"Enter {what}")
            return None
        try:
            found = time.fromisoformat(text)
        except ValueError:
            self.fail(name, f"{_large(what)} must be a time like 09:00 or 13:30")
            return None
        if found.second or found.microsecond or found.tzinfo:
            self.fail(name, f"{_large(what)} must be a whole minute, like 09:00")
            return None
        return found

    def date(self, name: str, what: str) -> date | None:
        """Three boxes: day, month, year."""
        parts = [self.get(f"{name}-{part}").strip() for part in ("day", "month", "year")]
        if not any(parts):
            self.fail(name, gettext("Enter {what}").format(what=what))
            return None
        words = (gettext("a day"), gettext("a month"), gettext("a year"))
        missing = [word for word, part in zip(words, parts, strict=True) if not part]
        if missing:
            said = gettext("{one} and {other}").format(one=missing[0], other=missing[1]) if missing[1:] else missing[0]
            self.fail(name, gettext("{what} must include {missing}").format(what=_large(what), missing=said))
            return None
        try:
            if not all(part.isascii() and part.isdigit() for part in parts) or len(parts[2]) != 4:
                raise ValueError(parts)
            return date(int(parts[2]), int(parts[1]), int(parts[0]))
        except (ValueError, OverflowError):
            said = gettext("{what} must be a real date, like 27 3 1968")
            self.fail(name, said.format(what=_large(what)))
            return None

    def refuse(
        self, error: BookingError, names: Iterable[str], otherwise: str,
        words: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """A service's refusal beside the fields it names; what names none of ours goes to ``otherwise``.

        ``words`` are the page's own, by field and code.
        """
        known = set(names)
        for fault in error.errors:
            base = fault.field.split(".")[0]
            name = base if base in known else otherwise
            self.fail(name, gettext(words.get((name, fault.code), fault.message)))
        if not error.errors:
            self.fail(otherwise, gettext(error.message))


def _large(what: str) -> str:
    return what[:1].upper() + what[1:]


def read_key(text: str | None) -> int | None:
    """A key that the database can hold; None for anything else."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    key = int(text)
    return key if 0 < key <= LARGEST_KEY else None


def read_keys(texts: Iterable[str]) -> list[int]:
    """The keys among what was sent."""
    return [key for text in texts if (key := read_key(text)) is not None]


def read_version(text: str) -> int:
    """The version that a page was made from; one that nothing has where it can't be read."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else -1


def _read_instant(text: str) -> datetime:
    """An instant with its offset, of a year that a slot may have; :class:`ValueError` for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(text)
    return moment


def read_choice(values: Mapping[str, str]) -> Choice:
    """The slot of a "choose this time" button, with its times as they were shown."""
    try:
        starts, ends = (_read_instant(values.get(name, "")) for name in ("starts_at", "ends_at"))
        slot_id = read_key(values.get("slot_id"))
        if slot_id is None:
            raise ValueError("no key")
        return Choice(slot_id, starts, ends)
    except ValueError:
        raise Invalid.field("slot_id", "CHOICE", "We did not understand which time you chose. Go back.") from None


def write_cursor(starts_at: datetime, slot_id: int) -> str:
    return f"{starts_at.isoformat()}~{slot_id}"


def read_cursor(text: str | None) -> tuple[datetime, int] | None:
    """Where the next page of times begins; anything we did not write means the first page."""
    when, _, last = (text or "").partition("~")
    slot_id = read_key(last)
    try:
        return None if slot_id is None else (_read_instant(when), slot_id)
    except ValueError:
        return None


def read_date(text: str | None) -> date | None:
    """A day of a year that a slot may have; anything else means no day."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None
