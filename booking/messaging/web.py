"""Messages handed over by HTTP: a gateway for texts, and GOV.UK Notify for texts and e-mail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import requests

from booking.messaging.base import TIMEOUT_SECONDS, Message, Transport, Undeliverable

KEY_LENGTH = 36
"""Of a UUID in text; a Notify key ends with two of them, the service's and the secret."""


class NotTaken(Exception):  # reads better than NotTakenError
    """The other side did not take the message now; it is tried again. Says the status, never what was answered."""


def _hand_over(session: requests.Session, url: str, body: dict[str, object], headers: dict[str, str]) -> None:
    answer = session.post(url, json=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    if answer.status_code in (400, 404, 410, 422):
        # Of all that is refused, only these mean this message; 401, 403 and 429 are between the two systems.
        raise Undeliverable(f"the gateway refuses this message ({answer.status_code})")
    if not 200 <= answer.status_code < 300:
        raise NotTaken(str(answer.status_code))


class SmsGateway(Transport):
    """Posts ``{"to", "text", "reference"}`` as JSON with ``Authorization: Bearer`` and the event as idempotency key."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._session = requests.Session()

    def send(self, message: Message) -> None:
        headers = {"Idempotency-Key": message.key}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body: dict[str, object] = {"to": message.to, "text": message.text, "reference": message.key}
        _hand_over(self._session, self._url, body, headers)

    def close(self) -> None:
        self._session.close()


class Notify(Transport):
    """GOV.UK Notify, API version 2. Its template takes the whole message: ``((subject))`` and ``((body))``.

    Each request carries a JSON Web Token made with the key's secret (HS256), as Notify's documentation has it.
    """

    def __init__(self, url: str, key: str, template: str, *, sms: bool) -> None:
        self._url = f"{url}/v2/notifications/{'sms' if sms else 'email'}"
        self._service, self._secret = key[-2 * KEY_LENGTH - 1 : -KEY_LENGTH - 1], key[-KEY_LENGTH:]
        self._template, self._sms = template, sms
        self._session = requests.Session()

    def send(self, message: Message) -> None:
        said = {"body": message.text} if self._sms else {"subject": message.subject, "body": message.text}
        body: dict[str, object] = {
            ("phone_number" if self._sms else "email_address"): message.to,
            "template_id": self._template,
            "personalisation": said,
            "reference": message.key,
        }
        _hand_over(self._session, self._url, body, {"Authorization": f"Bearer {self.token(int(time.time()))}"})

    def token(self, now: int) -> str:
        """A JSON Web Token (RFC 7519) that names the service and the second it was made in."""
        parts = [_encoded({"typ": "JWT", "alg": "HS256"}), _encoded({"iss": self._service, "iat": now})]
        signed = hmac.new(self._secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _base64(signed)])

    def close(self) -> None:
        self._session.close()


def _encoded(part: dict[str, object]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
