"""Those who set rules, signed in; and small helpers to read and change what they set."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from flask.testing import FlaskClient

from booking.domain.words import OrganisationKind, Role
from booking.edge.flask_app import BookingApp
from booking.models import AccountRole
from booking.services import sign_in
from booking.services.work import Work
from tests import factories
from tests.api.conftest import Headers
from tests.factories import Region, bearer
from tests.planning.conftest import Flask

SERVICES = "/api/v1/organisation/services"
RULES = "/api/v1/commissioning-rules"
POLICIES = "/api/v1/policies"


def signed_in(work: Work, role: AccountRole) -> Headers:
    headers = bearer(sign_in.open_session(work, account_role_id=role.id, role=role.role).token)
    work.session.commit()
    return headers


@pytest.fixture
def definer(work: Work, region: Region) -> Headers:
    return signed_in(work, region.account_roles[Role.SERVICE_DEFINER])


@pytest.fixture
def commissioner(work: Work, region: Region) -> Headers:
    return signed_in(work, region.account_roles[Role.COMMISSIONER])


@pytest.fixture
def stranger(work: Work, region: Region) -> dict[Role, Headers]:
    """A service definer of the other provider and a commissioner of another place."""
    other = factories.OrganisationFactory(ods_code="99Z", kind=OrganisationKind.COMMISSIONER, name="Elsewhere")
    return {
        Role.SERVICE_DEFINER: signed_in(work, factories.account(work, Role.SERVICE_DEFINER, region.other_provider)),
        Role.COMMISSIONER: signed_in(work, factories.account(work, Role.COMMISSIONER, other)),
    }


@pytest.fixture
def gp(work: Work, region: Region) -> Headers:
    return signed_in(work, region.account_roles[Role.REFERRING_CLINICIAN])


@pytest.fixture
def flask(app: BookingApp) -> Flask:
    """Run a command in this process; a failure is the test's failure."""

    def run(*args: str, code: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=list(args))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def with_version(client: FlaskClient, headers: Headers, path: str) -> Headers:
    """The headers with the thing's present ETag as If-Match."""
    return {**headers, "If-Match": client.get(path, headers=headers).headers["ETag"]}


def definition(**changes: Any) -> dict[str, Any]:
    """A service definition as its API takes it."""
    return {
        "name": "Mole clinic", "site": "RA101", "specialty": "330", "clinic_types": ["330-SKIN"],
        "priorities": [{"priority": "ROUTINE", "window_from_days": 2, "window_to_days": 90}],
        "operational_from": "2026-03-02", **changes,
    }  # fmt: skip
