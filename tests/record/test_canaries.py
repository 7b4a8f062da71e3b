"""Logs name nobody: canaries of every kind go through real processes, on good paths and bad, and none comes out."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from sqlalchemy import text

from booking.db import Database
from booking.domain.words import Role
from booking.services.work import Work
from tests import factories, servers
from tests.conftest import SECRET, Clock
from tests.factories import PASSWORD, Region, bearer

API = "/api/v1"
NHS, GIVEN, FAMILY = "9434765919", "Zuzannacanary", "O’Canaryová"
EMAIL, MOBILE, POSTCODE = "canary.mailbox@example.invalid", "07700900941", "ZQ9 9ZZ"
CLINICAL, COMMENT, LANGUAGE = "Melanocanary on the left shoulder", "Canarywedding in Tenby", "Canarish"
ODD = "canary-in-a-header"


@pytest.fixture
def clock() -> Clock:
    """The real time: the processes know no other."""
    return Clock(datetime.now(UTC))


def gunicorn(log: Path, url: str, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    """gunicorn as it is deployed, but with its access log on and everything at debug."""
    port = servers.free_port()
    environment = {
        **os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET, "COOKIE_SECURE": "false", "FLASK_DEBUG": "1",
        "ATTACHMENTS": f"disk:{log.parent / 'files'}",
        "GUNICORN_CMD_ARGS": "--access-logfile - --error-logfile - --log-level debug --capture-output",
    }  # fmt: skip
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-w", "1", "-b", f"127.0.0.1:{port}",
             *arguments, "app:create_app()"],
            cwd=servers.ROOT, env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    return process, f"http://127.0.0.1:{port}"


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


@dataclass
class Journey:
    base: str
    gp: dict[str, str]
    region: Region
    canaries: dict[str, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        answer = requests.request(method, f"{self.base}{path}", timeout=60, allow_redirects=False, **given)
        self.answers.append(answer.status_code)
        return answer

    def patient(self) -> dict[str, Any]:
        return {
            "nhs_number": NHS, "given_name": GIVEN, "family_name": FAMILY, "date_of_birth": "1948-02-29",
            "sex": "female", "postcode": POSTCODE, "email": EMAIL, "mobile": MOBILE, "interpreter_language": LANGUAGE,
        }  # fmt: skip

    def good(self) -> None:
        """From the practice to a booked appointment and back."""
        made = self.call("POST", f"{API}/patients", json=self.patient(), headers=self.gp)
        assert made.status_code == 201, made.text
        self.call("GET", f"{API}/patients?nhs_number={NHS}", headers=self.gp)
        body = {
            "patient_id": made.json()["id"], "specialty": "330", "priority": "ROUTINE", "reason": CLINICAL,
            "clinical_information": CLINICAL, "shortlist": [one.id for one in self.region.services],
        }  # fmt: skip
        referred = self.call("POST", f"{API}/referrals", json=body, headers=self.gp).json()
        ubrn, code = referred["ubrn"], referred["access_code"]
        born = "1948-02-29"
        signed = self.call(
            "POST", f"{API}/patient-sessions", json={"ubrn": ubrn, "access_code": code, "date_of_birth": born}
        ).json()
        me = bearer(signed["token"])
        offers = self.call("POST", f"{API}/referrals/{ubrn}/offers", headers=me).json()["offers"]
        choice = {name: offers[0][name] for name in ("slot_id", "starts_at", "ends_at")}
        booked = self.call("POST", f"{API}/referrals/{ubrn}/bookings", json=choice, headers=me).json()
        for path in ("me/record", "me/record.fhir", "me/record.pdf", "me/access", f"bookings/{booked['reference']}"):
            assert self.call("GET", f"{API}/{path}", headers=me).status_code == 200
        self.call(
            "POST", f"{API}/bookings/{booked['reference']}/cancel", json={"reason": "OTHER", "comment": COMMENT},
            headers=me,
        )  # fmt: skip
        self.canaries |= {
            "ubrn": ubrn, "access code": code, "token": signed["token"], "booking reference": booked["reference"],
        }  # fmt: skip

    def bad(self) -> None:
        """The same things where they don't belong."""
        ubrn, code, token = (self.canaries[name] for name in ("ubrn", "access code", "token"))
        for path in (f"/{NHS}/{quote(FAMILY)}", f"/api/v1/{NHS}?code={code}", f"{API}/patients?name={quote(FAMILY)}",
                     f"{API}/referrals/{NHS}", f"{API}/referrals/{ubrn}?access_code={code}&token={token}"):  # fmt: skip
            self.call("GET", path, headers=self.gp)
        odd = {
            "User-Agent": ODD, "Referer": f"http://x/{NHS}", "Cookie": f"choose_and_book={token}",
            "X-Forwarded-For": ODD, "If-None-Match": NHS, "Accept-Language": EMAIL, "X-Canary": ODD,
        }  # fmt: skip
        for given in (NHS, code, ubrn, token[:40], EMAIL):
            self.call("GET", f"{API}/referrals/{ubrn}", headers=self.gp | odd | {"X-Request-ID": given})
        self.call("GET", f"{API}/referrals/{ubrn}", headers=bearer(f"{token}x"))
        key = self.gp | {"Idempotency-Key": NHS}
        self.call("POST", f"{API}/patients", json=self.patient() | {FAMILY: NHS}, headers=key)
        self.call("POST", f"{API}/patients", json=self.patient(), headers=key)  # there already: the driver says so
        self.call("POST", f"{API}/patients", data=f'{{"nhs_number": "{NHS}", "given', headers=self.gp | _JSON)
        self.call("POST", f"{API}/patients", data=f"<{FAMILY}>", headers=self.gp)
        self.call("POST", f"{API}/patients", json=self.patient() | {"given_name": GIVEN + "\x00"}, headers=self.gp)
        wrong = {"ubrn": ubrn, "access_code": code, "date_of_birth": "1900-01-01"}
        self.call("POST", f"{API}/patient-sessions", json=wrong)
        self.call("POST", "/sign-in", data={"ubrn": ubrn, "access_code": code})
        self.call("POST", "/staff/sign-in", data={"username": EMAIL, "password": PASSWORD})

    def malformed(self) -> None:
        """What gunicorn itself refuses, and would quote."""
        parts = urlsplit(self.base)
        for raw in (
            f"GET /{NHS} {FAMILY} HTTP/1.1\r\n\r\n", f"{ODD.upper()} /{NHS} HTTP/1.1\r\n\r\n",
            f"GET /{NHS} HTTP/9.9\r\nHost: x\r\n\r\n", f"GET / HTTP/1.1\r\n{ODD} {NHS}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: {EMAIL}/{NHS}\r\n\r\n", f"POST / HTTP/1.1\r\nContent-Length: {NHS}x\r\n\r\n",
            f"GET /{NHS * 900} HTTP/1.1\r\n\r\n",
        ):  # fmt: skip
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
                connection.sendall(raw.encode())
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    connection.recv(4096)


_JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def away(database: Database, table: str) -> Iterator[None]:
    """A table is gone for a while: every statement on it fails in the driver, parameters and all."""
    with database.unit_of_work() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    try:
        yield
    finally:
        with database.unit_of_work() as session:
            session.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))


def command(log: Path, url: str, *arguments: str, messages: str = "console") -> subprocess.Popen[bytes]:
    environment = {
        **os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET, "PLAN_TIMES": "", "MESSAGES": messages,
        "FLASK_DEBUG": "1", "PYTHONUNBUFFERED": "1", "ATTACHMENTS": f"disk:{log.parent / 'files'}",
    }  # fmt: skip
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=servers.ROOT, env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip


def wait_for(log: Path, what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while what not in log.read_text(encoding="utf-8", errors="replace"):
        assert time.monotonic() < until, f"{what} never came:\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.1)


def wait_for_answer(base: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{base}/healthz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("gunicorn did not answer")


@pytest.mark.slow
def test_no_canary_comes_out(database: Database, work: Work, region: Region, tmp_path: Path) -> None:
    gp = bearer(factories.token(work, region, Role.REFERRING_CLINICIAN))
    work.session.commit()
    web, jobs = tmp_path / "web.log", tmp_path / "jobs.log"
    web.touch()
    jobs.touch()
    process, base = gunicorn(web, database.url)
    try:
        wait_for_answer(base, process)
        journey = Journey(base, gp, region)
        journey.good()
        journey.bad()
        journey.malformed()
        with away(database, "patient"):
            broken = journey.call("POST", f"{API}/patients", json=journey.patient(), headers=gp)
            assert broken.status_code == 500
            journey.call("GET", f"{API}/patients?nhs_number={NHS}", headers=gp)
    finally:
        end(process)

    scheduler = command(jobs, database.url, "scheduler", messages="smtp://127.0.0.1:9")  # nobody listens there
    try:
        wait_for(jobs, "scheduler-leads")
        until = time.monotonic() + 30
        while _attempts(database) == 0 and time.monotonic() < until:
            time.sleep(0.2)
        assert _attempts(database) > 0
        with away(database, "outbox_message"):
            wait_for(jobs, "job-failed")
    finally:
        end(scheduler)
    with away(database, "referral"):
        crashed = command(jobs, database.url, "plan")
        assert crashed.wait(120) != 0

    canaries = {
        "NHS number": NHS, "given name": GIVEN, "family name": FAMILY, "e-mail": EMAIL, "mobile": MOBILE,
        "postcode": POSTCODE, "clinical": CLINICAL, "comment": COMMENT, "language": LANGUAGE, "header": ODD,
        "password": PASSWORD, "staff token": gp["Authorization"].split()[1], "secret key": SECRET, **journey.canaries,
    }  # fmt: skip
    for log in (web, jobs):
        written = log.read_text(encoding="utf-8", errors="replace")
        for name, canary in canaries.items():
            for form in {canary, quote(canary), canary.replace(" ", "+"), repr(canary)[1:-1], ascii(canary)[1:-1],
                         canary.upper(), canary.lower(), _grouped(canary)}:  # fmt: skip
                assert form not in written, f"{name} in {log.name}: {_around(written, form)}"
    # The logs are there, and say what they may.
    written = web.read_text(errors="replace")
    assert written.count('"event": "request"') >= len(journey.answers)
    assert "GET /api/v1/referrals/<ubrn> HTTP/1.1" in written  # gunicorn's access log
    assert "Invalid request from ip=127.0.0.1" in written
    assert "unhandled" in written
    assert '"error": ' in jobs.read_text(errors="replace")
    assert "without the exception's text" in jobs.read_text(errors="replace")
    assert {200, 201, 401, 404, 409, 422, 500} <= set(journey.answers)


def _attempts(database: Database) -> int:
    with database.unit_of_work(write=False) as session:
        return int(session.scalar(text("SELECT coalesce(max(attempts), 0) FROM outbox_message")) or 0)


def _grouped(canary: str) -> str:
    """An NHS number or reference as people write it."""
    if not canary.isdigit():
        return canary
    return (
        f"{canary[:3]} {canary[3:6]} {canary[6:]}" if len(canary) == 10 else f"{canary[:4]} {canary[4:8]} {canary[8:]}"
    )


def _around(written: str, form: str) -> str:
    at = written.index(form)
    return written[max(0, at - 300) : at + 200]


@pytest.mark.parametrize("given", [NHS, "123456789012", "CDFGHJKMNP", "ada.lovelace", "x" * 43])
def test_a_callers_request_id_is_taken_only_where_it_can_name_nobody(client: Any, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given
    for fine in ("0f8fad5b-d9cb-469f-a165-70867728950e", "4bf92f3577b34da6a3ce929d0e0e4736"):
        assert client.get("/healthz", headers={"X-Request-ID": fine}).headers["X-Request-ID"] == fine
