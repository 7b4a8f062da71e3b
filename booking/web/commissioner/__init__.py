"""The pages of commissioners and their analysts: figures, plans, the policy, local rules. No patient is ever named."""

from __future__ import annotations

from collections.abc import Iterable

from booking.domain.words import COMMISSIONERS, Role
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.web import say
from booking.web.base import blp

reading = allow(*COMMISSIONERS, via=Via.COOKIE)
changing = allow(Role.COMMISSIONER, via=Via.COOKIE)


def may_change() -> bool:
    """Whether whoever looks may change things too; analysts only read."""
    return work().actor.role is Role.COMMISSIONER


@blp.app_template_global()
def select_items(pairs: Iterable[tuple[str, str]], *, words: bool = False) -> list[dict[str, str]]:
    """Values and texts as the select box takes them; ``words`` turns standard terms into plain words."""
    return [{"value": value, "text": say.label(text) if words else text} for value, text in pairs]
