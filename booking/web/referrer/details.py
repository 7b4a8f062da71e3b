"""A patient's details on a form: what the page showed goes with it, so that only what somebody changed is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from booking.domain.errors import StaleVersion
from booking.domain.words import Channel, Sex
from booking.edge.flask_app import work
from booking.models import Patient
from booking.services import needs, practice_patients, preferences
from booking.web import say
from booking.web.forms import Form

DETAILS = (
    "given_name", "family_name", "postcode", "email", "mobile", "channel", "interpreter_language", "clinician_sex",
)  # fmt: skip
ABOUT = "about_version"
"""The hidden field that says whose details the page showed, and what they were."""
STALE = "The patient’s details were changed by somebody else meanwhile. Check them and send again."


def details_of(patient: Patient) -> dict[str, str]:
    """What of the patient can be put right on the form, as the form holds it."""
    said = {name: str(getattr(patient, name) or "").strip() for name in DETAILS}
    said["large_print"] = "1" if patient.large_print else ""
    said["step_free"] = "1" if patient.step_free else ""
    said["no_video"] = "" if patient.video_possible else "1"
    return said


def _about(patient: Patient, shown: Mapping[str, str]) -> str:
    return json.dumps({"id": str(patient.id), **shown}, ensure_ascii=False)


def _shown(form: Form, patient: Patient) -> dict[str, str] | None:
    """What the page that was sent had shown of the patient; None where it showed somebody else, or nobody."""
    try:
        said = json.loads(form.get(ABOUT))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("id") != str(patient.id):
        return None
    shown = {name: said[name] for name in details_of(patient) if isinstance(said.get(name), str)}
    return shown if len(shown) == len(details_of(patient)) else None


def showed(form: Form, patient: Patient) -> bool:
    """Whether the page that was sent had shown this patient's details."""
    return _shown(form, patient) is not None


def _otherwise(name: str, value: str) -> str:
    """The fault of a box that two people have changed."""
    words = say.label(value) if name in ("channel", "clinician_sex") and value else value
    became = f"This was changed meanwhile, to “{words}”." if value else "This was removed meanwhile."
    return f"{became} What stands here takes its place if you send again."


def fill(form: Form, patient: Patient) -> str:
    """Boxes that nobody touched show the record as it is now. Returns the value of :data:`ABOUT` for the page.

    A box that was changed here keeps what was typed, and what the page had shown until the clash has been said.
    """
    shown, now, values = _shown(form, patient), details_of(patient), MultiDict(form.values)
    base = dict(now)
    for name, value in now.items():
        typed = form.get(name).strip()
        if shown is None or typed == shown[name]:
            values[name] = value
        elif value not in (shown[name], typed) and form.errors.get(name) != _otherwise(name, value):
            base[name] = shown[name]
    form.values = values
    return _about(patient, base)


def correct(form: Form, patient: Patient) -> Patient:
    """Write down what was changed on the form about the patient, each part by its own service.

    What others changed meanwhile stays. :class:`StaleVersion` where that is in the same box: the form then says how.
    """
    try:
        return _write(form, patient, _changed(form, patient))
    except StaleVersion:
        if form.errors:
            raise
    work().session.refresh(patient)  # changed by others since it was read; the services have locked it by now
    return _write(form, patient, _changed(form, patient))


def _changed(form: Form, patient: Patient) -> set[str]:
    """What is to be written; nothing where the page had shown somebody else's details, or nobody's."""
    shown, now = _shown(form, patient), details_of(patient)
    if shown is None:
        return set()
    changed = {name for name, value in now.items() if form.get(name).strip() not in (shown[name], value)}
    clashes = [name for name in now if name in changed and now[name] != shown[name]]
    for name in clashes:
        form.fail(name, _otherwise(name, now[name]))
    if clashes:
        raise StaleVersion(STALE)
    return changed


def unsaved(form: Form, patient: Patient) -> bool:
    """Whether the form would change anything about the patient."""
    try:
        return bool(_changed(Form(form.values), patient))
    except StaleVersion:
        return True


def _write(form: Form, patient: Patient, changed: set[str]) -> Patient:
    unit = work()
    if wanted := _needs(form, changed):
        patient = needs.change_needs(unit, wanted, version=patient.version, patient_id=patient.id)
    if wanted := _contact(form, changed):
        patient = preferences.change_contact(unit, wanted, version=patient.version, patient_id=patient.id)
    if wanted := {name: form.get(name) for name in practice_patients.FIELDS if name in changed}:
        patient = practice_patients.correct(unit, patient.id, wanted, version=patient.version)
    return patient


def _needs(form: Form, changed: set[str]) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "step_free": bool(form.get("step_free")),
        "interpreter_language": form.get("interpreter_language").strip() or None,
        "clinician_sex": Sex(form.get("clinician_sex")) if form.get("clinician_sex") in ("female", "male") else None,
        "no_video": not form.get("no_video"),
    }
    names = {"no_video": "video_possible"}
    return {names.get(name, name): values[name] for name in changed if name in values}


def _contact(form: Form, changed: set[str]) -> Mapping[str, Any]:
    channel = form.get("channel")
    values: dict[str, Any] = {
        "email": form.get("email").strip() or None,
        "mobile": form.get("mobile").strip() or None,
        "large_print": bool(form.get("large_print")),
        "channel": Channel(channel) if channel in Channel.__members__ else Channel.EMAIL,
    }
    return {name: values[name] for name in changed if name in values}
