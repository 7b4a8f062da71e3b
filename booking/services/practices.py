"""Patients move from one practice to another, and practices close: what is open goes with the patients.

Whoever loses a patient loses sight of them at once: visibility follows ``practice_id``. Where a practice closes
without a successor, its referrals go to the commissioner, who keeps watch over their due dates without seeing whose
they are, until the patients have registered elsewhere and their new practices take them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, tuple_

from booking.domain.errors import Conflict, Invalid, NotFound
from booking.domain.ids import parse_nhs_number
from booking.domain.referral import TERMINAL, Action, ReferralState
from booking.domain.words import COMMISSIONERS, AdviceState, OrganisationKind, Role
from booking.models import Account, AccountRole, AdviceRequest, Organisation, Patient, Referral
from booking.services import accounts, audit, outbox
from booking.services.refusals import translated
from booking.services.transitions import transition
from booking.services.work import Work

UNKNOWN = "We hold no patient with this NHS number and date of birth."


@dataclass(frozen=True, slots=True)
class Moved:
    """What came along with a patient."""

    patient: Patient
    open_referrals: int
    ended_referrals: int
    advice_requests: int


def transfer(work: Work, nhs_number: str, date_of_birth: date) -> Moved:
    """Take a patient over to the caller's practice, with every referral and request for advice.

    Raises :class:`NotFound` where number and date of birth don't belong together, whichever is wrong;
    :class:`Conflict` where the patient is the caller's already.
    """
    number = parse_nhs_number(nhs_number, allow_test_numbers=work.config.allow_test_nhs_numbers)
    query = select(Patient).where(Patient.nhs_number == number).with_for_update()
    with translated():
        patient = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if patient is None or patient.date_of_birth != date_of_birth:
        raise NotFound(UNKNOWN)
    new = work.session.get_one(Organisation, work.actor.organisation_id)
    if patient.practice_id == new.id:
        raise Conflict("The patient is registered with your practice already.", code="YOURS_ALREADY")
    before = work.session.get(Organisation, patient.practice_id) if patient.practice_id is not None else None
    patient.practice_id = new.id
    patient.version += 1
    moved = _take_along(work, [patient.id], new.id)
    audit.record(
        work, f"patient:{patient.id}", "patient.transfer",
        before={"practice": before.ods_code if before is not None else None},
        after={"practice": new.ods_code, "referrals": len(moved.open) + moved.ended, "advice": moved.advice},
    )  # fmt: skip
    _tell(work, _sent(moved.open)[:1], key=f"patient:{patient.id}:practice:{patient.version}")
    work.session.flush()
    return Moved(patient, len(moved.open), moved.ended, moved.advice)


@dataclass(frozen=True, slots=True)
class _Along:
    open: list[Referral]
    ended: int
    advice: int


def _take_along(work: Work, patient_ids: Sequence[int], to: int) -> _Along:
    """Give the patients' referrals and requests for advice to another organisation; all locked in order of key."""
    of = Referral.patient_id.in_(patient_ids)
    return _hand_over(work, of, AdviceRequest.patient_id.in_(patient_ids), to)


def _hand_over(work: Work, referrals: ColumnElement[bool], requests: ColumnElement[bool], to: int) -> _Along:
    # Nobody's own action: the table of transitions lets practices and the system do it, not commissioners.
    acting = (
        work if work.actor.role not in COMMISSIONERS else replace(work, actor=replace(work.actor, role=Role.SYSTEM))
    )
    with translated():
        found = work.session.scalars(
            select(Referral)
            .where(referrals)
            .order_by(Referral.id)
            .with_for_update(of=Referral)
            .execution_options(populate_existing=True)
        ).all()
        asked = work.session.scalars(
            select(AdviceRequest)
            .where(requests)
            .order_by(AdviceRequest.id)
            .with_for_update(of=AdviceRequest)
            .execution_options(populate_existing=True)
        ).all()
    moving: list[Referral] = []
    with work.session.no_autoflush:
        for referral in found:
            before, referral.practice_id = referral.practice_id, to
            if referral.state not in TERMINAL:
                transition(acting, referral, Action.TRANSFER_PRACTICE, detail={"from": before, "to": to})
                moving.append(referral)
                continue
            if referral.worklist_organisation_id == before:
                referral.worklist_organisation_id = to
            referral.version += 1
            _note(work, f"referral:{referral.id}", "referral.transfer_practice", before, to)
        for request in asked:
            before, request.practice_id = request.practice_id, to
            if request.worklist_organisation_id == before:
                request.worklist_organisation_id = to
            request.version += 1
            _note(work, f"advice:{request.id}", "advice.transfer_practice", before, to)
    work.session.flush()
    return _Along(moving, len(found) - len(moving), len(asked))


