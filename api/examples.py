"""Examples for the documentation, made from the schemas themselves: what a field says is an example, else what its name
is known for, else the plainest value of its type. Pure; a test holds every example against its schema.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

XML_TEXT: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="https://example.org/orders">\n'
    '  <process id="Process_1" isExecutable="false">\n'
    '    <startEvent id="Start_1" name="Order received"/>\n'
    '    <task id="Task_1" name="Check the order"/>\n'
    '    <sequenceFlow id="Flow_1" sourceRef="Start_1" targetRef="Task_1"/>\n'
    "  </process>\n"
    "</definitions>\n"
)
NDJSON_TEXT: Final = '{"kind":"export","format":1}\n{"kind":"end","lines":0}\n'
SVG_TEXT: Final = '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="90" viewBox="0 0 160 90"></svg>'
ID: Final = "0198c0de-0000-7000-8000-000000000001"
MOMENT: Final = "2026-01-31T08:30:00Z"

# Values that mean something, by the name of their field.
KNOWN: Final[Mapping[str, Any]] = {
    "action": "diagram.save",
    "advice": "Wait and try again.",
    "base": "Check order",
    "before": "Check order",
    "after": "Check the order",
    "base_version": 3,
    "bpmn_xml": XML_TEXT,
    "color": "#2563eb",
    "deleted_at": None,
    "current": f"/api/v1/diagrams/{ID}/content",
    "diff": f"/api/v1/diagrams/{ID}/diff?from=3&to=4",
    "element": "Task_1",
    "element_count": 42,
    "element_id": "Task_1",
    "elements": 42,
    "email": "ann@example.org",
    "epoch": 1,
    "etag": '"v3"',
    "expires_at": "2099-12-31T00:00:00Z",
    "from": "2",
    "from_version": "2",
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "kind": "manual",
    "message": "Approval added",
    "name": "Ann",
    "next_base": "b3.Q2n0xLwq8fZ1aTbc",
    "next_cursor": "WyI5ZjNhIiwxMl0",
    "password": "correct horse battery",
    "property": "name",
    "purge_at": None,
    "q": "order",
    "resource": f"diagram:{ID}",
    "result": "ok",
    "role": "editor",
    "rule": "unresolved",
    "severity": "error",
    "text": "The flow is shown without its end.",
    "theirs": "Check every order",
    "thumbnail_url": f"/api/v1/diagrams/{ID}/thumbnail.svg?v=3",
    "ticket": "clk_4pZ0wq",
    "title": "Order to delivery",
    "to": "3",
    "to_version": "3",
    "token": "clt_3fG9yQ",
    "type": "task",
    "update": "AAA=",
    "url": f"ws://localhost:8000/collab/{ID}",
    "value": "Check the order",
    "version": 3,
    "yours": "Check the order",
}


def example(schema: Any, definitions: Mapping[str, Any], name: str = "") -> Any:
    """A value that fits a JSON schema; `name` is the field it stands in."""
    if not isinstance(schema, Mapping):
        return KNOWN.get(name)
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rpartition("/")[2]], definitions, name)
    for key in ("examples", "enum", "const"):
        if key in schema:
            return schema[key] if key == "const" else schema[key][0]
    options = schema.get("anyOf") or schema.get("oneOf")
    return _one_of(options, definitions, name) if options else _plain(schema, definitions, name)


def _one_of(options: Sequence[Mapping[str, Any]], definitions: Mapping[str, Any], name: str) -> Any:
    known = KNOWN.get(name)
    if name in KNOWN and known is None:
        return None
    fitting = [one for one in options if one.get("type") != "null"]
    # Where a field takes a number or a text, what it is known for says which.
    chosen = next((one for one in fitting if one.get("type") == _type(known)), fitting[0])
    return example(chosen, definitions, name)


def _type(value: Any) -> str | None:
    return {int: "integer", str: "string", bool: "boolean", float: "number"}.get(type(value))


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str) -> Any:
    known = KNOWN.get(name)
    match schema.get("type"):
        case "object":
            return {key: example(one, definitions, key) for key, one in schema.get("properties", {}).items()}
        case "array":
            parts = schema.get("prefixItems") or [one for one in (schema.get("items"),) if one]
            return [example(one, definitions, name) for one in parts]
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return known if isinstance(known, int) else schema.get("default", schema.get("minimum", 1))
        case "boolean":
            return schema.get("default", True)
        case _:
            return known  # anything goes


def _text(schema: Mapping[str, Any], name: str) -> str:
    known = KNOWN.get(name)
    if schema.get("format") == "uuid":
        return ID
    if schema.get("format") == "date-time":
        return str(known) if name in ("expires_at", "purge_at") and known else MOMENT
    return str(known) if known is not None else f"{name or 'text'}".replace("_", " ")
