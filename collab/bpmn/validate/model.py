"""A finished tree as the rules see it: elements with their kinds, who holds whom, what an id or a reference names.

Built once a validation. A reference is looked up as BPMN means it: a name without a prefix, or with one of the file's
own target namespace, is an id of this file; any other prefix leads out of it, where nothing can be said.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.repair.derive import flow_nodes
from collab.bpmn.tree import Node, Tree

_SPACE: Final = " \t\r\n"
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Problem:
    """`element` is the nearest id, None where there is none; `severity` "error" or "warning"."""

    rule: str
    element: str | None
    message: str
    severity: str


@dataclass(slots=True, eq=False)
class Element:
    """One element of the file."""

    node: Node
    kind: str  # see grammar.py; "" is foreign
    above: "Element | None"
    prefixes: dict[str, str]
    below: list["Element"] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        """The id of its own."""
        return self.node.attributes.get("id") or None

    @property
    def text(self) -> str:
        """The words in it, without the white space around them."""
        return "".join(child.text for child in self.node.children if child.tag == "#").strip(_SPACE)

    def get(self, name: str) -> str:
        """An attribute, "" where there is none."""
        return self.node.attributes.get(name, "").strip(_SPACE)

    def holds(self, *kinds: str) -> Iterator["Element"]:
        """The elements of these kinds directly in it."""
        return (child for child in self.below if child.kind in kinds)

    def problem(self, rule: str, message: str, severity: str = "warning") -> Problem:
        """What is wrong with it, told with the nearest id."""
        at: Element | None = self
        while at is not None and at.id is None:
            at = at.above
        return Problem(rule, None if at is None else at.id, message, severity)

    def __str__(self) -> str:
        """As people call it: task “Pack”."""
        plain = self.kind.rpartition(":")[2].removeprefix("BPMN")
        word = _CAPITAL.sub(" ", plain).lower()
        name = self.get("name") or self.id
        return f"{word} “{name}”" if name else word


class Model:
    """All elements, by kind, by id, and what they refer to."""

    def __init__(self, tree: Tree) -> None:
        self.namespace = tree.root.attributes.get("targetNamespace", "")
        self.by_id: dict[str, list[Element]] = {}
        self.incoming: dict[Element, list[Element]] = {}
        self.outgoing: dict[Element, list[Element]] = {}
        self._by_kind: dict[str, list[Element]] = {}
        self.root = self._meet(tree.root)
        for flow in self.of("sequenceFlow"):
            for lists, name in ((self.outgoing, "sourceRef"), (self.incoming, "targetRef")):
                if (end := self.led(flow, flow.get(name))) is not None:
                    lists.setdefault(end, []).append(flow)

    def _meet(self, top: Node) -> Element:
        first: Element | None = None
        open_: list[tuple[Node, Element | None, dict[str, str]]] = [(top, None, {})]
        while open_:
            node, above, prefixes = open_.pop()
            own = {name[6:]: value for name, value in node.attributes.items() if name[:6] in ("xmlns", "xmlns:")}
            prefixes = prefixes | own if own else prefixes
            prefix, colon, local = node.tag.partition(":")
            plain = grammar.PREFIXES.get(prefixes.get(prefix if colon else "", ""))
            kind = "" if plain is None else plain + (local if colon else node.tag)
            met = Element(node, kind, above, prefixes)
            first = first or met
            if above is not None:
                above.below.append(met)
            self._by_kind.setdefault(kind, []).append(met)
            if kind and (id_ := met.get("id")):
                self.by_id.setdefault(id_, []).append(met)
            open_ += [(child, met, prefixes) for child in reversed(node.children) if child.is_element]
        assert first is not None
        return first

    def of(self, *kinds: str) -> list[Element]:
        """The elements of these kinds, in the order of the file for each."""
        return [met for kind in kinds for met in self._by_kind.get(kind, ())]

    def nodes(self) -> list[Element]:
        """Whatever flows may join."""
        return self.of(*sorted(flow_nodes()))

    def local(self, at: Element, value: str) -> str | None:
        """The id of this file that a reference means; None when it leads out of it."""
        if value in self.by_id:
            return value
        prefix, colon, name = value.partition(":")
        if not colon:
            return value
        return name if at.prefixes.get(prefix) == self.namespace else None

    def led(self, at: Element, value: str) -> Element | None:
        """What a reference names, when that is one element of this file."""
        found = self.by_id.get(self.local(at, value) or "", ())
        return found[0] if len(found) == 1 else None


@cache
def kinds_of(head: str) -> frozenset[str]:
    """The kinds of activities, events, gateways: by what they derive from."""
    ends = {
        "activity": ("ask", "Activity", "ubProcess", "transaction"),
        "event": ("Event",),
        "gateway": ("ateway",),
    }[head]
    return frozenset(kind for kind in flow_nodes() if kind.endswith(ends) and "horeography" not in kind)
