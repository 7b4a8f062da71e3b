"""Checking an ID token: signature, issuer, audience, times, nonce (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from booking.openid.errors import TokenInvalid

PublicKey = RSAKey | ECKey | OKPKey
ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
]  # fmt: skip
"""Signatures with a key pair only. ``none`` anybody can write, and an HMAC's key would be the provider's public key."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
LONGEST_SUBJECT = 255


class UnknownKey(TokenInvalid):
    """No key we know has the token's ``kid``: the provider may have changed its keys."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the ID token must say."""

    issuer: str
    client_id: str
    nonce: str


def key_id(token: str) -> str | None:
    """The ``kid`` a token names. Nothing of it is proved yet."""
    try:
        found = jws.extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError, TypeError) as error:
        raise TokenInvalid("not a signed token") from error
    return found if isinstance(found, str) else None


def check_id_token(
    token: str, keys: Sequence[PublicKey], expected: Expected, *, access_token: str | None, now: datetime
) -> dict[str, Any]:
    """The claims of a token that is the answer to our question; else :class:`TokenInvalid`."""
    named = key_id(token)
    candidates = [key for key in keys if named is None or key.kid == named]
    if not candidates:
        raise UnknownKey("no such key")
    read = _read(token, candidates)
    claims = CodeIDToken(
        read.claims,
        read.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": expected.nonce},
        },
        params={"nonce": expected.nonce, "client_id": expected.client_id, "access_token": access_token},
    )
    try:
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
    except (JoseError, ValueError, TypeError) as error:
        raise TokenInvalid(f"claims: {error}") from error
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise TokenInvalid("sub")
    return dict(claims)


def _read(token: str, keys: Sequence[PublicKey]) -> jwt.Token:
    failure: Exception | None = None
    for key in keys:
        try:
            return jwt.decode(token, key, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError) as error:
            failure = error
    raise TokenInvalid("signature") from failure


def public_keys(document: Mapping[str, Any]) -> list[PublicKey]:
    """The keys of a JWKS that can check signatures; keys of other kinds, and broken ones, are passed over."""
    kinds: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    found: list[PublicKey] = []
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else []:
        kind = kinds.get(str(entry.get("kty"))) if isinstance(entry, dict) else None
        if kind is None or entry.get("use", "sig") != "sig":
            continue
        try:
            found.append(kind.import_key(entry))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return found
