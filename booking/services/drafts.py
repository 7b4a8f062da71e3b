"""Referrals that were kept and not sent yet: changed, and thrown away. Sending one is an action like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.errors import IllegalTransition, StaleVersion
from booking.domain.referral import ReferralState
from booking.domain.words import Priority
from booking.models import Referral
from booking.services import audit, referrals
from booking.services.life.pieces import checked, set_priority, set_shortlist
from booking.services.transitions import relist
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a draft can still be changed."""

    priority: Priority
    reason: str
    clinical_information: str
    shortlist: Sequence[int]
    named_practitioner: str | None = None


def _lock(work: Work, ubrn: str, action: str, version: int) -> Referral:
    """The draft, locked; :class:`IllegalTransition` once it was sent, :class:`StaleVersion` if it is another by now."""
    draft = referrals.lock_referral(work, ubrn)
    if draft.state is not ReferralState.DRAFT:
        raise IllegalTransition(draft.state, action)
    if draft.version != version:
        raise StaleVersion("The draft has changed since you read it. Read it again and repeat.")
    return draft


def save(work: Work, ubrn: str, kept: Kept, *, version: int) -> Referral:
    """Keep the draft as it is now; :class:`Invalid` where a service can't be on its shortlist."""
    draft = _lock(work, ubrn, "SAVE", version)
    practitioner = referrals.named_practitioner(work, kept.named_practitioner)
    draft.named_practitioner_id = practitioner.id if practitioner else None
    services = checked(work, draft, kept.shortlist, kept.priority)
    draft.reason, draft.clinical_information = kept.reason.strip(), kept.clinical_information
    set_priority(work, draft, kept.priority)
    set_shortlist(work, draft, services)
    draft.version += 1
    relist(work, draft)
    detail = {"priority": kept.priority, "shortlist": [service.id for service in services]}
    audit.record(work, f"referral:{draft.id}", "referral.save", after=detail)
    work.session.flush()
    return referrals.own_referral(work, draft.ubrn)


def discard(work: Work, ubrn: str, *, version: int) -> Referral:
    """Throw the draft away. One that was sent meanwhile stays: its patient may have a time already."""
    _lock(work, ubrn, "DISCARD", version)
    return referrals.cancel_referral(work, ubrn, reason="RAISED_IN_ERROR", comment="The draft was discarded")
