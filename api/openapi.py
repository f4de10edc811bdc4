"""OpenAPI 3.1 from the declared endpoints. Built once, at start; shown at /docs by api/docs.py.

Nothing is described twice: parameters, bodies and answers come from the models, errors from the closed table, examples
from the schemas. Every answer of the tests is held against this document (tests/api/described.py).
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.answers import JSON, NDJSON, PNG, SVG, XML
from api.bodies import XML_TYPES
from api.dispatch import Declared
from api.endpoint import Endpoint, Need
from api.examples import ID, NDJSON_TEXT, SVG_TEXT, XML_TEXT, example
from api.problems import CODES, MEDIA_TYPE

_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_CHANGE: Final = {"element": _TEXT, "property": _TEXT, "base": {}}

# What some problems carry beside what all of them do.
_MEMBERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "diagram_deleted": {"purge_at": {**_MOMENT, "examples": ["2026-03-02T08:30:00Z"]}},
    "rate_limited": {"violated_policies": {"type": "array", "items": {"type": "string", "examples": ["save"]}}},
    "version_conflict": {
        "base_version": {"type": "integer", "minimum": 0},
        "current_version": {"type": "integer", "minimum": 1, "examples": [4]},
        "current_etag": {"type": "string", "examples": ['"v4"']},
        "updated_at": _MOMENT,
        "updated_by": {"anyOf": [{"$ref": "#/components/schemas/Person"}, {"type": "null"}]},
        "conflict": {
            "type": "object",
            "required": ["auto_mergeable", "yours", "theirs", "both"],
            "properties": {
                "auto_mergeable": {"type": "boolean", "default": False},
                **{
                    side: {
                        "type": "array",
                        "items": {"type": "object", "required": [*parts], "properties": parts},
                    }
                    for side, parts in (
                        ("yours", {**_CHANGE, "value": {}}),
                        ("theirs", {**_CHANGE, "value": {}}),
                        ("both", {**_CHANGE, "yours": {}, "theirs": {}}),
                    )
                },
            },
        },
        "links": {
            "type": "object",
            "required": ["current", "base", "diff"],
            "properties": {"current": _TEXT, "base": _TEXT, "diff": _TEXT},
        },
    },
}
_STATUSES: Final[Mapping[str, Sequence[int]]] = {"version_conflict": (409, 412)}


def _header(text: str, schema: Mapping[str, Any] = _TEXT, value: Any = None, *, always: bool = True) -> dict[str, Any]:
    shown = {} if value is None else {"example": value}
    return {"description": text, "required": always, "schema": dict(schema), **shown}


HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    "Allow": _header("The methods this path has", value="GET, HEAD"),
    "Cache-Control": _header("Whether and how to keep it", value="private, no-cache"),
    "Content-Disposition": _header("An attachment, with a file name", value=f'attachment; filename="{ID}.bpmn"'),
    "ETag": _header("Of the content", value='"v3"'),
    "Idempotent-Replayed": _header("There when this key was answered before", {"const": "true"}, "true", always=False),
    "Link": _header("Where the next page is, if there is one", always=False, value='</api/v1/diagrams>; rel="next"'),
    "Location": _header("Where it is"),
    "RateLimit": _header("What is left, and until when", always=False, value='"read";r=1199;t=60'),
    "RateLimit-Policy": _header("What is allowed", always=False, value='"read";q=1200;w=60'),
    "Retry-After": _header("Seconds to wait", {"type": "integer", "minimum": 1}, 1),
    "Set-Cookie": _header("The session: colane_session, HttpOnly, SameSite=Lax", value="colane_session=…; Path=/"),
    "Vary": _header("What an answer depends on", value="Authorization, Cookie"),
    "WWW-Authenticate": _header("How to sign in", value='Bearer realm="colane"'),
    "X-Request-Id": _header("The request's name in all logs: yours, or one made here", value=ID),
    "X-Version": _header("The number of the newest version", {"type": "integer", "minimum": 1}, 3),
}
EVERY_RESPONSE: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; …",
    "Strict-Transport-Security": "over TLS only",
}
_DESCRIPTION: Final = (
    "Every path under /api answers GET and HEAD alike, OPTIONS and what is not listed with 405 and `Allow`. Errors are"
    " `application/problem+json`; switch on `code`. What you may not see does not exist: malformed, unknown and foreign"
    " ids are 404 in a path and 422 `invalid_reference` in query and body, to the letter alike. Unknown fields and query"
    " parameters are ignored; of several values of one query parameter the last one counts. A request with a session"
    " cookie that writes needs our own `Origin`."
)


def errors_of(one: Declared) -> tuple[str, ...]:
    """Every code this route may answer: its own, and those that its declaration implies."""
    endpoint = one.endpoint
    codes = {*endpoint.errors, "internal", "storage_unavailable", "draining", "method_not_allowed", "not_acceptable"}
    if endpoint.need is not Need.NOBODY:
        codes |= {"unauthenticated", "forbidden"}
    if "{" in one.path:
        codes.add("not_found")
    if "{diagram_id}" in one.path and not endpoint.deleted:
        codes.add("diagram_deleted")
    if one.method != "GET":
        codes.add("origin_not_allowed")
    if endpoint.limit:
        codes.add("rate_limited")
    if endpoint.query or endpoint.body or endpoint.takes_xml or endpoint.idempotent:
        codes.add("invalid_request")
    if endpoint.body or endpoint.takes_xml:
        codes |= {"unsupported_media_type", "too_large"}
    if endpoint.idempotent:
        codes |= {"idempotency_in_progress", "idempotency_key_reused"}
    return tuple(sorted(codes))


def document(table: Sequence[Declared], version: str) -> dict[str, Any]:
    """The whole document."""
    models: list[tuple[type[BaseModel], Any]] = []
    for one in table:
        endpoint = one.endpoint
        models += [(m, "validation") for m in (endpoint.body, endpoint.query) if m is not None]
        models += [(m, "serialization") for m in (endpoint.answers,) if m is not None]
    refs, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}")
    schemas = {name: _without_defaults(schema) for name, schema in definitions.get("$defs", {}).items()}
    schemas |= {_problem_name(code): _problem(code) for code in CODES}
    writer = _Writer(table, refs, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for one in table:
        paths.setdefault(_PLACE.sub(r"{\1}", one.path), {})[one.method.lower()] = writer.operation(one)
    queries = {refs[e.endpoint.query, "validation"]["$ref"].rpartition("/")[2] for e in table if e.endpoint.query}
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": "Colane",
            "version": version,
            "summary": "Realtime co-editing of BPMN 2.0 diagrams.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(table),
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "headers": dict(HEADERS),
            "examples": {
                code: {"summary": CODES[code].title, "value": example(schemas[_problem_name(code)], schemas)}
                for code in CODES
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An access token from POST /tokens"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "colane_session",
                    "description": "Set by POST /auth/login",
                },
            },
        },
        "x-every-response": dict(EVERY_RESPONSE),
    }
    renamed: dict[str, Any] = _renamed(found, {name: _short(name) for name in schemas})
    return renamed


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be left out but not be null has no default to show."""
    fields = schema.get("properties", {})
    for field in fields.values():
        nullable = any(option.get("type") == "null" for option in field.get("anyOf", ()))
        if field.get("default", "") is None and not nullable:
            del field["default"]
    return schema


