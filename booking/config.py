"""Settings, read from the environment once, validated once, and never changed after."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from booking.domain import small_numbers

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "instance"

NOTIFY_URL = "https://api.notifications.service.gov.uk"
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class ConfigError(ValueError):
    """A setting is missing or wrong; the message names it."""


_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

LONGEST_WORDS = 300
"""Of what is printed on pages as it was set."""


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """An OpenID Connect provider that people may sign in with: ``OIDC_STAFF_…`` or ``OIDC_PATIENT_…``."""

    issuer: str
    """Its URL, exactly as it names itself; ``/.well-known/openid-configuration`` is found below it."""
    client_id: str
    name: str
    """On the button: "Sign in with …"."""
    private_key: str | None = field(default=None, repr=False)
    """PEM; signs the client's assertions (``private_key_jwt``)."""
    client_secret: str | None = field(default=None, repr=False)
    """Instead of a key (``client_secret_basic``)."""
    key_id: str | None = None
    """The ``kid`` under which the provider knows our key; the key's thumbprint (RFC 7638) where none is given."""
    scope: str = "openid profile email"
    claim: str = "email"
    """Staff: the claim that is the user name of the account. ``email`` counts only if ``email_verified``."""
    vectors_of_trust: str | None = None
    """Patients: sent as ``vtr``, a JSON list such as ``["P9.Cp.Cd"]``."""


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
    sms: str = ""
    """How texts leave: ``notify``, ``https://…`` (a gateway that takes JSON), ``console`` or ``file:FOLDER``; empty is
    not at all."""
    sms_token: str = field(default="", repr=False)
    notify_url: str = NOTIFY_URL
    notify_key: str = field(default="", repr=False)
    """GOV.UK Notify's API key: a name, the service's id and its secret, joined by dashes."""
    notify_email_template: str = ""
    notify_sms_template: str = ""
    attachments: str = f"disk:{INSTANCE / 'attachments'}"
    """Where attachments lie: ``disk:FOLDER`` or ``s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]``."""
    clamd: str = ""
    """ClamAV's daemon, ``tcp://host:port`` or ``unix:/path``; empty scans nothing."""
    plan_times: str = "02:00"
    """When the scheduler plans, local times separated by commas; empty never."""
    oidc_staff: OpenIdProvider | None = None
    oidc_patient: OpenIdProvider | None = None
    small_numbers: int = small_numbers.LEAST_ALLOWED
    """Reports tell no count of people below this; an odd number from 5 on."""
    operator_name: str = ""
    """Who runs the service, for the foot of every page and the pages on privacy and accessibility."""
    operator_contact: str = ""
    """Whom to write to or ring when a page does not work for somebody: an address, a number, as people read it."""
    dpo_contact: str = ""
    """Whom to ask about personal data, as people read it."""
    testing: bool = False

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:
            raise ConfigError("SECRET_KEY: needs at least 32 characters")
        for name in ("hold_minutes", "session_minutes", "access_code_days", "max_body_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name.upper()}: must be above zero")
        if self.trusted_proxies < 0:
            raise ConfigError("TRUSTED_PROXIES: must be zero or above")
        if not re.match(r"https?://[^/\s\[\]]", self.public_url):
            raise ConfigError("PUBLIC_URL: must be an address like https://booking.example.org")
        for name in ("operator_name", "operator_contact", "dpo_contact"):
            if len(getattr(self, name)) > LONGEST_WORDS:
                raise ConfigError(f"{name.upper()}: must have at most {LONGEST_WORDS} characters")
        if not re.fullmatch(r"console|notify|file:.+|smtps?://.+", self.messages):
            raise ConfigError("MESSAGES: must be console, file:FOLDER, smtp://host, smtps://host or notify")
        _check_letters(self)
        if not small_numbers.allowed(self.small_numbers):
            raise ConfigError(f"SMALL_NUMBERS: must be an odd number from {small_numbers.LEAST_ALLOWED} on")
        if not re.fullmatch(r"(([01]\d|2[0-3]):[0-5]\d(,|$))*", self.plan_times.replace(" ", "")):
            raise ConfigError("PLAN_TIMES: must be times like 02:00,13:30")


