"""Requests from the OpenAPI document: near-valid, with real identifiers, and then spoilt a little, or not.

Everything comes from one ``random.Random``: the same seed makes the same requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from booking.domain.reasons import REASONS, ReasonList
from booking.edge.on_behalf import ADMINS
from tests.conftest import NOW
from tests.fuzz.world import Caller, World

Schema = Mapping[str, Any]
HOSTILE = (
    "", " ", "O’Neill", "Robert'); DROP TABLE patient;--", "😀🏳️‍🌈", "שלום עולם", "\u202eevil", "nul\x00nul", "\x1b[31m",
    "a\nb\r\nc", "\ud800", "%00", "../../etc/passwd", "<script>alert(1)</script>", "{{7*7}}", "null", "0", "-1",
    "1e999", "é" * 300, "x" * 9000, "\uffff", "İ", "ß" * 20, "１２３", "=1+1", "٣",
)  # fmt: skip
INTEGERS = (0, -1, 1, 2, 7, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 10**40)
DATES = (
    "0001-01-01", "0001-01-03", "9999-12-31", "9999-12-01", "1900-02-29", "2026-02-30", "2026-03-29", "2026-13-01",
    "2026-3-4", "20260304", "2026-W10-1", "tomorrow",
)  # fmt: skip
TIMES = (
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-29T01:30:00", "2026-10-25T01:30:00",
    "2026-03-04T09:00:00Z", "2026-03-04T09:00:00.123456+00:00", "2026-03-04", "2026-03-04T24:00:00Z", "NaN",
)  # fmt: skip
ALIEN: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    [[]],
    {"a": 1},
    "x",
    1.5,
    -1,
    10**30,
    float("nan"),
    float("inf"),
    ["x", None],
)
ETAGS = ('"1"', '"2"', "1", "*", 'W/"1"', '"', "", '"99999999999999999999"', "²", '"1", "2"')
FILES = (
    b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
    b"",
    b"MZ\x90",
    b"hello",
)


LISTED = {
    "advice": "reference", "attachments": "attachment_id", "messages": "message_id", "people": "account_id",
    "tokens": "token_id", "rules": "rule_id", "services": "service_id", "sessions": "session_id",
}  # fmt: skip
"""What the key or reference of each thing in a list is called elsewhere."""
REASON_OF = (
    ("/bookings/{reference}/cancel-by-provider", ReasonList.APPOINTMENT_BY_PROVIDER),
    ("/bookings/{reference}/cancel", ReasonList.APPOINTMENT_BY_PATIENT),
    ("/clinics/", ReasonList.APPOINTMENT_BY_PROVIDER), ("/actions/cancel-and", ReasonList.APPOINTMENT_BY_PROVIDER),
    ("/actions/reject", ReasonList.REJECTION), ("/actions/defer", ReasonList.DEFERRAL),
    ("/actions/close", ReasonList.CLOSURE), ("{ubrn}/cancel", ReasonList.REFERRAL),
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    document: Mapping[str, Any]

    def parameters(self, place: str) -> list[Schema]:
        return [one for one in self.document.get("parameters", []) if one["in"] == place]


@dataclass
class Request:
    operation: Operation
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    data: Any = None
    content_type: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    """What stands in the path, by the parameter's name."""

    def __str__(self) -> str:
        headers = {name: value for name, value in self.headers.items() if name != "Authorization"}
        return f"{self.operation.method} {self.path} {headers} {self.content_type}\n    {self.data!r:.3000}"


def operations(document: Mapping[str, Any]) -> list[Operation]:
    found = []
    for path, methods in document["paths"].items():
        shared = methods.get("parameters", [])
        for method, one in methods.items():
            if method != "parameters":
                whole = {**one, "parameters": [*shared, *one.get("parameters", [])]}
                found.append(Operation(method.upper(), path, whole))
    return found


