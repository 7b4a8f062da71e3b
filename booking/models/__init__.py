"""Tables and their constraints, no behaviour. What SQLAlchemy can't say (exclusion constraints, triggers)
stands in the migrations and is proved by ``tests/test_database_refuses.py``."""

from booking.db import Base
from booking.models.access import AccessCode, Account, AccountRole, AuthSession, SignInAttempt
from booking.models.directory import (
    ClinicType,
    CommissioningRule,
    Organisation,
    Postcode,
    Practitioner,
    Service,
    ServiceClinicType,
    ServicePriority,
    Site,
    Specialty,
)
from booking.models.planning import Offer, PlanPrice, PlanRun, PolicyVersion
from booking.models.record import AuditEntry, AuditSeal, IdempotencyRecord, OutboxMessage
from booking.models.referring import Patient, Referral, ReferralEvent, ReferralService
from booking.models.slots import Booking, Publication, Slot

__all__ = [
    "AccessCode",
    "Account",
    "AccountRole",
    "AuditEntry",
    "AuditSeal",
    "AuthSession",
    "Base",
    "Booking",
    "ClinicType",
    "CommissioningRule",
    "IdempotencyRecord",
    "Offer",
    "Organisation",
    "OutboxMessage",
    "Patient",
    "PlanPrice",
    "PlanRun",
    "PolicyVersion",
    "Postcode",
    "Practitioner",
    "Publication",
    "Referral",
    "ReferralEvent",
    "ReferralService",
    "Service",
    "ServiceClinicType",
    "ServicePriority",
    "SignInAttempt",
    "Site",
    "Slot",
    "Specialty",
]
