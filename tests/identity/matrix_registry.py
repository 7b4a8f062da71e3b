"""What a call of each route needs. A new route whose parameters have a name known here needs nothing more.

* ``PARAMETERS``: a parameter of a path, or a field of a body that names an object → its value, for a scene.
* ``EVERYWHERE``: parameters that are nobody's: a code list, a report's name.
* ``FIELDS``: values of body and query fields by name; others are made from the schema by type.
* ``EXTRA``: what an endpoint needs besides what its schema requires; ``FORMS`` the same for pages.
* ``IN_BODY``: endpoints that are told in the body or query which object it is about.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import marshmallow as ma
from flask_smorest.fields import Upload

from booking.domain.policy import BookingPolicy
from booking.domain.words import PROVIDERS, OrganisationKind, Role
from booking.models import Referral
from booking.services.accounts import ROLES_AT
from booking.services.reports.catalogue import REPORTS
from tests.identity.matrix_world import PDF, Side, Whose


@dataclass(frozen=True)
class Scene:
    """Who asks, and whose things they ask for."""

    role: Role
    side: Side
    whose: Whose
    endpoint: str

    @property
    def kind(self) -> OrganisationKind:
        return next((kind for kind, roles in ROLES_AT.items() if self.role in roles), OrganisationKind.PRACTICE)

    @property
    def referral(self) -> Referral:
        """The one with offers where the route is about choosing; a provider sees only the one that is booked."""
        choosing = self.endpoint in CHOOSING and self.role not in PROVIDERS
        return self.whose.choosing if choosing else self.whose.referral

    @property
    def junior(self) -> Role:
        """Somebody at the same organisation who does not manage it."""
        return {
            OrganisationKind.PRACTICE: Role.REFERRING_CLINICIAN,
            OrganisationKind.PROVIDER: Role.PROVIDER_CLINICIAN,
            OrganisationKind.COMMISSIONER: Role.INFORMATION_ANALYST,
        }[self.kind]


CHOOSING = {
    "attachments.print_patient_letter", "bookings.book_slot", "bookings.ensure_offers", "bookings.hold_slot",
    "bookings.read_offers", "bookings.search_slots", "clinics.decline_offer", "life.do_change_shortlist",
    "life.do_defer_to_provider", "referring.reissue_access_code", "web.choices", "web.choose", "web.look_again",
    "web.book_for", "web.book_for_send", "web.hold_for", "web.offer_for", "web.times",
    "web.compare", "web.decline", "web.decline_send", "web.join", "web.join_send", "web.remember_times",
}  # fmt: skip


def _session(scene: Scene) -> int:
    return scene.whose.session_id if scene.role is Role.PATIENT else scene.side.sessions[scene.role]


def _about_advice(scene: Scene) -> bool:
    return scene.endpoint.startswith(("advice.", "web.advice"))


PARAMETERS: dict[str, Callable[[Scene], Any]] = {
    "ubrn": lambda s: s.referral.ubrn,
    "reference": lambda s: s.whose.request.reference if _about_advice(s) else s.whose.booked.reference,
    "patient_id": lambda s: s.whose.patient.id,
    "attachment_id": lambda s: (s.whose.triage if s.role in PROVIDERS else s.whose.attachment).id,
    "message_id": lambda s: (s.side.notice if s.role in PROVIDERS else s.whose.message).id,
    "offer_id": lambda s: s.whose.offer.id,
    "hold_id": lambda s: s.whose.booked.id,
    "session_id": _session,
    "service_id": lambda s: s.side.service.id,
    "slot_id": lambda s: s.side.slots[-1].id,
    "rule_id": lambda s: s.side.rule.id,
    "preview_id": lambda s: s.side.preview.id,
    "code": lambda s: s.side.practice.ods_code,
    "account_id": lambda s: s.side.roles[s.junior].account_id,
    "token_id": lambda s: s.side.client_tokens[s.kind],
    "nhs_number": lambda s: s.whose.patient.nhs_number,
    "slot_ids": lambda s: [s.side.slots[-1].id],
    "site": lambda s: s.side.site.ods_code,
    "organisation": lambda s: s.side.practice.ods_code,
    "template_id": lambda s: s.side.template.id,
    "upload_id": lambda s: s.side.upload.id,
    "cancellation_id": lambda s: s.side.cancellation.id,
}
PATIENTS_OWN = {"ubrn", "reference", "attachment_id", "offer_id", "hold_id", "session_id", "patient_id", "nhs_number"}
"""Those that another patient of the same practice has too."""

EVERYWHERE: dict[str, Callable[[Scene], Any]] = {
    "role": lambda s: s.junior,
    "worklist": lambda _: "AWAITING_BOOKING",
    "version": lambda _: 1,
    "name": lambda _: next(iter(REPORTS)),
    "kind": lambda _: "staff",
    "run_id": lambda s: s.side.run_id,
    "action": lambda _: "cancel-referral",
}

VERSIONS: dict[str, Callable[[Scene], int]] = {
    "ubrn": lambda s: s.referral.version,
    "reference": lambda s: s.whose.request.version,
    "service_id": lambda s: s.side.service.version,
    "rule_id": lambda s: s.side.rule.version,
    "patient_id": lambda s: s.whose.patient.version,
    "code": lambda s: s.side.practice.version,
}
"""``If-Match``: what a caller would have read before."""

FIELDS: dict[str, Callable[[Scene], Any]] = {
    "starts_at": lambda s: s.side.slots[-1].starts_at.isoformat(),
    "ends_at": lambda s: s.side.slots[-1].ends_at.isoformat(),
    "shortlist": lambda s: [s.side.service.id],
    "specialty": lambda _: "330",
    "date_of_birth": lambda s: s.whose.patient.date_of_birth.isoformat(),
    "referrer": lambda _: "Dr Somebody",
    "reason": lambda _: "OTHER",
    "comment": lambda _: "Because of the weather",
    "username": lambda _: "new.person@example.org",
    "email": lambda _: "new.person@example.org",
    "kind": lambda s: "TRIAGE" if s.role in PROVIDERS else "REFERRAL_LETTER",
    "roles": lambda s: [s.junior],
    "role": lambda s: s.junior,
    "window_from_days": lambda _: 0,
    "window_to_days": lambda _: 90,
    "operational_from": lambda _: "2026-01-01",
    "body": lambda _: BookingPolicy().document(),
}
ALWAYS = {"comment", "referrer"}
"""Fields that are sent wherever a schema has them."""

EXTRA: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "clinics.preview_cancellation": lambda s: {"slot_ids": PARAMETERS["slot_ids"](s)},
    "clinics.cancel_clinic": lambda s: {"slot_ids": PARAMETERS["slot_ids"](s), "digest": "0" * 64},
    "messages.change_contact": lambda _: {"large_print": True},
    "messages.change_own_contact": lambda _: {"large_print": True},
    "needs.change_needs": lambda _: {"step_free": True},
    "needs.change_own_needs": lambda _: {"step_free": True},
    "referring.create_patient": lambda _: {"nhs_number": "9434765919"},
}
FORMS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "web.my_referrals_send": lambda s: {"ubrn": s.whose.referral.ubrn},
    "web.staff_role_send": lambda s: {"role": s.side.roles[s.role].id} if s.role in s.side.roles else {},
    "web.refer_send": lambda s: {"nhs_number": s.whose.patient.nhs_number},
    "web.rule_new_send": lambda s: {
        "service_id": s.side.service.id,
        "organisation": s.side.practice.ods_code,
        "explanation": "Bought",
        "starts_on-day": "1",
        "starts_on-month": "7",
        "starts_on-year": "2030",
    },
    "web.attendance": lambda _: {"step": "attended"},
    "web.audit_patient": lambda s: {"nhs_number": s.whose.patient.nhs_number},
    "web.choose": lambda s: {"slot_id": s.side.slots[-1].id},
    "web.hold_for": lambda s: {"slot_id": s.side.slots[-1].id},
    "web.book_for_send": lambda s: {"slot_id": s.side.slots[-1].id},
}
IN_BODY: dict[str, set[int]] = {
    "advice.ask": {404},
    "referring.create_referral": {404},
    "referring.find_patient": {404},
    "me.choose_referral": {404},
    "web.my_referrals_send": {404},
    "web.audit_patient": {422},
    "clinics.preview_cancellation": {404, 422},
    "clinics.cancel_clinic": {404, 422},
    "service_definitions.create_service": {404, 422},
}
"""Endpoint → how it may refuse somebody else's object; a 422 names the field as if there were no such thing."""

