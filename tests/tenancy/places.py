"""Every place where a request can name something, read from the OpenAPI document; what is not known is a failure.

A new route is walked by itself. A new name of a parameter or field is either an id, then it is in tests/tenancy/world.py,
or it names nothing, then it is in PLAIN here: nothing is forgotten by default.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.people import TEXT
from tests.tenancy.world import ALIASES, EVERYWHERE, ID

# Fields of queries and bodies that name nothing of anybody's; and, last, addresses: by contract everybody's.
PLAIN = {
    "limit", "q", "updated_after", "deleted", "title", "message", "on_conflict", "format", "v", "from", "to", "epoch",
    "resolved", "rules", "update", "visibility", "bpmn_xml", "name", "role", "pinned", "password", "scopes", "expires_at",
    "text", "element", "email", "action", "resource", "days",
}  # fmt: skip
# Opaque things that a list or a save gave out.
OPAQUE = {"cursor", "base_version"}
HEADERS = {"Idempotency-Key", "If-Match", "If-None-Match"}
# What a field must hold for a request to be whole, where it is required.
SAMPLES: dict[str, Any] = {
    "title": "t", "name": "n", "role": "viewer", "text": "hello", "bpmn_xml": TEXT.decode(), "password": "correct horse",
    "email": "nobody@example.org", "q": "do", "from": "1", "epoch": "1", "update": base64.b64encode(b"\0\0").decode(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: what its path names, what its query and body may name, and a body that is whole but for that."""

    method: str
    path: str
    named: tuple[str, ...]
    query: tuple[str, ...]
    body: tuple[str, ...]
    headers: tuple[str, ...]
    sample: Any
    sample_query: dict[str, str]
    lists: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def own(self) -> tuple[str, ...]:
        """What the path names that is one tenant's and no other's."""
        return tuple(name for name in self.named if name not in EVERYWHERE)


def operations(document: dict[str, Any]) -> list[Operation]:
    """All of them. Raises for a name that is not known."""
    return [
        _operation(document, method.upper(), path, said)
        for path, methods in document["paths"].items()
        for method, said in methods.items()
        if method in ("get", "put", "post", "patch", "delete")
    ]


def _operation(document: dict[str, Any], method: str, path: str, said: dict[str, Any]) -> Operation:
    places: dict[str, list[str]] = {"path": [], "query": [], "header": [], "cookie": []}
    sample_query = {}
    for one in said.get("parameters", []):
        places[one["in"]].append(one["name"])
        if one["required"] and one["in"] == "query":
            sample_query[one["name"]] = str(_sample(one["name"], method, path))
    content = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = _resolved(document, content.get("schema", {}))
    fields = dict(_fields(document, schema))
    required = schema.get("required", [])
    body = {name: _sample(name, method, path) for name in required} if content else None
    known = PLAIN | OPAQUE | ID.keys() | ALIASES.keys()
    for where, names, fine in (
        ("path", places["path"], ID.keys()),
        ("query", places["query"], known),
        ("body", list(fields), known),
        ("headers", places["header"], HEADERS),
        ("cookies", places["cookie"], set()),
    ):
        for name in names:
            assert name in fine, (
                f"{method} {path} takes {name} in its {where}: if it is an id or a secret, add it to ID in"
                " tests/tenancy/world.py; if it names nothing, to PLAIN in tests/tenancy/places.py"
            )
    return Operation(
        method, path.removeprefix("/api/v1"), tuple(places["path"]), tuple(places["query"]), tuple(fields),
        tuple(places["header"]), body, sample_query, frozenset(name for name, kind in fields.items() if kind == "array"),
    )  # fmt: skip


def _sample(name: str, method: str, path: str) -> Any:
    assert name in SAMPLES, f"{method} {path} needs {name}: say in tests/tenancy/places.py, SAMPLES, what it may be"
    return SAMPLES[name]


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = found
    return schema


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All fields, those of parts too, and which of them are lists."""
    schema = _resolved(document, schema)
    for name, shape in schema.get("properties", {}).items():
        options = [shape, *shape.get("anyOf", ())]
        yield name, "array" if any(one.get("type") == "array" for one in options) else ""
        yield from _fields(document, shape)
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ()), schema.get("items")):
        if isinstance(part, dict):
            yield from _fields(document, part)
