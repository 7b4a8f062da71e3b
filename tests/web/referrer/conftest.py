"""People of the practice, signed in; services that read first, or give advice."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from booking.domain.words import BookingMode, Role
from booking.models import Service
from booking.services.work import Work
from tests import factories
from tests.factories import Region
from tests.identity.matrix_world import PDF
from tests.web.conftest import Visitor, forms

SKIN = "330|330-SKIN"


@pytest.fixture
def gp(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.REFERRING_CLINICIAN)


@pytest.fixture
def admin(staff: Callable[[Role], Visitor]) -> Visitor:
    return staff(Role.REFERRING_ADMIN)


@pytest.fixture
def triage(work: Work, region: Region) -> Service:
    made = factories.service(
        work, region.provider, work.session.get_one(factories.Site, region.services[0].site_id),
        name="Skin triage", booking_mode=BookingMode.TRIAGE,
    )  # fmt: skip
    work.session.commit()
    return made


@pytest.fixture
def adviser(work: Work, region: Region) -> Service:
    """The region's first service answers questions too."""
    found = work.session.merge(region.services[0])
    found.gives_advice = True
    work.session.commit()
    return found


def press(visitor: Visitor, page: TestResponse, do: str, action: str = "/staff/refer", **changes: Any) -> TestResponse:
    """Press the button ``do`` of the form as it stands, with these changes; a list sends a field several times."""
    form = next(one for one in forms(page) if one.method == "post" and one.action.startswith(action))
    data: dict[str, Any] = {**form.fields, **{name.replace("__", "-"): value for name, value in changes.items()}}
    data = {name: value for name, value in data.items() if value is not None}
    return visitor.client.post(
        form.action, data={**data, "do": do}, follow_redirects=True, content_type="multipart/form-data"
    )


def letter(name: str = "letter.pdf") -> tuple[io.BytesIO, str]:
    return io.BytesIO(PDF), name


def codes(page: TestResponse) -> tuple[str, str]:
    """Reference and access code of a patient's letter."""
    parts = [part.split("<")[0] for part in page.text.split('app-code--large">')[1:]]
    return parts[0].replace(" ", ""), parts[1]
