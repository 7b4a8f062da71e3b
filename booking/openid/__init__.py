"""The client's side of OpenID Connect: authorisation code with PKCE, ID tokens checked. No Flask, no tables."""
