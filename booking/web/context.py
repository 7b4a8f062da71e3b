"""What every template can use: where templates are found, filters for times and numbers, who is signed in."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask import g
from jinja2 import ChainableUndefined, ChoiceLoader, PackageLoader

from booking.domain.ids import show_access_code, show_ubrn
from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Role
from booking.edge.flask_app import BookingApp
from booking.services.work import HOME_ZONE, Actor, Work
from booking.web import say

NAV = {
    **dict.fromkeys(REFERRERS, (("web.referrals", "Referrals"), ("web.refer", "Refer a patient"))),
    **dict.fromkeys(PROVIDERS, (("web.clinic", "Clinic list"),)),
    **dict.fromkeys(COMMISSIONERS, (("web.plan", "The plan"),)),
    Role.PATIENT: (("web.choices", "Your choices"),),
}


def escapes(name: str | None) -> bool:
    """Everything is escaped but plain text: the NHS templates end in ``.jinja``, which Flask would not escape."""
    return name is None or not name.endswith(".txt")


def register(app: BookingApp) -> None:
    loaders = [app.jinja_env.loader, PackageLoader("nhsuk_frontend_jinja")]
    app.jinja_env.loader = ChoiceLoader([loader for loader in loaders if loader is not None])
    app.jinja_env.autoescape = escapes
    app.jinja_env.undefined = ChainableUndefined  # the NHS templates ask for ``params.hint.text`` of no hint
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        ubrn=show_ubrn, code=show_access_code, nhs_number=say.nhs_number, day=say.day, day_year=say.day_year,
        moment=moment, words=say.label, count=say.count,
    )  # fmt: skip
    app.context_processor(visitor)


def _nav(actor: Actor) -> tuple[tuple[str, str], ...]:
    """Patients who came by a code have one referral; who proved who they are may have several to go between."""
    more = (("web.my_referrals", "Your referrals"),) if actor.patient_id is not None else ()
    return (*NAV.get(actor.role, ()), *more)


def moment(instant: datetime) -> str:
    """An instant of ours (not of a site): ``Monday 9 March at 17:00``."""
    return say.day_time(instant.astimezone(HOME_ZONE))


def visitor() -> dict[str, Any]:
    """Who is signed in, for the header. Error pages are rendered with no unit of work at hand."""
    unit: Work | None = g.get("work")
    actor = unit.actor if unit is not None else None
    known = actor is not None and actor.session_id is not None
    return {
        "visitor": actor if known else None,
        "nav": _nav(actor) if known and actor is not None else (),
        "today": unit.today if unit is not None else date.today(),  # noqa: DTZ011  # a year in a footer
    }
