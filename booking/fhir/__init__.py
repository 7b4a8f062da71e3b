"""FHIR R4: a pure mapping from the plain values of a patient's record to resources. Knows no database and no Flask."""

from booking.fhir.bundle import CONTENT_TYPE, bundle

__all__ = ["CONTENT_TYPE", "bundle"]
