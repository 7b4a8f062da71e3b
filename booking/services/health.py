"""How the machinery does: jobs, queues, plans, the record's seals. Figures about no patient and no organisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import func, select
from sqlalchemy.orm import defer

from booking import migrate
from booking.domain.words import AttachmentState, PlanRunState
from booking.models import (
    Attachment,
    AuditSeal,
    JobRun,
    OutboxMessage,
    PlanRequest,
    PlanRun,
    PolicyPreview,
    Referral,
    ReportCopy,
)
from booking.services import job_notes
from booking.services.planning.prices import newest_applied, of_the_region
from booking.services.work import Work

SILENT_AFTER = timedelta(minutes=3)
"""The scheduler writes every half minute: after this long something is wrong with it."""
DAILY = timedelta(hours=26)
BACKUP_EVERY = timedelta(days=2)
MESSAGE_LATE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Queue:
    """Something that waits for a job."""

    name: str
    waiting: int
    oldest: datetime | None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    alive: bool
    """The scheduler wrote a short while ago."""
    scheduler: JobRun | None
    jobs: list[tuple[JobRun, bool]]
    """Each with whether it is late or failed when it last ran."""
    queues: list[Queue]
    plan: PlanRun | None
    """The newest that was applied."""
    failed_plan: PlanRun | None
    """The newest, where it failed."""
    seal: AuditSeal | None
    backup: JobRun | None
    schema: str | None
    newest_schema: str | None
    faults: list[str] = field(default_factory=list)
    """What somebody should look into, in words."""


@cache
def _newest_schema() -> str | None:
    return migrate.head()


def look(work: Work) -> Health:
    session = work.session
    runs = {run.name: run for run in job_notes.read(session)}
    scheduler, backup = runs.pop(job_notes.SCHEDULER, None), runs.pop(job_notes.BACKUP, None)
    seen = scheduler.finished_at if scheduler is not None else None
    light = defer(PlanRun.summary)  # long, and looked at twice a minute
    plans = select(PlanRun).where(of_the_region()).order_by(PlanRun.id.desc()).limit(1)
    newest = session.scalars(plans.options(light)).first()
    found = Health(
        alive=seen is not None and work.now - seen <= SILENT_AFTER,
        scheduler=scheduler,
        jobs=[(run, troubled(run, work.now)) for run in runs.values()],
        queues=_queues(work),
        plan=session.scalars(newest_applied(PlanRun).options(light)).first(),
        failed_plan=newest if newest is not None and newest.state is PlanRunState.FAILED else None,
        seal=session.scalars(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1)).first(),
        backup=backup,
        schema=migrate.revision_of(session.connection()),
        newest_schema=_newest_schema(),
    )
    found.faults.extend(_faults(work, found))
    return found


def troubled(run: JobRun, now: datetime) -> bool:
    """Whether a job failed when it last ran, or has not run for much longer than it should."""
    failed = run.failed_at is not None and (run.finished_at is None or run.failed_at > run.finished_at)
    patience = timedelta(seconds=3 * run.every_seconds) + SILENT_AFTER if run.every_seconds else DAILY
    return failed or now - (run.finished_at or run.started_at) > patience


def _queues(work: Work) -> list[Queue]:
    session, now = work.session, work.now
    undelivered = (OutboxMessage.delivered_at.is_(None), OutboxMessage.failed_at.is_(None))
    waiting, oldest = session.execute(
        select(func.count(), func.min(OutboxMessage.next_attempt_at)).where(*undelivered)
    ).one()
    made = session.scalar(select(func.min(OutboxMessage.created_at)).where(*undelivered))
    late = _older(oldest, now)
    files = session.execute(
        select(func.count(), func.min(Attachment.uploaded_at)).where(
            Attachment.state == AttachmentState.PENDING, Attachment.removed_at.is_(None)
        )
    ).one()
    asked = session.execute(
        select(func.count(), func.min(PlanRequest.requested_at)).where(PlanRequest.done_at.is_(None))
    ).one()
    previews = session.execute(
        select(func.count(), func.min(PolicyPreview.requested_at)).where(PolicyPreview.finished_at.is_(None))
    ).one()
    reports = session.execute(
        select(func.count(), func.min(ReportCopy.requested_at)).where(ReportCopy.settled_at.is_(None))
    ).one()
    return [
        Queue("messages", waiting, made, late),
        Queue("attachments", *files, _older(files[1], now)),
        Queue("plans", *asked, _older(asked[1], now)),
        Queue("previews", *previews, _older(previews[1], now)),
        Queue("reports", *reports, _older(reports[1], now)),
    ]


def _older(oldest: datetime | None, now: datetime) -> bool:
    return oldest is not None and now - oldest > MESSAGE_LATE


def _faults(work: Work, found: Health) -> Sequence[str]:
    said = []
    if not found.alive:
        said.append("The scheduler does not run: no messages leave, and no plan is made.")
    if found.schema != found.newest_schema:
        said.append("The database and the program are of different versions.")
    said += [f"The job “{run.name}” failed or is late." for run, trouble in found.jobs if trouble and found.alive]
    said += [f"The queue of {queue.name} does not get shorter." for queue in found.queues if queue.late]
    if found.failed_plan is not None:
        said.append("The last plan failed. What the plan before it keeps for patients still holds.")
    if found.plan is not None and found.plan.finished_at is not None and work.now - found.plan.finished_at > DAILY:
        said.append("There is no plan of the last day.")
    taken = found.backup.finished_at if found.backup is not None else None
    if taken is not None and work.now - taken > BACKUP_EVERY:
        said.append("The last backup is more than two days old.")
    return said + _never(work, found)


def _never(work: Work, found: Health) -> list[str]:
    """What should have been set up before patients were referred, and was not. The demo needs none of it."""
    if work.config.demo:
        return []
    said = []
    if work.config.messages == "console":
        said.append("Nobody is written to: MESSAGES is “console”, so messages only go into the scheduler’s log.")
    oldest = work.session.scalar(select(func.min(Referral.created_at)))
    if found.plan is None and oldest is not None and work.now - oldest > DAILY:
        said.append("There has been no plan yet.")
    if found.backup is None and oldest is not None and work.now - oldest > BACKUP_EVERY:
        said.append("No backup has ever been taken.")
    return said
