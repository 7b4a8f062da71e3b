"""The language a page is in: what the visitor chose for this browser, else what the patient's record says."""

from __future__ import annotations

import contextlib

from flask import g, session
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from booking.domain.words import Language, Role
from booking.edge.flask_app import BookingApp, current_app
from booking.languages import catalogue
from booking.models import Patient, Referral
from booking.services.work import Actor, Work

CHOSEN = "language"
"""The key in the cookie."""
PAGES = "pages"
"""The catalogue of what pages say."""


def language() -> Language:
    """The language of this request; English for staff, whose pages have no other yet."""
    return _wishes()[0]


def large_print() -> bool:
    """Whether the patient who is signed in asked for large print."""
    return _wishes()[1]


def _wishes() -> tuple[Language, bool]:
    if "wishes" not in g:
        recorded, large = _recorded(g.get("work"))
        chosen = session.get(CHOSEN)
        g.wishes = (Language(chosen) if chosen in set(Language) else recorded), large
    found: tuple[Language, bool] = g.wishes
    return found


def _recorded(unit: Work | None) -> tuple[Language, bool]:
    if unit is None or unit.actor.role is not Role.PATIENT:
        return Language.ENGLISH, False
    if not g.get("over"):
        return _read(unit.session, unit.actor)
    with contextlib.suppress(DBAPIError), current_app().database.unit_of_work(write=False) as apart:
        return _read(apart, unit.actor)
    return Language.ENGLISH, False


def _read(session: Session, actor: Actor) -> tuple[Language, bool]:
    wanted = select(Patient.language, Patient.large_print).join(Referral, Referral.patient_id == Patient.id)
    row = session.execute(wanted.where(Referral.id == actor.referral_id)).first()
    return (row.language, row.large_print) if row is not None else (Language.ENGLISH, False)


def forget() -> None:
    """The record has changed in this request: ask it again."""
    g.pop("wishes", None)


def gettext(text: str) -> str:
    return catalogue(language(), PAGES).gettext(text)


def ngettext(one: str, many: str, number: int) -> str:
    return catalogue(language(), PAGES).ngettext(one, many, number)


def register(app: BookingApp) -> None:
    """``_("…")`` and ``{% trans %}`` in templates: the English text is the key, the Welsh stands in ``pages.po``."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.policies["ext.i18n.trimmed"] = True
