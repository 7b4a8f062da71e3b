"""How the service does: is the scheduler alive, what waits, what failed, when was the last plan and backup."""

from __future__ import annotations

from flask import render_template

from booking.edge.flask_app import work
from booking.services import health as service
from booking.web.admin import admins_only
from booking.web.base import blp

JOBS = {
    "expire": "End holds and offers whose time is over",
    "deliver": "Send messages",
    "seal": "Seal the audit trail",
    "purge": "Forget what is kept for a day only",
    "remind": "Write reminders and notices",
    "scan": "Look into attachments",
    "sweep": "Delete stored files that nothing points to",
    "pass-on": "Pass freed places on in order of need",
    "offer-waiting": "Offer times to those who wait for one",
    "plan-requested": "Plan for a called-off clinic at once",
    "preview-policies": "Make previews of policies",
    "give-back-unusable": "Tell practices of clinics that take nobody",
    "make-reports": "Make reports that were asked for",
    "ask-for-reports": "Ask for the month’s reports",
    "escalate": "Mark what has become overdue",
    "check-invariants": "Check the stored data",
}
QUEUES = {
    "messages": "Messages to send", "attachments": "Attachments to look into", "plans": "Plans asked for",
    "previews": "Previews of policies asked for", "reports": "Reports asked for",
}  # fmt: skip


def _job(name: str) -> str:
    if name.startswith("plan "):
        return f"Plan for everybody, at {name.removeprefix('plan ')}"
    return JOBS.get(name, name.replace("-", " ").capitalize())


@blp.get("/staff/admin/health")
@admins_only
def health() -> str:
    """How the service does: jobs, queues, the last plan, backup and seal. Nothing here is about a patient."""
    found = service.look(work())
    jobs = sorted(((_job(run.name), run, trouble) for run, trouble in found.jobs), key=lambda row: (not row[2], row[0]))
    return render_template("admin/health.html", found=found, jobs=jobs, queues=QUEUES)
