"""What a clinic administrator has made for themselves: a session kept to be used again."""

from __future__ import annotations

from dataclasses import replace

from booking.demo.directory import Directory
from booking.domain.words import Priority, Role
from booking.services import session_templates
from booking.services.work import Actor, Work


def templates(work: Work, directory: Directory) -> None:
    service, clinician = directory.services["skin-general"], directory.clinicians["skin-general"][0]
    provider = directory.providers["ZZH01"]
    clerk = Actor("Barnaby Frost", Role.PROVIDER_ADMIN, provider.id, provider.ods_code)
    session_templates.save(
        replace(work, actor=clerk), service.id, "Monday mornings",
        {
            "weekday": ["Monday"], "starts": "09:00", "ends": "10:20", "minutes": "20", "every": "1", "capacity": "1",
            "mode": "IN_PERSON", "priority": [one.value for one in Priority], "bank": "yes",
            "practitioner": clinician.identifier, "appointment_type": "New appointment", "name": "", "number": "",
            "break_starts": "", "break_ends": "",
        },
    )  # fmt: skip
