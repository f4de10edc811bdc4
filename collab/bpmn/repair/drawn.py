"""Diagram interchange: one shape or edge of an element on a plane, and none missing.

`twice`  of two shapes of one element on a plane the one with the smallest key stays;
`drawn`  an element made in the editor, or one whose shape was deleted without it, gets its shape back or a plain one.
Imported elements that were never drawn stay undrawn. Mirror of frontend/src/document/view/drawn.ts.
"""

import re
from math import floor, isfinite
from typing import Final

from collab.bpmn.grammar import PREFIXES, members
from collab.bpmn.records import Record, Value
from collab.bpmn.repair.draft import Draft, target
from collab.bpmn.repair.names import NUMBER, SPACE
from collab.bpmn.repair.places import attach
from collab.bpmn.repair.sound import collect, remove

_MADE: Final = re.compile(r"~[0-9a-z]+\.[0-9a-z]+")
_EDGES: Final = frozenset({"sequenceFlow", "messageFlow", "association", "conversationLink"})
_SIZES: Final[dict[str, tuple[int, int]]] = {
    "participant": (600, 250),
    "dataObjectReference": (36, 50),
    "dataStoreReference": (50, 50),
    "textAnnotation": (100, 30),
    "group": (300, 300),
}
Box = tuple[float, float, float, float]


def size(kind: str) -> tuple[int, int] | None:
    """How big a new shape of this kind is; None for what is not drawn as a shape."""
    if kind in _SIZES:
        return _SIZES[kind]
    if kind.endswith("Event"):
        return (36, 36)
    if kind.endswith("Gateway"):
        return (50, 50)
    drawn = kind in members("flowElement") or kind in members("conversationNode")
    return (100, 80) if drawn and kind not in ("dataObject", "sequenceFlow") else None


def twice(draft: Draft) -> None:
    """Hides the second shape of an element on one plane."""
    seen: dict[tuple[str, str, str | None], str] = {}
    for key in draft.of("bpmndi:BPMNShape", "bpmndi:BPMNEdge"):
        element = target(draft.value(key, "@bpmnElement"))
        if element is None:
            continue
        band = target(draft.value(key, "@choreographyActivityShape"))
        first = seen.setdefault((draft.parents[key], element, band), key)
        if first != key and draft.fires("twice", key, [draft.nodes[key].get("@bpmnElement"), first]):
            draft.report("twice", key, f"{draft.called(key)} hidden: {draft.name(element)} is drawn already", first)
            remove(draft, key)


def drawn(draft: Draft) -> None:
    """Gives every visible element of the editor its shape. In what is drawn again more can be seen: once more."""
    paper = _Paper(draft)
    looked: set[str] = set()
    while missing := [key for key in draft.everyone() if key not in looked and paper.lacks(key)]:
        looked.update(missing)
        for key in missing:
            if size(draft.kind(key)) is not None:
                paper.draw_shape(key)
    for key in sorted(looked):
        if draft.kind(key) in _EDGES:
            paper.draw_edge(key)


