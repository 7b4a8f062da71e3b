"""What must hold of every answer, whoever asked for whatever."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import TestResponse

from tests.fuzz.requests import Request
from tests.fuzz.world import MARK, Caller, World

PROBLEM = "application/problem+json"


class Checks:
    """Knows the document; compiles each answer's schema once."""

    def __init__(self, document: Mapping[str, Any], world: World) -> None:
        self.document, self.world = document, world
        self._validators: dict[str, Draft202012Validator] = {}

    def of(self, request: Request, answer: TestResponse, caller: Caller) -> Iterator[str]:
        """What is wrong with an answer; nothing, if all is well."""
        if answer.status_code >= 500:
            yield f"a {answer.status_code}"
            return
        if answer.status_code >= 400:
            yield from self._problem(answer)
        yield from self._documented(request, answer)
        yield from self._leaks(request, answer, caller)

    def _problem(self, answer: TestResponse) -> Iterator[str]:
        if answer.mimetype != PROBLEM:
            yield f"a {answer.status_code} as {answer.mimetype}"
            return
        body = answer.get_json(force=True)
        if not body.get("code") or body.get("status") != answer.status_code:
            yield f"a problem without its code or status: {body}"
        if answer.status_code == 422 and not all(one.get("field") for one in body.get("errors") or [{}]):
            yield f"a 422 ({body.get('code')}) that names no field: {body.get('detail')}"

    def _documented(self, request: Request, answer: TestResponse) -> Iterator[str]:
        responses = request.operation.document["responses"]
        status = str(answer.status_code)
        if status not in responses and answer.status_code < 400:
            yield f"an undocumented {status}"
            return
        described = responses.get(status, responses["default"])
        while "$ref" in described:
            described = self.document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        content = described.get("content", {})
        if "*/*" in content:
            return
        if answer.mimetype not in content:
            if answer.data or (content and answer.status_code not in (204, 304)):
                yield f"{answer.mimetype or 'nothing'} as {status}, documented are {sorted(content) or 'none'}"
        elif answer.mimetype.endswith("json"):
            schema = content[answer.mimetype].get("schema", {})
            for error in self._validator(schema).iter_errors(json.loads(answer.data)):
                yield f"{error.json_path} of a {status}: {error.message:.300}"

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        name = json.dumps(schema, sort_keys=True)
        if name not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[name] = Draft202012Validator(whole, format_checker=FormatChecker())
        return self._validators[name]

    def _leaks(self, request: Request, answer: TestResponse, caller: Caller) -> Iterator[str]:
        text = answer.data + str(answer.headers).encode()
        shown = {int(number) for number in MARK.findall(text)} - caller.sees
        if shown:
            yield f"shows {caller.name} patients {sorted(shown)}"
        ubrn = request.given.get("ubrn")
        if answer.status_code < 400 and ubrn in self.world.ubrns - caller.reaches:
            yield f"answers {caller.name} about a referral of others with {answer.status_code}"
