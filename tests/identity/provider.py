"""An OpenID provider for tests: real HTTP on a port of its own, strict about everything a client must get right.

It enforces exact redirect URIs, PKCE with S256, single-use codes, and the client's credentials: ``private_key_jwt``
with issuer, subject, audience, expiry and a jti that was not seen before, or a secret in a Basic header. What it
answers can be spoilt on purpose (:class:`Spoil`), for a client must also survive a provider that lies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        return None


@dataclass
class Client:
    client_id: str
    redirect_uri: str
    public_key: RSAKey | ECKey | None = None
    secret: str | None = None


@dataclass
class Spoil:
    """What to get wrong, each for the next answers."""

    claims: dict[str, Any] = field(default_factory=dict)
    """Put into the ID token over what belongs there; None takes a claim out."""
    algorithm: str | None = None
    key: Any = None
    """Sign with another key than those the provider publishes."""
    userinfo: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    token_answer: Any = None
    """Instead of tokens: a body."""
    deny: bool = False
    """Answer ``access_denied`` as if the person had pressed Cancel."""


@dataclass
class Grant:
    redirect_uri: str
    challenge: str
    nonce: str
    subject: str
    used: bool = False


class Provider:
    """One issuer with one client. ``person`` is who is signed in there: the claims about them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.key = KEY
        self.client = Client("", "")
        self.person: dict[str, Any] = {"sub": "nobody"}
        self.in_id_token: tuple[str, ...] = ("email", "email_verified")
        """Which claims about the person stand in the ID token; the others only in userinfo."""
        self.spoil = Spoil()
        self.asked: list[dict[str, str]] = []
        """The parameters of each authorisation request."""
        self.refusals: list[str] = []
        self.token_requests = 0
        self._codes: dict[str, Grant] = {}
        self._access: dict[str, str] = {}
        self._seen: set[str] = set()
        self.port = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    @contextmanager
    def running(self) -> Iterator[Provider]:
        server = make_server("127.0.0.1", 0, self._app(), threaded=True, request_handler=Quiet)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def change_key(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    def _app(self) -> Flask:
        app = Flask("provider")
        app.before_request(lambda: Response("gone", 503) if self.spoil.down else None)
        app.add_url_rule("/realm/.well-known/openid-configuration", view_func=self.metadata)
        app.add_url_rule("/realm/keys", view_func=self.keys)
        app.add_url_rule("/realm/authorize", view_func=self.authorize)
        app.add_url_rule("/realm/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/realm/userinfo", view_func=self.userinfo)
        return app

    def metadata(self) -> Any:
        return jsonify({
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS512", "ES256"], **self.spoil.metadata,
        })  # fmt: skip

    def keys(self) -> Any:
        return jsonify({"keys": [self.key.as_dict(private=False), {"kty": "oct", "k": "c2VjcmV0", "kid": "odd"}]})

    def authorize(self) -> Any:
        given = request.args.to_dict()
        self.asked.append(given)
        if given.get("client_id") != self.client.client_id or given.get("redirect_uri") != self.client.redirect_uri:
            return self._no("redirect_uri or client_id", 400)  # never sent on to an address nobody registered
        back = {"state": given.get("state", ""), "iss": self.issuer}
        wrong = (
            given.get("response_type") != "code"
            or "openid" not in given.get("scope", "").split()
            or given.get("code_challenge_method") != "S256"
            or len(given.get("code_challenge", "")) != 43
            or len(given.get("nonce", "")) < 16
            or len(given.get("state", "")) < 16
        )
        if wrong:
            self.refusals.append(f"authorize: {given}")
            return redirect(f"{given['redirect_uri']}?{urlencode({**back, 'error': 'invalid_request'})}")
        if self.spoil.deny:
            return redirect(f"{given['redirect_uri']}?{urlencode({**back, 'error': 'access_denied'})}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = Grant(
            given["redirect_uri"], given["code_challenge"], given["nonce"], str(self.person["sub"])
        )  # fmt: skip
        return redirect(f"{given['redirect_uri']}?{urlencode({**back, 'code': code})}")

    def token(self) -> Any:
        self.token_requests += 1
        if self.spoil.token_answer is not None:
            return Response(self.spoil.token_answer, content_type="application/json")
        given = request.form
        why = self._client_refused()
        if why:
            return self._no(why, 401, "invalid_client")
        grant = self._codes.get(given.get("code", ""))
        if given.get("grant_type") != "authorization_code" or grant is None:
            return self._no("unknown code", 400, "invalid_grant")
        if grant.used:
            return self._no("the code was used before", 400, "invalid_grant")
        grant.used = True
        if given.get("redirect_uri") != grant.redirect_uri:
            return self._no("another redirect_uri", 400, "invalid_grant")
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if _base64(digest) != grant.challenge:
            return self._no("wrong verifier", 400, "invalid_grant")
        access = secrets.token_urlsafe(16)
        self._access[access] = grant.subject
        return jsonify(access_token=access, token_type="Bearer", expires_in=300, id_token=self._id_token(grant, access))

    def _client_refused(self) -> str:
        """Why the client's credentials are not good; empty if they are."""
        if self.client.secret is not None:
            given = request.authorization
            good = given is not None and given.type == "basic" and given.password == self.client.secret
            return "" if good and given and given.username == self.client.client_id else "wrong secret"
        if request.form.get("client_assertion_type") != ASSERTION or self.client.public_key is None:
            return "no assertion"
        try:
            read = jwt.decode(
                request.form.get("client_assertion", ""), self.client.public_key, algorithms=["RS512", "ES256"]
            )
        except (JoseError, ValueError) as error:
            return f"assertion: {error}"
        claims, now = read.claims, self.clock().timestamp()
        if not claims.get("iss") == claims.get("sub") == self.client.client_id:
            return "iss or sub"
        if claims.get("aud") != f"{self.issuer}/token":
            return "aud"
        if not now < claims.get("exp", 0) <= now + 300:
            return "exp"
        if not claims.get("jti") or claims["jti"] in self._seen:
            return "jti"
        if read.header.get("kid") != self.client.public_key.thumbprint():
            return "kid"
        self._seen.add(claims["jti"])
        return ""

    def _id_token(self, grant: Grant, access: str) -> str:
        now = int(self.clock().timestamp())
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            "iss": self.issuer, "sub": grant.subject, "aud": self.client.client_id, "iat": now, "exp": now + 300,
            "nonce": grant.nonce, "at_hash": _base64(half),
            **{name: value for name, value in self.person.items() if name in self.in_id_token}, **self.spoil.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        algorithm = self.spoil.algorithm or "RS256"
        if algorithm in ("none", "HS256"):  # no library would sign these for us
            head = {"alg": algorithm, "kid": self.key.kid}
            text = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
            secret = self.key.as_pem(private=False)
            proof = b"" if algorithm == "none" else hmac.digest(secret, text.encode(), "sha256")
            return f"{text}.{_base64(proof)}"
        key = self.spoil.key or self.key
        return jwt.encode({"alg": algorithm, "kid": self.key.kid}, claims, key, algorithms=[algorithm])

    def userinfo(self) -> Any:
        header = request.authorization
        if header is None or header.token not in self._access:
            return Response(status=401)
        return jsonify({**self.person, "sub": self._access[header.token], **self.spoil.userinfo})

    def _no(self, why: str, status: int, code: str = "invalid_request") -> Any:
        self.refusals.append(why)
        return jsonify(error=code, error_description=why), status