_NOTIFY_KEY = re.compile(r".*([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def _check_letters(config: Config) -> None:
    """How texts leave, where attachments lie and who looks into them."""
    if not re.fullmatch(r"|console|notify|file:.+|https://.+|http://(127\.0\.0\.1|localhost)[:/].*", config.sms):
        raise ConfigError("SMS: must be empty, console, file:FOLDER, notify or an https:// address")
    if not re.fullmatch(r"disk:.+|s3://[\w.-]+(/[\w./-]*)?(\?((endpoint|region)=[^&]+&?)+)?", config.attachments):
        raise ConfigError("ATTACHMENTS: must be disk:FOLDER or s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]")
    if not re.fullmatch(r"|tcp://[^/:]+:\d+|unix:/.+", config.clamd):
        raise ConfigError("CLAMD: must be tcp://host:port or unix:/path")
    _check_notify(config)


def _check_notify(config: Config) -> None:
    """What Notify needs is there, where it is used."""
    if "notify" not in (config.messages, config.sms):
        return
    if not _NOTIFY_KEY.fullmatch(config.notify_key):
        raise ConfigError("NOTIFY_KEY: must be an API key: a name, the service's id and its secret, joined by dashes")
    if config.messages == "notify" and not config.notify_email_template:
        raise ConfigError("NOTIFY_EMAIL_TEMPLATE: must be set beside MESSAGES=notify")
    if config.sms == "notify" and not config.notify_sms_template:
        raise ConfigError("NOTIFY_SMS_TEMPLATE: must be set beside SMS=notify")
    if not re.fullmatch(r"https://.+|http://(127\.0\.0\.1|localhost)(:\d+)?", config.notify_url):
        raise ConfigError("NOTIFY_URL: must be an https:// address")


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


def _openid_provider(env: Mapping[str, str], prefix: str, name: str, scope: str) -> OpenIdProvider | None:
    """The provider the settings of this prefix describe; None where there is no issuer."""
    given = {key.removeprefix(prefix): value.strip() for key, value in env.items() if key.startswith(prefix)}
    issuer = given.get("ISSUER", "")
    if not issuer:
        return None
    parts = urlsplit(issuer)
    if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))):
        raise ConfigError(f"{prefix}ISSUER: must be an https:// address")
    if not given.get("CLIENT_ID"):
        raise ConfigError(f"{prefix}CLIENT_ID: must be set beside {prefix}ISSUER")
    path, secret = given.get("PRIVATE_KEY_FILE"), given.get("CLIENT_SECRET")
    if bool(path) == bool(secret):
        raise ConfigError(f"{prefix}PRIVATE_KEY_FILE: set either this or {prefix}CLIENT_SECRET")
    return OpenIdProvider(
        issuer=issuer,
        client_id=given["CLIENT_ID"],
        name=given.get("NAME") or name,
        private_key=_private_key(Path(path), f"{prefix}PRIVATE_KEY_FILE") if path else None,
        client_secret=secret or None,
        key_id=given.get("KEY_ID") or None,
        scope=given.get("SCOPE") or scope,
        claim=given.get("CLAIM") or "email",
        vectors_of_trust=given.get("VTR") or None,
    )


def _private_key(path: Path, name: str) -> str:
    try:
        pem = path.read_text(encoding="ascii")
        load_pem_private_key(pem.encode(), password=None)
    except (OSError, ValueError, TypeError):
        raise ConfigError(f"{name}: {path} is not a private key in PEM that can be read, without a password") from None
    return pem


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
        small_numbers=_integer(env, "SMALL_NUMBERS", small_numbers.LEAST_ALLOWED),
        max_body_bytes=_integer(env, "MAX_BODY_BYTES", 6 * 1024 * 1024),
        public_url=env.get("PUBLIC_URL", "").strip().rstrip("/") or "http://127.0.0.1:8000",
        messages=env.get("MESSAGES", "").strip() or "console",
        mail_from=env.get("MAIL_FROM", "").strip() or "choose-and-book@localhost",
        sms=env.get("SMS", "").strip(),
        sms_token=env.get("SMS_TOKEN", "").strip(),
        notify_url=env.get("NOTIFY_URL", "").strip().rstrip("/") or NOTIFY_URL,
        notify_key=env.get("NOTIFY_KEY", "").strip(),
        notify_email_template=env.get("NOTIFY_EMAIL_TEMPLATE", "").strip(),
        notify_sms_template=env.get("NOTIFY_SMS_TEMPLATE", "").strip(),
        attachments=env.get("ATTACHMENTS", "").strip() or f"disk:{INSTANCE / 'attachments'}",
        clamd=env.get("CLAMD", "").strip(),
        plan_times=env.get("PLAN_TIMES", "02:00").strip(),
        operator_name=env.get("OPERATOR_NAME", "").strip(),
        operator_contact=env.get("OPERATOR_CONTACT", "").strip(),
        dpo_contact=env.get("DPO_CONTACT", "").strip(),
        oidc_staff=_openid_provider(env, "OIDC_STAFF_", "your organisation’s account", "openid profile email"),
        oidc_patient=_openid_provider(env, "OIDC_PATIENT_", "your health account", "openid profile"),
    )