class _Paper:
    """What is drawn where."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.di: dict[str, str] = {}  # element -> its first shown shape or edge
        self.dead: dict[str, str] = {}  # element -> a shape or edge that was deleted
        self.planes: dict[str, str] = {}  # container -> plane that shows it
        for key in draft.nodes:
            kind = draft.kind(key)
            if kind in ("bpmndi:BPMNShape", "bpmndi:BPMNEdge"):
                element = target(draft.value(key, "@bpmnElement"))
                if element is not None:
                    (self.di if key in draft.parents else self.dead).setdefault(element, key)
            elif kind == "bpmndi:BPMNPlane" and key in draft.parents:
                element = target(draft.value(key, "@bpmnElement"))
                if element is not None:
                    self.planes.setdefault(element, key)
        for key in draft.of("participant"):
            if plane := self.planes.get(draft.parents[key]):
                process = target(draft.value(key, "@processRef"))
                if process is not None:
                    self.planes.setdefault(process, plane)

    def lacks(self, key: str) -> bool:
        """Is this an element that should be drawn and is not?"""
        if key in self.di or not (key in self.dead or _MADE.fullmatch(key)):
            return False
        kind = self.draft.kind(key)
        if size(kind) is None and kind not in _EDGES:
            return False
        reading: list[Value | None] = [self.draft.nodes[key].get("t"), self.draft.parents[key]]
        return self.plane(key) is not None and self.draft.fires("drawn", key, reading)

    def plane(self, key: str) -> str | None:
        """The plane an element belongs on: its container's own, or the one its expanded container stands on."""
        container = self.draft.parents[key]
        if (plane := self.planes.get(container)) is not None:
            return plane
        shape = self.di.get(container)
        if shape is None or self.draft.value(shape, "@isExpanded") not in ("true", "1"):
            return None
        return self.draft.parents[shape]

    def box(self, element: str | None) -> Box | None:
        """The bounds of an element's shape."""
        shape = self.di.get(element or "")
        b = self.draft.value(shape, "b") if shape else None
        if not isinstance(b, list) or len(b) < 6:
            return None
        x, y, width, height = (_number(part) for part in b[2:6])
        return (x, y, width, height)

    def draw_shape(self, key: str) -> None:
        """The deleted shape, or a new one in the middle of the container (below the host, for a boundary event)."""
        if self._bring_back(key):
            return
        width, height = size(self.draft.kind(key)) or (0, 0)
        host = self.box(target(self.draft.value(key, "@attachedToRef")))
        around = self.box(self.draft.parents[key])
        if host:
            x, y = host[0] + host[2] / 2, host[1] + host[3]
        elif around:
            x, y = around[0] + around[2] / 2, around[1] + around[3] / 2
        else:
            x, y = 200.0, 200.0
        corner = [_whole(x - width / 2), _whole(y - height / 2), str(width), str(height)]
        self._add(key, "bpmndi:BPMNShape", {"b": [self._tag("dc:Bounds"), "a0", *corner]})

    def draw_edge(self, key: str) -> None:
        """The deleted edge, or a straight line from middle to middle."""
        if self._bring_back(key):
            return
        ends = [self.box(target(self.draft.value(key, name))) for name in ("@sourceRef", "@targetRef")]
        points = [_whole(part) for box in ends if box for part in (box[0] + box[2] / 2, box[1] + box[3] / 2)]
        if len(points) == 4:
            self._add(key, "bpmndi:BPMNEdge", {"w": [self._tag("di:waypoint"), "a0", *points]})

    def _bring_back(self, key: str) -> bool:
        shape = self.dead.get(key)
        plane = self.plane(key)
        if shape is None or plane is None:
            return False
        attach(self.draft, shape, plane)
        self._told(key, shape)
        return True

    def _add(self, key: str, kind: str, geometry: Record) -> None:
        plane = self.plane(key)
        made = f"{key}@{plane}"
        if plane is None or made in self.draft.nodes:
            return
        record: Record = {"t": self._tag(kind), "p": [plane, "a0", plane], "@bpmnElement": {"r": key}}
        self.draft.add(made, record | geometry, plane)
        self._told(key, made)

    def _told(self, key: str, shape: str) -> None:
        self.di[key] = shape
        collect(self.draft, [shape])
        self.draft.report("drawn", key, f"{self.draft.called(key)} drawn again: it was without a shape", shape)

    def _tag(self, kind: str) -> str:
        """The name under the prefix this document uses."""
        prefix, _, local = kind.partition(":")
        for declared, uri in sorted(self.draft.everywhere.items()):
            if PREFIXES.get(uri) == prefix + ":":
                return f"{declared}:{local}" if declared else local
        return kind


def _number(value: Value) -> float:
    text = value.strip(SPACE) if isinstance(value, str) else ""
    number = float(text) if NUMBER.fullmatch(text) and "N" not in text else 0.0
    return number if isfinite(number) else 0.0


def _whole(number: float) -> str:
    return str(floor(number + 0.5))
