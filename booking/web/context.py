"""What every template can use: where templates are found, filters for times and numbers, who is signed in."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask import g, request
from jinja2 import ChainableUndefined, ChoiceLoader, PackageLoader

from booking.domain.ids import show_access_code, show_ubrn
from booking.domain.words import Relation, Role
from booking.edge.flask_app import BookingApp, current_app
from booking.services import accounts
from booking.services.work import HOME_ZONE, Actor, Work
from booking.web import said_by, say, spoken

Links = tuple[tuple[str, str], ...]
REFERRING: Links = (
    ("web.referrals", "Referrals"), ("web.refer", "Refer a patient"), ("web.find_services", "Find services"),
    ("web.advice_list", "Advice"),
)  # fmt: skip
PROVIDING: Links = (
    ("web.desk", "Worklists"), ("web.clinic", "Calendar"), ("web.publish", "Publish times"),
    ("web.advice_list", "Advice"),
)  # fmt: skip
COMMISSIONING: Links = (
    ("web.overview", "Overview"), ("web.plan", "The plan"), ("web.reports", "Reports"), ("web.policy", "Policy"),
    ("web.rules", "Local rules"),
)  # fmt: skip
ADMIN: Links = (("web.admin", "Administration"),)
NAV: dict[Role, Links] = {
    Role.REFERRING_CLINICIAN: REFERRING,
    Role.REFERRING_ADMIN: (*REFERRING, *ADMIN),
    Role.PROVIDER_CLINICIAN: PROVIDING,
    Role.PROVIDER_ADMIN: (*PROVIDING, *ADMIN),
    Role.SERVICE_DEFINER: (("web.defined_services", "Services"), *PROVIDING[1:3]),
    Role.COMMISSIONER: (*COMMISSIONING, *ADMIN),
    Role.INFORMATION_ANALYST: (*COMMISSIONING[:3], *ADMIN),
    Role.PATIENT: (("web.choices", "Your choices"), ("web.me", "About you")),
}
"""What stands at the top of every page, by role. Links lead to pages that role may open: a test follows each."""


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
        moment=moment, end_moment=end_moment, words=say.label, count=say.count, relation=said_by.relation,
        whole_day=say.whole_day, spoken=spoken.gettext,
    )  # fmt: skip
    app.jinja_env.globals["all_relations"] = lambda: list(Relation)
    app.context_processor(visitor)
    spoken.register(app)


def _nav(actor: Actor) -> tuple[tuple[str, str], ...]:
    """Patients who came by a code have one referral; who proved who they are may have several to go between."""
    more = (("web.my_referrals", "Your referrals"),) if actor.patient_id is not None else ()
    here = current_app().view_functions
    return tuple(link for link in (*NAV.get(actor.role, ()), *more) if link[0] in here)


def moment(instant: datetime) -> str:
    """An instant of ours (not of a site): ``Monday 9 March at 17:00``."""
    return say.day_time(instant.astimezone(HOME_ZONE))


def end_moment(instant: datetime) -> str:
    """The same for the end of something, never the midnight that begins a day: ``the end of Monday 9 March``."""
    return say.until(instant.astimezone(HOME_ZONE))


def visitor() -> dict[str, Any]:
    """Who is signed in, for the header. Error pages are rendered with no unit of work at hand."""
    unit: Work | None = g.get("work")
    actor = unit.actor if unit is not None else None
    known = actor is not None and actor.session_id is not None
    staff = known and actor is not None and actor.role is not Role.PATIENT and not g.get("over")
    return {
        "visitor": actor if known else None,
        "several_roles": staff and unit is not None and len(accounts.my_roles(unit)) > 1,
        "language": spoken.language().value,
        "large_print": spoken.large_print(),
        "written_in": spoken.recorded_language(),
        "english_only": spoken.for_staff(),
        "this_page": request.path if request.method == "POST" else request.full_path.removesuffix("?"),
        "endpoints": current_app().view_functions,
        "operator": current_app().settings,
        "nav": _nav(actor) if known and actor is not None else (),
        "today": unit.today if unit is not None else date.today(),  # noqa: DTZ011  # a year in a footer
    }
