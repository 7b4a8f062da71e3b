"""What has been kept for long enough: listed, and on confirmation emptied and pseudonymised. Nothing live is touched.

Two steps. A referral (or request for advice) whose time is over is *emptied*: what people wrote in it goes, and its
files; its states, times and reason codes stay, for reports and for the audit trail, which holds none of what goes.
A patient of whom nothing is left unemptied is *pseudonymised*: the identity is replaced for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Executable, delete, exists, func, select, update
from sqlalchemy.orm import Session

from booking.domain.referral import TERMINAL, Action, ReferralState
from booking.domain.retention import POLICY, YEARS, YEARS_NEVER_SENT, Ended, keep_until, plus_years
from booking.domain.words import AdviceState, Channel
from booking.models import (
    AccessCode,
    AdviceMessage,
    AdviceRequest,
    Attachment,
    AuthSession,
    Booking,
    ExternalIdentity,
    Patient,
    Referral,
    ReferralEvent,
)
from booking.services import acting, audit
from booking.services.work import HOME_ZONE, Work

BATCH = 100
REMOVED = "Removed"
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Due:
    """What is due on a day. ``drafts`` are still with their practices and are only told of, never touched."""

    referrals: list[tuple[int, str]]
    """Keys and UBRNs."""
    advice: list[tuple[int, str]]
    drafts: list[str]
    """UBRNs of drafts that nobody has touched for a year."""


@dataclass(slots=True)
class Applied:
    referrals: int = 0
    advice: int = 0
    patients: int = 0
    files: list[str] = field(default_factory=list)
    """Keys of the store, to be deleted once this is committed."""


def due(session: Session, today: date) -> Due:
    """What has been kept for long enough on that day."""
    return Due(_referrals_due(session, today), _advice_due(session, today), _old_drafts(session, today))


def _referrals_due(session: Session, today: date) -> list[tuple[int, str]]:
    last = (
        select(
            ReferralEvent.referral_id, func.max(ReferralEvent.at).label("at"),
            func.count().label("events"), func.min(ReferralEvent.action).label("action"),
        )
        .group_by(ReferralEvent.referral_id)
        .subquery()
    )  # fmt: skip
    # A cancelled referral that a practice has not acknowledged yet is still on a worklist, and so stays.
    query = (
        select(Referral.id, Referral.ubrn, Patient.date_of_birth, last.c.at, last.c.events, last.c.action)
        .join(last, last.c.referral_id == Referral.id)
        .join(Patient, Patient.id == Referral.patient_id)
        .where(Referral.state.in_(TERMINAL), Referral.worklist.is_(None), Referral.emptied_at.is_(None))
        .where(last.c.at < _latest(today, min(YEARS, YEARS_NEVER_SENT)))
        .order_by(Referral.id)
    )
    found = []
    for row in session.execute(query):
        sent = not (row.events == 1 and row.action == Action.CANCEL_REFERRAL)
        ended = Ended(row.at.astimezone(HOME_ZONE).date(), row.date_of_birth, sent)
        if keep_until(ended) <= today:
            found.append((row.id, row.ubrn))
    return found


def _latest(today: date, years: int) -> datetime:
    """Nothing that happened from then on can be so many years old today; with a day to spare, for the zones."""
    return datetime.combine(plus_years(today, -years) + timedelta(days=2), time.min, UTC)


def _advice_due(session: Session, today: date) -> list[tuple[int, str]]:
    last = (
        select(AdviceMessage.advice_id, func.max(AdviceMessage.at).label("at"))
        .group_by(AdviceMessage.advice_id)
        .subquery()
    )
    # One that became a referral is kept as long as that.
    converted = select(Referral.emptied_at).where(Referral.id == AdviceRequest.referral_id).scalar_subquery()
    query = (
        select(
            AdviceRequest.id, AdviceRequest.reference, AdviceRequest.referral_id, AdviceRequest.created_at,
            Patient.date_of_birth, last.c.at, converted.label("emptied"),
        )
        .outerjoin(last, last.c.advice_id == AdviceRequest.id)
        .join(Patient, Patient.id == AdviceRequest.patient_id)
        .where(AdviceRequest.state.in_([AdviceState.CONVERTED, AdviceState.CLOSED]), AdviceRequest.emptied_at.is_(None))
        .where(AdviceRequest.worklist.is_(None))
        .order_by(AdviceRequest.id)
    )  # fmt: skip
    found = []
    for row in session.execute(query):
        ended = Ended((row.at or row.created_at).astimezone(HOME_ZONE).date(), row.date_of_birth)
        if (row.referral_id is None or row.emptied is not None) and keep_until(ended) <= today:
            found.append((row.id, row.reference))
    return found


def _old_drafts(session: Session, today: date) -> list[str]:
    last = select(func.max(ReferralEvent.at)).where(ReferralEvent.referral_id == Referral.id).scalar_subquery()
    query = select(Referral.ubrn).where(
        Referral.state == ReferralState.DRAFT,
        func.coalesce(last, Referral.created_at) < _latest(today, YEARS_NEVER_SENT),
    )
    return list(session.scalars(query.order_by(Referral.id)))


def apply(work: Work, batch: int = BATCH) -> Applied:
    """Empty what is due, a batch at most, and pseudonymise whom nothing is left of; all zero where nothing is due.

    The database's trigger lets nobody empty an event of a referral that is not marked ``emptied_at``; on PostgreSQL
    only the tables' owner can do it at all.
    """
    done = Applied()
    found = due(work.session, work.today)
    for referral_id, _ in found.referrals[:batch]:
        _empty_referral(work, referral_id, done)
    for advice_id, _ in found.advice[: batch - done.referrals]:
        _empty_advice(work, advice_id, done)
    for patient in _with_nothing_left(work, batch):
        _pseudonymise(work, patient)
        done.patients += 1
    if done.referrals or done.advice or done.patients:
        after = {"policy": POLICY, "referrals": done.referrals, "advice": done.advice, "patients": done.patients}
        audit.record(work, "retention", "retention.apply", after=after)
    work.session.flush()
    return done


def _empty_referral(work: Work, referral_id: int, done: Applied) -> None:
    session = work.session
    one = session.scalars(select(Referral).where(Referral.id == referral_id).with_for_update()).one()
    one.emptied_at, one.reason, one.clinical_information = work.now, "", ""
    one.version += 1
    session.flush()  # the mark first: the trigger asks for it
    for model, where in ((ReferralEvent, ReferralEvent.referral_id), (Booking, Booking.referral_id)):
        _quietly(session, update(model).where(where == one.id, model.comment.is_not(None)).values(comment=None))
    _quietly(session, update(AccessCode).where(*_live(AccessCode, one.id)).values(revoked_at=work.now))
    _quietly(session, update(AuthSession).where(*_live(AuthSession, one.id)).values(revoked_at=work.now))
    acting.forget(session, one.id, REMOVED)
    done.files += _remove_files(work, Attachment.referral_id == one.id)
    audit.record(work, f"referral:{one.id}", "retention.empty", after={"policy": POLICY})
    done.referrals += 1


def _live(of: type[AccessCode | AuthSession], referral_id: int) -> Sequence[ColumnElement[bool]]:
    return (of.referral_id == referral_id, of.revoked_at.is_(None))


def _empty_advice(work: Work, advice_id: int, done: Applied) -> None:
    one = work.session.scalars(select(AdviceRequest).where(AdviceRequest.id == advice_id).with_for_update()).one()
    one.emptied_at, one.subject = work.now, ""
    one.version += 1
    work.session.flush()
    _quietly(work.session, update(AdviceMessage).where(AdviceMessage.advice_id == one.id).values(text=""))
    done.files += _remove_files(work, Attachment.advice_id == one.id)
    audit.record(work, f"advice:{one.id}", "retention.empty", after={"policy": POLICY})
    done.advice += 1


def _remove_files(work: Work, where: ColumnElement[bool]) -> list[str]:
    keys = []
    for row in work.session.scalars(select(Attachment).where(where)):
        keys.append(row.storage_key)
        row.file_name, row.note, row.removed_at = REMOVED, None, row.removed_at or work.now
    return keys


def _with_nothing_left(work: Work, batch: int) -> list[Patient]:
    kept = exists().where(Referral.patient_id == Patient.id, Referral.emptied_at.is_(None))
    asked = exists().where(AdviceRequest.patient_id == Patient.id, AdviceRequest.emptied_at.is_(None))
    ever = exists().where(Referral.patient_id == Patient.id) | exists().where(AdviceRequest.patient_id == Patient.id)
    # Somebody who was registered and never referred is kept as long as a referral made on that day.
    unused = Patient.created_at < _latest(work.today, YEARS)
    query = select(Patient).where(Patient.pseudonymised_at.is_(None), ~kept, ~asked, ever | unused)
    locked = work.session.scalars(query.order_by(Patient.id).limit(batch).with_for_update()).all()
    # Again, now that nobody else can refer them: a lock that was waited for does not see what its holder wrote.
    again = query.where(Patient.id.in_([one.id for one in locked])).order_by(Patient.id)
    return list(work.session.scalars(again.execution_options(populate_existing=True)))


def _pseudonymise(work: Work, one: Patient) -> None:
    one.nhs_number = pseudonym(work, one.nhs_number)
    one.given_name, one.family_name = REMOVED, one.nhs_number
    one.date_of_birth = one.date_of_birth.replace(month=1, day=1)
    one.postcode = one.postcode.split()[0] if one.postcode else None
    one.latitude = one.longitude = one.email = one.mobile = one.interpreter_language = one.farthest_km = None
    one.unsuitable_times, one.channel = 0, Channel.LETTER
    one.pseudonymised_at = work.now
    one.version += 1
    _quietly(work.session, delete(ExternalIdentity).where(ExternalIdentity.patient_id == one.id))
    audit.record(work, f"patient:{one.id}", "retention.pseudonymise", after={"policy": POLICY})
    work.session.flush()


def pseudonym(work: Work, nhs_number: str) -> str:
    """Ten letters by a keyed hash: the same number gives the same, nobody without the key goes back. No NHS number
    has a letter, so it is never taken for one."""
    for attempt in range(100):
        digest = int(work.keys.hash("pseudonym", nhs_number, str(attempt)), 16)
        letters = []
        for _ in range(10):
            digest, place = divmod(digest, len(_ALPHABET))
            letters.append(_ALPHABET[place])
        made = "".join(letters)
        if work.session.scalar(select(Patient.id).where(Patient.nhs_number == made)) is None:
            return made
    raise RuntimeError("a hundred pseudonyms in a row are taken")


def _quietly(session: Session, statement: Executable) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
