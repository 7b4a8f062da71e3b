"""``flask life``: the table of a referral's life, for documents and for people."""

from __future__ import annotations

import click

from booking.domain.actions import RULES
from booking.domain.referral import TRANSITIONS, Action, ReferralState
from booking.domain.words import Priority
from booking.domain.worklists import CONTACT_BY, OWNER
from booking.edge.flask_app import BookingApp


@click.group("life")
def life() -> None:
    """States, actions and worklists, as the code has them."""


@life.command("markdown")
def markdown() -> None:
    """Print the tables of docs/referral-life.md."""
    click.echo(tables(), nl=False)


def tables() -> str:
    """Transitions by action, and contact-by times by worklist, as Markdown."""
    return f"{_transitions()}\n{_contact_by()}"


def _transitions() -> str:
    lines = ["| action | from | to | who | reason list | comment due |", "| --- | --- | --- | --- | --- | --- |"]
    for action in Action:
        rule = RULES[action]
        ends = {to for (_, one), to in TRANSITIONS.items() if one is action}
        starts = [state for state in ReferralState if (state, action) in TRANSITIONS]
        stays = all(TRANSITIONS[state, action] is state for state in starts)
        to = "stays" if stays else ", ".join(f"`{state}`" for state in ReferralState if state in ends)
        came_from = ", ".join(f"`{state}`" for state in starts)
        who = ", ".join(sorted(role.lower().replace("_", " ") for role in rule.roles))
        comment = "yes" if rule.comment_due else ""
        lines.append(f"| `{action}` | {came_from} | {to} | {who} | {rule.reasons or ''} | {comment} |")
    return "\n".join(lines) + "\n"


def _contact_by() -> str:
    lines = ["| worklist | whose | routine | urgent | two-week-wait |", "| --- | --- | --- | --- | --- |"]
    for worklist, days in CONTACT_BY.items():
        times = " | ".join(str(days[priority]) for priority in Priority)
        lines.append(f"| `{worklist}` | {OWNER[worklist].lower()} | {times} |")
    return "\n".join(lines) + "\n"


def register(app: BookingApp) -> None:
    app.cli.add_command(life)
