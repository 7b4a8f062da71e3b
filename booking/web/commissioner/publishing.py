"""Publishing a policy from a form: from which day, why, and on top of which version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash

from booking.domain.errors import BookingError, Invalid, StaleVersion
from booking.domain.policy import BookingPolicy
from booking.domain.policy_changes import changes
from booking.edge.flask_app import work
from booking.models import PolicyVersion
from booking.services import policy as policies
from booking.web import say
from booking.web.forms import Form

START = "effective_from"
NAMES = (START, "explanation")
STALE = "newest"
"""The fault of a form that was overtaken: somebody published meanwhile."""


def publish(form: Form, body: Mapping[str, Any], *, reverts_to: int | None = None) -> PolicyVersion | None:
    """Publish and say so; None where the form was refused. The same form sent twice publishes once."""
    start = form.date(START, "the day it takes effect")
    explanation = form.text("explanation", "Say why: whoever reads it later wants to know", most=2000)
    newest = _newest(form)
    if form.errors or start is None:
        return None
    made: PolicyVersion | None
    try:
        with work().session.begin_nested():
            made = policies.publish_policy(
                work(), body, effective_from=start, explanation=explanation, newest=newest, reverts_to=reverts_to
            )
    except StaleVersion:
        made = _again(body, start.isoformat(), explanation, newest)
        if made is None:
            _overtaken(form, newest)
            return None
    except Invalid as error:
        form.refuse(error, NAMES, START)
        return None
    except BookingError as error:
        form.fail(STALE, error.message)
        return None
    start_day = say.whole_day(made.effective_from)
    flash(f"Version {made.version} of the policy is published. It is in force from {start_day}.", "success")
    return made


def _newest(form: Form) -> int:
    text = form.get("newest")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def when() -> dict[str, str]:
    """What a form to publish begins with: from today on."""
    today = work().today
    return {f"{START}-day": str(today.day), f"{START}-month": str(today.month), f"{START}-year": str(today.year)}


def _again(body: Mapping[str, Any], start: str, explanation: str, newest: int) -> PolicyVersion | None:
    """The version this very form made a moment ago: a button pressed twice."""
    number = policies.newest_number(work().session)
    if number != newest + 1:
        return None
    row = policies.one_version(work().session, number)
    same = (row.body, row.effective_from.isoformat(), row.explanation, row.created_by) == (
        dict(body), start, explanation, work().actor.name,
    )  # fmt: skip
    return row if same else None


def _overtaken(form: Form, newest: int) -> None:
    """Say what was published meanwhile; the form may be sent again, now on top of it."""
    session = work().session
    now = policies.newest_number(session)
    row = policies.one_version(session, now)
    before = policies.policy_of_version(session, newest) if 0 <= newest < now else BookingPolicy()
    said = " ".join(change.words for change in changes(before, BookingPolicy.from_document(row.body, row.version)))
    form.fail(
        STALE,
        f"{row.created_by} published version {now} meanwhile: {said or 'nothing differs.'} "
        "Nothing of yours is published. Look at it, then publish again if you still want to.",
    )
    form.values = {**{name: form.get(name) for name in form.values}, "newest": str(now)}
