"""Throttling around a sign-in. A failure is counted in a transaction of its own, for the request's rolls back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from booking.domain.errors import BookingError, NotSignedIn
from booking.edge.flask_app import client_address, current_app, work
from booking.services import sign_in


@contextmanager
def throttled(name: str, failure: type[BookingError] = NotSignedIn) -> Iterator[None]:
    """Refuse where this name was tried too often from this address; count the attempt if it ends in ``failure``."""
    app, now, address = current_app(), work().now, client_address()
    tidy = re.sub(r"[\s-]+", "", name).lower()  # as the reference itself is read
    sign_in.check_throttle(work().session, app.keys, tidy, address, now)
    try:
        yield
    except failure:
        # Only one writer at a time on SQLite: let go of the request's own transaction first.
        work().session.rollback()
        with app.database.unit_of_work() as apart:
            sign_in.count_failure(apart, app.keys, tidy, address, now)
        raise
