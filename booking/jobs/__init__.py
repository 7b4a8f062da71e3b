"""``flask scheduler``: everything that happens by itself, in one process of its own.

Any number may be started; one works, the others stand by and take over when it is gone.
"""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from booking.edge.flask_app import BookingApp, current_app


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Expire holds, deliver messages, plan, seal the audit trail. Ends cleanly on SIGTERM."""
    from booking.jobs.scheduler import Scheduler

    Scheduler(current_app()).run()


def register(app: BookingApp) -> None:
    app.cli.add_command(scheduler)
