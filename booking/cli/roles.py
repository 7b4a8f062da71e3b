"""``flask roles``: which role may call which route, read from the policies themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click
from flask.cli import with_appcontext

from booking.domain.words import Role
from booking.edge.flask_app import BookingApp, current_app
from booking.edge.policy import RoutePolicy, Via, policy_of

SHORT = {
    Role.REFERRING_CLINICIAN: "RC",
    Role.REFERRING_ADMIN: "RA",
    Role.PROVIDER_CLINICIAN: "PC",
    Role.PROVIDER_ADMIN: "PA",
    Role.SERVICE_DEFINER: "SD",
    Role.COMMISSIONER: "CO",
    Role.INFORMATION_ANALYST: "IA",
    Role.PATIENT: "PT",
}
"""SYSTEM is missing on purpose: no session ever has that role, only our own jobs and commands."""
INTRODUCTION = """\
# Who may call what

Made by `flask --app app roles --markdown > docs/roles.md` from the policy that stands at each route; a test keeps it in
step. A role without a mark gets 403. What is another organisation's or another patient's is a 404 for every role.

{legend}.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One method of one route."""

    method: str
    path: str
    policy: RoutePolicy
    about: str


def lines(app: BookingApp) -> Iterator[Line]:
    """Every route and method with its policy, by path; files served as they are have none."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        view = app.view_functions[rule.endpoint]
        policy = policy_of(view)
        if policy is not None:
            about = (inspect.getdoc(view) or "").split("\n")[0]
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Line(method, rule.rule, policy, about)


def markdown(app: BookingApp) -> str:
    """The whole of ``docs/roles.md``."""
    found = list(lines(app))
    legend = ", ".join(f"**{short}** {role.replace('_', ' ').lower()}" for role, short in SHORT.items())
    parts = [INTRODUCTION.format(legend=legend)]
    for title, via in (("API (bearer token)", Via.BEARER), ("Pages (cookie)", Via.COOKIE)):
        parts.append(_table(title, [line for line in found if line.policy.via is via]))
    return "\n".join(parts)


def _table(title: str, rows: list[Line]) -> str:
    head = f"| route | {' | '.join(SHORT.values())} | what |\n|{' --- |' * (len(SHORT) + 2)}"
    body = []
    for line in rows:
        marks = ["anybody"] + [""] * (len(SHORT) - 1) if line.policy.public else [
            "●" if role in line.policy.roles else "" for role in SHORT
        ]  # fmt: skip
        body.append(f"| `{line.method} {line.path}` | {' | '.join(marks)} | {line.about.replace('|', '/')} |")
    return "\n".join([f"## {title}\n", head, *body, ""])


@click.command("roles")
@click.option("--markdown", "as_markdown", is_flag=True, help="As docs/roles.md has it.")
@with_appcontext
def roles(as_markdown: bool) -> None:
    """Which role may call which route."""
    app = current_app()
    if as_markdown:
        click.echo(markdown(app), nl=False)
        return
    for line in lines(app):
        who = "anybody" if line.policy.public else " ".join(s for role, s in SHORT.items() if role in line.policy.roles)
        click.echo(f"{line.method:6} {line.path}  {who}")


def register(app: BookingApp) -> None:
    app.cli.add_command(roles)
