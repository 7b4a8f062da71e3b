"""Commands: ``flask --app app …``. Each group has a file of its own; heavy imports wait until a command runs."""

from __future__ import annotations

from booking.cli import accounts, database, demo, imports, plan, scenario
from booking.edge.flask_app import BookingApp


def register(app: BookingApp) -> None:
    for module in (accounts, database, demo, imports, plan, scenario):
        module.register(app)
