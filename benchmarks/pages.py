"""Every page of every role with many slots: how long the server takes and what goes over the wire.

    python -m benchmarks.pages [--slots 200000] [--referrals 10000] [--requests 25] [--database KIND] [--json FILE]

Each role signs in and walks: from its home page along every link that leads to a page, two addresses of each route at
most. Then each page found is asked for ``--requests`` times by one client of one web process; milliseconds are those
the client sees on this machine, gzip and all. Bytes are compressed; *first load* is the front page with its style
sheets, scripts and icons.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sqlalchemy import insert, update
from werkzeug.routing import MapAdapter

from app import create_app
from benchmarks.common import analyse, databases, machine, percentile
from benchmarks.population import SECRET, Population, populate
from booking.config import Config
from booking.db import Database
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, OrganisationKind, Role, Worklist
from booking.edge.flask_app import COOKIE_TOKEN
from booking.keys import Keys
from booking.models import Account, AccountRole, AuthSession, Booking, Organisation, Referral
from tests import servers

LINK = re.compile(r'<a [^>]*href="([^"#]+)"')
ASSET = re.compile(r'<(?:link|script|img)[^>]* (?:href|src)="([^"]+)"')
EACH_ROUTE = 2
STAFF = {
    Role.REFERRING_CLINICIAN: 1, Role.REFERRING_ADMIN: 1, Role.PROVIDER_CLINICIAN: 2, Role.PROVIDER_ADMIN: 2,
    Role.SERVICE_DEFINER: 2, Role.COMMISSIONER: 3, Role.INFORMATION_ANALYST: 3,
}  # fmt: skip
"""Roles and the key of their organisation."""


@dataclass
class Walker:
    """A browser of one visitor, as far as cookies and compression go."""

    url: str
    routes: MapAdapter
    cookie: str = ""
    known: set[str] = field(default_factory=set)
    """Routes that have been walked by others."""
    seen: dict[str, list[str]] = field(default_factory=dict)
    """Addresses by route."""

    def get(self, path: str) -> tuple[int, str, int, float]:
        """Status, content, bytes on the wire, milliseconds."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=60)
        headers = {"Accept-Encoding": "gzip", "Cookie": f"choose_and_book={self.cookie}" if self.cookie else ""}
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        raw = answer.read()
        took = (time.perf_counter() - began) * 1000
        connection.close()
        where = answer.headers.get("Location")
        if answer.status in (301, 302, 303) and where:
            return answer.status, where, len(raw), took
        body = gzip.decompress(raw) if answer.headers.get("Content-Encoding") == "gzip" else raw
        text = body.decode() if answer.headers.get_content_type() == "text/html" else ""
        return answer.status, text, len(raw), took

    def page(self, path: str) -> tuple[int, float]:
        """Bytes on the wire and milliseconds of a page. Raises RuntimeError if it is not answered with one."""
        status, _, size, took = self.get(path)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")
        return size, took

    def walk(self, start: str) -> None:
        """Every page that links lead to, breadth first."""
        waiting = [start]
        while waiting:
            path = waiting.pop(0)
            route = self._route(path)
            if (
                route is None
                or route in self.known
                or path in self.seen.get(route, ())
                or len(self.seen.get(route, ())) >= EACH_ROUTE
            ):
                continue
            status, text, _, _ = self.get(path)
            if status in (301, 302, 303):
                waiting.insert(0, urljoin(path, text))
            elif status != 200:
                raise RuntimeError(f"{path} answered {status}")
            elif text:
                self.seen.setdefault(route, []).append(path)
                waiting += [urljoin(path, unescape(found)) for found in LINK.findall(text)]

    def _route(self, path: str) -> str | None:
        if not path.startswith("/"):
            return None
        try:
            endpoint, _ = self.routes.match(path.partition("?")[0], method="GET")
        except Exception:  # whatever is no page of ours
            return None
        return str(endpoint) if str(endpoint).startswith("web.") and "openid" not in str(endpoint) else None


