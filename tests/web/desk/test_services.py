"""Services described, changed with a look at whom it touches, and closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from booking.domain.words import Priority
from booking.models import Service, ServicePriority
from tests.conftest import Rows
from tests.life.conftest import Life
from tests.web.conftest import Visitor

NEW = "/staff/desk/services/new"


def _service(rows: Rows, name: str) -> Service:
    found: Service = rows(select(Service).where(Service.name == name))[0]
    return found


def _ticked(page: Any, **more: Any) -> dict[str, Any]:
    """What a browser sends besides: every priority that is ticked, which the reader of forms keeps only one of."""
    return {"priorities": [str(one) for one in Priority], "clinic_types": ["330-SKIN"], **more}


def test_a_service_is_made_with_every_fault_beside_its_box(lives: Life, definer: Visitor, rows: Rows) -> None:
    page = definer.get(NEW)
    faults = {"name": " ", "min_age": "-1", "max_age": "x", "from__ROUTINE": "9", "to__ROUTINE": "3",
              "booking_mode": "FAX", "operational_from__day": "31", "operational_from__month": "2"}  # fmt: skip
    bad = definer.send(page, NEW, **_ticked(page, **faults))
    assert bad.status_code == 422
    for said in ("Enter the name of the service", "Enter an age from 0 to 150", "The last day is before the first",
                 "Select how it is booked", "must be a real date", "Select the site"):  # fmt: skip
        assert said in bad.text
    taken = definer.send(page, NEW, **_ticked(page, name="Dermatology clinic", site="RA101", specialty="330"))
    assert taken.status_code == 422
    assert "You have a service of this name already" in taken.text
    wrong = definer.send(page, NEW, **_ticked(page, name="Heart", site="RA101", specialty="320"))
    assert "of specialty 330, not 320" in wrong.text
    phone = definer.send(page, NEW, **_ticked(page, name="By phone", site="RA101", specialty="330",
                                              booking_mode="INDIRECTLY_BOOKABLE"))  # fmt: skip
    assert "booked by telephone needs its number" in phone.text
    made = definer.send(page, NEW, **_ticked(page, name="Mole clinic", site="RA101", specialty="330", min_age="16",
                                             instructions="Bring\r\nglasses", overbooking_percent="10"))  # fmt: skip
    assert "Mole clinic is there" in made.text
    found = _service(rows, "Mole clinic")
    assert (found.min_age, found.overbooking_percent, found.instructions) == (16, 10, "Bring\nglasses")
    windows = rows(select(ServicePriority).where(ServicePriority.service_id == found.id))
    assert {(one.priority, one.window_from_days, one.window_to_days) for one in windows} == {
        (Priority.ROUTINE, 3, 182), (Priority.URGENT, 1, 60), (Priority.TWO_WEEK_WAIT, 0, 14)
    }  # fmt: skip


def test_a_change_shows_whom_it_touches_before_it_is_saved(lives: Life, definer: Visitor, rows: Rows) -> None:
    lives.refer(shortlist=[lives.full.id])
    lives.work.session.commit()
    path = f"/staff/desk/services/{lives.full.id}/change"
    page = definer.get(path)
    more = {"priorities": [str(one) for one in Priority], "clinic_types": ["330-SKIN"]}
    same = definer.send(page, path, **more)
    assert "nothing was changed" in same.text
    check = definer.send(page, path, **more, max_age="40")
    assert "Whom this touches" in check.text
    assert "You change: oldest" in check.text
    assert "1 patient has no other service to go to" in check.text
    assert _service(rows, "Full clinic").max_age == 150
    other = definer.send(page, path, **more, name="Full again", max_age="150", confirm="yes")
    assert "Changed: Full again." in other.text
    late = definer.send(check, path, **more, max_age="40", confirm="yes")
    assert late.status_code == 409
    assert "Somebody else changed this service" in late.text
    saved = definer.send(late, path, **more, name="Full clinic", max_age="40", confirm="yes")
    assert "Changed: Full clinic." in saved.text
    assert _service(rows, "Full clinic").max_age == 40


def test_a_service_is_closed_after_a_look(lives: Life, definer: Visitor, rows: Rows) -> None:
    lives.refer(shortlist=[lives.full.id])
    lives.work.session.commit()
    path = f"/staff/desk/services/{lives.full.id}/close"
    page = definer.get(path)
    assert "Enter the last day" in definer.send(page, path).text
    past = {"last_day__day": "1", "last_day__month": "3", "last_day__year": "2026"}
    assert "closed in the past" in definer.send(page, path, **past).text
    day = {"last_day__day": "31", "last_day__month": "3", "last_day__year": "2026"}
    check = definer.send(page, path, **day)
    assert "Whom it touches" in check.text
    assert _service(rows, "Full clinic").operational_to is None
    done = definer.send(check, path, **day, confirm="yes")
    assert "takes nobody after 31 March 2026" in done.text
    assert str(_service(rows, "Full clinic").operational_to) == "2026-03-31"
    assert "Full clinic" in definer.get("/staff/desk/services?closed=1").text


def test_who_reads_and_who_writes(
    lives: Life, admin: Visitor, definer: Visitor, newcomer: Callable[[], Visitor]
) -> None:
    lives.work.session.commit()
    assert "Describe a new service" not in admin.get("/staff/desk/services").text
    own = f"/staff/desk/services/{lives.region.services[0].id}"
    assert "Change it" not in admin.get(own).text
    assert "Change it" in definer.get(own).text
    assert admin.get(f"{own}/change").status_code == 403
    theirs = f"/staff/desk/services/{lives.region.services[1].id}"
    for path in (theirs, f"{theirs}/change", f"{theirs}/close"):
        assert definer.get(path).status_code == 404
