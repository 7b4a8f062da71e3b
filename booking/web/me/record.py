"""What is held about the patient who is signed in, to read and to take away, and who looked at it."""

from __future__ import annotations

import json

from flask import render_template, request
from flask.typing import ResponseReturnValue

from booking.edge.flask_app import work
from booking.languages import _
from booking.services import own_record, record_sections
from booking.web import said_by, spoken
from booking.web.base import blp, patient_only
from booking.web.download import PDF, download
from booking.web.forms import read_key
from booking.web.spoken import gettext

PER_PAGE = 50
LOOKED_AT = {
    "patient": _("Your details"),
    "referral": _("Your referral"),
    "summary": _("The summary of your referral"),
    "attachment": _("A file"),
    "advice": _("A request for advice"),
    "letter": _("A letter to you"),
    "messages": _("Messages to you"),
    "audit": _("The record of what was done"),
}
OTHERWISE = _("Your record")


@blp.get("/me/record")
@patient_only
def my_record() -> str:
    """All that is held about you, in sections, with a way to take it away."""
    held = own_record.own_record(work())
    found = record_sections.sections(held, spoken.language())
    return render_template("me/record.html", sections=found, whole=held["whole"], made_at=held["made_at"])


@blp.get("/me/record.pdf")
@patient_only
def my_record_pdf() -> ResponseReturnValue:
    """The same as a PDF in the language of the page, in large print where that is asked for."""
    from booking.services.documents import record_pdf

    held, language = own_record.own_record(work()), spoken.language()
    made = record_pdf(
        gettext("What is held about you"), record_sections.sections(held, language), language=language,
        large_print=spoken.large_print(), made_at=work().now,
    )  # fmt: skip
    return download(made, PDF, "record.pdf")


@blp.get("/me/record.fhir")
@patient_only
def my_record_fhir() -> ResponseReturnValue:
    """The same for another system, as a FHIR R4 bundle."""
    from booking import fhir

    made = fhir.bundle(own_record.own_record(work()))
    return download(json.dumps(made, ensure_ascii=False).encode(), fhir.CONTENT_TYPE, "record.fhir.json")


@blp.get("/me/access")
@patient_only
def my_access() -> str:
    """Who among the staff looked at your record, and when: newest first."""
    found = own_record.who_looked(work(), before=read_key(request.args.get("before")), limit=PER_PAGE + 1)
    rows = [
        (entry.at, said_by.staff(entry.role), name or "",
         gettext(LOOKED_AT.get(entry.what.partition(" ")[0], OTHERWISE)))
        for entry, name in found[:PER_PAGE]
    ]  # fmt: skip
    return render_template(
        "me/access.html", rows=rows, more=found[PER_PAGE - 1][0].id if len(found) > PER_PAGE else None,
        first="before" not in request.args, whole=work().actor.patient_id is not None,
    )  # fmt: skip
