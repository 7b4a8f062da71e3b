"""Documents as accessible PDF: the patient's letter, the provider's summary, a record of what is held."""

from booking.services.documents.letter import PatientLetter, message_letter_pdf, patient_letter_pdf
from booking.services.documents.record import Section, Table, record_pdf

__all__ = ["PatientLetter", "Section", "Table", "message_letter_pdf", "patient_letter_pdf", "record_pdf"]
