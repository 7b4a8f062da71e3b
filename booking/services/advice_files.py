"""Files that go with a request for advice: with the request as a whole, or with something the own side has said."""

from __future__ import annotations

from booking.domain.errors import Conflict, Invalid
from booking.domain.words import AdviceState, AttachmentKind
from booking.models import AdviceMessage, AdviceRequest, Attachment
from booking.services import attachments
from booking.services.advice import lock_own_advice
from booking.services.work import Work

_OVER = frozenset({AdviceState.CLOSED, AdviceState.CONVERTED})


def attach(work: Work, reference: str, *, message_id: int | None, file_name: str, data: bytes) -> Attachment:
    """Take a file in. The request's version moves on, so that nobody answers without having seen it."""
    request = lock_own_advice(work, reference)
    if request.state in _OVER:
        raise Conflict("The request is closed: nothing can be attached to it.", code="ADVICE_ENDED")
    message = _own_message(work, request, message_id) if message_id is not None else None
    made = attachments.attach(
        work, advice=request, message=message, kind=AttachmentKind.ADVICE, file_name=file_name, data=data
    )
    request.version += 1
    work.session.flush()
    return made


def _own_message(work: Work, request: AdviceRequest, message_id: int) -> AdviceMessage:
    found = work.session.get(AdviceMessage, message_id)
    if found is None or found.advice_id != request.id or found.organisation_id != work.actor.organisation_id:
        raise Invalid.field("message_id", "MESSAGE_UNKNOWN", "Your side has said nothing of that number here.")
    return found
