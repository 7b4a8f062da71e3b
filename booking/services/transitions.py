"""Moving a referral: state, event, worklist, RTT clock and audit entry together. Every change of state comes here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select

from booking.domain.actions import check_action
from booking.domain.clock import Tick, clock_change
from booking.domain.referral import TERMINAL, Action, ReferralState, next_state
from booking.domain.targets import due_date
from booking.domain.words import BookingState, ClockChange, ClockState, Worklist
from booking.domain.worklists import OWNER, Facts, Owner, contact_by, worklist_of
from booking.models import Booking, ClockEvent, Referral, ReferralEvent, Service, Slot
from booking.services import audit
from booking.services.holidays import bank_holidays
from booking.services.policy import current_policy
from booking.services.work import HOME_ZONE, Work


@dataclass(frozen=True, slots=True)
class Why:
    """The reason code and the comment given for an action."""

    reason: str | None = None
    comment: str | None = None


NO_REASON = Why()
_UNREVIEWS = frozenset(
    {Action.BOOK, Action.MOVE_APPOINTMENT, Action.CANCEL_APPOINTMENT_BY_PATIENT, Action.CANCEL_APPOINTMENT_BY_PROVIDER,
     Action.CANCEL_AND_ACT_LATER}
)  # fmt: skip


def permit(work: Work, referral: Referral, action: Action, why: Why = NO_REASON) -> ReferralState:
    """The state the action would lead to, if state, role, reason and comment allow it; else the typed refusal."""
    to = next_state(referral.state, action)
    check_action(action, role=work.actor.role, reason=why.reason, comment=why.comment, on=work.today)
    return to


def transition(
    work: Work,
    referral: Referral,
    action: Action,
    why: Why = NO_REASON,
    *,
    detail: dict[str, Any] | None = None,
    appointment: date | None = None,
) -> None:
    """Move a locked referral along the table of transitions.

    ``appointment`` is the day of the live appointment after the action, where there is one: it bounds the
    worklist's due date. The caller has set ``service_id`` where the action sends the referral to a service.
    """
    before, to = referral.state, permit(work, referral, action, why)
    referral.state = to
    referral.version += 1
    if action in _UNREVIEWS:
        referral.accepted_at = None
    elif action is Action.ACCEPT:
        referral.accepted_at = work.now
    if action in (Action.CANCEL_APPOINTMENT_BY_PROVIDER, Action.CANCEL_AND_ACT_LATER):
        referral.first_in_line_since = work.now
    elif action is Action.BOOK or to in TERMINAL:
        referral.first_in_line_since = None
    # The sequence follows the version, which other changes move too: it rises, with gaps.
    work.session.add(
        ReferralEvent(
            referral_id=referral.id, sequence=referral.version, action=action, from_state=before, to_state=to,
            actor=work.actor.name, role=work.actor.role, on_behalf_of=work.actor.on_behalf_of, at=work.now,
            reason_code=why.reason, comment=why.comment, detail=detail or {},
        )
    )  # fmt: skip
    _move_clock(work, referral, before, action)
    relist(work, referral, action, appointment=appointment)
    audit.record(
        work,
        f"referral:{referral.id}",
        f"referral.{action.lower()}",
        before={"state": before},
        after={"state": to, **(detail or {}), **({"reason": why.reason} if why.reason else {})},
    )


def relist(work: Work, referral: Referral, action: Action | None = None, *, appointment: date | None = None) -> None:
    """Put a referral on the worklist where it belongs now; ``action`` is None where only a fact changed."""
    before, owner_before = referral.worklist, referral.worklist_organisation_id
    facts = Facts(referral.letter_outstanding, referral.accepted_at is not None)
    worklist = worklist_of(referral.state, action, before, facts)
    if worklist is None:
        _unlist(work, referral, owner_before)
        return
    service = work.session.get(Service, referral.service_id) if referral.service_id is not None else None
    provider = service.organisation_id if service is not None else None
    owner = provider if OWNER[worklist] is Owner.PROVIDER and provider is not None else referral.practice_id
    referral.worklist, referral.worklist_organisation_id = worklist, owner
    if worklist is before and action in (None, Action.TRANSFER_PRACTICE):
        return
    since = work.today
    shortened = service.contact_by if service is not None else None
    due = contact_by(worklist, referral.priority, since, bank_holidays(), shortened)
    if worklist is before and action is Action.CHANGE_PRIORITY and referral.worklist_since is not None:
        began = referral.worklist_since.astimezone(HOME_ZONE).date()
        _redate(work, referral, due, contact_by(worklist, referral.priority, began, bank_holidays(), shortened))
        return
    if appointment is None and referral.state is ReferralState.BOOKED:
        appointment = _appointment_day(work, referral)
    if appointment is not None:
        if worklist is Worklist.APPOINTMENTS_BOOKED:
            due = contact_by(worklist, referral.priority, max(appointment, since), bank_holidays(), shortened)
        else:
            due = max(since, min(due, appointment))
    referral.worklist_since, referral.worklist_due, referral.escalated_at = work.now, due, None


def _redate(work: Work, referral: Referral, from_now: date, from_start: date) -> None:
    """Another priority brings the due date forward, or back to what it would have been, and never puts it off."""
    due = from_now if referral.worklist_due is None else min(from_now, max(referral.worklist_due, from_start))
    referral.worklist_due = due
    if due >= work.today:
        referral.escalated_at = None


def _appointment_day(work: Work, referral: Referral) -> date | None:
    booked = select(Slot.local_date).join(Booking, Booking.slot_id == Slot.id)
    return work.session.scalar(
        booked.where(Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED).limit(1)
    )


def _unlist(work: Work, referral: Referral, owner: int | None) -> None:
    """Nothing is left to do; but a practice is told when somebody else cancelled its referral (e-RS worklists)."""
    outside = referral.state is ReferralState.CANCELLED_REFERRAL and work.actor.organisation_id != referral.practice_id
    if outside:
        worklist = Worklist.CANCELLED_OR_DID_NOT_ATTEND
        referral.worklist, referral.worklist_organisation_id = worklist, referral.practice_id
        referral.worklist_since, referral.escalated_at = work.now, None
        referral.worklist_due = contact_by(worklist, referral.priority, work.today, bank_holidays())
        return
    referral.worklist = referral.worklist_organisation_id = referral.worklist_since = None
    referral.worklist_due = referral.escalated_at = None


def _move_clock(work: Work, referral: Referral, before: ReferralState, action: Action) -> None:
    if before is referral.state is ReferralState.DRAFT:
        return  # whatever is done to a draft, nothing was referred yet
    if before is ReferralState.DRAFT and referral.state not in TERMINAL:
        _write_tick(work, referral, Tick(ClockChange.START, "The referral was made"), referral.rtt_clock_start)
        return
    if action is Action.REBOOK_AFTER_NON_ATTENDANCE and referral.rtt_clock_state is ClockState.NULLIFIED:
        # The new clock starts when the patient books; until then the planner counts from today.
        _restart(work, referral, work.today)
        return
    first = action is Action.RECORD_DID_NOT_ATTEND and _first_appointment(work, referral)
    tick = clock_change(action, referral.state, referral.rtt_clock_state, first_appointment=first)
    if tick is None:
        return
    on = work.today
    if tick.change is ClockChange.START:
        if action is Action.RECORD_ATTENDED:
            on = _last_start(work, referral) or on
        _restart(work, referral, on)
        referral.rtt_clock_state, referral.rtt_clock_stopped_on = ClockState.RUNNING, None
    else:
        stopped = ClockState.STOPPED if tick.change is ClockChange.STOP else ClockState.NULLIFIED
        referral.rtt_clock_state, referral.rtt_clock_stopped_on = stopped, on
    _write_tick(work, referral, tick, on)


def _restart(work: Work, referral: Referral, on: date) -> None:
    targets = current_policy(work.session, work.today).target_days
    referral.rtt_clock_start, referral.due_date = on, due_date(on, referral.priority, targets)


def _write_tick(work: Work, referral: Referral, tick: Tick, on: date) -> None:
    last = work.session.scalar(select(func.max(ClockEvent.sequence)).where(ClockEvent.referral_id == referral.id))
    work.session.add(
        ClockEvent(
            referral_id=referral.id, sequence=(last or 0) + 1, change=tick.change, on_date=on, reason=tick.reason,
            event_sequence=referral.version, at=work.now,
        )
    )  # fmt: skip


def _first_appointment(work: Work, referral: Referral) -> bool:
    attended = select(Booking.id).where(
        Booking.referral_id == referral.id, Booking.state == BookingState.ATTENDED, Booking.starts_at < work.now
    )
    return work.session.scalar(attended.limit(1)) is None


def _last_start(work: Work, referral: Referral) -> date | None:
    query = select(ClockEvent.on_date).where(
        ClockEvent.referral_id == referral.id, ClockEvent.change == ClockChange.START
    )
    return work.session.scalar(query.order_by(ClockEvent.sequence.desc()).limit(1))
