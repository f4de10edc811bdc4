"""OpenAPI 3.1 from the declared endpoints, and the documentation page from the same. Built once, at start.

Nothing is described twice: parameters, bodies and answers come from the models, errors from the closed table.
"""

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.answers import JSON
from api.bodies import XML_TYPES
from api.dispatch import Declared
from api.endpoint import Endpoint, Need
from api.problems import CODES, MEDIA_TYPE

_REF = "#/components/schemas/{model}"
_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "rule", "message"],
                "properties": {name: {"type": "string"} for name in ("path", "rule", "message")},
            },
        },
    },
}


def errors_of(one: Declared) -> tuple[str, ...]:
    """Every code this route may answer: its own, and those that its declaration implies."""
    endpoint = one.endpoint
    codes = {*endpoint.errors, "internal", "storage_unavailable", "draining", "method_not_allowed", "not_acceptable"}
    if endpoint.need is not Need.NOBODY:
        codes |= {"unauthenticated", "forbidden"}
    if "{" in one.path:
        codes.add("not_found")
    if "{diagram_id}" in one.path:
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
    refs, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)
    schemas = dict(definitions.get("$defs", {}))
    schemas["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    for one in table:
        path = _PLACE.sub(r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, refs, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Colane",
            "version": version,
            "summary": "Realtime co-editing of BPMN 2.0 diagrams.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "colane_session"},
            },
        },
    }


def _operation(one: Declared, refs: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    endpoint = one.endpoint
    found: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.name.partition("_")[0]],
        "security": [] if endpoint.need is Need.NOBODY else [{"token": []}, {"session": []}],
        "responses": _responses(one, refs),
    }
    parameters = [*_path_parameters(one.path), *_query_parameters(endpoint, refs, schemas), *_headers(endpoint)]
    if parameters:
        found["parameters"] = parameters
    content: dict[str, Any] = {}
    if endpoint.body is not None:
        content[JSON] = {"schema": refs[endpoint.body, "validation"]}
    if endpoint.takes_xml:
        content |= {kind: {"schema": {"type": "string"}} for kind in XML_TYPES}
    if content:
        required = endpoint.body is None or bool(schemas_required(endpoint.body))
        found["requestBody"] = {"required": required, "content": content}
    return found


def schemas_required(model: type[BaseModel]) -> list[str]:
    """Fields a body must have."""
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _path_parameters(path: str) -> list[dict[str, Any]]:
    found = []
    for name in _PLACE.findall(path):
        schema: dict[str, Any] = {"type": "string"}
        if name == "version":
            schema = {"type": "integer", "minimum": 1}
        elif name.endswith("_id") and name != "element_id":
            schema = {"type": "string", "format": "uuid"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def _query_parameters(endpoint: Endpoint, refs: Any, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    name = refs[endpoint.query, "validation"]["$ref"].rpartition("/")[2]
    schema = schemas[name]
    required = schema.get("required", [])
    return [
        {"name": field, "in": "query", "required": field in required, "schema": shape}
        for field, shape in schema.get("properties", {}).items()
    ]


def _headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = []
    if endpoint.idempotent:
        names.append(
            ("Idempotency-Key", "1 to 255 visible ASCII characters; a repeated request is answered, not redone")
        )
    if "precondition_required" in endpoint.errors:
        names.append(("If-Match", 'the ETag of the version the save is based on, "v<n>"'))
    if endpoint.conditional:
        names.append(("If-None-Match", "an ETag the client holds: 304 when it still stands"))
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in names
    ]


def _responses(one: Declared, refs: Any) -> dict[str, Any]:
    endpoint = one.endpoint
    success: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.answers is not None:
        success["content"] = {JSON: {"schema": refs[endpoint.answers, "serialization"]}}
    elif endpoint.status == 200:
        success["content"] = {kind: {"schema": {"type": "string"}} for kind in endpoint.produces}
    if endpoint.headers:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in endpoint.headers.items()
        }
    found: dict[str, Any] = {str(endpoint.status): success}
    if endpoint.status == 201 and endpoint.answers is not None:
        found["200"] = {**success, "description": "Nothing had to be made"}
    if endpoint.conditional:
        found["304"] = {"description": "The client's copy still stands"}
    by_status: dict[int, list[str]] = {}
    for code in errors_of(one):
        by_status.setdefault(CODES[code].status, []).append(code)
    if "precondition_required" in endpoint.errors:
        by_status[412] = ["version_conflict"]
    for status, codes in sorted(by_status.items()):
        found[str(status)] = {
            "description": "; ".join(f"{code}: {CODES[code].title}" for code in codes),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
            "x-codes": codes,
        }
    return found


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2937}"
    "code{font:14px ui-monospace,monospace}h2{margin-top:2.5rem}dt{margin-top:.8rem}dd{margin:0 0 0 1rem;color:#4b5563}"
    "b{display:inline-block;min-width:4.5rem}"
)
DOCS_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _link(code: str) -> str:
    return f' · <a href="#{code}">{code}</a>'


def page(table: Sequence[Declared]) -> bytes:
    """The documentation as one page without scripts."""
    routes = "".join(
        f"<dt><b>{one.method}</b> <code>{html.escape(one.path)}</code></dt>"
        f"<dd>{html.escape(one.endpoint.summary)}. <code>{one.endpoint.status}</code>"
        f"{''.join(_link(code) for code in one.endpoint.errors)}</dd>"
        for one in table
    )
    codes = "".join(
        f'<dt id="{name}"><b>{code.status}</b> <code>{name}</code></dt><dd>{html.escape(code.title)}.'
        f" {html.escape(code.advice)}{' May be repeated as it is.' if code.retryable else ''}</dd>"
        for name, code in CODES.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Colane: REST API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>Colane: REST API</h1>'
        '<p>The machine-readable form is <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1). Sign in with'
        " <code>Authorization: Bearer &lt;token&gt;</code> or a session cookie. Errors are"
        " <code>application/problem+json</code>; switch on <code>code</code>.</p>"
        f"<h2>Routes</h2><dl>{routes}</dl><h2>Errors</h2><dl>{codes}</dl></body></html>"
    ).encode()
