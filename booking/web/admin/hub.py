"""Where administration begins: each thing there is to look after, with a figure where something waits."""

from __future__ import annotations

from flask import render_template

from booking.domain.words import COMMISSIONERS, OrganisationKind
from booking.edge.flask_app import work
from booking.services import failed_messages, health, people
from booking.web.admin import admins_only
from booking.web.base import blp
from booking.web.staff import my_organisation


@blp.get("/staff/admin")
@admins_only
def admin() -> str:
    """Administration of your organisation: people, tokens, messages, the audit trail, the machinery."""
    unit, mine = work(), my_organisation()
    actor = unit.actor
    watches = actor.role in COMMISSIONERS
    return render_template(
        "admin/hub.html", organisation=mine, manages=actor.role in people.MANAGERS, watches=watches,
        waiting=None if watches else failed_messages.count(unit), faults=health.look(unit).faults,
        practice=mine.kind is OrganisationKind.PRACTICE,
    )  # fmt: skip
