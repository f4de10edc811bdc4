"""Which records make up one element as people know it, and what people call their registers.

An element is a record with an id; to it belong the records below it that have none (its documentation, its loop
characteristics), and its shape or edge in each drawing. Pure; the history of elements is told with it (collab/elements.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from collab.bpmn.records import Record, Value

_SILENT: Final = frozenset(("qk", "oo", "ioo", "cd", "lx"))  # how a file was written, not what it says
_DEEP: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One record of an element: its tag, and the way to it from the element ("" is the element itself)."""

    tag: str
    way: str


@dataclass(frozen=True, slots=True)
class Told:
    """One change in people's words; a `property` "element" is the whole of it coming or going."""

    property: str
    before: Any
    after: Any


def parts_of(nodes: Mapping[str, Record], element: str) -> dict[str, Part]:
    """The records of an element, by key. It is found by its id, deleted or not, or by its key; empty when unknown."""
    own = [key for key, record in nodes.items() if record.get("@id") == element] or [element] * (element in nodes)
    alive = [key for key in own if not nodes[key].get("d")]
    below: dict[str, list[str]] = {}
    drawn: dict[str, list[str]] = {}
    for key, record in nodes.items():
        parent = record.get("p")
        if isinstance(parent, list) and parent:
            below.setdefault(str(parent[0]), []).append(key)
        target = record.get("@bpmnElement")
        if isinstance(target, dict):
            drawn.setdefault(str(target.get("r")), []).append(key)
    found: dict[str, Part] = {}
    for key in alive or own:
        found[key] = Part(str(nodes[key].get("t", "")), "")
        _descend(nodes, below, key, "", found)
        for shape in drawn.get(key, ()):
            found[shape] = Part(str(nodes[shape].get("t", "")), "drawing")
            _descend(nodes, below, shape, "", found)
    return found


def _descend(
    nodes: Mapping[str, Record],
    below: Mapping[str, list[str]],
    key: str,
    way: str,
    found: dict[str, Part],
    deep: int = 0,
) -> None:
    for child in below.get(key, ()):
        record = nodes[child]
        if child in found or "@id" in record or deep > _DEEP:
            continue  # an element of its own; or a circle, which any client may write
        tag = str(record.get("t", ""))
        step = tag.rpartition(":")[2]
        found[child] = Part(tag, f"{way}/{step}" if way else step)
        _descend(nodes, below, child, found[child].way, found, deep + 1)


def told(part: Part, register: str, before: Value | None, after: Value | None, ids: Mapping[str, str]) -> Told | None:
    """A change of one register as a property; None for what people do not see. `ids`: keys that are not their own id."""
    if register in _SILENT or (part.way and register in ("t", "p", "d")):
        return None
    if register == "d":
        gone, there = bool(after), bool(before)
        return None if gone == there else Told("element", None if there else part.tag, None if gone else part.tag)
    if register == "t":
        return Told("element" if before is None else "type", before, after)
    if register == "p":
        was, now = _parent(before, ids), _parent(after, ids)
        return None if was == now or before is None else Told("parent", was, now)
    return Told(_word(part, register), _shown(register, before, ids), _shown(register, after, ids))


def _word(part: Part, register: str) -> str:
    if part.way == "drawing":
        return {"b": "bounds", "w": "waypoints"}.get(register, register.removeprefix("@"))
    word = {"b": "bounds", "w": "waypoints", "x": ""}.get(register, register.removeprefix("@"))
    if register.startswith("l:"):
        word = "lane"
    if not part.way:
        return word or part.tag.rpartition(":")[2]
    return f"{part.way}/{word}" if word else part.way


def _parent(value: Value | None, ids: Mapping[str, str]) -> str | None:
    if not isinstance(value, list) or not value:
        return None
    return ids.get(str(value[0]), str(value[0]))


def _shown(register: str, value: Value | None, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict) and "r" in value:
        return ids.get(str(value["r"]), str(value["r"]))
    if register.startswith("l:"):
        return _parent(value, ids)
    if register == "b" and isinstance(value, list):
        return dict(zip(("x", "y", "width", "height"), value[2:], strict=False))
    if register == "w" and isinstance(value, list):
        numbers = value[2:]
        return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=False)]
    return value
