"""One referral: where it stands, what can be done, its files, its letter, and everything that happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.errors import Conflict
from booking.domain.reasons import REASONS
from booking.domain.referral import CHOOSING, TERMINAL, Action, ReferralState
from booking.domain.words import PROVIDERS, REFERRERS, AttachmentKind, Channel, Language
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import Attachment, OutboxMessage, Referral, ReferralEvent, Service, Specialty
from booking.services import attachments, booking, history, life, practice_patients, referral_documents, referrals
from booking.services.attachments import Unreadable
from booking.services.work import HOME_ZONE
from booking.web import say, shown
from booking.web.base import blp
from booking.web.download import PDF, download
from booking.web.event_words import EVENTS
from booking.web.forms import Form
from booking.web.referrer import form as reading
from booking.web.referrer.act import offered
from booking.web.referrer.common import acting_for, attempt, is_admin, keep_code, referrers_only, take_code
from booking.web.referrer.form import Letter

REASON_WORDS = {reason.code: reason.text for reasons in REASONS.values() for reason in reasons}


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of the history."""

    what: str
    at: datetime
    who: str
    why: str


@blp.get("/staff/referrals/<ubrn>")
@referrers_only
def referral(ubrn: str) -> ResponseReturnValue:
    """One referral; right after it was made (or a new code was), the patient's letter with the code, once."""
    found = referrals.own_referral(work(), ubrn)
    if found.state is ReferralState.DRAFT:
        return redirect(url_for("web.draft", ubrn=found.ubrn))
    return referral_page(found, Form())


def referral_page(found: Referral, form: Form) -> ResponseReturnValue:
    unit, past = work(), history.of(work(), found)
    booked = booking.current_booking(unit, found)
    page = render_template(
        "referrer/referral.html", referral=found, access_code=take_code(found.ubrn), form=form,
        slot=shown.slot(unit, booked.slot, found) if booked else None, booked=booked,
        past_time=booked is not None and booked.starts_at <= unit.now, open=found.state not in TERMINAL,
        choosing=found.state in CHOOSING, address=unit.config.public_url + url_for("web.sign_in"),
        past=[_happened(one) for one in reversed(past.events)], weeks=past.weeks_waited,
        specialty=unit.session.get_one(Specialty, found.specialty_code).name,
        files=attachments.attachments_of(unit, found), file_states=say.FILE_STATES, told=_told(found),
        acts=offered(found), admin=is_admin(), needs=shown.needs(found.patient),
        organisation=unit.actor.organisation_id,
        last_comment=next((one for one in reversed(past.events) if one.comment), None),
        with_service=unit.session.get(Service, found.service_id) if found.service_id else None,
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _happened(event: ReferralEvent) -> Happened:
    who = event.actor if event.on_behalf_of in (None, event.actor) else f"{event.actor} for {event.on_behalf_of}"
    why = " ".join(filter(None, (REASON_WORDS.get(event.reason_code or ""), event.comment)))
    said = say.label(event.role).lower()
    return Happened(EVENTS[Action(event.action)], event.at, f"{who}, {said}", why)


def _told(found: Referral) -> str:
    """How the patient hears of the referral, in a sentence."""
    message: OutboxMessage | None = practice_patients.told_of(work(), found)
    patient = found.patient
    ways = {Channel.EMAIL: "an e-mail", Channel.SMS: "a text message", Channel.LETTER: "a letter"}
    if message is None:
        return ""
    if message.failed_at is not None and message.resolved_at is None:
        return "The message about it could not be delivered: hand the letter over or post it."
    if message.delivered_at is not None:
        day = say.day_time(message.delivered_at.astimezone(HOME_ZONE))
        return f"Told by {ways.get(message.channel or patient.channel, 'a message')} on {day}."
    if patient.channel is Channel.LETTER or not (patient.email or patient.mobile):
        return "They are told by letter: print it and hand it over or post it."
    return f"{ways[patient.channel].capitalize()} is on its way to them, without the code: that is only in the letter."


@blp.post("/staff/referrals/<ubrn>/code")
@referrers_only
def new_code(ubrn: str) -> ResponseReturnValue:
    """A new access code for a patient who lost theirs; the old one stops working."""
    found, code = referrals.reissue_access_code(work(), ubrn)
    keep_code(found.ubrn, code)
    return redirect(url_for("web.referral", ubrn=found.ubrn))


@blp.post("/staff/referrals/<ubrn>/letter.pdf")
@referrers_only
def patient_letter(ubrn: str) -> Response:
    """The patient's letter as a PDF to print, with a new code in it: in their language, in large print if asked."""
    language = request.form.get("language", "")
    data = referral_documents.patient_letter(
        work(), ubrn, language=Language(language) if language in set(Language) else None,
        large_print=True if request.form.get("large_print") else None,
    )  # fmt: skip
    return download(data, PDF, "letter.pdf")


@blp.get("/staff/referrals/<ubrn>/summary.pdf")
@referrers_only
def referral_summary(ubrn: str) -> Response:
    """The whole referral on paper; that it was read is recorded."""
    return download(referral_documents.summary(work(), ubrn), PDF, "referral.pdf")


@blp.post("/staff/referrals/<ubrn>/files")
@referrers_only
def add_file(ubrn: str) -> ResponseReturnValue:
    """Attach a letter or a clinical file."""
    found = referrals.own_referral(work(), ubrn)
    form = Form(request.form)
    kind = AttachmentKind.CLINICAL if form.get("kind") == AttachmentKind.CLINICAL else AttachmentKind.REFERRAL_LETTER

    def keep(letter: Letter) -> object:
        return attachments.attach_to_referral(work(), found.ubrn, kind=kind, file_name=letter.name, data=letter.data)

    if reading.attach(form, keep):
        return redirect(url_for("web.referral", ubrn=found.ubrn, _anchor="files"))
    return referral_page(referrals.own_referral(work(), ubrn), form)


@blp.post("/staff/files/<key:attachment_id>/remove")
@referrers_only
def remove_file(attachment_id: int) -> ResponseReturnValue:
    """Take a file of the practice's away that the clinic has not read."""
    row, _ = attachments.own_attachment(work(), attachment_id)
    try:
        with attempt():
            attachments.remove(work(), attachment_id)
        flash(f"“{row.file_name}” was taken away.", "success")
    except Conflict as refused:
        flash(refused.message, "told")
    return redirect(_home_of(row))


@blp.get("/staff/files/<key:attachment_id>")
@allow(*REFERRERS, *PROVIDERS, via=Via.COOKIE)
def attached_file(attachment_id: int) -> ResponseReturnValue:
    """A file of a referral or a request for advice; that it was read is recorded."""
    try:
        content = attachments.read(work(), attachment_id)
    except Unreadable as refused:
        return render_template("referrer/no_file.html", message=refused.message), refused.status
    return download(content.data, content.row.content_type, content.row.file_name)


def _home_of(row: Attachment) -> str:
    if row.referral_id is None:
        return url_for("web.advice_list")
    ubrn = work().session.scalar(select(Referral.ubrn).where(Referral.id == row.referral_id))
    return url_for("web.referral", ubrn=ubrn, _anchor="files")


@blp.post("/staff/referrals/<ubrn>/acknowledge")
@referrers_only
def acknowledge(ubrn: str) -> ResponseReturnValue:
    """Seen that somebody else cancelled it: off the list."""
    try:
        with attempt():
            life.acknowledge(acting_for(referrals.own_referral(work(), ubrn).referrer), ubrn)
        flash("Taken off your list.", "success")
    except Conflict as refused:
        flash(refused.message, "told")
    return redirect(url_for("web.referral", ubrn=ubrn))
