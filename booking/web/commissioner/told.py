"""Counts of people in words, and how small ones are kept back: every page of commissioners says it with these."""

from __future__ import annotations

from booking.domain import small_numbers
from booking.edge.flask_app import work
from booking.web.base import blp


@blp.app_template_filter("shown_count")
def shown_count(told: int | None) -> str:
    """A count as it is told, or that it is not: ``1,236``, ``fewer than 5``."""
    return f"fewer than {least_told()}" if told is None else f"{told:,}"


@blp.app_template_filter("about_count")
def about_count(told: int | None) -> str:
    """The same within a sentence: ``about 12``."""
    return shown_count(told) if told is None else f"about {told:,}"


@blp.app_template_global()
def least_told() -> int:
    """The smallest count that is told."""
    return work().config.small_numbers


@blp.app_template_global()
def rounding_told() -> str:
    """How others are told."""
    return f"rounded to the nearest multiple of {small_numbers.step(least_told())}"


def told(count: int) -> int | None:
    """What may be told of a count of people."""
    return small_numbers.told(count, least_told())
