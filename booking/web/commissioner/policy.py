"""The planning policy: in words, changed with a reason from a day on, its history, and the way back."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict
from booking.domain.policy import BookingPolicy
from booking.domain.policy_changes import changes
from booking.edge.flask_app import work
from booking.models import PolicyVersion
from booking.services import policy as policies
from booking.services import previews
from booking.web.base import blp
from booking.web.commissioner import changing, may_change, policy_form, reading
from booking.web.commissioner import policy_words as words
from booking.web.commissioner.publishing import STALE, publish, when
from booking.web.forms import Form, read_key


def of(row: PolicyVersion | None) -> BookingPolicy:
    return BookingPolicy.from_document(row.body, row.version) if row is not None else BookingPolicy()


def _in_force() -> PolicyVersion | None:
    return policies.current_version(work().session, work().today)


@blp.get("/staff/policy")
@reading
def policy() -> str:
    """The planning policy in force, in plain words; what is to come, and previews asked for."""
    row = _in_force()
    number = row.version if row is not None else 0
    return render_template(
        "commissioner/policy.html", row=row, policy=of(row), words=words, may_change=may_change(),
        coming=policies.still_to_come(work().session, work().today, number), previews=previews.newest(work()),
        state_of=previews.state_of,
    )  # fmt: skip


@blp.get("/staff/policy/change")
@changing
def policy_change() -> str:
    """Change the policy: every setting and weight with its meaning, from the policy in force or another version."""
    start = _start()
    form = Form({**policy_form.filled(start), **when(), "newest": str(policies.newest_number(work().session))})
    return _change_page(form)


@blp.post("/staff/policy/change")
@changing
def policy_change_send() -> ResponseReturnValue:
    """Preview the policy typed in, or publish it."""
    form = Form(request.form)
    body = policy_form.document(form)
    if form.errors:
        return _change_page(form), 422
    if form.get("do") == "preview":
        try:
            with work().session.begin_nested():
                made = previews.request_preview(work(), body)
        except Conflict as error:
            form.fail("do", f"{error.message} Wait until one of them is there.")
            return _change_page(form), 409
        return redirect(url_for("web.policy_preview", preview_id=made.id))
    published = publish(form, body)
    if published is not None:
        return redirect(url_for("web.policy"))
    return _change_page(form), 409 if STALE in form.errors else 422


def _start() -> BookingPolicy:
    """The policy the form begins with: that in force, a version, or one that was previewed."""
    if (preview_id := read_key(request.args.get("preview"))) is not None:
        return BookingPolicy.from_document(previews.own_preview(work(), preview_id).body, 0)
    if (version := read_key(request.args.get("version"))) is not None:
        return policies.policy_of_version(work().session, version)
    return of(_in_force())


def _change_page(form: Form) -> str:
    return render_template(
        "commissioner/policy_change.html", form=form, words=words, waves=policy_form.WAVES, ranks=policy_form.RANKS,
        in_force=_in_force(),
    )  # fmt: skip


@blp.get("/staff/policy/history")
@reading
def policy_history() -> str:
    """Every version of the policy: who published what and when, what it changed, and the way back."""
    rows, more = policies.page_of_versions(work().session, read_key(request.args.get("before")))
    row = _in_force()
    before = {one.version: one for one in rows}
    listed = [(one, _changed(before.get(one.version - 1), one)) for one in rows]
    return render_template(
        "commissioner/policy_history.html", rows=listed, more=more, in_force=row.version if row is not None else 0,
        may_change=may_change(), reached_first=not more,
    )  # fmt: skip


def _changed(before: PolicyVersion | None, row: PolicyVersion) -> list[str]:
    if before is None and row.version > 1:
        before = policies.one_version(work().session, row.version - 1)
    return [change.words for change in changes(of(before), of(row))]


@blp.get("/staff/policy/versions/<key:version>")
@reading
def policy_version(version: int) -> str:
    """One version in words, what bringing it back would change, and the button that does."""
    return _version_page(version, Form({**when(), "newest": str(policies.newest_number(work().session))}))


@blp.post("/staff/policy/versions/<key:version>/revert")
@changing
def policy_revert(version: int) -> ResponseReturnValue:
    """Bring an earlier version back: a new version with its settings."""
    found = _version(version)
    form = Form(request.form)
    published = publish(form, found.body if found is not None else {}, reverts_to=version)
    if published is not None:
        return redirect(url_for("web.policy"))
    return _version_page(version, form), 409 if STALE in form.errors else 422


def _version(number: int) -> PolicyVersion | None:
    """None for the defaults, which are version 0."""
    return policies.one_version(work().session, number) if number else None


def _version_page(number: int, form: Form) -> str:
    found, row = _version(number), _in_force()
    back = [change.words for change in changes(of(row), of(found))]
    return render_template(
        "commissioner/policy_version.html", number=number, row=found, policy=of(found), words=words, form=form,
        back=back, in_force=row.version if row is not None else 0, may_change=may_change(),
    )  # fmt: skip
