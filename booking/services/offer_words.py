"""Why a time was offered: kept with the offer in English sentences, said in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable

from booking.languages import _

KEPT = _("We are keeping this time for you.")
REASONS = (
    KEPT,
    _("This is the earliest time at the clinics your GP chose."),
    _("It is {n} miles from you, the nearest of these clinics."),
    _("It is {n} miles from you."),
    _("It is 1 day before your target date."),
    _("It is {n} days before your target date."),
    _("It is on your target date."),
    _("It is 1 day after your target date: no earlier time was free for you."),
    _("It is {n} days after your target date: no earlier time was free for you."),
)
_PATTERNS = tuple(
    (re.compile(re.escape(text).replace(r"\{n\}", r"(?P<n>[\d.]+)")), text) for text in REASONS
)  # fmt: skip


def said(words: str, translate: Callable[[str], str]) -> str:
    """One of the reasons in the language of ``translate``; as it was kept where it is none that is known."""
    for pattern, text in _PATTERNS:
        if found := pattern.fullmatch(words):
            return translate(text).format(**found.groupdict())
    return words
