"""Commands: ``flask --app app …``. Each group has a file of its own; heavy imports wait until a command runs."""

from __future__ import annotations

from booking.cli import database
from booking.edge.flask_app import BookingApp


def register(app: BookingApp) -> None:
    for module in (database,):
        module.register(app)
