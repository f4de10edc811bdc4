"""What an editor's hand does to a chart (load/chart.py), written as the browser writes it: rename, move, draw, erase.

Each gives the Yjs update of one transaction. No sockets here: the locust scenario sends over gevent, the benchmarks over
asyncio. A move re-lays the edges of the shape; a drawn task comes with its flow, shape and edge, and is soft-deleted.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pycrdt import Doc, Map, TransactionEvent

DRAWN_AT_ONCE = 10  # so many tasks of its own an editor leaves standing


def clocks(state: bytes) -> dict[int, int]:
    """A Yjs state vector as client id -> clock (format: count, then pairs, all as lib0 variable-length integers)."""
    numbers: list[int] = []
    value = shift = 0
    for byte in state:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))


class Pen:
    """One editor's hand on one document."""

    def __init__(self, doc: Doc[Any], tasks: int, rng: random.Random) -> None:
        self.doc, self.tasks, self.rng = doc, tasks, rng
        self.nodes: Map[Any] = doc.get("n", type=Map)
        self._mine = False
        self._written = b""
        self._drawn: list[int] = []
        self._made = 0
        self._subscription = doc.observe(self._note)

    def _note(self, event: TransactionEvent) -> None:
        # Called inside the transaction, also for what others wrote.
        if self._mine:
            self._written = event.update

    @contextmanager
    def _stroke(self) -> Iterator[None]:
        self._mine = True
        try:
            with self.doc.transaction():
                yield
        finally:
            self._mine = False

    def any_edit(self) -> tuple[str, bytes]:
        """A name of what was done, and its update; mostly renames and moves."""
        kind = self.rng.choices(("rename", "move", "draw"), (10, 10, 1))[0]
        return kind, {"rename": self.rename, "move": self.move, "draw": self.draw}[kind]()

    def rename(self) -> bytes:
        """Another name for some task."""
        with self._stroke():
            self.nodes[f"Task_{self.rng.randrange(self.tasks)}"]["@name"] = f"step {self.rng.randrange(100_000)}"
        return self._written

    def move(self) -> bytes:
        """Some shape elsewhere, with the ends of its edges."""
        one = self.rng.randrange(self.tasks)
        x, y = self.rng.randrange(2_000), self.rng.randrange(2_000)
        with self._stroke():
            self._put(f"Shape_{one}", "b", [str(x), str(y), "100", "80"])
            if one > 0:
                before = list(self.nodes[f"Edge_{one - 1}"]["w"])
                self._put(f"Edge_{one - 1}", "w", [*before[2:4], str(x), str(y + 40)])
            if one < self.tasks - 1:
                before = list(self.nodes[f"Edge_{one}"]["w"])
                self._put(f"Edge_{one}", "w", [str(x + 100), str(y + 40), *before[4:6]])
        return self._written

    def move_alone(self, key: str) -> bytes:
        """One shape elsewhere, no edges: the smallest move there is."""
        with self._stroke():
            self._put(key, "b", [str(self.rng.randrange(2_000)), str(self.rng.randrange(2_000)), "100", "80"])
        return self._written

    def draw(self) -> bytes:
        """A new task with a flow to it; the oldest of one's own goes when there are enough."""
        with self._stroke():
            if len(self._drawn) >= DRAWN_AT_ONCE:
                oldest = self._drawn.pop(0)
                for what in ("Task", "Flow", "Shape", "Edge"):
                    self.nodes[self._key(what, oldest)]["d"] = 1
            number, self._made = self._made, self._made + 1
            self._drawn.append(number)
            self._add(number, source=f"Task_{self.rng.randrange(self.tasks)}")
        return self._written

    def _key(self, what: str, number: int) -> str:
        return f"~{self.doc.client_id}.{what}{number}"

    def _put(self, key: str, register: str, numbers: list[str]) -> None:
        held = self.nodes[key][register]
        self.nodes[key][register] = [held[0], held[1], *numbers]

    def _add(self, number: int, source: str) -> None:
        task, flow, shape, edge = (self._key(what, number) for what in ("Task", "Flow", "Shape", "Edge"))
        x, y = str(self.rng.randrange(2_000)), str(self.rng.randrange(2_000))
        process, plane = ["Process_1", "b01", "Process_1"], ["Plane_1", "b01", "Diagram_1"]
        records: dict[str, dict[str, Any]] = {
            task: {"t": "bpmn:task", "p": process, "@name": f"drawn {number}"},
            flow: {"t": "bpmn:sequenceFlow", "p": process, "@sourceRef": {"r": source}, "@targetRef": {"r": task}},
            shape: {"t": "bpmndi:BPMNShape", "p": plane, "@bpmnElement": {"r": task},
                    "b": ["dc:Bounds", "a0", x, y, "100", "80"]},
            edge: {"t": "bpmndi:BPMNEdge", "p": plane, "@bpmnElement": {"r": flow},
                   "w": ["di:waypoint", "a0", "0", "0", x, y]},
        }  # fmt: skip
        for key, record in records.items():
            self.nodes[key] = Map({"@id": key.replace("~", "_").replace(".", "_"), **record})
