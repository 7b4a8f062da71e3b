"""What can go wrong between us and a provider."""

from __future__ import annotations


class ProviderUnavailable(Exception):
    """The provider can't be reached, or answers what is not OpenID Connect. The message is for the log only."""


class ProviderRefused(Exception):
    """The provider did not accept the code or our credentials: ``code`` is its own error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TokenInvalid(Exception):
    """The ID token, or what came with it, is not what a sign-in of ours must get. Never say more to the browser."""