NOT_404: dict[str, tuple[set[int], str]] = {
    "web.confirm": ({302}, "goes back to one's own choices, and says that nothing is kept"),
    "practices.transfer_patient": (
        {200, 422},
        "a practice takes a patient over who is with another: that is its purpose",
    ),
}
"""Endpoints where a foreign object is answered otherwise, and why that tells nothing."""


def values(schema: ma.Schema | type[ma.Schema], scene: Scene, *, root: bool = True) -> dict[str, Any]:
    """The least a schema takes: what it requires, made from names known here or from the fields' types."""
    made = schema() if isinstance(schema, type) else schema
    found = {
        field.data_key or name: _value(name, field, scene)
        for name, field in made.fields.items()
        if not field.dump_only and (field.required or name in ALWAYS)
    }
    return {**found, **(EXTRA[scene.endpoint](scene) if root and scene.endpoint in EXTRA else {})}


def _value(name: str, field: ma.fields.Field[Any], scene: Scene) -> Any:
    for known in (FIELDS, PARAMETERS):
        if name in known and not (name == "reason" and isinstance(field, ma.fields.Enum)):
            return known[name](scene)
    return _by_type(name, field, scene)


def _by_type(name: str, field: ma.fields.Field[Any], scene: Scene) -> Any:
    if isinstance(field, Upload):
        return (io.BytesIO(PDF), "letter.pdf")
    if isinstance(field, ma.fields.Nested):
        return values(field.schema, scene, root=False)
    if isinstance(field, ma.fields.List):
        return [_value(name, field.inner, scene)]
    if isinstance(field, ma.fields.Enum):
        member = next(iter(field.enum))
        return member.value if field.by_value else member.name
    plain: tuple[tuple[type[ma.fields.Field[Any]], Any], ...] = (
        (ma.fields.Boolean, True),
        (ma.fields.Float, 1.5),
        (ma.fields.Integer, 1),
        (ma.fields.AwareDateTime, datetime(2026, 3, 9, 9, tzinfo=UTC).isoformat()),
        (ma.fields.Date, date(2026, 3, 9).isoformat()),
        (ma.fields.Time, time(9).isoformat()),
        (ma.fields.Dict, {}),
        (ma.fields.String, "Words that are long enough"),
    )
    for kind, value in plain:
        if isinstance(field, kind):
            return value
    raise LookupError(f"{scene.endpoint}: give FIELDS a value for {name} ({type(field).__name__})")
