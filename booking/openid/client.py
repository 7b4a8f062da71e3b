"""One provider as we talk to it: discovery, the way there, and what comes back for a code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign

from booking.config import OpenIdProvider
from booking.openid import keys
from booking.openid.errors import ProviderRefused, ProviderUnavailable, TokenInvalid
from booking.openid.tokens import Expected, PublicKey, UnknownKey, check_id_token, public_keys

TIMEOUT = (3.05, 5)
"""Seconds to connect and to wait for an answer: somebody is waiting on the page."""
LONGEST_ANSWER = 512 * 1024
KEEP = timedelta(hours=1)
"""How long discovery and keys are believed."""
KEYS_AGAIN = timedelta(seconds=30)
"""How soon keys are asked for again when a token names one we do not know."""
ASSERTION_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one sign-in must come back with."""

    state: str
    nonce: str
    verifier: str
    """PKCE; the provider is sent only its SHA-256."""
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Identified:
    """Somebody the provider vouches for."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    metadata: dict[str, Any]
    keys: list[PublicKey]
    at: datetime


class OpenIdClient:
    """Remembers discovery and keys for an hour. Threads may share it: at worst two ask at once for the same."""

    def __init__(self, provider: OpenIdProvider) -> None:
        self.provider = provider
        self._known: _Known | None = None

    def authorization_url(self, attempt: Attempt, now: datetime) -> str:
        """Where to send the browser."""
        extra = {"vtr": self.provider.vectors_of_trust} if self.provider.vectors_of_trust else {}
        with self._session(now) as session:
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint", now), state=attempt.state, nonce=attempt.nonce,
                code_verifier=attempt.verifier, redirect_uri=attempt.redirect_uri, **extra,
            )  # fmt: skip
        return cast(str, url)

    def identify(self, attempt: Attempt, code: str, now: datetime) -> Identified:
        """Turn a code into somebody: the code is exchanged, the ID token checked, further claims fetched."""
        tokens = self._exchange(attempt, code, now)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise TokenInvalid("the answer holds no ID token")
        claims = self._check(id_token, access_token, attempt, now)
        return Identified(self.provider.issuer, claims["sub"], {**self._userinfo(access_token, claims, now), **claims})

    def _check(self, id_token: str, access_token: str, attempt: Attempt, now: datetime) -> dict[str, Any]:
        expected = Expected(self.provider.issuer, self.provider.client_id, attempt.nonce)
        known = self._discover(now)
        try:
            return check_id_token(id_token, known.keys, expected, access_token=access_token, now=now)
        except UnknownKey:
            if known.at + KEYS_AGAIN > now:
                raise
        known = self._discover(now, afresh=True)
        return check_id_token(id_token, known.keys, expected, access_token=access_token, now=now)

    def _exchange(self, attempt: Attempt, code: str, now: datetime) -> dict[str, Any]:
        endpoint = self._endpoint("token_endpoint", now)
        with self._session(now) as session:
            try:
                return dict(
                    session.fetch_token(
                        endpoint, grant_type="authorization_code", code=code, redirect_uri=attempt.redirect_uri,
                        code_verifier=attempt.verifier, allow_redirects=False,
                    )
                )  # fmt: skip
            except AuthlibBaseError as error:
                raise ProviderRefused(str(error.error)[:60]) from error
            except (requests.RequestException, ValueError) as error:
                raise ProviderUnavailable(f"token endpoint: {type(error).__name__}") from error

    def _userinfo(self, access_token: str, claims: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """What the provider tells only there. It must be about the same person."""
        endpoint = self._discover(now).metadata.get("userinfo_endpoint")
        if not endpoint:
            return {}
        url = self._endpoint("userinfo_endpoint", now)
        found = self._get(url, headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:
            raise TokenInvalid("userinfo is about somebody else")
        return found

    def _session(self, now: datetime) -> OAuth2Session:
        """A session for one exchange, with our credentials as the provider wants them."""
        own = self.provider
        session = OAuth2Session(
            own.client_id, own.private_key or own.client_secret, scope=own.scope, code_challenge_method="S256",
            token_endpoint_auth_method="private_key_jwt" if own.private_key else "client_secret_basic",
            default_timeout=TIMEOUT,
        )  # fmt: skip
        if own.private_key:
            offered = self._discover(now).metadata.get("token_endpoint_auth_signing_alg_values_supported")
            session.register_client_auth_method(_Assertion(own, offered, now))
        return session

    def _endpoint(self, name: str, now: datetime) -> str:
        """An endpoint of the provider: over TLS, unless the provider is on this very machine."""
        url = self._discover(now).metadata.get(name)
        scheme = urlsplit(self.provider.issuer).scheme
        if not isinstance(url, str) or urlsplit(url).scheme not in {"https", scheme}:
            raise ProviderUnavailable(f"{name} is missing or not https")
        return url

    def _discover(self, now: datetime, *, afresh: bool = False) -> _Known:
        known = self._known
        if known is not None and not afresh and known.at <= now < known.at + KEEP:
            return known
        metadata = self._get(f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != self.provider.issuer:
            raise ProviderUnavailable("discovery names another issuer")
        where = metadata.get("jwks_uri")
        if not isinstance(where, str):
            raise ProviderUnavailable("discovery names no keys")
        self._known = _Known(metadata, public_keys(self._get(where)), now)
        return self._known

    @staticmethod
    def _get(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A JSON object from the provider. No redirect is followed; an answer beyond all measure is not read."""
        try:
            with requests.get(url, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
                if answer.status_code != 200:
                    raise ProviderUnavailable(f"{urlsplit(url).path} answers {answer.status_code}")
                body = b""
                for part in answer.iter_content(64 * 1024):
                    body += part
                    if len(body) > LONGEST_ANSWER:
                        raise ProviderUnavailable("the answer is too long")
                found = json.loads(body)
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise ProviderUnavailable(f"{urlsplit(url).path}: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise ProviderUnavailable("the answer is not an object")
        return found


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]
    """``private_key_jwt`` (RFC 7523) that names its key and lives two minutes only."""

    def __init__(self, provider: OpenIdProvider, offered: object, now: datetime) -> None:
        self.key = keys.private_key(provider.private_key or "")
        self.key_id = provider.key_id or self.key.thumbprint()
        self.issued_at = int(now.timestamp())
        super().__init__(alg=keys.algorithm(self.key, offered))

    def sign(self, auth: Any, token_endpoint: str) -> str:
        signed = private_key_jwt_sign(
            self.key, auth.client_id, token_endpoint, alg=self.alg, header={"kid": self.key_id, "typ": "JWT"},
            issued_at=self.issued_at, expires_in=ASSERTION_SECONDS,
        )  # fmt: skip
        return cast(str, signed)
