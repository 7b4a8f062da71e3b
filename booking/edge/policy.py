"""Every route declares who may call it. The declaration stands on the view and is enforced before the view runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from booking.domain.words import Role

View = TypeVar("View", bound=Callable[..., Any])


class Via(StrEnum):
    BEARER = "bearer"
    """``Authorization: Bearer``; no cookie counts, so no other site can ride on one."""
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    roles: frozenset[Role]
    via: Via
    public: bool = False
    idempotent: bool = True
    """Whether an ``Idempotency-Key`` on a POST is honoured (not for sign-in: its answer is a secret)."""


def allow(*roles: Role, via: Via, idempotent: bool = True) -> Callable[[View], View]:
    """Only these roles may call the view."""
    if not roles:
        raise ValueError("name at least one role, or declare the route public")
    return _mark(RoutePolicy(frozenset(roles), via, idempotent=idempotent))


def public(via: Via = Via.COOKIE, *, idempotent: bool = False) -> Callable[[View], View]:
    """Anybody may call the view; who is signed in is still made known to it."""
    return _mark(RoutePolicy(frozenset(Role), via, public=True, idempotent=idempotent))


def _mark(policy: RoutePolicy) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.route_policy = policy  # type: ignore[attr-defined]
        return view

    return mark


def policy_of(view: Callable[..., Any]) -> RoutePolicy | None:
    found = getattr(view, "route_policy", None)
    return found if isinstance(found, RoutePolicy) else None
