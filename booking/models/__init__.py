"""Tables and their constraints, no behaviour. What SQLAlchemy can't say (exclusion constraints, triggers)
stands in the migrations and is proved by ``tests/test_database_refuses.py``."""

from booking.db import Base
from booking.models.access import (
    AccessCode,
    Account,
    AccountRole,
    ActingPerson,
    AuthSession,
    ExternalIdentity,
    SignInAttempt,
)
from booking.models.advice import AdviceMessage, AdviceRequest, Attachment
from booking.models.directory import (
    ClinicType,
    CommissioningRule,
    Organisation,
    Postcode,
    Practitioner,
    Service,
    ServiceClinicType,
    ServicePractitioner,
    ServicePriority,
    Site,
    Specialty,
)
from booking.models.jobs import JobRun
from booking.models.planning import (
    FreedPlace,
    Offer,
    Pencil,
    PlanPrice,
    PlanRequest,
    PlanRun,
    PolicyPreview,
    PolicyVersion,
)
from booking.models.publishing import SessionTemplate, SlotUpload
from booking.models.record import AccessEntry, AuditEntry, AuditSeal, IdempotencyRecord, OutboxMessage
from booking.models.referring import ClockEvent, Patient, Referral, ReferralEvent, ReferralService
from booking.models.reports import ReportCopy
from booking.models.slots import Booking, ClinicCancellation, Publication, Slot

__all__ = [
    "AccessCode",
    "AccessEntry",
    "Account",
    "AccountRole",
    "ActingPerson",
    "AdviceMessage",
    "AdviceRequest",
    "Attachment",
    "AuditEntry",
    "AuditSeal",
    "AuthSession",
    "Base",
    "Booking",
    "ClinicCancellation",
    "ClinicType",
    "ClockEvent",
    "CommissioningRule",
    "ExternalIdentity",
    "FreedPlace",
    "IdempotencyRecord",
    "JobRun",
    "Offer",
    "Organisation",
    "OutboxMessage",
    "Patient",
    "Pencil",
    "PlanPrice",
    "PlanRequest",
    "PlanRun",
    "PolicyPreview",
    "PolicyVersion",
    "Postcode",
    "Practitioner",
    "Publication",
    "Referral",
    "ReferralEvent",
    "ReferralService",
    "ReportCopy",
    "Service",
    "ServiceClinicType",
    "ServicePractitioner",
    "ServicePriority",
    "SessionTemplate",
    "SignInAttempt",
    "Site",
    "Slot",
    "SlotUpload",
    "Specialty",
]
