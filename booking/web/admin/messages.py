"""Messages that did not arrive or must be posted: print them, deal with them, say how."""

from __future__ import annotations

from enum import StrEnum

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict
from booking.domain.words import PROVIDERS, REFERRERS
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import failed_messages as service
from booking.services import message_words
from booking.web.base import blp
from booking.web.download import PDF, download
from booking.web.forms import Form, read_key
from booking.web.staff import my_organisation

PER_PAGE = 50
KINDS = {kind: words.subject for kind, words in {**message_words.PATIENT, **message_words.STAFF}.items()}


class How(StrEnum):
    POSTED = "Posted the letter"
    TELEPHONED = "Told the patient by telephone"
    IN_PERSON = "Told the patient in person"
    PUT_RIGHT = "Put the address right, told them another way"
    NOT_NEEDED = "No longer needed"


@blp.get("/staff/messages", endpoint="failed_messages")
@allow(*REFERRERS, *PROVIDERS, via=Via.COOKIE)
def messages_list() -> str:
    """Letters to post, and messages that did not arrive, until somebody says what they did about it."""
    return _page(Form())


def _page(form: Form, wrong: int | None = None) -> str:
    before = read_key(request.args.get("before"))
    found = service.failed_messages(work(), before=before, limit=PER_PAGE + 1)
    return render_template(
        "admin/messages.html", form=form, wrong=wrong, rows=found[:PER_PAGE], counts=service.count(work()),
        more=found[PER_PAGE - 1].id if len(found) > PER_PAGE else None, kinds=KINDS, hows=list(How),
        organisation=my_organisation(), prints=work().actor.role in REFERRERS,
    )  # fmt: skip


@blp.get("/staff/messages/<key:message_id>/letter.pdf", endpoint="failed_message_letter")
@allow(*REFERRERS, via=Via.COOKIE)
def letter(message_id: int) -> ResponseReturnValue:
    """Such a message as a letter to print, in the patient's language and print size."""
    return download(service.letter(work(), message_id), PDF, f"letter-{message_id}.pdf")


@blp.post("/staff/messages/<key:message_id>", endpoint="resolve_message")
@allow(*REFERRERS, *PROVIDERS, via=Via.COOKIE)
def resolve(message_id: int) -> ResponseReturnValue:
    """Somebody has dealt with a message: say how, and it leaves the list."""
    form = Form(request.form)
    how = form.one_of("how", How, "Say what you did about it")
    if how is None:
        service.must_be_own(work(), message_id)
        return _page(form, message_id), 422
    try:
        with work().session.begin_nested():
            service.resolve(work(), message_id, how.value)
    except Conflict:
        flash("Somebody has dealt with that message already.", "note")
    else:
        flash(f"Noted: {how.value.lower()}.", "success")
    return redirect(url_for("web.failed_messages"))
