"""Plain values to PDF by Typst. What people wrote reaches a template as data only: it can't run, and can't leave it.

The PDFs are tagged, say their language and title, and claim PDF/UA-1. A character that no font of this machine has
would void that claim, so a document with one is made again without the claim (tagged all the same) and shows a box.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from booking.domain.words import Language

if TYPE_CHECKING:
    import typst

TEMPLATES = Path(__file__).resolve().parent / "templates"
SIZE, LARGE_SIZE = 12, 18
"""Points; 18 is the usual large print."""
_WANTED = ("Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans", "Libertinus Serif")
"""Tried in turn for each character; the last comes with Typst. Then any other font of the machine."""
_LONGEST_WORD = 40
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF])
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]


@cache
def _fonts() -> typst.Fonts:
    import typst

    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


@cache
def _families() -> list[str]:
    there = set(_fonts().families())
    return [name for name in _WANTED if name in there]


def clean(text: str) -> str:
    """As it can be set: no control or direction characters, and words that are too long for a line may break."""
    text = unicodedata.normalize("NFC", text.translate(_DIRECTIONS))
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co"))
    return _LONG_WORD.sub(lambda word: f"{word[0]}\u200b", text)


def _cleaned(value: Value) -> Value:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {name: _cleaned(one) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [_cleaned(one) for one in value]
    return value


def typeset(
    template: str, data: Mapping[str, Value], *, title: str, language: Language, made_at: datetime, large: bool = False
) -> bytes:
    """The PDF of ``template`` (a file beside this one) with ``data``, A4, in the language."""
    import typst

    whole = {
        **data, "title": title, "lang": str(language), "size": LARGE_SIZE if large else SIZE, "fonts": _families(),
    }  # fmt: skip
    inputs = {"data": json.dumps(_cleaned(whole), ensure_ascii=False)}

    def compiled(standards: list[typst.PDFStandard]) -> bytes:
        return typst.compile(
            str(TEMPLATES / template), root=str(TEMPLATES), format="pdf", font_paths=_fonts(), sys_inputs=inputs,
            pdf_standards=standards, timestamp=int(made_at.timestamp()),
        )  # fmt: skip

    try:
        return compiled(["ua-1"])
    except typst.TypstError as error:
        if not error.message.startswith("PDF/UA-1 error"):
            raise
        return compiled([])
