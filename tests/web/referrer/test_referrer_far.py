"""Services far away: what was found, ticked or listed stays on the form, however many are nearer."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from booking.domain.words import BookingMode
from booking.models import Referral, ReferralService, Service
from booking.services.work import Work
from booking.web import say
from tests import factories
from tests.conftest import Rows
from tests.factories import Region
from tests.web.conftest import Referred, Visitor
from tests.web.referrer.conftest import SKIN, press

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NEARER = 25


@pytest.fixture
def crowd(work: Work, region: Region) -> dict[str, Service]:
    """Many near services, and one of each kind farther away than all of them."""
    made = {}
    for n in range(NEARER):
        near = factories.SiteFactory(organisation_id=region.provider.id, latitude=53.49)
        factories.service(work, region.provider, near, name=f"Near {n:02d}")
    for name, mode in (("book", BookingMode.DIRECTLY_BOOKABLE), ("read", BookingMode.TRIAGE)):
        far = factories.SiteFactory(organisation_id=region.provider.id, latitude=54.9)
        made[name] = factories.service(work, region.provider, far, name=f"Far {name}", booking_mode=mode)
    work.session.commit()
    return made


def ticked(service: Service, text: str) -> bool:
    _, found, after = text.partition(f'name="shortlist" value="{service.id}"')
    return bool(found) and after.split(">")[0].endswith(" checked")


def test_a_far_service_that_was_found_is_on_the_form(
    gp: Visitor, region: Region, crowd: dict[str, Service], rows: Rows
) -> None:
    far = crowd["book"]
    page = gp.get(f"/staff/refer?clinic={SKIN}&priority=ROUTINE&shortlist={far.id}")
    assert ticked(far, page.text)
    assert page.text.count(" checked>") == 2  # the priority, and no other service
    found = press(gp, page, "look", nhs_number=say.nhs_number(region.patient.nhs_number))
    assert ticked(far, found.text)
    press(gp, found, "send", reason="A mole")
    assert rows(select(ReferralService.service_id)) == [far.id]


def test_a_far_service_stays_on_a_draft(gp: Visitor, region: Region, crowd: dict[str, Service], rows: Rows) -> None:
    far = crowd["book"]
    page = press(
        gp, gp.get(f"/staff/refer?clinic={SKIN}&shortlist={far.id}"), "look",
        nhs_number=say.nhs_number(region.patient.nhs_number),
    )  # fmt: skip
    draft = press(gp, page, "draft", reason="A mole")
    assert ticked(far, draft.text)


def test_a_far_service_stays_when_the_shortlist_is_changed(
    gp: Visitor, region: Region, referred: Referred, crowd: dict[str, Service], work: Work, rows: Rows
) -> None:
    far, path = crowd["book"], f"/staff/referrals/{referred.ubrn}/do"
    work.session.add(ReferralService(referral_id=referred.referral.id, service_id=far.id, position=3))
    work.session.commit()
    page = gp.get(f"{path}/change-shortlist")
    assert ticked(far, page.text)
    assert "Far read" not in page.text
    assert f'value="{crowd["read"].id}"' in gp.get(f"{path}/send-for-triage").text
    left = gp.get(f"{path}/defer-to-provider")
    assert f'value="{far.id}"' in left.text
    assert "Near 00" not in left.text


def test_an_appointment_stands_at_its_own_service(gp: Visitor, referred: Referred, region: Region, work: Work) -> None:
    path = f"/staff/referrals/{referred.ubrn}"
    times = gp.send(gp.get(f"{path}/times"), f"{path}/offers")
    gp.send(gp.send(times, f"{path}/hold"), f"{path}/book")
    work.session.rollback()
    found = work.session.get_one(Referral, referred.referral.id, populate_existing=True)
    other = next(one.id for one in region.services if one.id != found.service_id)
    here = work.session.get_one(Service, found.service_id)
    there = work.session.get_one(Service, other)
    here.name, there.name = "Clinic of the appointment", "Clinic it was sent to later"
    found.service_id = other
    work.session.commit()
    assert "Clinic of the appointment" in gp.get("/staff/outcomes").text
