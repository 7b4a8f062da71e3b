"""Publishing by a file: looked at first, every fault beside its row; then all of it, or its good rows."""

from __future__ import annotations

from pathlib import Path

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import BookingError
from booking.domain.words import PROVIDERS
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.services import clinic_calendar, imports, slot_uploads
from booking.services.imports.report import REASON
from booking.web import forms, say
from booking.web.base import blp
from booking.web.clinics.publish import service_options
from booking.web.forms import Form
from booking.web.staff import my_organisation

CSV = "text/csv; charset=utf-8"


def _page(form: Form) -> str:
    known = clinic_calendar.own(work())
    return render_template(
        "clinics/file.html", organisation=my_organisation(), form=form, known=known,
        services=[("", "The file says it, in a column named service"), *service_options(known)],
        most_rows=slot_uploads.MOST_ROWS, most_mb=slot_uploads.MOST_BYTES // 1_000_000,
    )  # fmt: skip


@blp.get("/staff/publish/file")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_file() -> str:
    """Publish times by a CSV file: choose it here; it is looked at before anything is published."""
    return _page(Form({"service": request.args.get("service", "")}))


@blp.post("/staff/publish/file")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_file_send() -> ResponseReturnValue:
    """Look at a file, and show what would become of each row."""
    form, sent = Form(request.form), request.files.get("file")
    if sent is None or not sent.filename:
        form.fail("file", "Choose a file of times")
        return _page(form), 422
    content = sent.stream.read(slot_uploads.MOST_BYTES + 1)
    sent.close()
    try:
        with work().session.begin_nested():
            made = slot_uploads.look(work(), Path(sent.filename).name, content, forms.read_key(form.get("service")))
    except BookingError as error:
        if error.status == 404:
            raise
        form.refuse(error, ("file", "service"), "file")
        return _page(form), 422
    return redirect(url_for("web.publish_upload", upload_id=made.id))


@blp.get("/staff/publish/file/<key:upload_id>")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_upload(upload_id: int) -> str:
    """What was found in a file: every row at fault as it was typed, with what is wrong beside it."""
    upload = slot_uploads.own(work(), upload_id)
    found = slot_uploads.found_in(upload)
    columns = [name for name in found.columns if name != REASON]
    return render_template(
        "clinics/upload.html", organisation=my_organisation(), upload=upload, found=found, columns=columns,
        places=[n for n, name in enumerate(found.columns) if name != REASON],
    )  # fmt: skip


@blp.post("/staff/publish/file/<key:upload_id>")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_upload_send(upload_id: int) -> ResponseReturnValue:
    """Publish the file that was looked at: all of it, or its good rows."""
    good_only = request.form.get("step") == "good"
    before = slot_uploads.own(work(), upload_id).taken_at
    upload = slot_uploads.take(work(), upload_id, good_only=good_only)
    found = slot_uploads.found_in(upload)
    if upload.taken_at is None:
        flash(f"Nothing was published: {say.count(found.refused, 'row')} would be refused now. What is wrong with each "
              "stands below.", "told")  # fmt: skip
    elif before is None:
        said = ", ".join(f"{number} {word}" for word, number in found.counts.items()) or "nothing to do"
        flash(f"{say.count(found.good, 'row')} taken: {said}.", "success")
    return redirect(url_for("web.publish_upload", upload_id=upload_id))


@blp.get("/staff/publish/file/<key:upload_id>/bad-rows.csv")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_upload_bad(upload_id: int) -> Response:
    """The rows at fault with what is wrong in each: mend them there and send that file."""
    return _csv(slot_uploads.bad_rows(slot_uploads.own(work(), upload_id)), "rows-to-mend.csv")


@blp.get("/staff/publish/slots-template.csv")
@allow(*PROVIDERS, via=Via.COOKIE)
def publish_template_file() -> Response:
    """A file of times to fill in; its columns are explained on the page."""
    return _csv(Path(imports.SLOTS_TEMPLATE).read_bytes(), "slots-template.csv")


def _csv(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type=CSV, headers=headers)
