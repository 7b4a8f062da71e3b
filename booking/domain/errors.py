"""What can go wrong, typed. Services raise these; each edge turns them into its own kind of answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field. ``field`` is a dotted path as the sender spelt it."""

    field: str
    code: str
    message: str


class BookingError(Exception):
    """The base of every refusal. ``code`` is stable and for programs, the message is for people."""

    code = "ERROR"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.errors = tuple(errors)


class Invalid(BookingError):
    """The input breaks a rule; every field at fault is named."""

    code = "INVALID"
    status = 422

    def __init__(self, *errors: FieldError, message: str | None = None) -> None:
        super().__init__(message or "; ".join(error.message for error in errors), errors=errors)

    @classmethod
    def field(cls, field: str, code: str, message: str) -> Invalid:
        return cls(FieldError(field, code, message))


class NotSignedIn(BookingError):
    code = "NOT_SIGNED_IN"
    status = 401


class Forbidden(BookingError):
    """The caller is known and may see the thing, but not do this to it."""

    code = "FORBIDDEN"
    status = 403


class PasswordTemporary(Forbidden):
    """The password is right, but somebody else gave it: it lets in only to choose another."""

    code = "PASSWORD_TEMPORARY"


class WrongPassword(Invalid):
    """The password somebody is signed in with does not match; counted, so that it can't be guessed."""

    code = "WRONG_PASSWORD"


class NotFound(BookingError):
    """It does not exist, or it is not the caller's: the two look alike on purpose."""

    code = "NOT_FOUND"
    status = 404


class IllegalTransition(BookingError):
    """The referral's state does not allow the action (domain: one table of transitions)."""

    code = "ILLEGAL_TRANSITION"
    status = 409

    def __init__(self, state: str, action: str) -> None:
        super().__init__(f"A referral that is {state} does not allow {action}.")
        self.state = state
        self.action = action


class StaleVersion(BookingError):
    """``If-Match`` names an older version (domain rule 12)."""

    code = "STALE_VERSION"
    status = 409


class Conflict(BookingError):
    code = "CONFLICT"
    status = 409


class BeingChanged(BookingError):
    """Somebody else is changing it at this moment (domain rule 12)."""

    code = "BEING_CHANGED"
    status = 423


class SlotNotAvailable(BookingError):
    """The slot is taken, withdrawn, past or outside what this referral may use (domain rule 12)."""

    code = "SLOT_NOT_AVAILABLE"
    status = 422

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, errors=[FieldError("slot_id", code or type(self).code, message)])


class SlotTaken(SlotNotAvailable):
    """Somebody else has the last place of the slot."""


class AlreadyBooked(BookingError):
    """The referral has a live appointment already, or the patient is elsewhere at that time."""

    code = "ALREADY_BOOKED"
    status = 409


class Unrecorded(BookingError):
    """What was asked for may only be shown when the reading of it is recorded, and that failed."""

    code = "NOT_RECORDED"
    status = 503


class TooManyAttempts(BookingError):
    code = "TOO_MANY_ATTEMPTS"
    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
