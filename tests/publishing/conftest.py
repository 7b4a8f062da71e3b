"""A provider signed in, and what every publishing test asks: what is in the slot table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask.testing import FlaskClient
from sqlalchemy import text

from booking.db import Database
from booking.domain.words import Role
from booking.edge.flask_app import BookingApp
from booking.services.work import Work
from tests import factories


@dataclass
class Provider:
    """The region's first provider, through the front door."""

    client: FlaskClient
    headers: dict[str, str]
    service_id: int
    other_service_id: int

    def publish(self, expect: int = 201, **body: Any) -> Any:
        answer = self.client.post(
            "/api/v1/slots/publications", json={"service_id": self.service_id, **body}, headers=self.headers
        )
        assert answer.status_code == expect, answer.get_data(as_text=True)
        return answer.get_json()

    def get(self, **query: Any) -> Any:
        answer = self.client.get("/api/v1/slots", query_string=query, headers=self.headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()


@pytest.fixture
def provider(client: FlaskClient, work: Work, region: factories.Region) -> Provider:
    factories.PractitionerFactory(organisation_id=region.provider.id, identifier="C1234567", name="Dr One")
    factories.PractitionerFactory(organisation_id=region.other_provider.id, identifier="C7654321", name="Dr Other")
    token = factories.token(work, region, Role.PROVIDER_ADMIN)
    work.session.commit()
    first, second = region.services[:2]
    return Provider(client, factories.bearer(token), first.id, second.id)


@pytest.fixture
def slot_table(database: Database) -> Callable[[], list[tuple[Any, ...]]]:
    """Every column of every slot, as stored."""

    def read() -> list[tuple[Any, ...]]:
        with database.unit_of_work(write=False) as session:
            return [tuple(row) for row in session.execute(text("SELECT * FROM slot ORDER BY id"))]

    return read


@pytest.fixture
def run(app: BookingApp, work: Work, tmp_path: Path) -> Callable[..., Result]:
    """``flask import …`` in this process."""
    work.session.commit()  # the command needs the writer's lock

    def run(*arguments: object) -> Result:
        work.session.commit()
        result = app.test_cli_runner().invoke(args=["import", *map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def slot(
    name: str = "A1", start: str = "2026-04-07T09:00", end: str = "2026-04-07T09:20", **more: Any
) -> dict[str, Any]:
    return {"provider_slot_id": name, "starts_at": start, "ends_at": end, **more}


def session(**more: Any) -> dict[str, Any]:
    """Tuesdays 09:00 to 12:30, 15 minutes, in April 2026 (the 7th, 14th, 21st and 28th)."""
    return {
        "id": "TUE", "first_date": "2026-04-01", "last_date": "2026-04-30", "weekdays": ["tuesday"],
        "starts": "09:00", "ends": "12:30", "slot_minutes": 15, **more,
    }  # fmt: skip