def _tags(table: Sequence[Declared]) -> list[dict[str, str]]:
    """One a feature file, described by the first sentence it begins with."""
    modules = dict.fromkeys(one.endpoint.run.__module__ for one in table)
    return [
        {"name": module.rpartition(".")[2], "description": (sys.modules[module].__doc__ or "").strip().split("\n\n")[0]}
        for module in modules
    ]


def _short(name: str) -> str:
    """Two models of one name are told apart by their file: api__audit__Entry is AuditEntry."""
    *_, file, model = ["", *name.split("__")]
    return file.title().replace("_", "") + model


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        found = {key: _renamed(one, names) for key, one in value.items()}
        if isinstance(found.get("$ref"), str):
            place, _, name = found["$ref"].rpartition("/")
            found["$ref"] = f"{place}/{names.get(name, name)}"
        if "schemas" in found and "securitySchemes" in found:
            found["schemas"] = {names[name]: one for name, one in found["schemas"].items()}
        return found
    return [_renamed(one, names) for one in value] if isinstance(value, list) else value


def _problem_name(code: str) -> str:
    return "".join(part.title() for part in code.split("_")) + "Problem"


def _problem(code: str) -> dict[str, Any]:
    """The body of one error."""
    meaning, members = CODES[code], _MEMBERS.get(code, {})
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "description": f"{meaning.title}. {meaning.advice}".strip(),
        "required": ["type", "title", "status", "code", "detail", "request_id", "retryable", *members],
        "properties": {
            "type": {"const": f"/docs#{code}"},
            "title": {"const": meaning.title},
            "status": {"type": "integer", "enum": [*_STATUSES.get(code, (meaning.status,))]},
            "code": {"const": code},
            "detail": {**text, "examples": [meaning.advice or meaning.title]},
            "request_id": {**text, "examples": [ID]},
            "retryable": {"const": meaning.retryable},
            **members,
            **({"errors": _FAULTS} if meaning.status in (400, 413, 422) else {}),
        },
    }


