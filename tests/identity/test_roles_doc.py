"""``docs/roles.md`` says what the policies say."""

from __future__ import annotations

from pathlib import Path

import pytest

from booking.cli.roles import SHORT
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from tests.test_accounts import run

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "roles.md"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@on_sqlite
def test_the_document_is_in_step(app: BookingApp) -> None:
    code, said = run(app, "roles", "--markdown")
    assert code == 0, said
    assert DOCUMENT.read_text(encoding="utf-8") == said, "flask --app app roles --markdown > docs/roles.md"


@on_sqlite
def test_the_list_names_every_route_once(app: BookingApp) -> None:
    code, said = run(app, "roles")
    assert code == 0, said
    lines = said.splitlines()
    assert len({line.rsplit("  ", 1)[0] for line in lines}) == len(lines) > 60
    assert "POST   /api/v1/organisation/tokens  RA PA CO" in lines


def test_every_role_somebody_can_have_is_a_column() -> None:
    assert set(SHORT) == set(Role) - {Role.SYSTEM}
