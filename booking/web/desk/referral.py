"""A referral as its provider sees it: all that was written, everything that happened, files, and what may be done."""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Conflict, Forbidden, IllegalTransition, Invalid, StaleVersion
from booking.domain.referral import CHOOSING, Action, legal_actions
from booking.domain.words import AttachmentKind
from booking.edge.flask_app import work
from booking.models import Referral
from booking.services import attachments, booking, history, referral_documents, referrals
from booking.services.attachments import Unreadable
from booking.services.booking import BOOKING_STAFF
from booking.services.file_types import LARGEST
from booking.web import shown
from booking.web.base import blp
from booking.web.desk.deciding import decide, options
from booking.web.desk.people import card, desk_only
from booking.web.desk.triage import last_words
from booking.web.download import PDF, download
from booking.web.forms import Form

ACTION_WORDS = {
    Action.ISSUE: "Referred",
    Action.SEND_FOR_TRIAGE: "Sent to be read by a clinician",
    Action.CONVERT_FROM_ADVICE: "Made a referral out of a request for advice",
    Action.CHANGE_SHORTLIST: "Referred on",
    Action.CHANGE_PRIORITY: "Priority changed",
    Action.BOOK: "Booked",
    Action.MOVE_APPOINTMENT: "Moved to another time",
    Action.CANCEL_APPOINTMENT_BY_PATIENT: "Appointment cancelled by the patient",
    Action.CANCEL_APPOINTMENT_BY_PROVIDER: "Appointment cancelled by the clinic",
    Action.CANCEL_AND_ACT_LATER: "Appointment cancelled, referral kept",
    Action.DEFER_TO_PROVIDER: "No free time: left to the clinic to find one",
    Action.SLOT_FOUND: "A time was found and is kept for the patient",
    Action.ACCEPT: "Appointment accepted",
    Action.REJECT: "Rejected",
    Action.TRIAGE_ACCEPT: "Accepted",
    Action.TRIAGE_RETURN: "Returned to the practice",
    Action.REDIRECT: "Sent to another service",
    Action.REDIRECT_FOR_TRIAGE: "Sent to another service to be read",
    Action.RECORD_ATTENDED: "Attended",
    Action.RECORD_DID_NOT_ATTEND: "Did not attend",
    Action.REBOOK_AFTER_NON_ATTENDANCE: "To be booked again",
    Action.ADVISE_REFERRER: "Left to the practice",
    Action.RECORD_ASSESSMENT_RESULT: "Result sent to the practice",
    Action.TRANSFER_PRACTICE: "Moved with the patient to another practice",
    Action.CLOSE: "Closed",
    Action.CANCEL_REFERRAL: "Referral cancelled",
}


@blp.get("/staff/desk/referrals/<ubrn>")
@desk_only
def provider_referral(ubrn: str) -> ResponseReturnValue:
    """One referral for the provider it was sent to: what was written, what happened, files, what may be done."""
    return _page(referrals.own_referral(work(), ubrn), Form())


def _page(
    referral: Referral, form: Form, *, changed: str = "", upload: Form | None = None, status: int = 200
) -> ResponseReturnValue:
    booked = booking.current_booking(work(), referral)
    mine = referrals.responsible(work(), referral)
    staff = work().actor.role in BOOKING_STAFF
    ahead = booked is not None and booked.starts_at > work().now
    own = booked is not None and booked.slot.service.organisation_id == work().actor.organisation_id
    page = render_template(
        "desk/referral.html", referral=referral, card=card(referral), form=form, changed=changed,
        options=options(referral, booked), booked=booked, ahead=ahead and own, history=history.of(work(), referral),
        slot=shown.slot(work(), booked.slot, referral) if booked else None, words=ACTION_WORDS,
        files=attachments.attachments_of(work(), referral), upload=upload or Form(), mine=mine,
        bookable=staff and referral.state in CHOOSING, movable=staff and ahead and own,
        attachable=mine and bool(legal_actions(referral.state)), largest=LARGEST // 1_000_000,
        own_organisation=work().actor.organisation_id,
    )  # fmt: skip
    return page, status


