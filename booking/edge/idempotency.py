"""``Idempotency-Key``: the same key and body give the same answer and one effect; another body is refused.

The record is written in the request's own transaction, so effect and record stand or fall together. A second
request with the key while the first still runs waits for it (the primary key makes it wait), then replays.
Refusals (4xx) are rolled back and so not remembered: nothing happened, and the key may be used again.
"""

from __future__ import annotations

import base64
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
ON_BEHALF_OF = "X-On-Behalf-Of"
KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Content-Disposition")


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
    headers = (request.headers.get(name, "") for name in ("If-Match", ON_BEHALF_OF))
    parts = (request.method, request.full_path, *headers)
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + _body(request)).hexdigest()


def _body(request: Request) -> bytes:
    """What was sent; a form with files by its parts, since what stands between them differs each time."""
    if request.mimetype != "multipart/form-data":
        return request.get_data(cache=True)
    parts = [f"{name}={value}" for name, value in sorted(request.form.items(multi=True))]
    for name, file in sorted(request.files.items(multi=True), key=lambda item: item[0]):
        parts.append(f"{name}={file.filename}={hashlib.sha256(file.stream.read()).hexdigest()}")
        file.stream.seek(0)
    return "\n".join(parts).encode()


def finish(work: Work, pending: Pending, response: Response) -> None:
    """Store the answer beside its effect, encrypted: an access code in it is shown once."""
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = base64.b64encode(response.get_data()).decode()  # some answers are PDFs
    answer = json.dumps({"headers": headers, "body": body}).encode()
    work.session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.principal == pending.principal, IdempotencyRecord.key == pending.key)
        .values(status=response.status_code, answer=work.keys.seal(answer))
    )


def _replay(work: Work, stored: IdempotencyRecord) -> Response:
    answer: dict[str, Any] = json.loads(work.keys.open(stored.answer)) if stored.answer else {"headers": {}, "body": ""}
    response = Response(base64.b64decode(answer["body"]), status=stored.status or 200, headers=answer["headers"])
    response.headers["Idempotency-Replayed"] = "true"
    return response
