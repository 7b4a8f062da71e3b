"""A referral that was kept and not sent yet: gone on with, sent, or thrown away."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from booking.domain.errors import Conflict, Invalid, StaleVersion
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingMode, Priority
from booking.edge.flask_app import work
from booking.models import Referral
from booking.services import directory, life, referrals
from booking.services.life import Given
from booking.web import say
from booking.web.base import blp
from booking.web.forms import Form
from booking.web.referrer import form as reading
from booking.web.referrer.common import acting_for, attempt, keep_code, read_keys, referrers_only
from booking.web.referrer.form import DRAFT, LOOK, SEND, Letter
from booking.web.referrer.refer import STALE, attach_letter, refer_page, refuse

DISCARD = "discard"
CHANGED = "Somebody else has changed this draft since you opened it. Check it and send again."


def _draft(ubrn: str) -> Referral | None:
    found = referrals.own_referral(work(), ubrn)
    return found if found.state is ReferralState.DRAFT else None


@blp.get("/staff/referrals/<ubrn>/draft")
@referrers_only
def draft(ubrn: str) -> ResponseReturnValue:
    """A draft, to go on with where it was left."""
    found = _draft(ubrn)
    if found is None:
        return redirect(url_for("web.referral", ubrn=ubrn))
    return refer_page(Form(_values(found)), found.patient, looked=True, draft=found)


def _values(found: Referral) -> MultiDict[str, str]:
    clinic = f"{found.specialty_code}|{found.clinic_type_code or ''}"
    values = MultiDict(
        {
            "nhs_number": say.nhs_number(found.patient.nhs_number), "clinic": clinic, "priority": str(found.priority),
            "reason": found.reason, "clinical_information": found.clinical_information, "referrer": found.referrer,
            "listed": f"{found.patient_id}/{clinic}/{found.priority}",
        }
    )  # fmt: skip
    values.setlist("shortlist", [str(row.service_id) for row in found.shortlist])
    return values


@blp.post("/staff/referrals/<ubrn>/draft")
@referrers_only
def draft_send(ubrn: str) -> ResponseReturnValue:
    """Keep the draft as it stands now, send it, or throw it away."""
    found = _draft(ubrn)
    if found is None:  # sent before: a second click
        return redirect(url_for("web.referral", ubrn=ubrn))
    form, do = Form(_fixed(found)), request.form.get("do", LOOK)
    letter = reading.read_letter(form)
    if do == DISCARD:
        referrals.cancel_referral(
            acting_for(found.referrer), found.ubrn, reason="RAISED_IN_ERROR", comment="The draft was discarded"
        )
        flash("The draft was thrown away. Nobody was told, because nothing had been sent.", "success")
        return redirect(url_for("web.outcomes", group="DRAFT"))
    if do in (SEND, DRAFT):
        done = _do(form, found, letter, send=do == SEND)
        if done is not None:
            return done
    return refer_page(form, found.patient, looked=True, draft=found, lost=letter.name if letter else None)


def _fixed(found: Referral) -> MultiDict[str, str]:
    """What was typed, with what a draft can't change any more: its patient and its kind of clinic."""
    kept, values = _values(found), MultiDict(request.form)
    for name in ("nhs_number", "clinic", "referrer"):
        values[name] = kept[name]
    return values


def _do(form: Form, found: Referral, letter: Letter | None, *, send: bool) -> ResponseReturnValue | None:
    priority = form.one_of("priority", Priority, "Select how urgent it is")
    shortlist = read_keys(form.all("shortlist"))
    if not shortlist:
        form.fail("shortlist", "Select at least one service")
    form.text("reason", "Enter the reason for referral" if send else None, most=500)
    form.text("clinical_information", most=20_000)
    reading.check_details(form)
    version = form.get("version")
    if not version.isdigit() or int(version) != found.version:
        form.fail("reason", CHANGED)
    if form.errors or priority is None:
        return None
    try:
        with attempt():
            code = _save(form, found, priority, shortlist, letter, send=send)
    except StaleVersion:
        form.fail("reason", STALE)
        return None
    except (Invalid, Conflict) as refused:
        refuse(form, refused)
        return None
    if send:
        keep_code(found.ubrn, code or "")
        return redirect(url_for("web.referral", ubrn=found.ubrn))
    flash("Draft saved.", "success")
    return redirect(url_for("web.draft", ubrn=found.ubrn))


def _save(
    form: Form, found: Referral, priority: Priority, shortlist: list[int], letter: Letter | None, *, send: bool
) -> str | None:
    unit, ubrn = acting_for(found.referrer), found.ubrn
    if form.get("about").partition(":")[0] == str(found.patient_id):
        reading.correct(found.patient, form)
    if letter is not None:
        attach_letter(ubrn, letter)
    life.amend(
        unit, ubrn, reason=form.get("reason"), clinical_information=form.get("clinical_information").strip(),
        version=None,
    )  # fmt: skip
    triage = _triage(shortlist)
    if triage is not None and send:
        return life.perform(unit, ubrn, Action.SEND_FOR_TRIAGE, Given(service_id=triage)).access_code
    before = [row.service_id for row in found.shortlist], found.priority
    if (shortlist, priority) != before:
        life.perform(unit, ubrn, Action.CHANGE_SHORTLIST, Given(shortlist=shortlist, priority=priority))
    return life.perform(unit, ubrn, Action.ISSUE, Given()).access_code if send else None


def _triage(shortlist: list[int]) -> int | None:
    """The one service named, if its clinician reads referrals first."""
    if len(shortlist) != 1:
        return None
    found = directory.services_by_id(work().session, shortlist).get(shortlist[0])
    return found.id if found is not None and found.booking_mode is BookingMode.TRIAGE else None
