"""Two real OpenID providers, one for staff and one for patients, and a visitor who goes to them and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, RSAKey
from werkzeug.test import TestResponse

from booking.config import Config, OpenIdProvider
from booking.edge.flask_app import BookingApp
from tests.conftest import Clock
from tests.identity.provider import Client, Provider
from tests.web.conftest import Visitor

BACK = "http://127.0.0.1:8000/sign-in"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


RSA_PEM = pem(rsa.generate_private_key(65537, 2048))
EC_PEM = pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def staff_provider(clock: Clock) -> Iterator[Provider]:
    made = Provider(clock)
    made.client = Client("booking-staff", f"{BACK}/staff/callback", public_key=RSAKey.import_key(RSA_PEM))
    made.person = {
        "sub": "s-1", "email": "referring_clinician@p81001", "email_verified": True, "name": "Dr Ada Lake"
    }  # fmt: skip
    with made.running():
        yield made


@pytest.fixture
def patient_provider(clock: Clock) -> Iterator[Provider]:
    made = Provider(clock)
    made.client = Client("booking-patient", f"{BACK}/patient/callback", public_key=ECKey.import_key(EC_PEM))
    made.in_id_token = ("vot", "identity_proofing_level")
    with made.running():
        yield made


@pytest.fixture
def config(config: Config, staff_provider: Provider, patient_provider: Provider) -> Config:
    staff = OpenIdProvider(
        staff_provider.issuer, staff_provider.client.client_id, "Hospital ID", private_key=RSA_PEM
    )  # fmt: skip
    patient = OpenIdProvider(
        patient_provider.issuer, patient_provider.client.client_id, "Health login", private_key=EC_PEM,
        scope="openid profile", vectors_of_trust='["P9.Cp.Cd"]',
    )  # fmt: skip
    return replace(config, oidc_staff=staff, oidc_patient=patient)


@dataclass
class Traveller:
    """A browser that leaves for a provider and comes back."""

    client: FlaskClient

    def leave(self, kind: str, target: str | None = None) -> str:
        """Press the button; returns the provider's address the browser is sent to."""
        answer = self.client.get(f"/sign-in/{kind}/start", query_string={"next": target} if target else None)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    @staticmethod
    def at_provider(url: str) -> str:
        """What the provider sends the browser back to."""
        answer = requests.get(url, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def arrive(self, url: str) -> TestResponse:
        """Come back, as far as the first page or redirect of ours."""
        parts = urlsplit(url)
        return self.client.get(f"{parts.path}?{parts.query}")

    def sign_in(self, kind: str, target: str | None = None) -> TestResponse:
        return self.arrive(self.at_provider(self.leave(kind, target)))

    def token(self) -> str:
        with self.client.session_transaction() as session:
            return str(session.get("token", ""))

    def visitor(self) -> Visitor:
        return Visitor(self.client)


@pytest.fixture
def traveller(app: BookingApp) -> Traveller:
    return Traveller(app.test_client())


@pytest.fixture
def another(app: BookingApp) -> Callable[[], Traveller]:
    return lambda: Traveller(app.test_client())


def query(url: str) -> dict[str, Any]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
