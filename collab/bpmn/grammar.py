"""What the BPMN 2.0 schema allows where: child order, how often, which attributes. A reader of grammar.json.

The table is generated from the five schema files (tests/bpmn/make_grammar.py); frontend/src/document/view/grammar.ts
reads the same file. A *kind* is an element's name with its namespace made plain: "userTask" (BPMN model),
"bpmndi:BPMNShape", "dc:Bounds", "di:waypoint"; "" is any foreign element, "#" text, "!" comment, "?" processing
instruction. Used by the import (is this parent in order?) and the view.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

MODEL: Final = "http://www.omg.org/spec/BPMN/20100524/MODEL"
PREFIXES: Final = {
    MODEL: "",
    "http://www.omg.org/spec/BPMN/20100524/DI": "bpmndi:",
    "http://www.omg.org/spec/DD/20100524/DC": "dc:",
    "http://www.omg.org/spec/DD/20100524/DI": "di:",
}


@dataclass(slots=True)
class Shape:
    """What one kind of element may hold, with everything inherited folded in."""

    ranks: dict[str, int] = field(default_factory=dict)  # child kind -> place in the schema's sequence
    most: dict[str, int] = field(default_factory=dict)  # child kind -> how many at one rank (0: any number)
    least: list[tuple[frozenset[str], int]] = field(default_factory=list)  # parts that must be there
    choices: list[list[list[str]]] = field(default_factory=list)  # alternatives that exclude each other
    attributes: dict[str, tuple[str, bool]] = field(default_factory=dict)  # name -> (type, required)
    required: dict[str, None] = field(default_factory=dict)  # the names of those, in their order
    other: bool = False  # foreign attributes are welcome
    any: bool = False  # foreign elements are welcome
    mixed: bool = False  # text is welcome


@cache
def _table() -> dict[str, dict[str, Any]]:
    read = files("collab.bpmn").joinpath("grammar.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = json.loads(read)
    return table


@cache
def members(head: str) -> frozenset[str]:
    """The kinds that may stand where the schema says `head`: itself and what substitutes it, abstract ones left out."""
    table = _table()
    declared = table["types"].get(table["elements"].get(head, ""), {})
    found = set() if "abstract" in declared else {head}
    for member in table["heads"].get(head, []):
        found |= members(member)
    return frozenset(found)


@cache
def shape(kind: str) -> Shape | None:
    """The shape of a kind, or None for what the schema does not know."""
    declared = _table()["elements"].get(kind)
    if declared is None:
        return None
    made = Shape()
    if declared.startswith("xsd:"):
        made.mixed = True
        return made
    _inherit(made, declared)
    return made


@cache
def known() -> tuple[str, ...]:
    """Every kind the schema declares."""
    return tuple(_table()["elements"])


@cache
def derives(kind: str, declared: str) -> bool:
    """May xsi:type name this type for an element of that kind?"""
    table, wanted = _table(), _table()["elements"].get(kind)
    at: str | None = declared
    while at is not None and at in table["types"]:
        if at == wanted:
            return True
        at = table["types"][at].get("base")
    return False


@cache
def typed(declared: str) -> Shape | None:
    """The shape of a type named by xsi:type, such as tFormalExpression."""
    if declared not in _table()["types"]:
        return None
    made = Shape()
    _inherit(made, declared)
    return made


def _inherit(made: Shape, declared: str) -> None:
    entry = _table()["types"][declared]
    if "base" in entry:
        _inherit(made, entry["base"])
    for name, low, high in entry.get("children", []):
        rank, kinds = len(made.least) + 1, members(name)
        made.least.append((kinds, low))
        for kind in kinds:
            made.ranks.setdefault(kind, rank)
            made.most.setdefault(kind, high)
    made.choices += entry.get("choices", [])
    for name, (type_, required) in entry.get("attributes", {}).items():
        made.attributes[name] = (type_, bool(required))
        if required:
            made.required[name] = None
        else:
            made.required.pop(name, None)
    made.other = made.other or "other" in entry
    made.any = made.any or "any" in entry
    made.mixed = made.mixed or "mixed" in entry


@cache
def enumeration(type_: str) -> frozenset[str]:
    """The words a simple type of the schema allows; empty for the built-in types."""
    return frozenset(_table()["simple"].get(type_, ()))


def in_order(parent: str, children: Iterable[str]) -> bool:
    """Do children stand in the schema's order? Unknown ones, text and comments may stand anywhere."""
    known = shape(parent)
    if known is None:
        return True
    highest = 0
    for child in children:
        rank = known.ranks.get(child)
        if rank is not None:
            if rank < highest:
                return False
            highest = rank
    return True


@cache
def content_type(kind: str) -> str:
    """The built-in type of an element that holds nothing but text ("xsd:QName"), else ""."""
    declared: str = _table()["elements"].get(kind, "")
    return declared if declared.startswith("xsd:") else ""
