"""What the application's own database role may do on PostgreSQL. It owns nothing and migrates nothing.

Beside the triggers, which refuse a change of the record to whoever comes through SQL, the role of the web
processes and the scheduler has not the privilege: ``UPDATE`` of an audit entry is "permission denied".
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from booking.models import (
    AccessEntry,
    AdviceMessage,
    AuditEntry,
    AuditSeal,
    Base,
    ClockEvent,
    IdempotencyRecord,
    JobRun,
    Pencil,
    ReferralEvent,
    ReferralService,
    ReportCopy,
    ServiceClinicType,
    ServicePractitioner,
    ServicePriority,
    SessionTemplate,
    SignInAttempt,
    SlotUpload,
)

APPEND_ONLY: frozenset[str] = frozenset(
    table.__tablename__ for table in (AccessEntry, AdviceMessage, AuditEntry, AuditSeal, ClockEvent, ReferralEvent)
)
"""Read and added to, nothing else."""
DELETABLE: frozenset[str] = frozenset(
    table.__tablename__
    for table in (
        IdempotencyRecord, JobRun, Pencil, ReferralService, ReportCopy, ServiceClinicType, ServicePractitioner,
        ServicePriority, SessionTemplate, SignInAttempt, SlotUpload,
    )
)  # fmt: skip
"""What is kept for a while only, and lists that are rewritten. Everything else stays for good."""


def _privileges(table: str) -> str:
    if table in APPEND_ONLY:
        return "SELECT, INSERT"
    return "SELECT, INSERT, UPDATE, DELETE" if table in DELETABLE else "SELECT, INSERT, UPDATE"


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def statements(role: str, *, schema: str = "public") -> list[str]:
    """The grants for a role, in order; whatever it had on the tables before is taken away first."""
    who, where = _quoted(role), _quoted(schema)
    made = [
        f"GRANT USAGE ON SCHEMA {where} TO {who}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {where} FROM {who}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {where} TO {who}",
        f"GRANT SELECT ON {where}.alembic_version TO {who}",
    ]
    names = sorted(table.name for table in Base.metadata.sorted_tables)
    return made + [f"GRANT {_privileges(name)} ON {where}.{_quoted(name)} TO {who}" for name in names]


def execute(connection: Connection, grants: Sequence[str]) -> None:
    """Run them as the tables' owner."""
    for statement in grants:
        connection.exec_driver_sql(statement)
