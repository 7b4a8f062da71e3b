"""Reading what patients say of themselves, and the words of what they choose from."""

from __future__ import annotations

import re
from typing import Any

from booking.domain.errors import Invalid
from booking.domain.words import Channel, Language, Sex
from booking.languages import _
from booking.services.needs import FARTHEST_MILES
from booking.web.forms import Form
from booking.web.spoken import gettext

CHANNELS = {
    Channel.EMAIL: _("By e-mail"),
    Channel.SMS: _("By text message"),
    Channel.LETTER: _("By letter in the post"),
}
LANGUAGES = {Language.ENGLISH: "English", Language.WELSH: "Cymraeg"}
CLINICIANS = {"": _("Either will do"), Sex.FEMALE: _("A woman"), Sex.MALE: _("A man")}
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]{2,}")
_MOBILE = re.compile(r"\+?[0-9 ]{7,19}")
REFUSALS = {
    ("email", "REQUIRED"): _("Enter the e-mail address to use"),
    ("mobile", "REQUIRED"): _("Enter the mobile number to use"),
    ("never", "NOTHING_LEFT"): _("Leave at least one time of the week free, or no appointment can fit"),
}


def read_contact(form: Form) -> dict[str, Any]:
    """How somebody wants to be told things; its faults are in the form."""
    email = form.text("email", most=254)
    mobile = form.text("mobile", most=20)
    if email and not _EMAIL.fullmatch(email):
        form.fail("email", gettext("Enter an e-mail address like name@example.org"))
    if mobile and not _MOBILE.fullmatch(mobile):
        form.fail("mobile", gettext("Enter a mobile number like 07700 900123"))
    channel = form.one_of("channel", Channel, gettext("Select how you want to be told things"))
    language = form.one_of("language", Language, gettext("Select a language"))
    return {
        "channel": channel, "language": language, "email": email or None, "mobile": mobile or None,
        "large_print": form.get("large_print") == "yes",
    }  # fmt: skip


def read_needs(form: Form) -> dict[str, Any]:
    """What somebody needs of an appointment; its faults are in the form."""
    wrong = gettext("Enter a distance in miles, more than 0 and at most {most}").format(most=FARTHEST_MILES)
    sex = form.get("clinician_sex")
    return {
        "step_free": form.get("step_free") == "yes",
        "interpreter_language": form.text("interpreter_language", most=40) or None,
        "clinician_sex": Sex(sex) if sex in (Sex.FEMALE, Sex.MALE) else None,
        "video_possible": form.get("no_video") != "yes",
        "farthest_miles": form.number("farthest_miles", wrong, most=FARTHEST_MILES),
    }


def refuse(form: Form, refused: Invalid, names: tuple[str, ...], otherwise: str) -> None:
    """A service's refusal beside its field, in the words of the page."""
    form.refuse(refused, names, otherwise, REFUSALS)
