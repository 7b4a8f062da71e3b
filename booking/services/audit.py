"""The audit trail: append-only hash chains, one for each thing, and seals over their heads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from booking.models import AuditEntry, AuditSeal
from booking.services.work import Work

GENESIS = "0" * 64


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(entry: AuditEntry) -> str:
    return _digest(
        {
            "chain": entry.chain,
            "sequence": entry.sequence,
            "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": entry.actor,
            "role": entry.role,
            "organisation": entry.organisation,
            "on_behalf_of": entry.on_behalf_of,
            "action": entry.action,
            "before": entry.before,
            "after": entry.after,
            "request_id": entry.request_id,
            "previous": entry.previous_hash,
        }
    )


_LAST = (
    select(AuditEntry.sequence, AuditEntry.hash)
    .where(AuditEntry.chain == bindparam("chain"))
    .order_by(AuditEntry.sequence.desc())
    .limit(1)
)


def record(
    work: Work, chain: str, action: str, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> AuditEntry:
    """Append to ``chain`` in this transaction. The caller has locked, or just made, the thing the chain is about."""
    last = work.session.execute(_LAST, {"chain": chain}).first()
    entry = AuditEntry(
        chain=chain,
        sequence=last.sequence + 1 if last else 1,
        at=work.now,
        actor=work.actor.name,
        role=work.actor.role,
        organisation=work.actor.organisation_code,
        on_behalf_of=work.actor.on_behalf_of,
        action=action,
        before=before,
        after=after,
        request_id=work.actor.request_id,
        previous_hash=last.hash if last else GENESIS,
        hash="",
    )
    entry.hash = _hash(entry)
    work.session.add(entry)
    return entry


def _heads(session: Session, after: int, up_to: int) -> list[tuple[str, int, str]]:
    newest = (
        select(AuditEntry.chain, func.max(AuditEntry.sequence).label("sequence"))
        .where(AuditEntry.id > after, AuditEntry.id <= up_to)
        .group_by(AuditEntry.chain)
        .subquery()
    )
    rows = session.execute(
        select(AuditEntry.chain, AuditEntry.sequence, AuditEntry.hash)
        .join(newest, (AuditEntry.chain == newest.c.chain) & (AuditEntry.sequence == newest.c.sequence))
        .order_by(AuditEntry.chain)
    )
    return [(row.chain, row.sequence, row.hash) for row in rows]


def _seal_digest(previous: str, up_to: int, entries: int, heads: Iterable[tuple[str, int, str]]) -> str:
    return _digest({"previous": previous, "up_to": up_to, "entries": entries, "heads": [list(head) for head in heads]})


SEAL_LAG_SECONDS = 60
"""Entries younger than this wait for the next seal, so that a slow transaction's lower ids are in by then."""


def seal(session: Session, now: datetime) -> AuditSeal | None:
    """Seal what was written since the last seal; None where there is nothing new."""
    last = session.scalars(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).first()
    after = last.up_to_entry if last else 0
    horizon = datetime.fromtimestamp(now.timestamp() - SEAL_LAG_SECONDS, UTC)
    up_to, entries = session.execute(
        select(func.max(AuditEntry.id), func.count()).where(AuditEntry.id > after, AuditEntry.at <= horizon)
    ).one()
    if not entries:
        return None
    entries = session.scalar(select(func.count()).where(AuditEntry.id > after, AuditEntry.id <= up_to)) or 0
    previous = last.hash if last else GENESIS
    made = AuditSeal(
        at=now,
        up_to_entry=up_to,
        entries=entries,
        previous_hash=previous,
        hash=_seal_digest(previous, up_to, entries, _heads(session, after, up_to)),
    )
    session.add(made)
    return made


@dataclass(frozen=True, slots=True)
class AuditFault:
    where: str
    what: str


def verify(session: Session) -> list[AuditFault]:
    """Walk every chain and every seal; an empty list means that nothing was changed, added or taken out."""
    faults: list[AuditFault] = []
    chain, sequence, previous = "", 0, GENESIS
    for entry in session.scalars(
        select(AuditEntry).order_by(AuditEntry.chain, AuditEntry.sequence).execution_options(yield_per=1000)
    ):
        if entry.chain != chain:
            chain, sequence, previous = entry.chain, 0, GENESIS
        if entry.sequence != sequence + 1:
            faults.append(AuditFault(chain, f"gap: entry {entry.sequence} follows {sequence}"))
        if entry.previous_hash != previous:
            faults.append(AuditFault(chain, f"entry {entry.sequence} does not follow from the one before"))
        if _hash(entry) != entry.hash:
            faults.append(AuditFault(chain, f"entry {entry.sequence} was changed"))
        sequence, previous = entry.sequence, entry.hash
    after, previous = 0, GENESIS
    for made in session.scalars(select(AuditSeal).order_by(AuditSeal.id)):
        entries = (
            session.scalar(select(func.count()).where(AuditEntry.id > after, AuditEntry.id <= made.up_to_entry)) or 0
        )
        heads = _heads(session, after, made.up_to_entry)
        if (
            made.previous_hash != previous
            or entries != made.entries
            or _seal_digest(previous, made.up_to_entry, made.entries, heads) != made.hash
        ):
            faults.append(AuditFault(f"seal {made.id}", "the entries it covers are not those that were sealed"))
        after, previous = made.up_to_entry, made.hash
    return faults
