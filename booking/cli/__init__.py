"""Commands: ``flask --app app …``. Each group has a file of its own; heavy imports wait until a command runs."""

from __future__ import annotations

from booking.cli import (
    accounts,
    audit,
    database,
    demo,
    imports,
    life,
    plan,
    practice,
    previews,
    record,
    retention,
    roles,
    scenario,
    simulate,
    worth,
)
from booking.edge.flask_app import BookingApp


def register(app: BookingApp) -> None:
    for module in (
        accounts,
        audit,
        database,
        demo,
        imports,
        life,
        plan,
        practice,
        previews,
        record,
        retention,
        roles,
        scenario,
        simulate,
        worth,
    ):
        module.register(app)
