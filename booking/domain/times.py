"""Local times and instants (domain rule 14): a time that does not exist is refused, one that exists
twice needs its offset."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from booking.domain.errors import Invalid


def zone(name: str, *, field: str = "time_zone") -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid.field(field, "TIME_ZONE_UNKNOWN", f"{name!r} is not a time zone like Europe/London.") from None


def to_instant(local: datetime, tz: ZoneInfo, *, field: str) -> datetime:
    """A UTC instant from a local time of ``tz``, or from one that carries its own offset.

    A naive time in the gap of a clock change, or in the hour that comes twice, is refused; with its
    offset it is taken, provided the offset is one the zone has at that moment.
    """
    if local.tzinfo is not None:
        instant = local.astimezone(UTC)
        shown = instant.astimezone(tz)
        if local.utcoffset() not in (shown.utcoffset(), UTC.utcoffset(None)):
            raise Invalid.field(
                field, "OFFSET_WRONG", f"{local.isoformat()} has an offset that {tz.key} does not have then."
            )
        return instant
    early, late = local.replace(tzinfo=tz, fold=0), local.replace(tzinfo=tz, fold=1)
    if early.utcoffset() == late.utcoffset():
        return early.astimezone(UTC)
    if early.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != local:
        raise Invalid.field(
            field,
            "TIME_DOES_NOT_EXIST",
            f"{local.isoformat(sep=' ')} does not exist in {tz.key}: the clocks go forward.",
        )
    raise Invalid.field(
        field,
        "TIME_EXISTS_TWICE",
        f"{local.isoformat(sep=' ')} exists twice in {tz.key}: give its offset, like {early.isoformat()}.",
    )


def in_words(instant: datetime, tz: ZoneInfo) -> str:
    """``Tuesday 3 March 2026 at 14:30``: weekday, day, month and 24-hour clock, unmistakable."""
    local = instant.astimezone(tz)
    return f"{local:%A} {local.day} {local:%B %Y} at {local:%H:%M}"
