"""Patients who book: each signs in over HTTP, reads what is offered and chooses, as a browser or an app would."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


class Manner(StrEnum):
    """How a patient goes about it."""

    GUARANTEED = "takes the guaranteed time"
    ALTERNATIVE = "takes another time that was offered"
    SEARCH = "searches and takes a time that was not offered"
    RACE = "wants the same time as others, at the same moment"


SHARES = {Manner.GUARANTEED: 60, Manner.ALTERNATIVE: 20, Manner.SEARCH: 12, Manner.RACE: 8}
"""Of a hundred patients. Ours, not measured on people: enough of each to be put to the test."""
CLEAN = {"SLOT_NOT_AVAILABLE", "ALREADY_BOOKED", "PATIENT_ELSEWHERE", "BEING_CHANGED"}


@dataclass(frozen=True, slots=True)
class Visitor:
    ubrn: str
    access_code: str
    date_of_birth: date
    manner: Manner
    group: int
    """Racers of one group want the same time."""


@dataclass(slots=True)
class Visits:
    """What became of them all."""

    booked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Clean refusals by code: nothing happened, and the patient was told so."""
    broken: Counter[str] = field(default_factory=Counter)
    """Anything else: there must be none."""
    promises_broken: int = 0
    """A guaranteed time that could not be booked: there must be none."""
    unserved: int = 0
    """Nothing was offered and nothing was free."""
    references: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Of every request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, where: Counter[str], what: str) -> None:
        with self.lock:
            where[what] += 1


class Client:
    """One patient's way to the server."""

    def __init__(self, url: str, visits: Visits) -> None:
        self._url, self._visits = url, visits
        self._token = ""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON; a server that can't be reached is status 0."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self._url}/api/v1{path}", data, headers, method=method)  # noqa: S310
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # our own address
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")
        except OSError:
            return 0, {}
        finally:
            with self._visits.lock:
                self._visits.seconds.append(time.perf_counter() - began)

    def sign_in(self, visitor: Visitor) -> bool:
        given = {
            "ubrn": visitor.ubrn, "access_code": visitor.access_code,
            "date_of_birth": visitor.date_of_birth.isoformat(),
        }  # fmt: skip
        status, answer = self.call("POST", "/patient-sessions", given)
        self._token = answer.get("token", "")
        return status == 201

    def book(self, ubrn: str, slot: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        choice = {name: slot[name] for name in ("slot_id", "starts_at", "ends_at")}
        return self.call("POST", f"/referrals/{ubrn}/bookings", choice)


def visit(url: str, visitors: Sequence[Visitor], at_once: int) -> Visits:
    """Let them all come, ``at_once`` at a time; the racers last, all together."""
    visits = Visits()
    calm = [one for one in visitors if one.manner is not Manner.RACE]
    racers = [one for one in visitors if one.manner is Manner.RACE]
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda one: _Visit(url, one, visits).calmly(), calm))
    groups: dict[int, list[Visitor]] = {}
    for one in racers:
        groups.setdefault(one.group, []).append(one)
    for group in groups.values():
        _race(url, group, visits)
    return visits


def _race(url: str, group: list[Visitor], visits: Visits) -> None:
    """All of a group choose the same free time behind a barrier; who loses takes what is guaranteed to them."""
    barrier = threading.Barrier(len(group))
    threads = [
        threading.Thread(target=_Visit(url, one, visits).racing, args=(barrier,), name=f"racer-{at}")
        for at, one in enumerate(group)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass(slots=True)
class _Visit:
    url: str
    visitor: Visitor
    visits: Visits

    def calmly(self) -> None:
        client = self._client()
        if client is not None:
            self._choose(client, self._offers(client))

    def racing(self, barrier: threading.Barrier) -> None:
        client = self._client()
        free = self._free(client) if client is not None else []
        try:
            barrier.wait(60)
        except threading.BrokenBarrierError:
            self.visits.note(self.visits.broken, "barrier")
        if client is None:
            return
        if not (free and self._take(client, free[0], "race")):
            self._choose(client, self._offers(client))

    def _client(self) -> Client | None:
        client = Client(self.url, self.visits)
        if client.sign_in(self.visitor):
            return client
        self.visits.note(self.visits.broken, "sign-in")
        return None

    def _offers(self, client: Client) -> list[dict[str, Any]]:
        status, answer = client.call("GET", f"/referrals/{self.visitor.ubrn}/offers")
        if status != 200:
            self.visits.note(self.visits.broken, f"offers {status}")
        return list(answer.get("offers", []))

    def _free(self, client: Client) -> list[dict[str, Any]]:
        status, answer = client.call("GET", f"/referrals/{self.visitor.ubrn}/slots?limit=20")
        if status != 200:
            self.visits.note(self.visits.broken, f"slots {status}")
        return list(answer.get("slots", []))

    def _choose(self, client: Client, offers: list[dict[str, Any]]) -> None:
        """In order of preference, until one works. A guaranteed time that does not is a broken promise."""
        for kind, slot in self._wishes(client, offers):
            if self._take(client, slot, kind):
                return
            if kind == "guaranteed":
                self.visits.promises_broken += 1
        self.visits.unserved += 1

    def _wishes(self, client: Client, offers: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        guaranteed = [("guaranteed", offer) for offer in offers if offer["guaranteed"]]
        others = [("alternative", offer) for offer in offers if not offer["guaranteed"]]
        if self.visitor.manner is Manner.ALTERNATIVE:
            yield from others
        if self.visitor.manner is Manner.SEARCH or not offers:
            shown = {offer["slot_id"] for offer in offers}
            yield from (("search", slot) for slot in self._free(client)[:5] if slot["slot_id"] not in shown)
        yield from guaranteed
        if self.visitor.manner is not Manner.ALTERNATIVE:
            yield from others

    def _take(self, client: Client, slot: dict[str, Any], kind: str) -> bool:
        status, answer = client.book(self.visitor.ubrn, slot)
        if status == 201:
            self.visits.note(self.visits.booked, kind)
            with self.visits.lock:
                self.visits.references.append(answer["reference"])
            return True
        code = str(answer.get("code", status))
        self.visits.note(self.visits.refused if code in CLEAN else self.visits.broken, code)
        return False
