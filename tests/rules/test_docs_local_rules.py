"""The table of weights in ``docs/local-rules.md`` says what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from booking.domain.objective import WEIGHTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "local-rules.md"
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def number(text: str) -> int:
    """``10,000``, ``10⁸`` and ``5·10⁵`` as whole numbers."""
    if powers := re.fullmatch(r"(?:(\d+)·)?10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text):
        return int(powers[1] or 1) * 10 ** int(powers[2].translate(DIGITS))
    return int(text.replace(",", ""))


def test_the_table_of_weights_is_the_codes() -> None:
    table = PAGE.read_text(encoding="utf-8").split("| weight | default | bounds |", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    said = {}
    for name, default, bounds, _ in rows:
        values = tuple(number(one) for one in default.split(", "))
        low, high = (number(one) for one in bounds.split(" to "))
        said[name.strip("`")] = (low, high, values if len(values) > 1 else values[0])
    assert said == {name: (one.low, one.high, one.default) for name, one in WEIGHTS.items()}
