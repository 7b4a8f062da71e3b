"""Identifiers: NHS number, UBRN, access code, booking reference, ODS code."""

from __future__ import annotations

import re
import secrets

from booking.domain.errors import Invalid

# No vowels, so no words; no 0/O, 1/I/L, 5/S, 2/Z, 8/B: read aloud and typed on a phone without a slip.
CODE_ALPHABET = "34679CDFGHJKMNPQRTVWXY"
ACCESS_CODE_LENGTH = 10
"""22^10 codes: 44 bits, where domain.md asks for at least 20."""
REFERENCE_LENGTH = 8

_SPACES = re.compile(r"[\s-]+")
_ODS = re.compile(r"[A-Z0-9]{2,12}")


def nhs_number_is_valid(digits: str) -> bool:
    """Whether ten digits pass the NHS number's modulus 11 check (NHS data dictionary, NHS NUMBER)."""
    if len(digits) != 10 or not (digits.isascii() and digits.isdigit()):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    check = 11 - total % 11
    check = 0 if check == 11 else check
    return check != 10 and check == int(digits[9])


def parse_nhs_number(text: str, *, field: str = "nhs_number", allow_test_numbers: bool = False) -> str:
    """Ten digits without spaces, or :class:`Invalid` naming ``field`` (domain rule 15)."""
    digits = _SPACES.sub("", text)
    if len(digits) != 10 or not (digits.isascii() and digits.isdigit()):
        raise Invalid.field(field, "NHS_NUMBER_FORMAT", "An NHS number has 10 digits.")
    if not allow_test_numbers and not nhs_number_is_valid(digits):
        raise Invalid.field(field, "NHS_NUMBER_CHECK", "This NHS number fails its check digit. Is a digit mistyped?")
    return digits


def nhs_number_from(nine: int) -> str | None:
    """The NHS number whose first nine digits are ``nine``, or None where no check digit exists."""
    body = f"{nine:09d}"
    for last in "0123456789":
        if nhs_number_is_valid(body + last):
            return body + last
    return None


def new_ubrn() -> str:
    """Twelve random digits, the first not zero. Unique by the database's own constraint; no secret."""
    return str(secrets.randbelow(9 * 10**11) + 10**11)


def parse_ubrn(text: str, *, field: str = "ubrn") -> str:
    digits = _SPACES.sub("", text)
    if len(digits) != 12 or not (digits.isascii() and digits.isdigit()):
        raise Invalid.field(field, "UBRN_FORMAT", "A booking reference number has 12 digits, like 1234 5678 9012.")
    return digits


def show_ubrn(ubrn: str) -> str:
    """``123456789012`` as people read it: ``1234 5678 9012``."""
    return f"{ubrn[:4]} {ubrn[4:8]} {ubrn[8:]}"


def _random_code(length: int) -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(length))


def new_access_code() -> str:
    return _random_code(ACCESS_CODE_LENGTH)


def parse_access_code(text: str) -> str:
    """Upper case without spaces or dashes. Never refuses: a malformed code is just a wrong one."""
    return _SPACES.sub("", text).upper()[:64]


def show_access_code(code: str) -> str:
    """``CDFGHJKMNP`` as printed in a letter: ``CDFGH-JKMNP``."""
    half = len(code) // 2
    return f"{code[:half]}-{code[half:]}"


def new_booking_reference() -> str:
    return _random_code(REFERENCE_LENGTH)


def parse_ods_code(text: str, *, field: str = "ods_code") -> str:
    code = text.strip().rstrip(".").upper()  # official lists hold a code with a stray full stop
    if not _ODS.fullmatch(code):
        raise Invalid.field(field, "ODS_CODE_FORMAT", f"{text!r} is not an ODS code (2 to 12 letters and digits).")
    return code
