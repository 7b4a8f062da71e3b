"""E-mail: as a message in the standard form, in a folder, and by SMTP with TLS."""

from __future__ import annotations

import smtplib
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from booking.config import ConfigError
from booking.messaging.base import TIMEOUT_SECONDS, Message, Transport, Undeliverable


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
