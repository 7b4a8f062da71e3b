"""Sessions kept to be used again: what was filled in, under a name, without the dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from booking.domain.errors import Conflict, Invalid, NotFound
from booking.models import Service, SessionTemplate
from booking.services import audit
from booking.services.publication_input import own_service
from booking.services.work import Work

MOST = 200
"""Of one organisation."""
LONGEST_NAME = 100


def listed(work: Work) -> list[tuple[SessionTemplate, str]]:
    """The caller's templates with their service's name, by service and name."""
    query = select(SessionTemplate, Service.name).join(Service, Service.id == SessionTemplate.service_id)
    query = query.where(SessionTemplate.organisation_id == work.actor.organisation_id)
    rows = work.session.execute(query.order_by(Service.name, SessionTemplate.name).limit(MOST))
    return [(row[0], row[1]) for row in rows]


def own(work: Work, template_id: int) -> SessionTemplate:
    found = work.session.get(SessionTemplate, template_id)
    if found is None or found.organisation_id != work.actor.organisation_id:
        raise NotFound("There is no such template, or it is not yours.")
    return found


def save(work: Work, service_id: int, name: str, fields: Mapping[str, str | Sequence[str]]) -> SessionTemplate:
    """Keep these fields under a name; the same name at the same service is written over."""
    service = own_service(work, service_id)
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid.field("keep", "NAME", f"Give the template a name of up to {LONGEST_NAME} characters.")
    query = select(SessionTemplate).where(SessionTemplate.service_id == service.id, SessionTemplate.name == name)
    made = work.session.scalars(query.with_for_update()).first()
    if made is None:
        if len(listed(work)) >= MOST:
            raise Conflict(f"There are {MOST} templates already: delete one you don't use.", code="TOO_MANY")
        made = SessionTemplate(organisation_id=service.organisation_id, service_id=service.id, name=name)
        work.session.add(made)
    made.fields, made.saved_at, made.saved_by = dict(fields), work.now, work.actor.name
    work.session.flush()
    audit.record(work, f"session-template:{made.id}", "session-template.save", after={"service": service.id})
    work.session.flush()
    return made


def delete(work: Work, template_id: int) -> str:
    """Delete one of the caller's; the times published by it stay. Returns its name."""
    found = own(work, template_id)
    name = found.name
    audit.record(work, f"session-template:{found.id}", "session-template.delete", before={"service": found.service_id})
    work.session.delete(found)
    work.session.flush()
    return name
