"""How a message leaves: printed, into a folder, by SMTP with TLS, by a text gateway or by GOV.UK Notify.

A transport is opened for a batch and sends one message after another. It raises :class:`Undeliverable` where trying
again is no use, and anything else where it may be.
"""

from __future__ import annotations

from pathlib import Path

from booking.config import Config
from booking.domain.words import Channel
from booking.messaging.base import Console, Message, TextFolder, Transport, Undeliverable
from booking.messaging.mail import Folder, Smtp

__all__ = ["Console", "Folder", "Message", "Smtp", "TextFolder", "Transport", "Undeliverable", "Ways", "ways"]

Ways = dict[Channel, Transport]
"""What can leave from here, by channel; a letter is no transport: people post it."""


def ways(config: Config) -> Ways:
    """The transports that the settings name."""
    found: Ways = {Channel.EMAIL: _mail(config)}
    if (texts := _texts(config)) is not None:
        found[Channel.SMS] = texts
    return found


def _mail(config: Config) -> Transport:
    kind, _, rest = config.messages.partition(":")
    match kind:
        case "file":
            return Folder(Path(rest), config.mail_from)
        case "smtp" | "smtps":
            return Smtp(config.messages, config.mail_from)
        case "notify":
            from booking.messaging.web import Notify

            return Notify(config.notify_url, config.notify_key, config.notify_email_template, sms=False)
    return Console()


def _texts(config: Config) -> Transport | None:
    kind, _, rest = config.sms.partition(":")
    match kind:
        case "":
            return None
        case "console":
            return Console()
        case "file":
            return TextFolder(Path(rest))
    from booking.messaging.web import Notify, SmsGateway

    if kind == "notify":
        return Notify(config.notify_url, config.notify_key, config.notify_sms_template, sms=True)
    return SmsGateway(config.sms, config.sms_token)
