"""Referrals brought to any state by the real services, and people to act on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingMode, Priority, Role
from booking.models import Booking, Patient, Referral, Service, Slot
from booking.services import booking, life, referrals
from booking.services.booking import Choice
from booking.services.life import Given
from booking.services.work import Actor, Work
from tests import factories
from tests.conftest import SYSTEM
from tests.factories import Region

S, A = ReferralState, Action
COMMENT = "Please see the notes."


@dataclass
class Life:
    """A region with a triage service, and shorthand for acting in it inside one unit of work."""

    work: Work
    region: Region
    triage: Service
    full: Service
    """A bookable service without any slot."""

    def acting(self, role: Role) -> Work:
        places = {Role.REFERRING_CLINICIAN: self.region.practice, Role.REFERRING_ADMIN: self.region.practice}
        return factories.acting(self.work, role, places.get(role, self.region.provider))

    @property
    def gp(self) -> Work:
        return self.acting(Role.REFERRING_CLINICIAN)

    @property
    def clinician(self) -> Work:
        return self.acting(Role.PROVIDER_CLINICIAN)

    def later(self, **delta: float) -> Work:
        return replace(self.work, now=self.work.now + timedelta(**delta))

    def patient(self, of: Referral) -> Work:
        return replace(self.work, actor=Actor("patient", Role.PATIENT, referral_id=of.id))

    def refer(
        self, *, patient: Patient | None = None, priority: Priority = Priority.ROUTINE, **more: object
    ) -> Referral:
        who = patient or factories.PatientFactory(practice_id=self.region.practice.id)
        shortlist = more.pop("shortlist", [self.region.services[0].id, self.full.id])
        fields = {"clinical_information": "Seen on Monday.", "shortlist": shortlist, **more}
        return factories.referral(self.work, self.region, patient=who, priority=priority, **fields)[0]

    def do(self, work: Work, of: Referral, action: Action, **given: object) -> Referral:
        return life.perform(work, of.ubrn, action, Given(**given)).referral  # type: ignore[arg-type]

    def free(self) -> Slot:
        taken = select(Booking.slot_id).where(Booking.released_at.is_(None))
        query = select(Slot).where(Slot.service_id == self.region.services[0].id, Slot.id.not_in(taken))
        slot = self.work.session.scalars(query.order_by(Slot.starts_at).limit(1)).first()
        assert slot is not None
        return slot

    def book(self, of: Referral, work: Work | None = None) -> Booking:
        slot = self.free()
        return booking.book(work or self.patient(of), of.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))

    def to(self, state: ReferralState) -> Referral:
        """A new referral brought to ``state`` by what people really do."""
        return self._ways()[state]()

    def _ways(self) -> dict[ReferralState, Callable[[], Referral]]:
        def booked() -> Referral:
            made = self.refer()
            self.book(made)
            return made

        def came(action: Action) -> Referral:
            made = booked()
            work = replace(self.clinician, now=self.work.now + timedelta(days=10))
            return self.do(work, made, action)

        def then(made: Referral, action: Action, work: Work, **given: object) -> Referral:
            return self.do(work, made, action, **given)

        def triage() -> Referral:
            return self.refer(shortlist=[self.triage.id])

        def cancelled_by_patient() -> Referral:
            made = self.refer()
            reference = self.book(made).reference
            assert reference is not None
            booking.cancel_booking(self.patient(made), reference, reason="UNABLE_TO_ATTEND", comment=None)
            return made

        def cancelled_by_provider() -> Referral:
            made = booked()
            # The table's own step, without the clinic's machinery: tests/changes has that.
            from booking.services import places
            from booking.services.transitions import Why, transition

            locked = referrals.lock_referral(self.clinician, made.ubrn)
            places.release_everything(self.clinician, locked, reason_code="CLINIC_CANCELLED")
            transition(self.clinician, locked, A.CANCEL_APPOINTMENT_BY_PROVIDER, Why("CLINIC_CANCELLED"))
            self.work.session.flush()
            return locked

        def cancelled() -> Referral:
            made = self.refer()
            return referrals.cancel_referral(self.gp, made.ubrn, reason="RAISED_IN_ERROR", comment=None)

        gp, clinician = self.gp, self.clinician
        return {
            S.DRAFT: lambda: self.refer(draft=True),
            S.NOT_BOOKED: self.refer,
            S.BOOKED: booked,
            S.ATTENDED: lambda: came(A.RECORD_ATTENDED),
            S.CLOSED: lambda: then(came(A.RECORD_ATTENDED), A.CLOSE, clinician, reason="DISCHARGED_TO_GP"),
            S.AWAITING_TRIAGE: triage,
            S.TRIAGED_PROVIDER_TO_ACTION: lambda: then(
                booked(), A.CANCEL_AND_ACT_LATER, clinician, reason="CLINICIAN_UNAVAILABLE", comment=COMMENT
            ),
            S.TRIAGE_RESPONSE: lambda: then(triage(), A.TRIAGE_RETURN, clinician, comment=COMMENT),
            S.DEFERRED_TO_PROVIDER: lambda: then(
                self.refer(), A.DEFER_TO_PROVIDER, gp, reason="NO_SLOTS", service_id=self.full.id
            ),
            S.REJECTED: lambda: then(booked(), A.REJECT, clinician, reason="CRITERIA_NOT_MET", comment=COMMENT),
            S.APPT_CANCELLED_BY_PATIENT: cancelled_by_patient,
            S.APPT_CANCELLED_BY_PROVIDER: cancelled_by_provider,
            S.DID_NOT_ATTEND: lambda: came(A.RECORD_DID_NOT_ATTEND),
            S.ASSESSMENT_RESULT: lambda: then(
                came(A.RECORD_ATTENDED), A.RECORD_ASSESSMENT_RESULT, clinician, comment=COMMENT
            ),
            S.CANCELLED_REFERRAL: cancelled,
        }


@pytest.fixture
def lives(work: Work, region: Region) -> Life:
    site = region.services[0].site_id
    from booking.models import Site

    where = work.session.get_one(Site, site)
    triage = factories.service(work, region.provider, where, name="Skin triage", booking_mode=BookingMode.TRIAGE)
    full = factories.service(work, region.provider, where, name="Full clinic")
    work.session.commit()
    assert work.actor == SYSTEM
    return Life(work, region, triage, full)
