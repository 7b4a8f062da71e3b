"""A referral as its provider sees it: all that was written, everything that happened, files, and what may be done."""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError, Conflict, Forbidden, IllegalTransition, Invalid, StaleVersion
from booking.domain.referral import CHOOSING, legal_actions
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
from booking.web.event_words import EVENTS
from booking.web.forms import Form, read_key


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
        slot=shown.slot(work(), booked.slot, referral) if booked else None, words=EVENTS,
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
        said = last_words(referral, read_key(form.get("version")))
        words = f"Nothing was changed. {said} What may be done now stands below."
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
