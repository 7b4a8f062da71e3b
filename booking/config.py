"""Settings, read from the environment once, validated once, and never changed after."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class ConfigError(ValueError):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the operator may set. ``docs/operations.md`` lists each with its default."""

    database_url: str
    secret_key: str
    """Signs cookies and keys the hashes of access codes and tokens; 32 characters or more."""
    demo: bool = False
    """The demo region's sign-ins are shown on the front page."""
    allow_test_nhs_numbers: bool = False
    """Accept NHS numbers that fail mod-11: test systems only (domain rule 15)."""
    cookie_secure: bool = True
    trusted_proxies: int = 0
    """How many reverse proxies stand in front (X-Forwarded-For is believed from that many)."""
    hold_minutes: int = 10
    """How long a slot is kept for a patient who has chosen it and not yet confirmed."""
    session_minutes: int = 30
    """Idle limit of a signed-in session; the absolute limit is twelve hours."""
    access_code_days: int = 180
    max_body_bytes: int = 6 * 1024 * 1024
    public_url: str = "http://127.0.0.1:8000"
    """Where patients and staff find the pages; stands in messages."""
    messages: str = "console"
    """How messages leave: ``console``, ``file:FOLDER``, ``smtp://[user:password@]host[:port]`` (STARTTLS, refused
    without) or ``smtps://…`` (TLS from the first byte)."""
    mail_from: str = "choose-and-book@localhost"
    plan_times: str = "02:00"
    """When the scheduler plans, local times separated by commas; empty never."""
    testing: bool = False

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:
            raise ConfigError("SECRET_KEY: needs at least 32 characters")
        for name in ("hold_minutes", "session_minutes", "access_code_days", "max_body_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name.upper()}: must be above zero")
        if not re.fullmatch(r"console|file:.+|smtps?://.+", self.messages):
            raise ConfigError("MESSAGES: must be console, file:FOLDER, smtp://host or smtps://host")
        if not re.fullmatch(r"(([01]\d|2[0-3]):[0-5]\d(,|$))*", self.plan_times.replace(" ", "")):
            raise ConfigError("PLAN_TIMES: must be times like 02:00,13:30")


def _boolean(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name)
    if text is None:
        return default
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ConfigError(f"{name}: {text!r} is neither true nor false")


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if text is None or not text.strip():
        return default
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}: {text!r} is not a whole number") from None


def normalise_url(url: str) -> str:
    """Accept the ``postgres://`` and ``postgresql://`` spellings that hosts hand out; we speak psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    return url


def local_secret(instance: Path = INSTANCE) -> str:
    """A secret of this checkout's own, made on first use and kept in ``instance/`` (never committed)."""
    path = instance / "secret_key"
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def from_environment(env: Mapping[str, str] | None = None) -> Config:
    """Read :class:`Config` from environment variables; raise :class:`ConfigError` naming a bad one.

    With PostgreSQL ``SECRET_KEY`` must be given, since several machines must share it; the embedded
    default keeps its own beside the database file.
    """
    env = os.environ if env is None else env
    url = normalise_url(env.get("DATABASE_URL", "").strip()) or f"sqlite:///{INSTANCE / 'booking.db'}"
    sqlite = url.startswith("sqlite")
    secret = env.get("SECRET_KEY", "").strip()
    if not secret:
        if not sqlite:
            raise ConfigError("SECRET_KEY: must be set when DATABASE_URL is not the embedded database")
        secret = local_secret()
    return Config(
        database_url=url,
        secret_key=secret,
        demo=_boolean(env, "DEMO", False),
        allow_test_nhs_numbers=_boolean(env, "ALLOW_TEST_NHS_NUMBERS", False),
        cookie_secure=_boolean(env, "COOKIE_SECURE", not sqlite),
        trusted_proxies=_integer(env, "TRUSTED_PROXIES", 0),
        hold_minutes=_integer(env, "HOLD_MINUTES", 10),
        session_minutes=_integer(env, "SESSION_MINUTES", 30),
        access_code_days=_integer(env, "ACCESS_CODE_DAYS", 180),
        max_body_bytes=_integer(env, "MAX_BODY_BYTES", 6 * 1024 * 1024),
        public_url=env.get("PUBLIC_URL", "").strip().rstrip("/") or "http://127.0.0.1:8000",
        messages=env.get("MESSAGES", "").strip() or "console",
        mail_from=env.get("MAIL_FROM", "").strip() or "choose-and-book@localhost",
        plan_times=env.get("PLAN_TIMES", "02:00").strip(),
    )
