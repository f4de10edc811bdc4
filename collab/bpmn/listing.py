"""A diagram as plain data for programs that do not read XML: its elements, what holds them, where they are drawn.

Not a way back: comments, order and foreign markup stay in the XML. Pure: a text in, plain values out.
"""

from dataclasses import dataclass, field

from collab.bpmn import xml
from collab.bpmn.kinds import walk
from collab.bpmn.svg import number
from collab.bpmn.tree import Node


@dataclass(slots=True)
class Bounds:
    """Where a shape is drawn."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Element:
    """One element with an id, in the order of the file. `parent` is the nearest one around it that has an id."""

    id: str
    type: str
    name: str | None
    parent: str | None
    attributes: dict[str, str]
    documentation: str | None = None
    bounds: Bounds | None = None
    waypoints: list[tuple[float, float]] = field(default_factory=list)


def listing(data: bytes) -> list[Element]:
    """Every BPMN element of a text that has an id."""
    found: list[Element] = []
    by_id: dict[str, Element] = {}
    owners: dict[int, Element] = {}  # by the identity of nodes inside them
    drawings: list[Node] = []
    for node, kind in walk(xml.parse(data).root):
        owner = owners.get(id(node))
        if kind in ("bpmndi:BPMNShape", "bpmndi:BPMNEdge"):
            drawings.append(node)
        elif kind and ":" not in kind and "id" in node.attributes:
            owner = _element(node, kind, owner)
            found.append(owner)
            by_id.setdefault(owner.id, owner)
        elif kind == "documentation" and owner is not None and owner.documentation is None:
            owner.documentation = "".join(child.text for child in node.children if child.tag == "#").strip() or None
        if owner is not None:
            owners |= {id(child): owner for child in node.children}
    for drawing in drawings:
        drawn = by_id.get(drawing.attributes.get("bpmnElement", "").rpartition(":")[2])
        if drawn is not None:
            _place(drawn, drawing)
    return found


def _element(node: Node, kind: str, owner: Element | None) -> Element:
    plain = {
        name: value
        for name, value in node.attributes.items()
        if name not in ("id", "name", "xmlns") and not name.startswith("xmlns:")
    }
    name = node.attributes.get("name")
    return Element(node.attributes["id"], kind, name, None if owner is None else owner.id, plain)


def _place(drawn: Element, node: Node) -> None:
    """Taken from the first shape or edge of an element."""
    for child in node.children:
        local = child.tag.rpartition(":")[2]
        if local == "Bounds" and drawn.bounds is None:
            drawn.bounds = Bounds(*(number(child.attributes.get(one)) for one in ("x", "y", "width", "height")))
        elif local == "waypoint":
            drawn.waypoints.append((number(child.attributes.get("x")), number(child.attributes.get("y"))))
