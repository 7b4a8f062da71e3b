"""Who did something to a referral, as its patient is told: themselves, somebody for them, their practice, a clinic."""

from __future__ import annotations

from collections.abc import Mapping

from booking.domain.words import COMMISSIONERS, PROVIDERS, REFERRERS, Relation, Role
from booking.languages import _
from booking.models import ReferralEvent
from booking.services.work import Acting
from booking.web.spoken import gettext

RELATIONS: dict[Relation, str] = {
    Relation.PARTNER: _("wife, husband or partner"),
    Relation.CHILD: _("daughter or son"),
    Relation.PARENT: _("mother or father"),
    Relation.FAMILY: _("somebody of the family"),
    Relation.FRIEND: _("friend or neighbour"),
    Relation.CARER: _("carer or support worker"),
    Relation.STAFF: _("works at a practice or service"),
    Relation.OTHER: _("somebody else"),
}
YOU = _("You")
PRACTICE = _("Your GP practice, for you")
CLINIC = _("The clinic")
COMMISSIONER = _("The commissioner")
BY_ITSELF = _("The booking system")
SOMEBODY = _("{name} ({relation}), for you")


def relation(one: Relation) -> str:
    """What somebody is to the patient, in the language of the page."""
    return gettext(RELATIONS[one])


def by_whom(role: Role, actor: str, helpers: Mapping[str, Acting]) -> str:
    """``You``, ``Bo (daughter or son), for you``, ``Your GP practice, for you``."""
    if role is Role.PATIENT:
        helper = helpers.get(actor)
        if helper is None:
            return gettext(YOU)
        return gettext(SOMEBODY).format(name=helper.name, relation=relation(helper.relation))
    if role in REFERRERS:
        return gettext(PRACTICE)
    if role in PROVIDERS:
        return gettext(CLINIC)
    return gettext(COMMISSIONER if role in COMMISSIONERS else BY_ITSELF)


STAFF = {
    Role.REFERRING_CLINICIAN: _("A clinician of your practice"),
    Role.REFERRING_ADMIN: _("Your practice’s office"),
    Role.PROVIDER_CLINICIAN: _("A clinician of the clinic"),
    Role.PROVIDER_ADMIN: _("The clinic’s office"),
    Role.SERVICE_DEFINER: _("The clinic’s office"),
    Role.COMMISSIONER: COMMISSIONER,
    Role.INFORMATION_ANALYST: COMMISSIONER,
}


def staff(role: Role) -> str:
    """Who among the staff, by role: the patient is not told their names."""
    return gettext(STAFF.get(role, BY_ITSELF))


def of_event(event: ReferralEvent, helpers: Mapping[str, Acting]) -> str:
    """Who did what the event tells; ``helpers`` are those of :mod:`booking.services.history`."""
    return by_whom(event.role, event.actor, helpers)
