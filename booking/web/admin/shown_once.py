"""A secret for the page that shows it once: it waits sealed in the manager's own cookie, so that a form sent twice,
or a page loaded anew, makes no other."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from flask import session

from booking.edge.flask_app import work

GOOD_FOR = timedelta(minutes=10)


def keep(name: str, of: int, secret: str) -> None:
    """``of`` is the key of what it belongs to."""
    raw = json.dumps({"of": of, "secret": secret, "at": work().now.isoformat()})
    session[name] = work().keys.seal(raw.encode()).decode()


def take(name: str, of: int | None = None) -> tuple[int, str] | None:
    """What was kept a moment ago, of this or of anything; from now on it is gone from the cookie."""
    try:
        raw = json.loads(work().keys.open(str(session.get(name, "")).encode()))
    except (InvalidToken, ValueError):
        return None
    if of not in (None, raw["of"]):
        return None
    del session[name]
    return (raw["of"], raw["secret"]) if work().now - datetime.fromisoformat(raw["at"]) <= GOOD_FOR else None