_FAULTS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["path", "rule", "message"],
        "properties": {
            "path": {"type": "string", "examples": ["body.title"]},
            "rule": {"type": "string", "examples": ["value"]},
            "message": {"type": "string", "examples": ["Input should be a valid string"]},
        },
    },
}


class _Writer:
    """Writes operations, with the schemas of all of them at hand."""

    def __init__(self, table: Sequence[Declared], refs: Any, schemas: Mapping[str, Any]) -> None:
        self.table = table
        self.refs = refs
        self.schemas = schemas

    def operation(self, one: Declared) -> dict[str, Any]:
        """One method of one path."""
        endpoint = one.endpoint
        found: dict[str, Any] = {
            "operationId": endpoint.name,
            "summary": endpoint.summary,
            "description": _described(one),
            "tags": [endpoint.run.__module__.rpartition(".")[2]],
            "security": [] if endpoint.need is Need.NOBODY else [{"token": []}, {"session": []}],
            "responses": self._responses(one),
        }
        parameters = [*_path_parameters(one.path), *self._query_parameters(endpoint), *_request_headers(endpoint)]
        if parameters:
            found["parameters"] = parameters
        content: dict[str, Any] = {}
        if endpoint.body is not None:
            content[JSON] = self._json(endpoint.body, "validation")
        if endpoint.takes_xml:
            content |= {kind: _text_of(XML) for kind in XML_TYPES}
        if content:
            # Without a body a route reads {}; the empty XML is none.
            bare = endpoint.body is not None and not any(f.is_required() for f in endpoint.body.model_fields.values())
            found["requestBody"] = {"required": not bare, "content": content}
        return found

    def _json(self, model: type[BaseModel], mode: str) -> dict[str, Any]:
        schema = self.refs[model, mode]
        return {"schema": schema, "example": example(schema, self.schemas)}

    def _query_parameters(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        if endpoint.query is None:
            return []
        whole = self.schemas[self.refs[endpoint.query, "validation"]["$ref"].rpartition("/")[2]]
        required = whole.get("required", [])
        found = []
        for name, shape in whole.get("properties", {}).items():
            schema = _without_null(shape)
            text = {"description": schema.pop("description")} if "description" in schema else {}
            # A cursor is made here and for one list: there is none to show.
            shown = {} if name == "cursor" else {"example": example(schema, self.schemas, name)}
            found.append({"name": name, "in": "query", "required": name in required, **text, "schema": schema, **shown})
        return found

    def _responses(self, one: Declared) -> dict[str, Any]:
        endpoint = one.endpoint
        success: dict[str, Any] = {"description": endpoint.summary, "headers": _success_headers(one)}
        content = self._success(endpoint)
        if content:
            success["content"] = content
        links = self._links(one)
        if links:
            success["links"] = links
        found: dict[str, Any] = {str(endpoint.status): success}
        for status, text in endpoint.also.items():
            found[str(status)] = {**success, "description": text}
        if endpoint.conditional:
            found["304"] = {
                "description": "The client's copy still stands",
                "headers": _success_headers(one, kept=True),
            }
        by_status: dict[int, list[str]] = {}
        for code in errors_of(one):
            by_status.setdefault(CODES[code].status, []).append(code)
        if "precondition_required" in endpoint.errors:
            by_status[412] = ["version_conflict"]
        for status, codes in sorted(by_status.items()):
            found[str(status)] = _refusal(endpoint, status, codes)
        return found

    def _success(self, endpoint: Endpoint) -> dict[str, Any]:
        if endpoint.status in (204, 303):
            return {}
        found = {kind: _text_of(kind) for kind in endpoint.produces if kind != JSON}
        if endpoint.answers is not None:
            found[JSON] = self._json(endpoint.answers, "serialization")
        return found

    def _links(self, one: Declared) -> dict[str, Any]:
        """From what makes or lists something to what can be done with it."""
        endpoint = one.endpoint
        if endpoint.answers is None or one.method not in ("GET", "POST"):
            return {}
        inside = "#/items/0" if "items" in endpoint.answers.model_fields else "#"
        fields = self._fields(endpoint.answers)
        given = {name: f"$request.path.{name}" for name in _PLACE.findall(one.path)}
        found = {}
        for other in self.table:
            more = [name for name in _PLACE.findall(other.path) if name not in given]
            if len(more) != 1 or not other.path.startswith(f"{one.path}/{{{more[0]}"):
                continue
            field = next((f for f in (more[0], "id") if f in fields), None)
            if field is not None:
                found[other.endpoint.name] = {
                    "operationId": other.endpoint.name,
                    "parameters": {**given, more[0]: f"$response.body{inside}/{field}"},
                }
        return found

    def _fields(self, answers: type[BaseModel]) -> set[str]:
        schema = self.schemas[self.refs[answers, "serialization"]["$ref"].rpartition("/")[2]]
        items = schema["properties"].get("items", {}).get("items", {}).get("$ref")
        return set((self.schemas[items.rpartition("/")[2]] if items else schema).get("properties", {}))


def _described(one: Declared) -> str:
    endpoint = one.endpoint
    who = endpoint.need.value if isinstance(endpoint.need, Need) else f"{endpoint.need.label}s and above"
    link = " and those who came through a link" if endpoint.visitors else ""
    token = "" if endpoint.need is Need.NOBODY else f" A token needs the scope `{endpoint.scope.label}`."
    rate = f" Counted as `{endpoint.limit}`." if endpoint.limit else ""
    return f"For {who}{link}.{token}{rate}"


def _without_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A query has no null: what is not there is left out."""
    schema = {key: value for key, value in shape.items() if key != "title" and not (key == "default" and value is None)}
    options = [option for option in schema.pop("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        return {**options[0], **schema}
    return {**schema, "anyOf": options} if options else schema


def _text_of(kind: str) -> dict[str, Any]:
    """A body that is not JSON."""
    if kind == PNG:
        return {}
    shown = {SVG: SVG_TEXT, NDJSON: NDJSON_TEXT}.get(kind, XML_TEXT)
    return {"schema": {"type": "string", "contentMediaType": kind}, "example": shown}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    found = []
    for name in _PLACE.findall(path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1}
        if name == "version":
            schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        elif name.endswith("_id") and name != "element_id":
            schema = {"type": "string", "format": "uuid"}
        found.append(
            {"name": name, "in": "path", "required": True, "schema": schema, "example": example(schema, {}, name)}
        )
    return found


def _request_headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    key = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    names: list[tuple[str, str, Mapping[str, Any], str]] = []
    if endpoint.idempotent:
        names.append(
            ("Idempotency-Key", "A repeated request is answered, not done again; kept 24 hours", key, "save-17")
        )
    if "precondition_required" in endpoint.errors:
        names.append(("If-Match", "The ETag of what the save is based on", _TEXT, '"v3"'))
    if endpoint.conditional:
        names.append(("If-None-Match", "An ETag the client holds: 304 when it still stands", _TEXT, '"v2"'))
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": schema, "example": value}
        for name, text, schema, value in names
    ]


def _use(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _success_headers(one: Declared, *, kept: bool = False) -> dict[str, Any]:
    endpoint = one.endpoint
    names = ["X-Request-Id", "Cache-Control"]
    names += ["Vary"] if one.method == "GET" else []
    names += ["ETag"] if endpoint.conditional else []
    names += ["RateLimit", "RateLimit-Policy"] if endpoint.limit else []
    names += ["Idempotent-Replayed"] if endpoint.idempotent else []
    names += ["Link"] if endpoint.query is not None and "cursor" in endpoint.query.model_fields else []
    found = _use(names)
    for name, text in endpoint.headers.items():
        found[name] = {**HEADERS.get(name, _header("")), "description": text}
        if kept and name != "ETag":
            found[name]["required"] = False
    return found


def _refusal(endpoint: Endpoint, status: int, codes: Sequence[str]) -> dict[str, Any]:
    names = ["X-Request-Id", "Cache-Control"]
    names += ["RateLimit", "RateLimit-Policy"] if endpoint.limit else []
    names += ["WWW-Authenticate"] if status == 401 else []
    names += ["Allow"] if status == 405 else []
    names += ["Idempotent-Replayed"] if endpoint.idempotent and status in (413, 415, 422) else []
    headers = _use(names)
    waiting = [CODES[code].retryable and status != 500 for code in codes]
    if any(waiting):
        headers["Retry-After"] = {**HEADERS["Retry-After"], "required": all(waiting)}
    bodies = [{"$ref": f"#/components/schemas/{_problem_name(code)}"} for code in codes]
    return {
        "description": "; ".join(f"`{code}`: {CODES[code].title}" for code in codes),
        "headers": headers,
        "content": {
            MEDIA_TYPE: {
                "schema": bodies[0] if len(bodies) == 1 else {"oneOf": bodies},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
        "x-codes": list(codes),
    }
