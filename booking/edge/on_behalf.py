"""``X-On-Behalf-Of``: the clinician an admin acts for, by name. It stands in events and the audit trail."""

from __future__ import annotations

from booking.domain.errors import Invalid
from booking.domain.words import Role
from booking.services.work import Actor

HEADER = "X-On-Behalf-Of"
LONGEST = 200
ADMINS = frozenset({Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN})


def on_behalf_of(given: str | None, actor: Actor) -> str | None:
    """The name the header holds; :class:`Invalid` from anybody but an admin, and where it is no name."""
    if given is None:
        return None
    if actor.role not in ADMINS:
        raise Invalid.field(HEADER, "NOT_AN_ADMIN", "Only a referring or provider admin acts for somebody else.")
    try:  # WSGI hands headers over as Latin-1, whatever they were written in
        name = given.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        name = given.strip()
    if not 1 <= len(name) <= LONGEST or not name.isprintable():
        raise Invalid.field(HEADER, "LENGTH", f"{HEADER} has 1 to {LONGEST} printable characters.")
    return name
