"""Our own key pair: which signature goes with it."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

OwnKey = RSAKey | ECKey | OKPKey
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = ("RS256", "PS256", "RS512", "PS512", "RS384", "PS384")


def private_key(pem: str) -> OwnKey:
    """The key in a PEM: RSA, an elliptic curve's or Ed25519."""
    loaded = load_pem_private_key(pem.encode(), password=None)
    if isinstance(loaded, RSAPrivateKey):
        return RSAKey.import_key(pem)
    if isinstance(loaded, EllipticCurvePrivateKey):
        return ECKey.import_key(pem)
    return OKPKey.import_key(pem)


def algorithm(key: OwnKey, offered: object) -> str:
    """The signature to use: for RSA the first of ours that the provider says it takes, RS256 if it says nothing."""
    if isinstance(key, ECKey):
        return _CURVES[key.curve_name]
    if isinstance(key, OKPKey):
        return key.curve_name
    taken = offered if isinstance(offered, Sequence) else ()
    return next((name for name in _RSA if name in taken), _RSA[0])