def _staff(database: Database) -> dict[Role, str]:
    """Somebody signed in for each role; their tokens."""
    now, keys, tokens = datetime.now(UTC), Keys(SECRET), {}
    with database.unit_of_work() as session:
        session.add(Organisation(id=3, ods_code="C00001", kind=OrganisationKind.COMMISSIONER, name="Commissioner"))
        session.flush()
        session.execute(update(Organisation).where(Organisation.id == 1).values(commissioner_id=3))
        for role, organisation in STAFF.items():
            account = Account(username=role.lower(), name=f"Bench {role.lower()}")
            session.add(account)
            session.flush()
            held = AccountRole(account_id=account.id, organisation_id=organisation, role=role)
            session.add(held)
            session.flush()
            tokens[role] = f"bench-staff-{role}-{'t' * 24}"
            session.add(
                AuthSession(
                    token_hash=keys.hash("session", tokens[role]),
                    account_role_id=held.id,
                    created_at=now,
                    last_seen_at=now + timedelta(hours=2),
                    expires_at=now + timedelta(hours=11),
                    idle_minutes=600,
                )
            )
    return tokens


def _book(database: Database, people: Population, share: float) -> None:
    """So many referrals, from the end, have an appointment: calendars and worklists are full."""
    now, count = datetime.now(UTC), int(len(people.ubrns) * share)
    rows = []
    for n in range(count):
        referral = len(people.ubrns) - n
        slot, starts_at, ends_at = people.slots[n]
        rows.append(
            {"reference": f"B{n:011d}", "referral_id": referral, "patient_id": referral, "slot_id": slot, "place": 1,
             "starts_at": starts_at, "ends_at": ends_at, "state": BookingState.BOOKED, "created_at": now,
             "booked_at": now}
        )  # fmt: skip
    with database.unit_of_work() as session:
        session.execute(insert(Booking), rows)
        booked = {
            "state": ReferralState.BOOKED,
            "worklist": Worklist.REFERRALS_FOR_REVIEW,
            "worklist_organisation_id": 2,
        }
        session.execute(update(Referral).where(Referral.id > len(people.ubrns) - count).values(**booked))


def _cookie(url: str, token: str) -> str:
    app = create_app(Config(database_url=url, secret_key=SECRET, cookie_secure=False))
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    app.database.dispose()
    return str(signer.dumps({COOKIE_TOKEN: token}))


def first_load(walker: Walker) -> int:
    """Bytes of the front page and all it needs."""
    _, text, size, _ = walker.get("/")
    return size + sum(walker.page(path)[0] for path in dict.fromkeys(ASSET.findall(text)))


def measure(url: str, options: argparse.Namespace) -> dict[str, Any]:
    database = Database(url)
    people = populate(database, slots=options.slots, referrals=options.referrals)
    tokens = _staff(database)
    _book(database, people, 0.2)
    analyse(database)
    database.dispose()
    visitors = {
        "anybody": ("", "/"),
        "patient": (people.tokens[0], "/choices"),
        "booked patient": (people.tokens[-1], "/choices"),
    }
    visitors |= {role.lower().replace("_", " "): (token, "/staff") for role, token in tokens.items()}
    routes = create_app(Config(database_url=url, secret_key=SECRET)).url_map.bind("127.0.0.1")
    pages: list[dict[str, Any]] = []
    public: set[str] = set()
    with servers.gunicorn(url, workers=1, SECRET_KEY=SECRET) as server:
        first = first_load(Walker(server.url, routes))
        for name, (token, start) in visitors.items():
            walker = Walker(server.url, routes, _cookie(url, token) if token else "", public)
            walker.walk(start)
            public = public or set(walker.seen)
            for route, paths in walker.seen.items():
                asked = [walker.page(paths[n % len(paths)]) for n in range(options.requests)]
                times = [ms for _, ms in asked]
                pages.append(
                    {"who": name, "page": route.removeprefix("web."), "p50_ms": round(percentile(times, 0.5), 1),
                     "p95_ms": round(percentile(times, 0.95), 1), "bytes": max(size for size, _ in asked)}
                )  # fmt: skip
    slowest, heaviest = max(pages, key=lambda one: one["p95_ms"]), max(pages, key=lambda one: one["bytes"])
    return {"first_load_bytes": first, "pages": pages, "slowest": slowest, "heaviest": heaviest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=200_000)
    parser.add_argument("--referrals", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=25)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "slots": options.slots, "referrals": options.referrals}
    for kind in options.database or ["sqlite", "postgresql"]:
        with databases([kind]) as urls:
            results[kind] = found = measure(urls[kind], options)
        print(f"{kind}: first load {found['first_load_bytes']:,} bytes", flush=True)
        for page in sorted(found["pages"], key=lambda one: -one["p95_ms"]):
            print("  {who:22} {page:28} p50 {p50_ms:7.1f} ms  p95 {p95_ms:7.1f} ms  {bytes:7,} bytes".format(**page))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
