"""What a patient needs of an appointment and what a slot offers, as bits both sides share with the optimiser."""

from __future__ import annotations

from datetime import datetime
from enum import IntFlag

from booking.domain.words import ConsultationMode, Sex

WEEK_PARTS = 21
"""weekday * 3 + (0 morning, 1 afternoon, 2 evening); Monday is 0; in the site's local time."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PARTS = ("morning", "afternoon", "evening")


class Need(IntFlag):
    STEP_FREE = 1
    INTERPRETER = 2
    FEMALE_CLINICIAN = 4
    MALE_CLINICIAN = 8
    IN_PERSON_OR_PHONE = 16
    """The patient can't use video."""


def patient_needs(*, step_free: bool, interpreter: bool, clinician_sex: Sex | None, video_possible: bool) -> Need:
    needs = Need(0)
    if step_free:
        needs |= Need.STEP_FREE
    if interpreter:
        needs |= Need.INTERPRETER
    if clinician_sex is Sex.FEMALE:
        needs |= Need.FEMALE_CLINICIAN
    elif clinician_sex is Sex.MALE:
        needs |= Need.MALE_CLINICIAN
    if not video_possible:
        needs |= Need.IN_PERSON_OR_PHONE
    return needs


def slot_offers(
    *, site_step_free: bool, interpreters: bool, practitioner_sex: Sex | None, mode: ConsultationMode
) -> Need:
    """What a slot offers. Nobody has to climb steps to a video or telephone consultation."""
    offers = Need(0)
    if site_step_free or mode is not ConsultationMode.IN_PERSON:
        offers |= Need.STEP_FREE
    if interpreters:
        offers |= Need.INTERPRETER
    if practitioner_sex is Sex.FEMALE:
        offers |= Need.FEMALE_CLINICIAN
    elif practitioner_sex is Sex.MALE:
        offers |= Need.MALE_CLINICIAN
    if mode is not ConsultationMode.VIDEO:
        offers |= Need.IN_PERSON_OR_PHONE
    return offers


def week_part(local: datetime) -> int:
    """The week part of a local time: mornings end at 12:00, afternoons at 17:00."""
    part = 0 if local.hour < 12 else 1 if local.hour < 17 else 2
    return local.weekday() * 3 + part
