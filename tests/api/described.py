"""Is an answer what the OpenAPI document says? Status, media type, body, headers, error code: nothing undeclared.

Every client of these tests asks this of every answer it gets (conftest.py), and so does schemathesis (hooks.py). The
document leaves room for fields to come; here it is taken at its word, so that nobody adds one without declaring it.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import jsonschema_rs

from api.answers import NDJSON

TRANSPORT = {"content-type", "content-length", "date", "server", "connection", "transfer-encoding", "keep-alive"}
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """An answer, whoever asked for it."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes


def closed(schema: Any) -> Any:
    """The same schema with no room for what it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(one) for key, one in schema.items()}
    if isinstance(found.get("properties"), dict) and "type" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


class Described:
    """One document."""

    def __init__(self, document: Schema) -> None:
        self.document = document
        self._validators: dict[str, Any] = {}

    @cached_property
    def paths(self) -> list[tuple[re.Pattern[str], str]]:
        """Templates as patterns."""
        return [
            (
                re.compile("/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/"))),
                path,
            )
            for path in self.document["paths"]
        ]

    def operation(self, method: str, path: str) -> Schema | None:
        """What is declared at this place; HEAD is GET without a body."""
        template = next((name for pattern, name in self.paths if pattern.fullmatch(path)), None)
        if template is None:
            return None
        found: Schema | None = self.document["paths"][template].get("get" if method == "HEAD" else method.lower())
        return found

    def check(self, told: Told) -> None:
        """Raises AssertionError with everything that is not as declared, in plain words."""
        faults = list(self.faults(told))
        assert not faults, "\n".join([f"{told.method} {told.path} answered {told.status}.", *faults])

    def faults(self, told: Told) -> Iterator[str]:
        """Everything that is not as declared."""
        operation = self.operation(told.method, told.path)
        if operation is None:
            if told.path.startswith("/api/") and told.status not in (404, 405):
                yield f"{told.method} {told.path} is not in the OpenAPI document at all: add it to TABLE in api/app.py."
            return
        name = operation["operationId"]
        answer = operation["responses"].get(str(told.status))
        if answer is None:
            yield (
                f"{name} does not declare the status {told.status}: give its @endpoint(...) the error code in errors=,"
                f" or the status in also=. The body was {told.content[:300]!r}"
            )
            return
        yield from self._headers(name, answer, told)
        if told.method != "HEAD" and told.status != 304:
            yield from self._body(name, answer, told)

    def _headers(self, name: str, answer: Schema, told: Told) -> Iterator[str]:
        declared = {key.lower(): self._followed(one) for key, one in answer.get("headers", {}).items()}
        every = {key.lower() for key in self.document["x-every-response"]}
        for key in told.headers.keys() - declared.keys() - every - TRANSPORT:
            yield f"{name} sends the header {key}, which it does not declare: add it to headers= of its @endpoint(...)."
        for key, header in declared.items():
            value = told.headers.get(key)
            if value is None:
                if header["required"]:
                    yield f"{name} promises the header {key} with {told.status} and does not send it."
                continue
            typed: Any = int(value) if header["schema"].get("type") == "integer" and value.isdecimal() else value
            if not jsonschema_rs.is_valid(header["schema"], typed):
                yield f"{name} sends {key}: {value}, which is not {header['schema']}."

    def _body(self, name: str, answer: Schema, told: Told) -> Iterator[str]:
        kind = told.headers.get("content-type", "").partition(";")[0]
        content = answer.get("content", {})
        if not content:
            if told.content:
                yield f"{name} sends a body with {told.status}, and declares none: {told.content[:200]!r}"
            return
        if kind not in content:
            yield f"{name} answers {told.status} as {kind or 'nothing'}, and declares {', '.join(content)} (produces=)."
            return
        if "json" not in kind or kind == NDJSON:  # each line is one; tests/api/test_audit.py reads them
            return
        body = json.loads(told.content)
        if "x-codes" in answer and body["code"] not in answer["x-codes"]:
            yield (
                f"{name} answers {told.status} with the code {body['code']}, which it does not declare: add it to"
                f" errors= of its @endpoint(...). Declared are {', '.join(answer['x-codes'])}."
            )
            return
        for error in self._validator(f"{name} {told.status} {kind}", content[kind]["schema"]).iter_errors(body):
            yield f"{name}: the body of {told.status} is not as declared at {error.instance_path}: {error.message[:500]}"

    def _validator(self, key: str, schema: Schema) -> Any:
        if key not in self._validators:
            whole = {**closed(dict(schema)), "components": {"schemas": closed(self.document["components"]["schemas"])}}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]

    def _followed(self, schema: Schema) -> Schema:
        found = schema
        while "$ref" in found:
            part, name = found["$ref"].split("/")[-2:]
            found = self.document["components"][part][name]
        return found


@functools.cache
def described(url: str) -> Described:
    """The document of a running server."""
    return Described(httpx.get(f"{url}/openapi.json").json())


def checked(url: str) -> dict[str, list[Any]]:
    """What makes an httpx client hold every answer against the document."""

    def check(response: httpx.Response) -> None:
        response.read()
        headers = {key.lower(): value for key, value in response.headers.items()}
        request = response.request
        described(url).check(Told(request.method, request.url.path, response.status_code, headers, response.content))

    return {"response": [check]}
