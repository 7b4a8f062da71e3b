"""Administration of one's own organisation: people, tokens, the record, messages and machinery; one's own account."""

from __future__ import annotations

from booking.domain.words import COMMISSIONERS, Role
from booking.edge.policy import Via, allow
from booking.services.people import MANAGERS

ADMINS = (Role.REFERRING_ADMIN, Role.PROVIDER_ADMIN, *sorted(COMMISSIONERS))
admins_only = allow(*ADMINS, via=Via.COOKIE)
managers_only = allow(*sorted(MANAGERS), via=Via.COOKIE)

MAY = {
    Role.REFERRING_CLINICIAN: "Refers patients, asks for advice, books for a patient, sees the practice’s referrals.",
    Role.REFERRING_ADMIN: "Refers on a clinician’s behalf, sees to letters; manages people and tokens.",
    Role.PROVIDER_CLINICIAN: "Reads referrals first, gives advice, sees the clinics and records what came of them.",
    Role.PROVIDER_ADMIN: "Publishes times, books, cancels and calls clinics off; manages people and tokens.",
    Role.SERVICE_DEFINER: "Says what each service takes, when, and who may refer to it.",
    Role.COMMISSIONER: "Sees waits and the plan without names; sets the policy and rules; manages people and tokens.",
    Role.INFORMATION_ANALYST: "Sees reports, the plan and the audit trail without names. Changes nothing.",
}
"""What each role is for, in a line."""
