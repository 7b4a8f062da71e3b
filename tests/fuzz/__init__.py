"""Requests made from the OpenAPI document, near-valid and invalid, with real identifiers, by everybody."""
