"""What the secret key is used for: keyed hashes of codes and tokens, and a box for stored answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet

from booking.domain.ids import CODE_ALPHABET

_HASHER = PasswordHasher()
_DUMMY = _HASHER.hash(secrets.token_urlsafe(16))


class Keys:
    """Everything derived from one secret. Different purposes never share a key."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(self._derive("box")))

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).digest()

    def hash(self, purpose: str, *parts: str) -> str:
        """HMAC-SHA256 in hex: 64 characters. Without the key a stolen table can't be searched for codes."""
        message = "\x1f".join(parts).encode()
        return hmac.new(self._derive(purpose), message, hashlib.sha256).hexdigest()

    def seal(self, data: bytes) -> bytes:
        return self._fernet.encrypt(data)

    def open(self, data: bytes) -> bytes:
        return self._fernet.decrypt(data)


def new_token() -> str:
    """256 bits, for sessions and system clients."""
    return secrets.token_urlsafe(32)


def readable_password() -> str:
    """Four groups of four letters and digits that nobody mixes up: 71 bits."""
    groups = ("".join(secrets.choice(CODE_ALPHABET.lower()) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def password_matches(stored: str | None, given: str) -> bool:
    """Argon2 check that takes as long for an account that does not exist as for one that does."""
    try:
        _HASHER.verify(stored or _DUMMY, given)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
