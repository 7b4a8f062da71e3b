"""The tour of a demo: six steps, each as somebody else, with one button that signs in as them. A checklist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.domain.errors import Conflict, NotFound, NotSignedIn
from booking.edge.flask_app import current_app, work
from booking.edge.policy import public
from booking.services import sign_in as service
from booking.services.sign_in import SignedIn
from booking.web.base import blp
from booking.web.front import demo_sign_ins
from booking.web.sign_in import come_in, offer_times

KEY = "tour"
"""In the cookie: which step one is at, and which were begun."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who one is in it (a user name, or a patient's family name), and where it begins."""

    title: str
    who: str
    pages: Sequence[str]
    """The first of these endpoints that there is."""
    staff: bool = True


STEPS = (
    Step("Be the GP: refer a patient", "gp", ("web.refer",)),
    Step("Be the patient: choose a time", "Коваленко", ("web.choices",), staff=False),
    Step("Be the clinic: see it appear", "clinic", ("web.clinic",)),
    Step("Still the clinic: call that clinic off", "clinic", ("web.cancel_clinic", "web.desk")),
    Step("Be the patient again: what now?", "Коваленко", ("web.choices",), staff=False),
    Step("Be the commissioner: was it fair?", "commissioner", ("web.overview", "web.plan")),
)


@dataclass(frozen=True, slots=True)
class Shown:
    number: int
    title: str
    person: str
    """Whom the button signs in as; empty where the demo has nobody of that name."""
    done: bool


def _must_be_demo() -> dict[str, Any]:
    if not work().config.demo:
        raise NotFound("There is no such page.")
    return demo_sign_ins()


def _person(demo: dict[str, Any], step: Step) -> dict[str, Any] | None:
    if step.staff:
        return next((one for one in demo["staff"] if one["username"] == step.who), None)
    return next((one for one in demo["patients"] if one["name"].endswith(step.who)), None)


def _progress() -> dict[str, Any]:
    found = session.get(KEY)
    return found if isinstance(found, dict) else {"at": 0, "done": []}


@blp.get("/tour")
@public()
def tour() -> str:
    """The demo in six steps, as the people in it; a checklist of what one has seen."""
    demo, done = _must_be_demo(), set(_progress()["done"])
    shown = [
        Shown(number, step.title, (_person(demo, step) or {}).get("name", ""), number in done)
        for number, step in enumerate(STEPS, 1)
    ]
    return render_template("front/tour.html", steps=shown, to_refer=demo["to_refer"], seen=len(done))


@blp.post("/tour")
@public()
def tour_go() -> ResponseReturnValue:
    """Begin a step: signed in as its person, at the page where it begins."""
    demo, progress = _must_be_demo(), _progress()
    number = request.form.get("step", type=int) or 0
    if not 1 <= number <= len(STEPS):
        session.pop(KEY, None)  # "start again"
        return redirect(url_for("web.tour"))
    step = STEPS[number - 1]
    person = _person(demo, step)
    if person is None:
        raise NotFound("The demo has no such person: seed it anew.")
    try:
        signed = _sign_in(step, person)
    except NotSignedIn:
        raise Conflict(f"{person['name']} has another password or code by now. Seed the demo anew.") from None
    come_in(work(), signed)
    if not step.staff:
        offer_times(work(), signed.token)
    session[KEY] = {"at": number, "done": sorted({*progress["done"], number})}
    known = current_app().view_functions
    return redirect(url_for(next(page for page in step.pages if page in known)))


def _sign_in(step: Step, person: dict[str, Any]) -> SignedIn:
    if step.staff:
        return service.staff_sign_in(work(), person["username"], person["password"])
    born = person["date_of_birth"]
    born = date(born["year"], born["month"], born["day"])
    return service.patient_sign_in(work(), person["reference"], person["access_code"], born)


@blp.app_context_processor
def _bar() -> dict[str, Any]:
    """The line at the top of every page while one is on the tour: where one is in it, and the way back."""
    if not current_app().settings.demo:
        return {"tour": None}
    at = _progress()["at"]
    title = STEPS[at - 1].title if at else ""
    return {"tour": {"at": at, "of": len(STEPS), "title": title} if at else None, "is_demo": True}
