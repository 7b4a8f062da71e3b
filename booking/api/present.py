"""How referrals, slots, offers and bookings look in JSON: schemas, and the plain values behind them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma

from booking.domain.geo import distance_km, miles
from booking.domain.ids import show_ubrn
from booking.domain.referral import ReferralState
from booking.domain.times import in_words
from booking.domain.words import BookingState, ClockState, ConsultationMode, Priority
from booking.models import Booking, Offer, Patient, Referral, Slot


class SlotSchema(ma.Schema):
    slot_id = ma.fields.Integer()
    starts_at = ma.fields.AwareDateTime(metadata={"description": "UTC instant; send it back as it stands"})
    ends_at = ma.fields.AwareDateTime()
    time_zone = ma.fields.String()
    local_time = ma.fields.String(metadata={"description": "In words, at the site"})
    service_id = ma.fields.Integer()
    service = ma.fields.String()
    provider = ma.fields.String()
    site = ma.fields.String()
    address = ma.fields.String(allow_none=True)
    postcode = ma.fields.String(allow_none=True)
    mode = ma.fields.Enum(ConsultationMode, by_value=True)
    practitioner = ma.fields.String(allow_none=True)
    distance_miles = ma.fields.Float(allow_none=True)
    wait_days = ma.fields.Integer(metadata={"description": "From the RTT clock start to the appointment"})


class OfferSchema(SlotSchema):
    offer_id = ma.fields.Integer(metadata={"description": "To decline it"})
    rank = ma.fields.Integer()
    guaranteed = ma.fields.Boolean(metadata={"description": "Held for you until expires_at"})
    reasons = ma.fields.List(ma.fields.String())
    expires_at = ma.fields.AwareDateTime()


class ShortlistSchema(ma.Schema):
    service_id = ma.fields.Integer()
    name = ma.fields.String()
    provider = ma.fields.String()


class ReferralSchema(ma.Schema):
    ubrn = ma.fields.String()
    ubrn_shown = ma.fields.String()
    state = ma.fields.Enum(ReferralState, by_value=True)
    version = ma.fields.Integer()
    patient_id = ma.fields.Integer()
    referrer = ma.fields.String()
    practice = ma.fields.String()
    specialty = ma.fields.String()
    clinic_type = ma.fields.String(allow_none=True)
    priority = ma.fields.Enum(Priority, by_value=True)
    reason = ma.fields.String()
    clinical_information = ma.fields.String()
    rtt_clock_start = ma.fields.Date()
    rtt_clock_state = ma.fields.Enum(ClockState, by_value=True)
    letter_outstanding = ma.fields.Boolean()
    service_id = ma.fields.Integer(allow_none=True, metadata={"description": "The service it was last sent to"})
    due_date = ma.fields.Date()
    created_at = ma.fields.AwareDateTime()
    shortlist = ma.fields.List(ma.fields.Nested(ShortlistSchema))


class IssuedReferralSchema(ReferralSchema):
    access_code = ma.fields.String(metadata={"description": "Shown once. Hand it to the patient."})


class BookingSchema(SlotSchema):
    reference = ma.fields.String(allow_none=True)
    ubrn = ma.fields.String()
    state = ma.fields.Enum(BookingState, by_value=True)
    booked_at = ma.fields.AwareDateTime(allow_none=True)
    held_until = ma.fields.AwareDateTime(allow_none=True)


def slot(shown: Slot, referral: Referral, patient: Patient | None) -> dict[str, Any]:
    """A slot with service, organisation and site loaded, as this referral's patient sees it."""
    site = shown.site
    far = None
    if (
        patient is not None
        and patient.latitude is not None
        and patient.longitude is not None
        and site.latitude is not None
    ):
        far = distance_km(patient.latitude, patient.longitude, site.latitude, site.longitude or 0.0)
    return {
        "slot_id": shown.id,
        "starts_at": shown.starts_at,
        "ends_at": shown.ends_at,
        "time_zone": shown.time_zone,
        "local_time": in_words(shown.starts_at, ZoneInfo(shown.time_zone)),
        "service_id": shown.service_id,
        "service": shown.service.name,
        "provider": shown.service.organisation.name,
        "site": site.name,
        "address": site.address,
        "postcode": site.postcode,
        "mode": shown.mode,
        "practitioner": shown.practitioner.name if shown.practitioner else None,
        "distance_miles": None if far is None else round(miles(far), 1),
        "wait_days": (shown.local_date - referral.rtt_clock_start).days,
    }


def offer(made: Offer, referral: Referral, patient: Patient) -> dict[str, Any]:
    return {
        **slot(made.slot, referral, patient),
        "offer_id": made.id,
        "rank": made.rank,
        "guaranteed": made.guaranteed,
        "reasons": made.reasons.get("words", []),
        "expires_at": made.expires_at,
    }


def referral(found: Referral) -> dict[str, Any]:
    return {
        **{
            name: getattr(found, name)
            for name in (
                "ubrn", "state", "version", "patient_id", "referrer", "priority", "reason", "clinical_information",
                "rtt_clock_start", "rtt_clock_state", "letter_outstanding", "service_id", "due_date", "created_at",
            )
        },
        "ubrn_shown": show_ubrn(found.ubrn),
        "practice": found.practice.name,
        "specialty": found.specialty_code,
        "clinic_type": found.clinic_type_code,
        "shortlist": [
            {"service_id": row.service_id, "name": row.service.name, "provider": row.service.organisation.name}
            for row in found.shortlist
        ],
    }  # fmt: skip


def booking(made: Booking, of: Referral) -> dict[str, Any]:
    return {
        **slot(made.slot, of, of.patient),
        "reference": made.reference,
        "ubrn": of.ubrn,
        "state": made.state,
        "booked_at": made.booked_at,
        "held_until": made.held_until,
    }
