"""Is this a sound model? The schema's rules, references that lead somewhere, and flow where BPMN forbids it.

One small function a rule; each gives problems and never raises for a bad diagram. A save is never refused for one.
Pure; called by api/validation.py and by the command line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from collab.bpmn import grammar, imports, schema, xml
from collab.bpmn.match import parent_of
from collab.bpmn.records import Snapshot, Value

MOST: Final = 200
_REFERENCES: Final = frozenset(("xsd:IDREF", "xsd:QName"))
_DEEP: Final = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """`element` is the nearest id, None where there is none; `severity` "error" or "warning"."""

    rule: str
    element: str | None
    message: str
    severity: str


def validate(text: bytes, charset: str | None = None) -> list[Problem]:
    """What is wrong with a file, schema first. Raises the errors of collab.bpmn.errors for what cannot be read at all."""
    tree = xml.parse(text, charset)
    found = [
        Problem("schema", one.element, f"line {one.line}: {one.text}", "error")
        for one in schema.problems(xml.write(tree))
    ]
    snapshot = imports.from_tree(tree)
    for rule in RULES:
        found += rule(snapshot)
    return found[:MOST]


def unresolved(snapshot: Snapshot) -> Iterator[Problem]:
    """A reference names something that is not in the file, or is there twice."""
    there = {record["@id"] for record in snapshot.nodes.values() if isinstance(record.get("@id"), str)}
    for key, record in snapshot.nodes.items():
        shape = grammar.shape(imports.kind_of(snapshot, key))
        if shape is None:
            continue
        for register, value in record.items():
            type_ = shape.attributes.get(register[1:], ("",))[0] if register.startswith("@") else ""
            if type_ in _REFERENCES and isinstance(value, str) and value and ":" not in value:
                rule, what = (
                    ("ambiguous", "there more than once") if value in there else ("unresolved", "not in the file")
                )
                message = f"{register[1:]} names “{value}”, which is {what}"
                yield Problem(rule, _id(snapshot, key), message, "error")


def misplaced_flow(snapshot: Snapshot) -> Iterator[Problem]:
    """Sequence flow into a start event, out of an end event, or from one process into another."""
    for key, record in snapshot.nodes.items():
        if imports.kind_of(snapshot, key) != "sequenceFlow":
            continue
        source, target = _led(record.get("@sourceRef")), _led(record.get("@targetRef"))
        if source not in snapshot.nodes or target not in snapshot.nodes:
            continue
        if imports.kind_of(snapshot, target) == "startEvent":
            yield Problem("start", _id(snapshot, key), "leads into a start event", "warning")
        if imports.kind_of(snapshot, source) == "endEvent":
            yield Problem("end", _id(snapshot, key), "leads out of an end event", "warning")
        if parent_of(snapshot.nodes[source]) != parent_of(snapshot.nodes[target]):
            message = "leads from one process or sub-process into another"
            yield Problem("crossing", _id(snapshot, key), message, "warning")


RULES: Final[tuple[Callable[[Snapshot], Iterator[Problem]], ...]] = (unresolved, misplaced_flow)


def _led(value: Value | None) -> str:
    return str(value["r"]) if isinstance(value, dict) and "r" in value else ""


def _id(snapshot: Snapshot, key: str) -> str | None:
    at: str | None = key
    for _ in range(_DEEP):
        if at is None or at not in snapshot.nodes:
            return None
        named = snapshot.nodes[at].get("@id")
        if isinstance(named, str):
            return named
        at = parent_of(snapshot.nodes[at])
    return None