@blp.post("/staff/desk/referrals/<ubrn>")
@desk_only
def provider_act(ubrn: str) -> ResponseReturnValue:
    """Do one of the things that may be done to the referral now."""
    form, referral = Form(request.form), referrals.own_referral(work(), ubrn)
    name = f"{referral.patient.given_name} {referral.patient.family_name}"
    try:
        done = decide(ubrn, form)
    except (StaleVersion, IllegalTransition, Conflict, Forbidden) as refused:
        return _refused(ubrn, form, refused)
    if done is None:
        return _page(referral, form, status=422)
    flash(f"{done.done}: {name}.", "success")
    return redirect(url_for("web.provider_referral", ubrn=referral.ubrn))


def _refused(ubrn: str, form: Form, refused: BookingError) -> ResponseReturnValue:
    referral = referrals.own_referral(work(), ubrn)
    if isinstance(refused, StaleVersion | IllegalTransition):
        words = f"Nothing was changed. {last_words(referral)} What may be done now stands below."
    else:
        words = f"Nothing was changed. {refused.message}"
    return _page(referral, form, changed=words, status=refused.status)


@blp.post("/staff/desk/referrals/<ubrn>/files")
@desk_only
def provider_attach(ubrn: str) -> ResponseReturnValue:
    """Attach a file that belongs to the triage; the practice sees it."""
    upload, file = Form(request.form), request.files.get("file")
    if file is None or not file.filename:
        upload.fail("file", "Choose a file")
    else:
        try:
            with work().session.begin_nested():
                attachments.attach_to_referral(
                    work(),
                    ubrn,
                    kind=AttachmentKind.TRIAGE,
                    file_name=file.filename,
                    data=file.stream.read(LARGEST + 1),
                )
        except (Invalid, Conflict) as refused:
            upload.refuse(refused, ("file",), "file")
    if upload.errors:
        return _page(referrals.own_referral(work(), ubrn), Form(), upload=upload, status=422)
    flash("The file is attached. It can be opened once it has been looked into for malware.", "success")
    return redirect(url_for("web.provider_referral", ubrn=ubrn, _anchor="files"))


@blp.get("/staff/desk/files/<key:attachment_id>")
@desk_only
def provider_file(attachment_id: int) -> ResponseReturnValue:
    """A file of a referral that was sent to the provider; that it was read is recorded."""
    try:
        content = attachments.read(work(), attachment_id)
    except Unreadable as refused:
        row, _patient = attachments.own_attachment(work(), attachment_id)
        return render_template(
            "desk/file_not_yet.html", file=row, why=refused.message, ubrn=_ubrn(row.referral_id)
        ), 422
    return download(content.data, content.row.content_type, content.row.file_name)


def _ubrn(referral_id: int | None) -> str | None:
    found = work().session.get(Referral, referral_id) if referral_id is not None else None
    return found.ubrn if found is not None else None


@blp.post("/staff/desk/files/<key:attachment_id>/remove")
@desk_only
def provider_file_remove(attachment_id: int) -> ResponseReturnValue:
    """Take away a file of the provider's own that the practice has not read."""
    row, _patient = attachments.own_attachment(work(), attachment_id)
    ubrn = _ubrn(row.referral_id)
    try:
        with work().session.begin_nested():
            attachments.remove(work(), attachment_id)
        flash(f"{row.file_name} was taken away.", "success")
    except (Conflict, Forbidden) as refused:
        flash(refused.message, "told")
    return redirect(url_for("web.provider_referral", ubrn=ubrn, _anchor="files") if ubrn else url_for("web.desk"))


@blp.get("/staff/desk/referrals/<ubrn>/summary.pdf")
@desk_only
def provider_summary(ubrn: str) -> Response:
    """The referral on paper; that it was read is recorded."""
    return download(referral_documents.summary(work(), ubrn), PDF, "referral.pdf")
