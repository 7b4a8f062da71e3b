"""The language a page is in: what the visitor chose for this browser, else what the patient's record says."""

from __future__ import annotations

import contextlib

from flask import g, has_request_context, request, session
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from booking.domain.words import Language, Role
from booking.edge.flask_app import BookingApp, current_app
from booking.languages import catalogue
from booking.models import Patient, Referral
from booking.services.work import Actor, Work

CHOSEN, LARGE = "language", "large_print"
"""The keys in the cookie."""
STAYS = (CHOSEN, LARGE)
"""What stays when somebody else comes in by this browser, or goes: it says nothing about anybody."""
PAGES = "pages"
"""The catalogue of what pages say."""


def language() -> Language:
    """The language of this request; English for staff, whose pages have no other yet."""
    return _wishes()[0]


def large_print() -> bool:
    """Whether large print was chosen for this browser, or the patient's record asks for it."""
    return _wishes()[1]


def recorded_language() -> Language | None:
    """What letters and messages to the patient who is signed in are written in; None where nobody is."""
    return _wishes()[2]


Wishes = tuple[Language, bool, Language | None]


def _wishes() -> Wishes:
    if "wishes" not in g:
        found = _recorded(g.get("work"))
        recorded, large = found or (Language.ENGLISH, False)
        chosen, chosen_size = session.get(CHOSEN), session.get(LARGE)
        if chosen in set(Language) and not for_staff():
            recorded = Language(chosen)
        g.wishes = recorded, large if chosen_size is None else bool(chosen_size), found[0] if found else None
    wishes: Wishes = g.wishes
    return wishes


def for_staff() -> bool:
    """Pages of staff are in English only."""
    unit: Work | None = g.get("work")
    signed_in = unit is not None and unit.actor.session_id is not None
    if unit is not None and signed_in:
        return unit.actor.role is not Role.PATIENT
    return request.path.startswith("/staff")


def _recorded(unit: Work | None) -> tuple[Language, bool] | None:
    if unit is None or unit.actor.role is not Role.PATIENT:
        return None
    if not g.get("over"):
        return _read(unit.session, unit.actor)
    with contextlib.suppress(DBAPIError), current_app().database.unit_of_work(write=False) as apart:
        return _read(apart, unit.actor)
    return None


def _read(session: Session, actor: Actor) -> tuple[Language, bool] | None:
    wanted = select(Patient.language, Patient.large_print).join(Referral, Referral.patient_id == Patient.id)
    row = session.execute(wanted.where(Referral.id == actor.referral_id)).first()
    return (row.language, row.large_print) if row is not None else None


def forget() -> None:
    """The record has changed in this request: ask it again."""
    g.pop("wishes", None)


def gettext(text: str) -> str:
    """The text in the language of the page; as it stands where no page is being made."""
    if not has_request_context():
        return text
    return catalogue(language(), PAGES).gettext(text)


def ngettext(one: str, many: str, number: int) -> str:
    return catalogue(language(), PAGES).ngettext(one, many, number)


def register(app: BookingApp) -> None:
    """``_("…")`` and ``{% trans %}`` in templates: the English text is the key, the Welsh stands in ``pages.po``."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.policies["ext.i18n.trimmed"] = True
