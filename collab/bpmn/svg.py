"""A thumbnail drawn from the diagram interchange: recognisable BPMN shapes in one small, safe SVG.

Safe: only elements and attributes written here, every text escaped, colours matched against a pattern, numbers parsed; no
scripts, links, styles or fonts from outside. Pure: a finished tree in, text out. The first diagram that shows something.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import isfinite
from textwrap import wrap
from typing import Final

from collab.bpmn import glyphs
from collab.bpmn.kinds import walk
from collab.bpmn.tree import Node, Tree

MOST: Final = 3000  # shapes and edges drawn
PAD: Final = 12.0
INK, PAPER, SOFT = "#22242a", "#ffffff", "#6b7280"
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?")
_UNFIT: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTAINERS: Final = frozenset({"participant", "lane", "subProcess", "transaction", "adHocSubProcess", "group"})
_SUB: Final = frozenset({"subProcess", "transaction", "adHocSubProcess"})


@dataclass(slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        return (self.x + self.width / 2, self.y + self.height / 2)


@dataclass(slots=True)
class _Item:
    """One shape or edge with what it shows."""

    kind: str
    name: str
    element: Node | None
    di: Node
    inner: list[str]  # kinds of the element's children
    box: _Box | None
    points: list[tuple[float, float]]
    label: _Box | None
    stroke: str
    fill: str


def draw(tree: Tree) -> str:
    """The first diagram with content; an empty picture when nothing is drawn."""
    items = _read(tree)
    xs = [x for i in items for x in _extent(i, 0)] or [0.0, 160.0]
    ys = [y for i in items for y in _extent(i, 1)] or [0.0, 90.0]
    left, top = min(xs) - PAD, min(ys) - PAD
    width, height = max(xs) - left + PAD, max(ys) - top + PAD
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="{_n(left)} {_n(top)} {_n(width)} {_n(height)}"'
    body = "".join(part for item in _ordered(items) for part in _draw(item))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Arial, Helvetica, sans-serif" font-size="12" '
        f'stroke-linecap="round" stroke-linejoin="round">{_MARKERS}{body}</svg>'
    )


_MARKERS = (
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    f'<path d="M0,1L10,5L0,9Z" fill="{INK}"/></marker>'
    '<marker id="m" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" orient="auto">'
    f'<path d="M1,1.5L9,5L1,8.5Z" fill="{PAPER}" stroke="{INK}"/></marker>'
    '<marker id="o" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="7" markerHeight="7">'
    f'<circle cx="5" cy="5" r="3.5" fill="{PAPER}" stroke="{INK}"/></marker></defs>'
)


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(tree: Tree) -> list[_Item]:
    kinds: dict[int, str] = {}
    by_id: dict[str, Node] = {}
    planes: list[Node] = []
    for node, kind in walk(tree.root):
        kinds[id(node)] = kind
        if kind == "bpmndi:BPMNPlane":
            planes.append(node)
        elif kind and ":" not in kind and "id" in node.attributes:
            by_id.setdefault(node.attributes["id"], node)
    for plane in planes:
        drawn = [c for c in plane.children if kinds.get(id(c)) in ("bpmndi:BPMNShape", "bpmndi:BPMNEdge")][:MOST]
        items = [_item(node, by_id, kinds) for node in drawn]
        if items:
            return items
    return []


def _item(di: Node, by_id: dict[str, Node], kinds: dict[int, str]) -> _Item:
    element = by_id.get(di.attributes.get("bpmnElement", "").rpartition(":")[2])
    box = label = None
    points: list[tuple[float, float]] = []
    for child in di.children:
        kind = kinds.get(id(child))
        if kind == "dc:Bounds":
            box = _bounds(child)
        elif kind == "di:waypoint":
            points.append((number(child.attributes.get("x")), number(child.attributes.get("y"))))
        elif kind == "bpmndi:BPMNLabel":
            label = next((_bounds(c) for c in child.children if kinds.get(id(c)) == "dc:Bounds"), None)
    colours = {name.rpartition(":")[2]: value for name, value in di.attributes.items() if _COLOUR.fullmatch(value)}
    children = element.children if element else []
    kind = kinds[id(element)] if element else ""
    name = element.attributes.get("name", "") if element else ""
    if kind == "textAnnotation":
        name = " ".join(g.text for c in children if kinds.get(id(c)) == "text" for g in c.children if g.tag == "#")
    return _Item(
        kind=kind,
        name=" ".join(_UNFIT.sub("", name).split()),
        element=element,
        di=di,
        inner=[kinds.get(id(child), "") for child in children],
        box=box,
        points=points if len(points) > 1 else [],
        label=label,
        stroke=colours.get("border-color") or colours.get("stroke") or INK,
        fill=colours.get("background-color") or colours.get("fill") or PAPER,
    )


def _bounds(node: Node) -> _Box:
    x, y, width, height = (number(node.attributes.get(name)) for name in ("x", "y", "width", "height"))
    return _Box(x, y, max(width, 0.0), max(height, 0.0))


def number(text: str | None) -> float:
    """A coordinate; 0 for what is none."""
    try:
        number = float(text or "0")
    except ValueError:
        return 0.0
    return number if isfinite(number) and abs(number) < 1e7 else 0.0


def _extent(item: _Item, axis: int) -> Iterator[float]:
    for box in (item.box, item.label):
        if box:
            yield box.x if axis == 0 else box.y
            yield box.x + box.width if axis == 0 else box.y + box.height
    for point in item.points:
        yield point[axis]


def _ordered(items: list[_Item]) -> list[_Item]:
    """Containers below, then connections, then the rest."""

    def layer(item: _Item) -> int:
        if item.points:
            return 2
        if item.kind in ("participant", "lane"):
            return 0
        return 1 if item.kind in _CONTAINERS and _expanded(item) else 3

    return sorted(items, key=layer)


def _expanded(item: _Item) -> bool:
    return item.kind not in _SUB or item.di.attributes.get("isExpanded") == "true"


# -- drawing ----------------------------------------------------------------------------------------------------------


def _draw(item: _Item) -> Iterator[str]:
    if item.points:
        yield from _edge(item)
    elif item.box:
        kind = item.kind
        if kind.endswith("Event"):
            yield from _event(item, item.box)
        elif kind.endswith("Gateway"):
            yield from _gateway(item, item.box)
        elif kind in ("participant", "lane"):
            yield from _pool(item, item.box)
        elif kind in ("dataObjectReference", "dataObject", "dataInput", "dataOutput", "dataStoreReference"):
            path = glyphs.DATA_STORE if kind == "dataStoreReference" else glyphs.DATA_OBJECT
            yield _path(path, item.box.middle, item.stroke, item.fill, 1.5)
            yield from _outside(item, item.box)
        elif kind == "textAnnotation":
            b = item.box
            yield _path(f"M10,0H0V{_n(b.height)}H10", (b.x, b.y), item.stroke, "none", 1.5)
            yield from _text(item.name, b.x + 8, b.y + b.height / 2, b.width - 8, "start")
        elif kind == "group":
            yield _rect(item.box, 10, SOFT, "none", 1.5, 'stroke-dasharray="10,6,0,6"')
            yield from _outside(item, item.box)
        else:
            yield from _activity(item, item.box)


def _event(item: _Item, box: _Box) -> Iterator[str]:
    (x, y), r = box.middle, min(box.width, box.height) / 2
    soft = (item.element.attributes if item.element else {}).get(
        "cancelActivity" if item.kind == "boundaryEvent" else "isInterrupting"
    )
    dash = 'stroke-dasharray="4,3"' if soft == "false" else ""
    weight = 3.5 if item.kind == "endEvent" else 1.5
    yield _circle(x, y, r, item, weight, dash)
    if item.kind in ("boundaryEvent", "intermediateCatchEvent", "intermediateThrowEvent"):
        yield _circle(x, y, r - 3.5, item, 1.5, dash)
    definitions = [k for k in item.inner if k.endswith("EventDefinition")]
    if definitions:
        path = glyphs.EVENTS.get(definitions[0] if len(definitions) == 1 else "multiple", "")
        full = item.kind in ("endEvent", "intermediateThrowEvent") and definitions[0] != "timerEventDefinition"
        yield _path(
            path,
            (x, y),
            item.fill if full and path == glyphs.ENVELOPE else item.stroke,
            item.stroke if full else "none",
            1.2,
            r / 16,
        )
    yield from _outside(item, box)


def _gateway(item: _Item, box: _Box) -> Iterator[str]:
    (x, y), w, h = box.middle, box.width / 2, box.height / 2
    yield _path(f"M0,{_n(-h)}L{_n(w)},0L0,{_n(h)}L{_n(-w)},0Z", (x, y), item.stroke, item.fill, 1.5)
    plain = item.kind == "exclusiveGateway" and item.di.attributes.get("isMarkerVisible") == "false"
    if item.kind in glyphs.GATEWAYS and not plain:
        weight = 1.2 if item.kind == "eventBasedGateway" else 2.8
        yield _path(glyphs.GATEWAYS[item.kind], (x, y), item.stroke, "none", weight, box.width / 50)
    yield from _outside(item, box)


def _pool(item: _Item, box: _Box) -> Iterator[str]:
    yield _rect(box, 0, item.stroke, item.fill, 1.5)
    if item.di.attributes.get("isHorizontal") == "false":
        band, x, y, turn, room = f"M0,30H{_n(box.width)}", box.x + box.width / 2, box.y + 15, "", box.width
    elif (
        item.kind == "participant"
        and box.height < 90
        and "processRef" not in (item.element.attributes if item.element else {})
    ):
        yield from _text(item.name, *box.middle, box.width, "middle")
        return
    else:
        band, x, y, room = f"M30,0V{_n(box.height)}", box.x + 15, box.y + box.height / 2, box.height
        turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"'
    yield _path(band, (box.x, box.y), item.stroke, "none", 1.5)
    yield f"<g{turn}>" if turn else "<g>"
    yield from _text(item.name, x, y, room, "middle", lines=2)
    yield "</g>"


def _activity(item: _Item, box: _Box) -> Iterator[str]:
    x, y = box.middle
    weight = 3.5 if item.kind == "callActivity" else 1.5
    event_sub = (item.element.attributes if item.element else {}).get("triggeredByEvent") == "true"
    dash = 'stroke-dasharray="2,4"' if event_sub else ""
    yield _rect(box, 10, item.stroke, item.fill, weight, dash)
    if item.kind == "transaction":
        inner = _Box(box.x + 3.5, box.y + 3.5, box.width - 7, box.height - 7)
        yield _rect(inner, 7, item.stroke, "none", 1.5)
    if item.kind in glyphs.TASKS:
        full = item.kind == "sendTask"
        yield _path(
            glyphs.TASKS[item.kind],
            (box.x + 14, box.y + 13),
            PAPER if full else item.stroke,
            item.stroke if full else "none",
            1.1,
            0.85,
        )
    signs = []
    if "standardLoopCharacteristics" in item.inner:
        signs.append(glyphs.LOOP)
    if "multiInstanceLoopCharacteristics" in item.inner and item.element:
        sequential = any(c.attributes.get("isSequential") == "true" for c in item.element.children)
        signs.append(glyphs.SEQUENTIAL if sequential else glyphs.PARALLEL)
    if item.kind in _SUB and not _expanded(item):
        signs.append(glyphs.COLLAPSED)
    for place, sign in enumerate(signs):
        at = (x + (place - (len(signs) - 1) / 2) * 18, box.y + box.height - 10)
        yield _path(sign, at, item.stroke, "none", 1.5)
    if item.kind in _SUB and _expanded(item):
        yield from _text(item.name, x, box.y + 14, box.width - 16, "middle", lines=1)
    else:
        yield from _text(item.name, x, y, box.width - 10, "middle", lines=max(1, int(box.height // 15)))


def _edge(item: _Item) -> Iterator[str]:
    path = "M" + "L".join(f"{_n(x)},{_n(y)}" for x, y in item.points)
    ends = ' marker-end="url(#a)"'
    dash = ""
    if item.kind == "messageFlow":
        ends, dash = ' marker-start="url(#o)" marker-end="url(#m)"', ' stroke-dasharray="9,6"'
    elif item.kind in ("association", "dataInputAssociation", "dataOutputAssociation"):
        one = item.kind != "association" or (item.element and item.element.attributes.get("associationDirection")) in (
            "One",
            "Both",
        )
        ends, dash = ends if one else "", ' stroke-dasharray="0.5,5"'
    elif item.kind == "conversationLink":
        ends = ""
    yield f'<path d="{path}" fill="none" stroke="{item.stroke}" stroke-width="1.5"{dash}{ends}/>'
    if item.name:
        at = item.label or _middle(item.points)
        yield from _text(item.name, *at.middle, max(at.width, 90), "middle", lines=2)


def _middle(points: list[tuple[float, float]]) -> _Box:
    (x1, y1), (x2, y2) = points[(len(points) - 1) // 2], points[(len(points) - 1) // 2 + 1]
    return _Box((x1 + x2) / 2 - 45, (y1 + y2) / 2 - 20, 90, 14)


def _outside(item: _Item, box: _Box) -> Iterator[str]:
    """The label of an event, gateway or data element: where the file says, else below."""
    at = item.label or _Box(box.x + box.width / 2 - 45, box.y + box.height + 4, 90, 14)
    yield from _text(item.name, *at.middle, max(at.width, 60), "middle", lines=3)


def _text(text: str, x: float, y: float, room: float, anchor: str, lines: int = 4) -> Iterator[str]:
    if not text:
        return
    rows = wrap(text, max(int(room / 6.2), 4), max_lines=lines, placeholder=" …")
    for place, row in enumerate(rows):
        down = y + 4 + (place - (len(rows) - 1) / 2) * 14
        yield f'<text x="{_n(x)}" y="{_n(down)}" text-anchor="{anchor}" fill="{INK}">{escape(row)}</text>'


def _rect(box: _Box, radius: float, stroke: str, fill: str, weight: float, more: str = "") -> str:
    at = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="{_n(radius)}"'
    return f'<rect {at} fill="{fill}" stroke="{stroke}" stroke-width="{weight}" {more}/>'


def _circle(x: float, y: float, r: float, item: _Item, weight: float, more: str) -> str:
    at = f'cx="{_n(x)}" cy="{_n(y)}" r="{_n(max(r, 1.0))}"'
    return f'<circle {at} fill="{item.fill}" stroke="{item.stroke}" stroke-width="{weight}" {more}/>'


def _path(d: str, at: tuple[float, float], stroke: str, fill: str, weight: float, scale: float = 1.0) -> str:
    move = f"translate({_n(at[0])} {_n(at[1])})" + (f" scale({_n(scale)})" if scale != 1.0 else "")
    return f'<path transform="{move}" d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{weight}"/>'


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
