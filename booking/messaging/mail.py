"""How a message leaves: printed, written to a folder, or by SMTP with TLS.

A transport is opened for a batch and sends one message after another. It raises :class:`Undeliverable` where trying
again is no use, and anything else where it may be.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from booking.config import Config, ConfigError

TIMEOUT_SECONDS = 20


class Undeliverable(Exception):  # reads better than UndeliverableError
    """This message can never be delivered to this recipient; the text says why and names nobody."""


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves. ``key`` is stable for one event, so that the recipient's side knows a repetition."""

    key: str
    to: str
    subject: str
    text: str

    @property
    def message_id(self) -> str:
        return f"<{hashlib.sha256(self.key.encode()).hexdigest()[:32]}@choose-and-book>"


class Transport(ABC):
    """Sends messages between ``with`` and its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  # most have nothing to close
        pass

    @abstractmethod
    def send(self, message: Message) -> None:
        """Hand the message over; returning means that somebody else now has it."""


class Console(Transport):
    """Prints that a message left, and to whom it is of use: for development."""

    def send(self, message: Message) -> None:
        print(f"To: {message.to}\nSubject: {message.subject}\n\n{message.text}\n", file=sys.stderr, flush=True)


class Folder(Transport):
    """One file for each event; the same event writes the same file again."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder, self._sender = folder, sender
        folder.mkdir(parents=True, exist_ok=True)

    def send(self, message: Message) -> None:
        name = message.message_id.strip("<>").partition("@")[0]
        part = self._folder / f"{name}.part"
        part.write_bytes(bytes(mail(message, self._sender)))
        part.replace(self._folder / f"{name}.eml")


class Smtp(Transport):
    """SMTP, always encrypted, the server's certificate checked. Reconnects after a failure."""

    def __init__(self, url: str, sender: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ConfigError("MESSAGES: the SMTP address has no host")
        self._implicit = parts.scheme == "smtps"
        self._host, self._port = parts.hostname, parts.port or (465 if self._implicit else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._context = sender, context or ssl.create_default_context()
        self._server: smtplib.SMTP | None = None

    def send(self, message: Message) -> None:
        server = self._server or self._connect()
        try:
            server.send_message(mail(message, self._sender))
        except smtplib.SMTPRecipientsRefused as error:
            if all(code >= 500 for code, _ in error.recipients.values()):
                raise Undeliverable("the mail server refuses this recipient") from error
            raise
        except (smtplib.SMTPServerDisconnected, OSError):
            self.close()
            raise

    def _connect(self) -> smtplib.SMTP:
        if self._implicit:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            if not self._implicit:
                server.starttls(context=self._context)  # raises where the server has no TLS: nothing in the clear
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        self._server = server
        return server

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()


def mail(message: Message, sender: str) -> EmailMessage:
    """As an e-mail; :class:`Undeliverable` where the address is none."""
    made = EmailMessage()
    try:
        made["To"] = Address(addr_spec=message.to)
    except (ValueError, IndexError, MessageError) as error:
        raise Undeliverable("the address is not an e-mail address") from error
    made["From"] = sender
    made["Subject"] = message.subject
    made["Message-ID"] = message.message_id
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    return made


def transport(config: Config) -> Transport:
    """The transport that the settings name."""
    kind, _, rest = config.messages.partition(":")
    if kind == "file":
        return Folder(Path(rest), config.mail_from)
    if kind in ("smtp", "smtps"):
        return Smtp(config.messages, config.mail_from)
    return Console()
