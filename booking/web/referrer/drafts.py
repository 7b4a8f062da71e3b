"""A referral that was kept and not sent yet: gone on with, sent, or thrown away."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain.errors import Conflict, IllegalTransition, Invalid, StaleVersion
from booking.domain.referral import Action, ReferralState
from booking.domain.words import Priority
from booking.edge.flask_app import work
from booking.models import Attachment, Practitioner, Referral
from booking.services import drafts, life, referrals
from booking.services.drafts import Kept
from booking.services.life import Given
from booking.services.work import Work
from booking.web import say
from booking.web.base import blp
from booking.web.forms import Form, read_keys, read_version
from booking.web.referrer import details
from booking.web.referrer import form as reading
from booking.web.referrer.common import acting_for, attempt, keep_code, referrers_only
from booking.web.referrer.form import DRAFT, LOOK, SEND, Letter
from booking.web.referrer.refer import attach_letter, refer_page, refuse

DISCARD = "discard"
CHANGED = "Somebody else has changed this draft since you opened it. Check it and send again."
SENT = "This is no draft any more. Look at where it stands."


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
            "practitioner": _practitioner(found) or "", "listed": f"{found.patient_id}/{clinic}/{found.priority}",
        }
    )  # fmt: skip
    values.setlist("shortlist", [str(row.service_id) for row in found.shortlist])
    return values


def _practitioner(found: Referral) -> str | None:
    """The registration of the clinician whom the patient is referred to by name."""
    key = found.named_practitioner_id
    return work().session.get_one(Practitioner, key).identifier if key is not None else None


@blp.post("/staff/referrals/<ubrn>/draft")
@referrers_only
def draft_send(ubrn: str) -> ResponseReturnValue:
    """Keep the draft as it stands now, send it, or throw it away."""
    found = _draft(ubrn)
    if found is None:  # sent before: a second click
        return redirect(url_for("web.referral", ubrn=ubrn))
    form, do = Form(_fixed(found)), request.form.get("do", LOOK)
    letter = reading.read_letter(form)
    done = None
    if do == DISCARD:
        done = _discard(form, found)
    elif do in (SEND, DRAFT):
        done = _keep(form, found, letter, send=do == SEND)
    if done is not None:
        return done
    now = _draft(ubrn) or found
    return refer_page(form, now.patient, looked=True, draft=now, lost=letter.name if letter else None)


def _fixed(found: Referral) -> MultiDict[str, str]:
    """What was typed, with what a draft can't change any more: its patient and its kind of clinic."""
    kept, values = _values(found), MultiDict(request.form)
    for name in ("nhs_number", "clinic", "referrer"):
        values[name] = kept[name]
    return values


def _keep(form: Form, found: Referral, letter: Letter | None, *, send: bool) -> ResponseReturnValue | None:
    priority = form.one_of("priority", Priority, "Select how urgent it is")
    shortlist = read_keys(form.all("shortlist"))
    if not shortlist:
        form.fail("shortlist", "Select at least one service")
    form.text("reason", "Enter the reason for referral" if send else None, most=500)
    information = form.text("clinical_information", most=20_000)
    practitioner = form.text("practitioner", most=40).upper() or None
    reading.check_details(form)
    if form.errors or priority is None:
        return None
    kept = Kept(priority, form.get("reason").strip(), information, shortlist, practitioner)

    def save(unit: Work) -> ResponseReturnValue:
        details.correct(form, found.patient)
        drafts.save(unit, found.ubrn, kept, version=read_version(form.get("version")))
        if letter is not None:
            attach_letter(found.ubrn, letter)
        if not send:
            return _saved(found)
        keep_code(found.ubrn, life.perform(unit, found.ubrn, Action.ISSUE, Given()).access_code or "")
        return redirect(url_for("web.referral", ubrn=found.ubrn))

    done, stale = _attempt(form, found, save)
    now = _draft(found.ubrn) if stale and not send else None
    if now is not None and _is_kept(form, now, kept, letter):  # a second click
        form.errors.clear()
        return _saved(now)
    return done


def _saved(found: Referral) -> ResponseReturnValue:
    flash("Draft saved.", "success")
    return redirect(url_for("web.draft", ubrn=found.ubrn))


def _discard(form: Form, found: Referral) -> ResponseReturnValue | None:
    def discard(unit: Work) -> ResponseReturnValue:
        drafts.discard(unit, found.ubrn, version=read_version(form.get("version")))
        flash("The draft was thrown away. Nobody was told, because nothing had been sent.", "success")
        return redirect(url_for("web.outcomes", group="DRAFT"))

    return _attempt(form, found, discard)[0]


def _attempt(
    form: Form, found: Referral, do: Callable[[Work], ResponseReturnValue]
) -> tuple[ResponseReturnValue | None, bool]:
    """The answer, or None with the faults in the form; and whether the draft was another by then."""
    try:
        with attempt():
            return do(acting_for(found.referrer)), False
    except (StaleVersion, IllegalTransition):
        if _draft(found.ubrn) is None:
            flash(SENT, "told")
            return redirect(url_for("web.referral", ubrn=found.ubrn)), True
        if not form.errors:
            form.fail("reason", CHANGED)
        return None, True
    except (Invalid, Conflict) as refused:
        refuse(form, refused)
        return None, False


def _is_kept(form: Form, found: Referral, kept: Kept, letter: Letter | None) -> bool:
    """Whether the draft is what the form wants it to be already."""
    there = select(Attachment.id)
    if letter is not None:
        there = there.where(Attachment.referral_id == found.id, letter.stored())
    return (
        Kept(
            found.priority, found.reason, found.clinical_information, [row.service_id for row in found.shortlist],
            _practitioner(found),
        ) == kept
        and not details.unsaved(form, found.patient)
        and (letter is None or work().session.scalar(there.limit(1)) is not None)
    )  # fmt: skip
