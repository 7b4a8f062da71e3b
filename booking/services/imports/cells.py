"""Single cells to values. Each refuses with a :class:`RowFault` that names the column and says what was expected."""

from __future__ import annotations

import re
from datetime import date, time, timedelta, timezone
from functools import lru_cache

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.errors import Invalid
from booking.domain.ids import parse_ods_code
from booking.domain.specialties import SPECIALTIES
from booking.domain.words import ConsultationMode, Priority, Sex


class RowFault(Exception):
    """One cell is wrong."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


_POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})/(\d{1,2})/(\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})|Z")
_CLINIC_TYPE = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,39}")


@lru_cache(maxsize=4096)
def read_date(text: str, column: str = "date") -> date:
    """``2026-09-01`` or ``01/09/2026`` (the day first)."""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        parts = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
        return date(*(int(part) for part in parts))
    except ValueError:
        raise RowFault(column, "not a date like 2026-09-01 or 01/09/2026") from None


@lru_cache(maxsize=4096)
def read_time(text: str, column: str) -> time:
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        return time(int(match[1]), int(match[2]))
    except ValueError:
        raise RowFault(column, "not a time like 09:30") from None


@lru_cache(maxsize=64)
def read_offset(text: str) -> timezone:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise RowFault("utc_offset", "not an offset like +01:00")
    if not match[1]:
        return timezone(timedelta(0))
    minutes = int(match[2]) * 60 + int(match[3])
    if minutes > 14 * 60:
        raise RowFault("utc_offset", "not an offset like +01:00")
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


@lru_cache(maxsize=64)
def read_priorities(text: str) -> int:
    """Words apart by a space or a bar; all where the cell is empty."""
    try:
        return sum(PRIORITY_BIT[Priority(word)] for word in set(re.split(r"[\s|/]+", text.upper())))
    except ValueError:
        raise RowFault("priorities", f"each is one of {', '.join(Priority)}") from None


@lru_cache(maxsize=64)
def read_mode(text: str) -> ConsultationMode:
    try:
        return ConsultationMode("_".join(text.upper().split()))
    except ValueError:
        raise RowFault("mode", f"one of {', '.join(ConsultationMode)}") from None


@lru_cache(maxsize=4096)
def read_whole(text: str, column: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and lowest <= int(text) <= highest):
        raise RowFault(column, f"not a whole number from {lowest} to {highest}")
    return int(text)


def read_text(text: str, column: str, longest: int) -> str:
    if not text:
        raise RowFault(column, "must not be empty")
    if len(text) > longest:
        raise RowFault(column, f"longer than {longest} characters")
    if not text.isprintable():
        raise RowFault(column, "holds characters that are not text")
    return text


def read_ods_code(text: str, column: str) -> str:
    try:
        return parse_ods_code(text)
    except Invalid:
        raise RowFault(column, "not an ODS code (2 to 12 letters and digits)") from None


def read_identifier(text: str, column: str) -> str:
    """A professional registration, such as a GMC number, in capitals."""
    return read_text(text, column, 40).upper()


def read_specialty(text: str, column: str) -> str:
    if text.upper() not in SPECIALTIES:
        raise RowFault(column, "not a treatment function code such as 330")
    return text.upper()


def read_clinic_type(text: str, column: str) -> str:
    if not _CLINIC_TYPE.fullmatch(text.upper()):
        raise RowFault(column, "not a code like 330-SKIN (up to 40 letters, digits, dots, dashes and underscores)")
    return text.upper()


def read_clinic_types(text: str, column: str) -> frozenset[str]:
    """Codes apart by a bar; none where the cell is empty."""
    return frozenset(read_clinic_type(part.strip(), column) for part in text.split("|") if part.strip())


def read_sex(text: str, column: str) -> Sex:
    if text.lower() not in (Sex.FEMALE, Sex.MALE):
        raise RowFault(column, "female, male or empty")
    return Sex(text.lower())


def read_postcode(text: str, column: str = "postcode") -> str:
    """In capitals with its space: ``sw1a1aa`` becomes ``SW1A 1AA``."""
    compact = "".join(text.split()).upper()
    tidy = f"{compact[:-3]} {compact[-3:]}"
    if not _POSTCODE.fullmatch(tidy):
        raise RowFault(column, "not a postcode like SW1A 1AA")
    return tidy


def read_degrees(text: str, column: str, highest: float) -> float:
    """A coordinate in degrees, WGS 84."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -highest <= value <= highest:
        raise RowFault(column, f"not a number of degrees from -{highest:g} to {highest:g}")
    return value


def read_compact_date(text: str, column: str) -> date:
    """``20150331``, as the Organisation Data Service writes dates."""
    try:
        if len(text) != 8 or not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise RowFault(column, "not a date like 20150331") from None
