"""Who may come in: staff accounts and their roles, patients' access codes, sessions, throttling."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from booking.db import Base
from booking.domain.words import Relation, Role
from booking.models.columns import BigKey, Key, enum, fk


class AccessCode(Base):
    """The patient's secret for one referral: only its keyed hash is stored, at most one is live."""

    __tablename__ = "access_code"
    __table_args__ = (
        Index(
            "uq_access_code_live",
            "referral_id",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    referral_id: Mapped[int] = mapped_column(BigKey, fk("referral.id"))
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Account(Base):
    """A member of staff, or a system client (which has no password, only tokens, and never signs in)."""

    __tablename__ = "account"
    id: Mapped[Key]
    username: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    system_client: Mapped[bool] = mapped_column(default=False)
    password_temporary: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Somebody else knows the password: it lets in only to choose another."""


class ExternalIdentity(Base):
    """Somebody as an OpenID provider knows them: a member of staff or a patient."""

    __tablename__ = "external_identity"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        CheckConstraint("(account_id IS NULL) <> (patient_id IS NULL)", name="one_person"),
    )
    id: Mapped[Key]
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    account_id: Mapped[int | None] = mapped_column(BigKey, fk("account.id"), index=True)
    patient_id: Mapped[int | None] = mapped_column(BigKey, fk("patient.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class AccountRole(Base):
    """A role somebody holds at an organisation, or held: a withdrawn one keeps its row. People may hold several."""

    __tablename__ = "account_role"
    __table_args__ = (UniqueConstraint("account_id", "organisation_id", "role"),)
    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(BigKey, fk("account.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(BigKey, fk("organisation.id"), index=True)
    role: Mapped[Role] = mapped_column(enum(Role))
    withdrawn_at: Mapped[datetime | None]


class AuthSession(Base):
    """Somebody signed in, on a page or by bearer token. Only the token's hash is stored; revocable here."""

    __tablename__ = "auth_session"
    __table_args__ = (CheckConstraint("(account_role_id IS NULL) <> (referral_id IS NULL)", name="one_principal"),)
    id: Mapped[Key]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_role_id: Mapped[int | None] = mapped_column(BigKey, fk("account_role.id"), index=True)
    referral_id: Mapped[int | None] = mapped_column(BigKey, fk("referral.id"), index=True)
    patient_id: Mapped[int | None] = mapped_column(BigKey, fk("patient.id"))
    """Set where the patient proved who they are: they may go from one of their referrals to another."""
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    idle_minutes: Mapped[int | None]
    """None for tokens of system clients, which have no idle limit."""
    revoked_at: Mapped[datetime | None]


class ActingPerson(Base):
    """Somebody who does things for a patient in a session of the patient's: a daughter, a carer, a receptionist.

    What they do is recorded under this row's key (``booking.services.acting``), so that the name can go when the
    record's time of keeping is over, which it could not from the audit trail.
    """

    __tablename__ = "acting_person"
    __table_args__ = (
        Index(
            "uq_acting_person_now",
            "session_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    session_id: Mapped[int] = mapped_column(BigKey, fk("auth_session.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    relation: Mapped[Relation] = mapped_column(enum(Relation))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """Failed sign-ins in a window of time, counted per (name, address) and per address."""

    __tablename__ = "sign_in_attempt"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_start: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)
