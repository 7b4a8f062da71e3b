"""Letters to patients: how to choose an appointment, with the code on a part to tear off; and messages on paper.

Plain words, short sentences, and nothing more clinical than the specialty; which clinic it is says too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from booking.domain.ids import show_access_code, show_ubrn
from booking.domain.words import Language
from booking.languages import _, day, say
from booking.services.documents.typeset import Value, typeset

TITLE = _("Choose your hospital or clinic appointment")
DEAR = _("Dear {name},")
REFERRED = _("{referrer} at {practice} has referred you to: {specialty}.")
REFERENCE = _("Your booking reference: {reference}")
CAN_CHOOSE = _("You can choose where and when you are seen. These providers can see you:")
READ_FIRST = _(
    "A specialist at {provider} will read your referral first. They will then tell you, or your practice, what is best "
    "for you. You can follow your referral online."
)
ONLINE = _("Online")
ONLINE_HOW = _(
    "Go to {url}. Sign in with your booking reference, the access code at the end of this letter and your date of "
    "birth. You see the times that are proposed to you, and all others that are free."
)
TELEPHONE = _("By telephone")
TELEPHONE_HOW = _("{provider}: {telephone}")
OR_PRACTICE = _("If you can't or would rather not go online, ask your practice. They can choose with you.")
NEXT = _("What happens next")
NEXT_BOOK = _("When you have chosen, your appointment is confirmed at once.")
NEXT_CHANGE = _("You can change or cancel it in the same way, with the same reference and code.")
NEXT_REMIND = _("You are reminded before the appointment.")
NEXT_SILENCE = _("If you have heard nothing after two weeks, or if you feel worse, please call your practice.")
NEEDS = _("What you need")
NEEDS_STEP_FREE = _("Your referral says that you need step-free access.")
NEEDS_INTERPRETER = _("Your referral says that you need an interpreter ({interpreter}).")
NEEDS_WRONG = _("If this is wrong, or you need anything else, please tell your practice.")
NEEDS_ANY = _("If you need step-free access, an interpreter or anything else, please tell your practice.")
NEEDS_FORMS = _("You can have this letter in large print, and in English or Welsh. Ask your practice.")
TEAR_TITLE = _("Tear off and keep safe")
TEAR_NOTE = _(
    "Show this code to nobody but those who help you. It works until {until}. Any code you were given before has "
    "stopped working. If you lose it, your practice gives you a new one."
)
TEAR_REFERENCE = _("Booking reference")
TEAR_CODE = _("Access code")
CLOSE = _("Yours sincerely,")


@dataclass(frozen=True, slots=True)
class PatientLetter:
    """What the letter says. ``ways`` is each provider's name with its telephone number for patients, if any."""

    patient: str
    practice: str
    referrer: str
    specialty: str
    ways: Sequence[tuple[str, str | None]]
    triage: bool
    ubrn: str
    access_code: str
    code_until: date
    url: str
    step_free: bool
    interpreter: str | None


@dataclass(frozen=True, slots=True)
class Part:
    title: str = ""
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()

    def plain(self) -> Value:
        return {
            "title": self.title,
            "paragraphs": [paragraph.split("\n") for paragraph in self.paragraphs],
            "points": [point.split("\n") for point in self.points],
        }


def patient_letter_pdf(letter: PatientLetter, *, language: Language, large_print: bool, now: datetime) -> bytes:
    """The letter a practice hands to a patient it has referred."""
    said = _Said(language)
    reference = show_ubrn(letter.ubrn)
    parts = [
        Part(paragraphs=[
            said(DEAR, name=letter.patient),
            said(REFERRED, referrer=letter.referrer, practice=letter.practice, specialty=letter.specialty),
            said(REFERENCE, reference=reference),
        ]),
        *_choosing(letter, said),
        Part(said(NEXT), points=[said(text) for text in _next(letter)]),
        Part(said(NEEDS), paragraphs=[" ".join(_needs(letter, said))]),
    ]  # fmt: skip
    tear: Value = {
        "title": said(TEAR_TITLE),
        "note": said(TEAR_NOTE, until=day(letter.code_until, language)),
        "facts": [
            [said(TEAR_REFERENCE), reference],
            [said(TEAR_CODE), show_access_code(letter.access_code)],
        ],
    }
    return _letter(letter, said(TITLE), parts, tear, language, now, large_print)


def _choosing(letter: PatientLetter, said: _Said) -> list[Part]:
    providers = list(dict.fromkeys(name for name, _telephone in letter.ways))
    if letter.triage:
        first = Part(paragraphs=[said(READ_FIRST, provider=", ".join(providers))])
    else:
        first = Part(paragraphs=[said(CAN_CHOOSE)], points=providers)
    numbers = [said(TELEPHONE_HOW, provider=name, telephone=telephone) for name, telephone in letter.ways if telephone]
    return [
        first,
        Part(said(ONLINE), paragraphs=[said(ONLINE_HOW, url=letter.url)]),
        Part(said(TELEPHONE), paragraphs=[said(OR_PRACTICE)], points=list(dict.fromkeys(numbers))),
    ]


def _next(letter: PatientLetter) -> list[str]:
    booking = [] if letter.triage else [NEXT_BOOK, NEXT_CHANGE]
    return [*booking, NEXT_REMIND, NEXT_SILENCE]


def _needs(letter: PatientLetter, said: _Said) -> list[str]:
    needs = [said(NEEDS_STEP_FREE)] if letter.step_free else []
    if letter.interpreter:
        needs.append(said(NEEDS_INTERPRETER, interpreter=letter.interpreter))
    return [*needs, said(NEEDS_WRONG if needs else NEEDS_ANY), said(NEEDS_FORMS)]


class _Said:
    """:func:`say` in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, text: str, **values: str) -> str:
        return say(self._language, text, **values)


def message_letter_pdf(
    *, patient: str, practice: str, title: str, text: str, language: Language, large_print: bool, now: datetime
) -> bytes:
    """A message as a letter, for a patient who can't be reached otherwise or wants letters."""
    said = _Said(language)
    parts = [Part(paragraphs=[said(DEAR, name=patient), *text.strip().split("\n\n")])]
    return _letter(_Sides(patient, practice), title, parts, None, language, now, large_print)


@dataclass(frozen=True, slots=True)
class _Sides:
    patient: str
    practice: str


def _letter(
    sides: PatientLetter | _Sides, title: str, parts: Sequence[Part], tear: Value, language: Language, now: datetime,
    large_print: bool,
) -> bytes:  # fmt: skip
    data: dict[str, Value] = {
        "sender": [sides.practice], "recipient": [sides.patient], "date": day(now.date(), language),
        "sections": [part.plain() for part in parts], "close": [say(language, CLOSE), sides.practice], "tear": tear,
    }  # fmt: skip
    return typeset("letter.typ", data, title=title, language=language, made_at=now, large=large_print)
