"""Referrals with nothing left on the shortlist that they may use: back in the practice's hands, and told.

A service closes, narrows its limits or stops taking a priority. The state of the referral stays as it is (the patient
is still to be booked, and the clock runs); its practice has to choose other services, so its entry on the worklist
falls due on the next working day and the practice gets a notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from booking.domain.eligibility import ServiceRules, why_service_not
from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingMode
from booking.domain.working_days import add_working_days
from booking.models import AuditEntry, Organisation, OutboxMessage, Referral, ReferralService, Service, ServicePriority
from booking.services import audit, outbox
from booking.services.directory import LOADED, rules_of
from booking.services.holidays import bank_holidays
from booking.services.work import Work

TOLD = "referral.shortlist_unusable"
MENDED = ("referral.change_shortlist", "referral.send_for_triage", "referral.redirect")
BATCH = 200
_BOOKED_THERE = (BookingMode.DIRECTLY_BOOKABLE, BookingMode.INDIRECTLY_BOOKABLE)
_THEIR_CHOICE = CHOOSING - {ReferralState.TRIAGED_PROVIDER_TO_ACTION}
"""States in which the practice may change the shortlist; after triage it is the provider who finds the place."""


def may_use(referral: Referral, rules: ServiceRules, on: date) -> bool:
    """Whether a referral that is choosing could be booked at a service of these rules (whoever may see it)."""
    why = why_service_not(
        rules, specialty_code=referral.specialty_code, clinic_type=referral.clinic_type_code,
        priority=referral.priority, date_of_birth=referral.patient.date_of_birth, sex=referral.patient.sex,
        visible=True, today=on,
    )  # fmt: skip
    return why is None and rules.booking_mode in _BOOKED_THERE


def usable_by(referral: Referral, on: date) -> list[Service]:
    """The shortlisted services that the referral may use; patient and shortlist are loaded."""
    return [row.service for row in referral.shortlist if may_use(referral, rules_of(row.service), on)]


def give_back(work: Work, referrals: Sequence[Referral]) -> int:
    """Put locked referrals with nothing left before their practices; returns how many had not been told before."""
    fresh = [one for one in referrals if not _told(work.session, one.id)]
    due = add_working_days(work.today, 1, bank_holidays())
    for referral in fresh:
        if referral.worklist_organisation_id == referral.practice_id and referral.worklist_due is not None:
            referral.worklist_due = min(referral.worklist_due, due)
        after = {"shortlist": [row.service_id for row in referral.shortlist], "due": due.isoformat()}
        audit.record(work, f"referral:{referral.id}", TOLD, after=after)
    _notify(work, fresh)
    work.session.flush()
    return len(fresh)


def to_give_back(session: Session, today: date) -> list[int]:
    """Keys of referrals that are choosing, have no service left that would book them, and whose practice was not
    told: because a last day is over, a file changed a service, or the priority was changed. Ages are not looked at."""
    bookable = (
        select(ReferralService.referral_id)
        .join(Service, Service.id == ReferralService.service_id)
        .join(
            ServicePriority,
            (ServicePriority.service_id == Service.id) & (ServicePriority.priority == Referral.priority),
        )
        .where(
            ReferralService.referral_id == Referral.id,
            Service.specialty_code == Referral.specialty_code,
            Service.booking_mode.in_(_BOOKED_THERE),
            or_(Service.operational_to.is_(None), Service.operational_to >= today),
        )
        .correlate(Referral)
    )
    query = select(Referral.id).where(Referral.state.in_(_THEIR_CHOICE), ~bookable.exists()).order_by(Referral.id)
    ids = list(session.scalars(query))
    return [referral_id for referral_id in ids if not _told(session, referral_id)]


def give_back_these(work: Work, ids: Sequence[int]) -> int:
    """Look at the referrals again, locked, and give back those that still have nothing; returns how many."""
    query = (
        select(Referral)
        .where(Referral.id.in_(ids), Referral.state.in_(_THEIR_CHOICE))
        .options(
            joinedload(Referral.patient),
            selectinload(Referral.shortlist).joinedload(ReferralService.service).options(*LOADED),
        )
        .order_by(Referral.id)
        .with_for_update(of=Referral, skip_locked=True)
    )
    found = list(work.session.scalars(query.execution_options(populate_existing=True)).unique())
    return give_back(work, [one for one in found if not usable_by(one, work.today)])


def _told(session: Session, referral_id: int) -> bool:
    """Whether the practice was told, and the shortlist has not been mended since."""
    last = (
        select(AuditEntry.action)
        .where(AuditEntry.chain == f"referral:{referral_id}", AuditEntry.action.in_((TOLD, *MENDED)))
        .order_by(AuditEntry.sequence.desc())
        .limit(1)
    )
    return session.scalar(last) == TOLD


def _notify(work: Work, referrals: Iterable[Referral]) -> None:
    """One notice for each practice and worklist; it says how many, and names nobody."""
    groups: dict[tuple[int, str], list[Referral]] = {}
    for referral in referrals:
        groups.setdefault((referral.practice_id, str(referral.worklist)), []).append(referral)
    for (practice_id, worklist), theirs in sorted(groups.items()):
        practice = work.session.get_one(Organisation, practice_id)
        if not practice.worklist_email:
            continue
        key = f"organisation:{practice_id}:shortlist-unusable:{theirs[0].id}:{theirs[0].version}:{work.today}"
        if work.session.scalar(select(OutboxMessage.id).where(OutboxMessage.event_key == key)) is None:
            said = {"to": practice.worklist_email, "worklist": worklist, "entries": len(theirs)}
            outbox.enqueue(work, "shortlist-unusable", key, said)
