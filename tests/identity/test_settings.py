"""Settings of OpenID providers, and the signature that goes with each kind of key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt

from booking.config import ConfigError, from_environment
from booking.openid.keys import algorithm, private_key
from booking.openid.tokens import public_keys
from tests.identity.conftest import RSA_PEM, pem

BASE = {"SECRET_KEY": "x" * 40}


def test_a_provider_is_read_whole(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(RSA_PEM)
    found = from_environment({
        **BASE, "OIDC_STAFF_ISSUER": "https://id.example/realm", "OIDC_STAFF_CLIENT_ID": "us",
        "OIDC_STAFF_PRIVATE_KEY_FILE": str(key), "OIDC_STAFF_NAME": "Trust ID", "OIDC_STAFF_CLAIM": "uid",
        "OIDC_PATIENT_ISSUER": "https://login.example", "OIDC_PATIENT_CLIENT_ID": "them",
        "OIDC_PATIENT_CLIENT_SECRET": "a secret", "OIDC_PATIENT_VTR": '["P9.Cp.Cd"]',
    })  # fmt: skip
    assert found.oidc_staff is not None
    assert found.oidc_patient is not None
    staff, patient = found.oidc_staff, found.oidc_patient
    assert (staff.private_key, staff.client_secret, staff.claim, staff.name) == (RSA_PEM, None, "uid", "Trust ID")
    assert (patient.private_key, patient.client_secret) == (None, "a secret")
    assert (patient.scope, patient.vectors_of_trust) == ("openid profile", '["P9.Cp.Cd"]')
    assert "a secret" not in repr(found)
    assert "PRIVATE KEY" not in repr(found)
    assert from_environment(BASE).oidc_staff is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"ISSUER": "http://id.example"}, "OIDC_STAFF_ISSUER"),
        ({"ISSUER": "id.example"}, "OIDC_STAFF_ISSUER"),
        ({"CLIENT_ID": ""}, "OIDC_STAFF_CLIENT_ID"),
        ({"CLIENT_SECRET": ""}, "OIDC_STAFF_PRIVATE_KEY_FILE"),
        ({"PRIVATE_KEY_FILE": "/nowhere/key.pem"}, "OIDC_STAFF_PRIVATE_KEY_FILE"),
        ({"PRIVATE_KEY_FILE": "/nowhere/key.pem", "CLIENT_SECRET": ""}, "OIDC_STAFF_PRIVATE_KEY_FILE"),
        ({"PRIVATE_KEY_FILE": __file__, "CLIENT_SECRET": ""}, "OIDC_STAFF_PRIVATE_KEY_FILE"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(given: dict[str, str], name: str) -> None:
    good = {"ISSUER": "https://id.example", "CLIENT_ID": "us", "CLIENT_SECRET": "a secret"}
    with pytest.raises(ConfigError, match=name):
        from_environment({**BASE, **{f"OIDC_STAFF_{key}": value for key, value in {**good, **given}.items()}})


@pytest.mark.parametrize(
    ("made", "offered", "expected"),
    [
        (rsa.generate_private_key(65537, 2048), None, "RS256"),
        (rsa.generate_private_key(65537, 2048), ["RS512"], "RS512"),
        (rsa.generate_private_key(65537, 2048), ["PS256", "RS512"], "PS256"),
        (rsa.generate_private_key(65537, 2048), ["ES256"], "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), ["RS256"], "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), None, "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), None, "Ed25519"),
    ],
    ids=["rsa", "rsa of NHS login", "rsa offered", "rsa not offered", "P-256", "P-384", "Ed25519"],
)
def test_each_key_has_its_signature(made: rsa.RSAPrivateKey, offered: list[str] | None, expected: str) -> None:
    key = private_key(pem(made))
    name = algorithm(key, offered)
    assert name == expected
    signed = jwt.encode({"alg": name}, {"sub": "x"}, key, algorithms=[name])
    published = public_keys({"keys": [key.as_dict(private=False), {"kty": "oct", "k": "eA"}, {"kty": "RSA"}, 7]})
    assert len(published) == 1
    assert jwt.decode(signed, published[0], algorithms=[name]).claims == {"sub": "x"}