class Maker:
    """Makes requests; learns the identifiers that answers bring."""

    def __init__(self, document: Mapping[str, Any], world: World, random: Random) -> None:
        self.document, self.world, self.random = document, world, random
        self.known = {name: list(values) for name, values in world.known.items()}
        self.mine: dict[str, list[Any]] = {}
        self.used_keys: list[str] = ["one"]
        self.previewed: dict[str, Any] = {}
        self.dirty = True
        self.optional = 0.5

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def request(self, operation: Operation, caller: Caller) -> Request:
        """Half of the requests are as good as we can make them, so that much is done; the others are not."""
        self.dirty, self.optional = self.chance(0.5), self.random.choice((0.0, 0.2, 0.6))
        reasons = next((reasons for part, reasons in REASON_OF if part in operation.path), None)
        usable = REASONS[reasons] if reasons else ()
        self.mine["reason"] = [one.code for one in usable if caller.role in one.roles]
        path, given = operation.path, {}
        for parameter in operation.parameters("path"):
            name = parameter["name"]
            given[name] = value = self._of_path(name, parameter.get("schema", {}), operation, caller)
            path = path.replace("{" + name + "}", quote(str(value), safe="", errors="surrogatepass"))
        query = self._query(operation)
        made = Request(operation, path + (f"?{query}" if query else ""), dict(caller.headers), given=given)
        self._headers(made, caller)
        self._body(made)
        return made

    def learn(self, answer: Any, name: str = "") -> None:
        """Keep the identifiers of an answer for later requests."""
        if isinstance(answer, dict):
            for key, value in answer.items():
                self.learn(value, LISTED.get(name, name) if key == "id" else key)
        elif isinstance(answer, list):
            for one in answer[:20]:
                self.learn(one, name)
        elif answer and (name in self.known or name in LISTED.values()) and name not in ("reason", "name", "since"):
            self.mine.setdefault(name, []).append(answer)

    def _of_path(self, name: str, schema: Schema, operation: Operation, caller: Caller) -> Any:
        if name == "ubrn" and caller.reaches and self.chance(0.6):
            return self.random.choice(sorted(caller.reaches))
        if not self.dirty or self.chance(0.9):
            return self.value(schema, name)
        value = self.random.choice((*HOSTILE, *INTEGERS))
        return value if str(value) not in ("", "../../etc/passwd") else "x"

    def _query(self, operation: Operation) -> str:
        pairs: list[tuple[str, Any]] = []
        for parameter in operation.parameters("query"):
            if self.chance((0.75 if self.dirty else 1) if parameter.get("required") else 0.3):
                value = self.value(parameter.get("schema", {}), parameter["name"])
                pairs += [(parameter["name"], one) for one in (value if isinstance(value, list) else [value])]
                if self.chance(0.05):
                    pairs.append(pairs[-1])
        if self.dirty and self.chance(0.05):
            pairs.append((self.random.choice(("surprise", "limit[]", "🙂")), "1"))
        if pairs and self.dirty and self.chance(0.2):
            name, _ = pairs[-1]
            pairs[-1] = (name, self.random.choice((*HOSTILE, *INTEGERS)))
        return urlencode([(name, _query_text(value)) for name, value in pairs], errors="surrogatepass")

    def _headers(self, request: Request, caller: Caller) -> None:
        for parameter in request.operation.parameters("header"):
            if parameter["name"] == "If-Match" and self.chance(0.95):
                wild = self.dirty and self.chance(0.3)
                request.headers["If-Match"] = self.random.choice(ETAGS) if wild else "current"
            elif parameter["name"] == "Idempotency-Key" and self.chance(0.15):
                key = self.random.choice((*self.used_keys, "", "é", "k" * 129, "\t"))
                key = key if self.dirty else str(self.random.random())
                self.used_keys.append(key)
                request.headers["Idempotency-Key"] = key
        if caller.role in ADMINS and not self.dirty and self.chance(0.8):
            request.headers["X-On-Behalf-Of"] = "Dr Who"
        for name, values in (
            ("If-None-Match", ETAGS), ("X-On-Behalf-Of", ("Dr Who", "", "Siân", "x" * 300)),
            ("X-Request-ID", ("a" * 32, "no")), ("Accept", ("application/fhir+json", "text/csv", "*/*", "image/png")),
            ("Accept-Language", ("cy", "xx-YY;q=2", "en-GB")), ("Range", ("bytes=0-10", "bytes=5-1", "lines=1")),
        ):  # fmt: skip
            if self.dirty and self.chance(0.08):
                request.headers[name] = self.random.choice(values)

    def _body(self, request: Request) -> None:
        content = request.operation.document.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            self._form(request, content["multipart/form-data"].get("schema", {}))
        elif content:
            request.content_type, schema = next((name, one.get("schema", {})) for name, one in content.items())
            body = self.value(schema, "")
            if isinstance(body, dict):
                self._agree(body)
                if operation_cancels(request) and self.chance(0.8):
                    body = {**self.previewed, **{name: body[name] for name in ("reason", "comment") if name in body}}
            if self.dirty and self.chance(0.4):
                body = self._spoilt(body)
            request.data = json.dumps(body).encode()
            if self.dirty and self.chance(0.05):
                request.data = self.random.choice(
                    (b"", b"{", b"[]", b'"x"', b"1", b"null", b"\xff\xfe", b"[" * 50_000, b'{"a":1,"a":2}')
                )
            if self.dirty and self.chance(0.05):
                request.content_type = self.random.choice(
                    (None, "text/plain", "application/json; charset=latin-9", "a/b")
                )
        elif self.chance(0.05):
            request.data, request.content_type = b'{"surprise": 1}', "application/json"

    def _form(self, request: Request, schema: Schema) -> None:
        data = self.random.choice(FILES if self.dirty else FILES[:1])
        name = self.random.choice(
            ("letter.pdf", "a/../b.pdf", "שלום.pdf", "", "x" * 300 + ".pdf", "evil.exe", "a\x00.pdf")
        )
        kind = self.random.choice(("REFERRAL_LETTER", "CLINICAL", "TRIAGE", "ADVICE", "letter", ""))
        fields = self.random.choice(({"kind": kind}, {"kind": kind}, {}, {"surprise": "1"}))
        if not self.dirty:
            name, kind = "letter.pdf", self.random.choice(("REFERRAL_LETTER", "CLINICAL", "TRIAGE"))
            fields = {"kind": kind} if request.path.split("/")[3] == "referrals" else {}
        lines = [
            f'--edge\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request.data = "".join(lines).encode() + head.encode() + data + b"\r\n--edge--\r\n"
        request.content_type = "multipart/form-data; boundary=edge"
        if self.dirty and self.chance(0.1):
            request.data, request.content_type = self.random.choice(
                (
                    (b"", request.content_type),
                    (b"--edge", request.content_type),
                    (b"x", "multipart/form-data"),
                    (b"{}", "application/json"),
                )
            )

    def _agree(self, body: dict[str, Any]) -> None:
        """Mostly, the times of a slot are the slot's."""
        times = self.world.slots.get(body["slot_id"]) if isinstance(body.get("slot_id"), int) else None
        if times and "starts_at" in body and self.chance(0.9):
            body.update(times)
        if "slot_ids" in body and self.chance(0.7):
            for name in sorted(body.keys() - {"slot_ids", "reason", "digest", "comment"}):
                del body[name]
        for first, last in (("first_date", "last_date"), ("starts_on", "ends_on")):
            both = body.get(first), body.get(last)
            if all(isinstance(one, str) for one in both) and self.chance(0.8):
                body[first], body[last] = sorted(both)  # type: ignore[type-var]

    def _spoilt(self, body: Any) -> Any:
        if not isinstance(body, dict) or not body or self.chance(0.05):
            return self.random.choice(ALIEN)
        name = self.random.choice(sorted(body))
        match self.random.randrange(4):
            case 0:
                del body[name]
            case 1:
                body[self.random.choice(("surprise", "", "id", "state", "__proto__"))] = 1
            case 2:
                body[name] = self.random.choice(ALIEN)
            case _:
                inner = body[name]
                if isinstance(inner, dict):
                    body[name] = self._spoilt(inner)
                elif isinstance(inner, list) and inner:
                    at = self.random.randrange(len(inner))
                    inner[at] = self._spoilt(inner[at]) if isinstance(inner[at], dict) else self.random.choice(ALIEN)
                    inner.extend(inner[:1])
                else:
                    body[name] = self.random.choice((*HOSTILE, *INTEGERS, *DATES))
        return body

    def value(self, schema: Schema, name: str) -> Any:
        schema = self.resolve(schema)
        kinds = schema.get("type")
        if name == "body" and self.chance(0.9):  # a policy: as it stands, or with one change
            body: dict[str, Any] = json.loads(json.dumps(self.random.choice(self.known["body"])))
            return self._spoilt(body) if self.dirty and self.chance(0.5) else body
        if isinstance(kinds, list) and "null" in kinds and self.chance(0.2):
            return None
        kind = next((one for one in kinds if one != "null"), None) if isinstance(kinds, list) else kinds
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.value(self.random.choice(schema[union]), name)
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if kind == "array":
            items = schema.get("items", {})
            least = schema.get("minItems", 0 if self.dirty else 1)
            return [self.value(items, name) for _ in range(max(least, self.random.choice((0, 1, 1, 2, 3))))]
        if kind == "object" or "properties" in schema:
            return self._object(schema)
        if self.mine.get(name) and self.chance(0.7):
            return self.random.choice(self.mine[name])
        if self.known.get(name) and (not self.dirty or self.chance(0.85)):
            return self.random.choice(self.known[name])
        return self._plain(kind, schema, name)

    def _object(self, schema: Schema) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            name: self.value(one, name)
            for name, one in schema.get("properties", {}).items()
            if (name in required or self.chance(self.optional) or (name == "comment" and not self.dirty))
            and not one.get("readOnly")
        }
        extra = schema.get("additionalProperties")
        if not schema.get("properties") and isinstance(extra, dict):
            for _ in range(self.random.randrange(4)):
                made[self.random.choice(("330", "ROUTINE", "weights", "x", *HOSTILE[:4]))] = self.value(extra, "")
        return made

    def _plain(self, kind: Any, schema: Schema, name: str) -> Any:
        match kind:
            case "boolean":
                return self.chance(0.5)
            case "integer" | "number":
                least, most = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31)
                inside = (least, most, least + 1, min(max(7, least), most), min(max(30, least), most))
                return (
                    self.random.choice((*inside, *inside, *INTEGERS))
                    if self.dirty and self.chance(0.3)
                    else self.random.choice(inside)
                )
            case "string":
                return self._text(schema, name)
        return self.random.choice((1, "x", None, 0.5, {"a": 1}, [1]))

    def _text(self, schema: Schema, name: str) -> str:
        match schema.get("format"):
            case "date":
                if self.dirty and self.chance(0.2):
                    return self.random.choice(DATES)
                if not self.dirty and name != "date_of_birth":
                    return (NOW.date() + timedelta(days=self.random.choice((11, 12, 14, 20, 30, 60)))).isoformat()
                return (
                    NOW.date() + timedelta(days=self.random.choice((-30_000, -20, -1, 0, 1, 1, 2, 3, 5, 30, 200)))
                ).isoformat()
            case "date-time":
                if self.dirty and self.chance(0.2):
                    return self.random.choice(TIMES)
                return (NOW + timedelta(minutes=20 * self.random.randrange(-100, 900))).isoformat()
            case "email":
                wild = ("é@b.example", "a@b", "@", "a" * 250 + "@b.example")
                return self.random.choice(wild) if self.dirty else "a@b.example"
        if "pattern" in schema and self.chance(0.7):
            return self.random.choice(("+44 7700 900123", "0" * 64))
        most = schema.get("maxLength", 200)
        if self.dirty and self.chance(0.3):
            return self.random.choice((*HOSTILE, "x" * most, "x" * (most + 1), "😀" * most))
        return self.random.choice(("Please see the notes", "Siân O’Neill", "x", f"n{self.random.random()}"))[:most]


def operation_cancels(request: Request) -> bool:
    return request.operation.path.endswith("/clinics/cancellations")


def _query_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
