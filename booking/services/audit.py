"""The audit trail: append-only hash chains, one for each thing, and seals over their heads and over what was read.

Times are UTC with milliseconds. Who only looked stands in :mod:`booking.services.access_log`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from booking.models import AccessEntry, AuditEntry, AuditSeal
from booking.services.work import Work

GENESIS = "0" * 64


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def instant(at: datetime) -> str:
    """UTC with milliseconds, as it is hashed and shown."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _hash(entry: AuditEntry) -> str:
    return _digest(
        {
            "chain": entry.chain,
            "sequence": entry.sequence,
            "at": instant(entry.at),
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
    entry = following(work, chain, action, (last.sequence, last.hash) if last else None, before=before, after=after)
    work.session.add(entry)
    return entry


def following(
    work: Work, chain: str, action: str, last: tuple[int, str] | None, *, before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:  # fmt: skip
    """The entry that follows the ``last`` of its chain (sequence and hash; None begins it), not written yet."""
    sequence, previous = last or (0, GENESIS)
    entry = AuditEntry(
        chain=chain,
        sequence=sequence + 1,
        at=work.now.replace(microsecond=work.now.microsecond // 1000 * 1000),
        actor=work.actor.name,
        role=work.actor.role,
        organisation=work.actor.organisation_code,
        on_behalf_of=work.actor.on_behalf_of,
        action=action,
        before=before,
        after=after,
        request_id=work.actor.request_id,
        previous_hash=previous,
        hash="",
    )
    entry.hash = _hash(entry)
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


def _reads_digest(session: Session, after: int, up_to: int) -> str:
    """Over the reads of patients' records in a range of keys; they form no chains."""
    digest = hashlib.sha256()
    query = select(AccessEntry).where(AccessEntry.id > after, AccessEntry.id <= up_to).order_by(AccessEntry.id)
    for read in session.scalars(query.execution_options(yield_per=1000)):
        fields = {name: getattr(read, name) for name in _READ}
        digest.update(_digest({**fields, "at": instant(read.at)}).encode())
    return digest.hexdigest()


_READ = ("id", "patient_id", "referral_id", "what", "actor", "role", "organisation", "on_behalf_of", "request_id")


def _seal_digest(session: Session, made: AuditSeal, after: tuple[int, int]) -> str:
    heads = _heads(session, after[0], made.up_to_entry)
    return _digest(
        {
            "previous": made.previous_hash,
            "at": instant(made.at),
            "up_to": made.up_to_entry,
            "entries": made.entries,
            "heads": [list(head) for head in heads],
            "up_to_access": made.up_to_access,
            "accesses": made.accesses,
            "reads": _reads_digest(session, after[1], made.up_to_access),
        }
    )


def _count(session: Session, of: type[AuditEntry | AccessEntry], after: int, up_to: int) -> int:
    return session.scalar(select(func.count()).where(of.id > after, of.id <= up_to)) or 0


SEAL_LAG_SECONDS = 60
"""Entries younger than this wait for the next seal, so that a slow transaction's lower ids are in by then."""


def seal(session: Session, now: datetime) -> AuditSeal | None:
    """Seal what was written and read since the last seal; None where there is nothing new."""
    last = newest_seal(session)
    after = (last.up_to_entry, last.up_to_access) if last else (0, 0)
    horizon = datetime.fromtimestamp(now.timestamp() - SEAL_LAG_SECONDS, UTC)
    up_to = [
        session.scalar(select(func.max(of.id)).where(of.id > start, of.at <= horizon)) or start
        for of, start in ((AuditEntry, after[0]), (AccessEntry, after[1]))
    ]
    if tuple(up_to) == after:
        return None
    made = AuditSeal(
        at=now,
        up_to_entry=up_to[0],
        entries=_count(session, AuditEntry, after[0], up_to[0]),
        up_to_access=up_to[1],
        accesses=_count(session, AccessEntry, after[1], up_to[1]),
        previous_hash=last.hash if last else GENESIS,
        hash="",
    )
    made.hash = _seal_digest(session, made, after)
    session.add(made)
    return made


@dataclass(frozen=True, slots=True)
class AuditFault:
    where: str
    what: str


def verify(session: Session, *, expect: str | None = None) -> list[AuditFault]:
    """Walk every chain and every seal; an empty list means that nothing was changed, added or taken out.

    ``expect`` is the hash of a seal noted elsewhere: without it nobody can tell that the newest seals were
    taken out together with all that they cover.
    """
    faults = [*_chain_faults(session), *_seal_faults(session)]
    if expect is not None and session.scalar(select(AuditSeal.id).where(AuditSeal.hash == expect)) is None:
        faults.append(AuditFault("seals", f"the seal {expect[:12]}… is not among them: the end was cut off"))
    return faults


def _chain_faults(session: Session) -> Iterator[AuditFault]:
    chain, sequence, previous = "", 0, GENESIS
    for entry in session.scalars(
        select(AuditEntry).order_by(AuditEntry.chain, AuditEntry.sequence).execution_options(yield_per=1000)
    ):
        if entry.chain != chain:
            chain, sequence, previous = entry.chain, 0, GENESIS
        if entry.sequence != sequence + 1:
            yield AuditFault(chain, f"gap: entry {entry.sequence} follows {sequence}")
        if entry.previous_hash != previous:
            yield AuditFault(chain, f"entry {entry.sequence} does not follow from the one before")
        if _hash(entry) != entry.hash:
            yield AuditFault(chain, f"entry {entry.sequence} was changed")
        sequence, previous = entry.sequence, entry.hash


def _seal_faults(session: Session) -> Iterator[AuditFault]:
    after, previous = (0, 0), GENESIS
    for made in session.scalars(select(AuditSeal).order_by(AuditSeal.id)).all():
        where = f"seal {made.id}"
        entries = _count(session, AuditEntry, after[0], made.up_to_entry)
        reads = _count(session, AccessEntry, after[1], made.up_to_access)
        if made.previous_hash != previous:
            yield AuditFault(where, "does not follow from the seal before: one was changed, added or taken out")
        if entries != made.entries:
            yield AuditFault(where, f"covers {made.entries} entries, {entries} are there")
        if reads != made.accesses:
            yield AuditFault(where, f"covers {made.accesses} reads, {reads} are there")
        if _seal_digest(session, made, after) != made.hash:
            yield AuditFault(where, "was changed, or what it covers is not what was sealed")
        after, previous = (made.up_to_entry, made.up_to_access), made.hash


def newest_seal(session: Session) -> AuditSeal | None:
    return session.scalars(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).first()


def chain_of(session: Session, chain: str) -> list[AuditEntry]:
    """One chain, the oldest entry first."""
    return list(session.scalars(select(AuditEntry).where(AuditEntry.chain == chain).order_by(AuditEntry.sequence)))