def _note(work: Work, chain: str, action: str, before: int, after: int) -> None:
    audit.record(work, chain, action, before={"practice_id": before}, after={"practice_id": after})


def _sent(referrals: Sequence[Referral]) -> list[Referral]:
    """Without drafts: those are the practice's alone, and their patients know nothing of them."""
    return [one for one in referrals if one.state is not ReferralState.DRAFT]


def _tell(work: Work, referrals: Sequence[Referral], *, kind: str = "practice-changed", key: str | None = None) -> None:
    """Tell the patients of these referrals that another practice looks after them now, or that theirs has closed."""
    for referral in referrals:
        outbox.enqueue(
            work, kind, key or f"referral:{referral.id}:practice:{referral.version}",
            {"ubrn": referral.ubrn}, referral_id=referral.id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a practice would move, or has moved."""

    practice: Organisation
    successor: Organisation | None
    patients: int
    open_referrals: int
    ended_referrals: int
    advice_requests: int
    staff_roles: int


PAGE = 50


@dataclass(frozen=True, slots=True)
class PracticeLine:
    practice: Organisation
    patients: int


def own_practices(work: Work, *, term: str = "", after: str = "") -> tuple[list[PracticeLine], bool]:
    """The commissioner's practices by name, each with its patients; and whether more follow.

    ``after`` is the ODS code of the practice they follow: names are not unique.
    """
    own = (Organisation.commissioner_id == work.actor.organisation_id, Organisation.kind == OrganisationKind.PRACTICE)
    query = select(Organisation).where(*own)
    if term:
        query = query.where(Organisation.name.icontains(term, autoescape=True))
    place = tuple_(Organisation.name, Organisation.ods_code)
    name = work.session.scalar(select(Organisation.name).where(Organisation.ods_code == after, *own)) if after else None
    if name is not None:
        query = query.where(place > (name, after))
    found = list(work.session.scalars(query.order_by(Organisation.name, Organisation.ods_code).limit(PAGE + 1)))
    counted = (
        select(Patient.practice_id, func.count())
        .where(Patient.practice_id.in_([one.id for one in found]))
        .group_by(Patient.practice_id)
    )
    patients = {row[0]: row[1] for row in work.session.execute(counted)}
    return [PracticeLine(one, patients.get(one.id, 0)) for one in found[:PAGE]], len(found) > PAGE


def open_names(work: Work) -> list[tuple[str, str]]:
    """ODS code, and name with it, of all the commissioner's open practices: who could take patients over."""
    query = select(Organisation.ods_code, Organisation.name).where(
        Organisation.commissioner_id == work.actor.organisation_id, Organisation.kind == OrganisationKind.PRACTICE,
        or_(Organisation.closed_on.is_(None), Organisation.closed_on > work.today),
    )  # fmt: skip
    rows = work.session.execute(query.order_by(Organisation.name, Organisation.ods_code))
    return [(row.ods_code, f"{row.name} ({row.ods_code})") for row in rows]


def preview_closing(work: Work, ods_code: str, successor: str | None) -> Closing:
    """What would go where. Raises :class:`NotFound` for a practice that is not the commissioner's."""
    practice, heir = _named(work, ods_code, successor)
    return _counted(work, practice, heir)


def close(work: Work, ods_code: str, successor: str | None) -> Closing:
    """Close a practice from today, all or nothing: patients, referrals and advice go over, its staff's roles end.

    With no successor the patients have no practice, and the commissioner watches over what is open.
    """
    practice, heir = _named(work, ods_code, successor, lock=True)
    counted = _counted(work, practice, heir)
    to = heir.id if heir is not None else practice.commissioner_id
    if to is None:
        raise Invalid.field(
            "successor", "REQUIRED", "The practice has no commissioner to watch over its referrals: name a successor."
        )
    practice.closed_on = work.today
    practice.version += 1
    _end_roles(work, practice)
    _reregister(work, practice, heir)
    moved = _hand_over(work, Referral.practice_id == practice.id, AdviceRequest.practice_id == practice.id, to)
    told = {referral.patient_id: referral for referral in _sent(moved.open)}
    _tell(work, list(told.values()), kind="practice-closed" if heir is None else "practice-changed")
    audit.record(
        work, f"organisation:{practice.id}", "practice.close",
        after={
            "closed_on": practice.closed_on.isoformat(), "successor": heir.ods_code if heir is not None else None,
            **_figures(counted),
        },
    )  # fmt: skip
    with translated():
        work.session.flush()
    return counted


def _figures(closing: Closing) -> dict[str, Any]:
    names = ("patients", "open_referrals", "ended_referrals", "advice_requests", "staff_roles")
    return {name: getattr(closing, name) for name in names}


def _named(
    work: Work, ods_code: str, successor: str | None, *, lock: bool = False
) -> tuple[Organisation, Organisation | None]:
    codes = {code.strip().upper() for code in (ods_code, successor) if code}
    query = select(Organisation).where(Organisation.ods_code.in_(codes), Organisation.kind == OrganisationKind.PRACTICE)
    if work.actor.role in COMMISSIONERS:
        query = query.where(Organisation.commissioner_id == work.actor.organisation_id)
    if lock:
        query = query.order_by(Organisation.id).with_for_update().execution_options(populate_existing=True)
    found = {one.ods_code: one for one in work.session.scalars(query)}
    practice = found.get(ods_code.strip().upper())
    if practice is None:
        raise NotFound("There is no such practice, or it is not yours.")
    if practice.closed_on is not None and practice.closed_on <= work.today:
        raise Conflict("The practice is closed already.", code="CLOSED_ALREADY")
    if successor is None:
        return practice, None
    heir = found.get(successor.strip().upper())
    if heir is None or heir.id == practice.id or (heir.closed_on is not None and heir.closed_on <= work.today):
        raise Invalid.field("successor", "SUCCESSOR", "The successor must be another open practice of yours.")
    return practice, heir


def _counted(work: Work, practice: Organisation, heir: Organisation | None) -> Closing:
    def count(*where: ColumnElement[bool]) -> int:
        return work.session.scalar(select(func.count()).where(*where)) or 0

    mine = Referral.practice_id == practice.id
    return Closing(
        practice=practice,
        successor=heir,
        patients=count(Patient.practice_id == practice.id),
        open_referrals=count(mine, Referral.state.not_in(TERMINAL)),
        ended_referrals=count(mine, Referral.state.in_(TERMINAL)),
        advice_requests=count(
            AdviceRequest.practice_id == practice.id,
            AdviceRequest.state.not_in((AdviceState.CONVERTED, AdviceState.CLOSED)),
        ),
        staff_roles=count(AccountRole.organisation_id == practice.id, AccountRole.withdrawn_at.is_(None)),
    )


def _end_roles(work: Work, practice: Organisation) -> None:
    rows = work.session.execute(
        select(Account, AccountRole.role)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(AccountRole.organisation_id == practice.id, AccountRole.withdrawn_at.is_(None))
        .order_by(Account.id)
        .with_for_update(of=Account)
    ).all()
    for account, role in rows:
        accounts.withdraw_role(work, account, role, practice.ods_code)
        work.session.flush()


def _reregister(work: Work, practice: Organisation, heir: Organisation | None) -> None:
    """Every patient to the successor, or to no practice, each with an entry in their own record."""
    patients = work.session.scalars(
        select(Patient).where(Patient.practice_id == practice.id).order_by(Patient.id).with_for_update()
    ).all()
    after = {"practice": heir.ods_code if heir is not None else None}
    with work.session.no_autoflush:
        for patient in patients:
            patient.practice_id = heir.id if heir is not None else None
            patient.version += 1
            audit.record(
                work, f"patient:{patient.id}", "patient.practice_closed", before={"practice": practice.ods_code},
                after=after,
            )  # fmt: skip
    work.session.flush()
