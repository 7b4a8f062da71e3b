"""``Idempotency-Key``: the same key and body give the same answer and one effect; another body is refused.

The record is written in the request's own transaction, so effect and record stand or fall together. A second
request with the key while the first still runs waits for it (the primary key makes it wait), then replays.
Refusals (4xx) are rolled back and so not remembered: nothing happened, and the key may be used again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from flask import Request, Response
from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite

from booking.domain.errors import Invalid
from booking.models import IdempotencyRecord
from booking.services.work import Work

HEADER = "Idempotency-Key"
LONGEST = 128
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


@dataclass(frozen=True, slots=True)
class Pending:
    principal: str
    key: str
    replay: Response | None = None


def begin(work: Work, request: Request) -> Pending | None:
    """Claim the key, or answer as before. None where the caller sent no key."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST or not key.isprintable():
        raise Invalid.field(HEADER, "IDEMPOTENCY_KEY", f"{HEADER} has 1 to {LONGEST} printable characters.")
    principal = work.keys.hash("idempotency", work.actor.key)
    digest = _digest(request)
    insert = postgresql.insert if work.postgresql else sqlite.insert
    claimed = work.session.execute(
        insert(IdempotencyRecord)
        .values(principal=principal, key=key, request_hash=digest, created_at=work.now)
        .on_conflict_do_nothing()
        .returning(IdempotencyRecord.key)
    ).first()
    if claimed is not None:
        return Pending(principal, key)
    stored = work.session.get_one(IdempotencyRecord, (principal, key))
    if stored.request_hash != digest:
        raise Invalid.field(HEADER, "IDEMPOTENCY_KEY_REUSED", "This key was used before for another request.")
    return Pending(principal, key, replay=_replay(work, stored))


def _digest(request: Request) -> str:
    parts = (request.method, request.full_path, request.headers.get("If-Match", ""))
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + request.get_data(cache=True)).hexdigest()


def finish(work: Work, pending: Pending, response: Response) -> None:
    """Store the answer beside its effect, encrypted: an access code in it is shown once."""
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    answer = json.dumps({"headers": headers, "body": response.get_data(as_text=True)}).encode()
    work.session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.principal == pending.principal, IdempotencyRecord.key == pending.key)
        .values(status=response.status_code, answer=work.keys.seal(answer))
    )


def _replay(work: Work, stored: IdempotencyRecord) -> Response:
    answer: dict[str, Any] = json.loads(work.keys.open(stored.answer)) if stored.answer else {"headers": {}, "body": ""}
    response = Response(answer["body"], status=stored.status or 200, headers=answer["headers"])
    response.headers["Idempotency-Replayed"] = "true"
    return response
