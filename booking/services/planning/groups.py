"""The groups a plan's fairness is shown by, read in bulk: deprivation, access needs, language, commissioner."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.words import Language
from booking.models import Organisation, Patient, Referral
from booking.services.planning.demand import choosing
from booking.services.planning.sql import Numbers, code, known, table, whole
from optimiser.arrays import I64, find
from optimiser.fairness import Labels

QUINTILES = ("most deprived fifth", "second fifth", "middle fifth", "fourth fifth", "least deprived fifth")
NO_NEED = "no need stated"
LANGUAGES = tuple(Language)


def read_groups(session: Session, key: I64) -> dict[str, Labels]:
    """Labels of the referrals ``key`` (ascending), by breakdown. One that is choosing no more is not known."""
    query = (
        select(
            Referral.id.label("key"), known(Patient.deprivation_decile).label("decile"),
            Patient.step_free.label("step_free"), Patient.interpreter_language.is_not(None).label("interpreter"),
            Patient.video_possible.label("video"), code(Patient.language, LANGUAGES).label("language"),
            known(Organisation.commissioner_id).label("commissioner"),
        )
        .join(Patient, Patient.id == Referral.patient_id)
        .join(Organisation, Organisation.id == Referral.practice_id)
        .where(choosing)
    )  # fmt: skip
    rows = table(session, query, blocks=Referral.id)
    at = find(key, whole(rows["key"]))
    some = at >= 0

    def labels(codes: I64, names: tuple[str, ...]) -> Labels:
        out = np.full(len(key), -1, np.int64)
        out[at[some]] = codes[some]
        return Labels(out, names)

    def yes_or_no(values: Numbers, names: tuple[str, str]) -> Labels:
        return labels((values > 0).astype(np.int64), names)

    decile = whole(rows["decile"])
    ids, names = _commissioners(session)
    return {
        "deprivation": labels(np.where(decile > 0, (decile - 1) // 2, -1), QUINTILES),
        "step_free": yes_or_no(rows["step_free"], (NO_NEED, "needs step-free access")),
        "interpreter": yes_or_no(rows["interpreter"], (NO_NEED, "needs an interpreter")),
        "video": yes_or_no(rows["video"], ("video not possible", "video possible")),
        "language": labels(whole(rows["language"]), tuple(language.name.capitalize() for language in LANGUAGES)),
        "commissioner": labels(find(ids, whole(rows["commissioner"])), names),
    }


def _commissioners(session: Session) -> tuple[I64, tuple[str, ...]]:
    """Keys in ascending order, and their ODS codes."""
    practice = select(Organisation.commissioner_id).where(Organisation.commissioner_id.is_not(None))
    query = select(Organisation.id, Organisation.ods_code).where(Organisation.id.in_(practice))
    found = session.execute(query.order_by(Organisation.id)).all()
    return np.array([row.id for row in found], np.int64), tuple(row.ods_code for row in found)
