"""The languages people are written to in: gettext catalogues, and dates in words.

A catalogue is one ``.po`` file, read when it is first needed: there is no compiled copy to fall behind it.
"""

from __future__ import annotations

import gettext
import io
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from booking.domain.words import Language

TRANSLATIONS = Path(__file__).resolve().parent / "translations"
_DAY = "EEEE d MMMM y"
_LOCALE = {Language.ENGLISH: "en_GB", Language.WELSH: "cy"}
_AT = {Language.ENGLISH: "at", Language.WELSH: "am"}


def _(text: str) -> str:
    """Marks a text for the catalogues; it is looked up later, by :func:`say`."""
    return text


def catalogue_path(language: Language, domain: str = "messages") -> Path:
    """``messages`` are letters and e-mails, ``pages`` what the browser shows."""
    return TRANSLATIONS / language / "LC_MESSAGES" / f"{domain}.po"


@cache
def catalogue(language: Language, domain: str = "messages") -> gettext.NullTranslations:
    """The language's texts; what it has no text for is said in English."""
    if language is Language.ENGLISH:
        return gettext.NullTranslations()  # the texts in the code are the English ones
    with catalogue_path(language, domain).open("rb") as file:
        read = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def say(language: Language, text: str, **values: str) -> str:
    """A marked text in the language, its ``{places}`` filled. The English where the catalogue has none."""
    return catalogue(language).gettext(text).format(**values)


def day(on: date, language: Language) -> str:
    """``Tuesday 3 March 2026``, ``Dydd Mawrth 3 Mawrth 2026``."""
    return format_date(on, format=_DAY, locale=_LOCALE[language])


def moment(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """``Tuesday 3 March 2026 at 14:30``: weekday, day, month and 24-hour clock, at the place."""
    local = instant.astimezone(zone)
    return f"{day(local.date(), language)} {_AT[language]} {local:%H:%M}"
