"""The parts of a week, as the times that never suit are ticked and said."""

from __future__ import annotations

from datetime import date, timedelta

from babel.dates import format_date

from booking.domain.needs import WEEK_PARTS
from booking.languages import _
from booking.web import say
from booking.web.spoken import gettext

KNOWN = frozenset(str(n) for n in range(WEEK_PARTS))
_PARTS = (_("morning"), _("afternoon"), _("evening"))
_HOURS = (_("until 12:00"), _("12:00 to 17:00"), _("from 17:00"))
_MONDAY = date(2024, 1, 1)


def days() -> list[str]:
    """Monday to Sunday, in the language of the page."""
    locale = say.language().value
    return [format_date(_MONDAY + timedelta(days=n), "EEEE", locale=locale) for n in range(7)]


def parts() -> list[tuple[str, str]]:
    """Morning, afternoon and evening, each with its hours."""
    return [(gettext(part), gettext(hours)) for part, hours in zip(_PARTS, _HOURS, strict=True)]


def in_words(bits: int) -> list[str]:
    """``Monday: morning, evening``, ``Friday: all day``, one line for each day that has any."""
    said = []
    for number, name in enumerate(days()):
        never = [gettext(_PARTS[part]) for part in range(3) if bits >> number * 3 + part & 1]
        if never:
            said.append(f"{name}: {gettext('all day') if len(never) == 3 else ', '.join(never)}")
    return said
