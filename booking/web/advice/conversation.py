"""A conversation about one patient: what was said, the files, and the next turn of whichever side looks at it."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.advice import CLINICIANS, LONGEST_MESSAGE, ROLES, AdviceAction, next_step
from booking.domain.errors import BookingError, Conflict, IllegalTransition, Invalid, StaleVersion
from booking.domain.targets import age_on
from booking.domain.words import AdviceState
from booking.edge.flask_app import work
from booking.edge.policy import Via, allow
from booking.models import AdviceRequest
from booking.services import advice, advice_files, advice_referral, directory
from booking.services.advice import ADMINS, Said
from booking.services.advice_referral import Conversion
from booking.web import say
from booking.web.advice.lists import STATES, asks, both_sides
from booking.web.base import blp
from booking.web.forms import Form, read_keys, read_version
from booking.web.referrer import form as reading
from booking.web.referrer.common import PRIORITIES, attempt, read_priority
from booking.web.referrer.form import Letter

CHANGED = "Something was said or attached since you opened this page. Read it below, then send again."
TURNS = {
    "QUESTION": "Question", "REPLY": "Reply", "ANSWER": "Answer", "MORE_INFORMATION": "Asks for more",
    "FINAL_ADVICE": "Final advice", "CONVERSION": "Made a referral of it", "CLOSING": "Closed",
}  # fmt: skip
SAYS = {
    AdviceAction.REPLY: "Reply", AdviceAction.ANSWER: "Answer", AdviceAction.ASK_BACK: "Ask for more information",
    AdviceAction.FINAL_ADVICE: "Give final advice and close",
}  # fmt: skip
DONE = {
    AdviceAction.REPLY: "Sent. It is the specialist’s turn.", AdviceAction.ANSWER: "Sent to the practice.",
    AdviceAction.ASK_BACK: "Sent. It is the practice’s turn.",
    AdviceAction.FINAL_ADVICE: "Sent, and closed. It stays on the practice’s list until they have read it.",
    AdviceAction.CLOSE: "Dealt with: off your list.",
}  # fmt: skip


def possible(request_: AdviceRequest) -> set[AdviceAction]:
    """What the actor's role and the request's state allow now."""
    found = set()
    for action, roles in ROLES.items():
        if work().actor.role not in roles:
            continue
        try:
            next_step(request_.state, action, listed=request_.worklist is not None)
        except IllegalTransition:
            continue
        found.add(action)
    return found if request_.convertible else found - {AdviceAction.CONVERT}


@blp.get("/staff/advice/<reference>", endpoint="advice")
@both_sides
def conversation(reference: str) -> ResponseReturnValue:
    """A request for advice: the conversation, the files, and what your side can do next."""
    return page(advice.own_advice(work(), reference), Form())


def page(found: AdviceRequest, form: Form, status: int | None = None) -> ResponseReturnValue:
    can = possible(found)
    files = advice.files(work(), found)
    shown = render_template(
        "advice/conversation.html", asked=found, form=form, said=advice.conversation(work(), found), turns=TURNS,
        files=files, file_states=say.FILE_STATES, states=STATES, asks=asks(),
        says=[(one, words) for one, words in SAYS.items() if one in can],
        can_close=AdviceAction.CLOSE in can, can_convert=AdviceAction.CONVERT in can,
        can_refer=AdviceAction.REFER_ON in can, over=found.state in (AdviceState.CLOSED, AdviceState.CONVERTED),
        ubrn=advice.referral_of(work(), found), organisation=work().actor.organisation_id,
        names=work().actor.role in ADMINS, named=form.get("on_behalf_of") or (found.referrer if asks() else ""),
        age=age_on(found.patient.date_of_birth, work().today), label=say.label,
    )  # fmt: skip
    return shown, status or (422 if form.errors else 200)


@blp.post("/staff/advice/<reference>/say")
@both_sides
def advice_say(reference: str) -> ResponseReturnValue:
    """Reply, answer, ask back, give final advice, or put it aside."""
    found = advice.own_advice(work(), reference)
    form, can = Form(request.form), possible(found)
    wanted = form.get("do")
    action = AdviceAction(wanted) if wanted in AdviceAction.__members__ else None
    text = form.text(
        "text", None if action is AdviceAction.CLOSE else "Write what you want to say", most=LONGEST_MESSAGE
    )
    if action not in DONE or action not in can:
        form.fail("text", "That is not possible now: see above whose turn it is.")
    if form.errors or action is None:
        return page(found, form)
    said = Said(text, form.text("on_behalf_of", most=200) or None)
    try:
        with attempt():
            advice.contribute(work(), found.reference, action, said, version=read_version(form.get("version")))
    except StaleVersion:
        form.fail("text", CHANGED)
        return page(advice.own_advice(work(), reference), form, 409)
    except (Invalid, Conflict, IllegalTransition) as refused:
        form.refuse(refused, ("text", "on_behalf_of"), "text")
        return page(advice.own_advice(work(), reference), form)
    flash(DONE[action], "success")
    return redirect(url_for("web.advice", reference=found.reference))


@blp.post("/staff/advice/<reference>/files")
@both_sides
def advice_attach(reference: str) -> ResponseReturnValue:
    """Attach a file to the request."""
    found, form = advice.own_advice(work(), reference), Form(request.form)

    def keep(letter: Letter) -> object:
        return advice_files.attach(work(), found.reference, message_id=None, file_name=letter.name, data=letter.data)

    if reading.attach(form, keep):
        return redirect(url_for("web.advice", reference=found.reference, _anchor="files"))
    return page(advice.own_advice(work(), reference), form)


@blp.get("/staff/advice/<reference>/convert")
@allow(*sorted(CLINICIANS), via=Via.COOKIE)
def advice_convert(reference: str) -> ResponseReturnValue:
    """Make a referral of the request, to a service of your own; the referrer allowed it."""
    found = advice.own_advice(work(), reference)
    if AdviceAction.CONVERT not in possible(found):
        flash("No referral can be made of this request now.", "told")
        return redirect(url_for("web.advice", reference=found.reference))
    return _convert_page(found, Form({"priority": str(found.priority)}))


def _convert_page(found: AdviceRequest, form: Form, status: int | None = None) -> ResponseReturnValue:
    services = directory.bookable_of(work().session, work().actor.organisation_id or 0)
    shown = render_template("advice/convert.html", asked=found, form=form, services=services, priorities=PRIORITIES)
    return shown, status or (422 if form.errors else 200)


@blp.post("/staff/advice/<reference>/convert")
@allow(*sorted(CLINICIANS), via=Via.COOKIE)
def advice_convert_send(reference: str) -> ResponseReturnValue:
    """Make the referral; what is said goes to the referrer."""
    found, form = advice.own_advice(work(), reference), Form(request.form)
    if found.referral_id is not None:  # sent twice
        return redirect(url_for("web.advice", reference=found.reference))
    keys = read_keys([form.get("service")])
    if not keys:
        form.fail("service", "Select the service")
    comment = form.text("comment", "Write what the referrer should know", most=LONGEST_MESSAGE)
    if form.errors:
        return _convert_page(found, form)
    how = Conversion(keys[0], comment, read_priority(form.get("priority")))
    try:
        with attempt():
            advice_referral.convert(work(), found.reference, how, version=read_version(form.get("version")))
    except StaleVersion:
        form.fail("comment", CHANGED)
        return _convert_page(advice.own_advice(work(), reference), form, 409)
    except (Invalid, Conflict, IllegalTransition) as refused:
        _refuse(form, refused)
        return _convert_page(advice.own_advice(work(), reference), form)
    flash("A referral is made of it. It is on your list “for booking”; the practice prints the letter.", "success")
    return redirect(url_for("web.advice", reference=found.reference))


def _refuse(form: Form, refused: BookingError) -> None:
    for fault in refused.errors:
        form.fail("service" if fault.field == "service_id" else "comment", fault.message)
    if not refused.errors:
        form.fail("comment", refused.message)
