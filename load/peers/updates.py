"""Genuine Yjs updates, made before the clock starts: drags of elements, notes, cursors, and the values that probes watch.

Each writer has a document and a client id of its own, so its updates are what its browser would send. A probe's value is
plain text in an update, also after a server has merged it with others: whoever finds a number has been given all before.
"""

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from pycrdt import Doc, Map, Text, TransactionEvent

from collab.wire.structs import clocks
from load.peers.frames import counted, number, read_number

PROBE: Final = b"PRB:"
PROBE_DIGITS: Final = 8
ROOTS: Final = {"elements": Map, "notes": Text, "probes": Map}


def content(doc: Doc[Any]) -> dict[str, Any]:
    """What a document says, as plain values."""
    return {name: doc.get(name, type=kind).to_py() for name, kind in ROOTS.items()}


def documented(updates: Iterable[bytes]) -> Doc[Any]:
    """A document of these updates."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc


def last_cursors(messages: Iterable[bytes]) -> dict[int, int]:
    """Who pointed last how often, by awareness updates."""
    last: dict[int, int] = {}
    for message in messages:
        count, at = read_number(message, 0)
        for _ in range(count):
            writer, at = read_number(message, at)
            clock, at = read_number(message, at)
            size, start = read_number(message, at)
            at = start + size
            last[writer] = max(last.get(writer, 0), clock)
    return last


class Writer:
    """One client's hand: every method makes one update and gives it."""

    def __init__(self, rng: random.Random, seed: bytes | None = None) -> None:
        self.rng = rng
        self.id = rng.randrange(1, 1 << 31)
        self.doc: Doc[Any] = Doc(client_id=self.id)
        if seed is not None:
            self.doc.apply_update(seed)
        self.elements: Map[Any] = self.doc.get("elements", type=Map)
        self.notes: Text = self.doc.get("notes", type=Text)
        self.probes: Map[Any] = self.doc.get("probes", type=Map)
        self._made: list[bytes] = []
        self._subscription = self.doc.observe(self._note)
        self._strokes = self._probed = self.pointed = 0

    @property
    def clock(self) -> int:
        """How much it has written."""
        return clocks(self.doc.get_state()).get(self.id, 0)

    def _note(self, event: TransactionEvent) -> None:
        self._made.append(event.update)

    def _update(self, change: Callable[[], None]) -> bytes:
        with self.doc.transaction():
            change()
        return self._made.pop()

    def draw(self, first: int, count: int) -> bytes:
        """So many elements at once."""

        def change() -> None:
            for one in range(first, first + count):
                self.elements[f"element-{one}"] = Map(
                    {"id": f"element-{one}", "type": "task" if one % 3 else "gateway", "name": f"Element {one}",
                     "at": {"x": one * 37 % 2000, "y": one * 91 % 1500}, "size": {"w": 100, "h": 80},
                     "fill": "#ffffff", "stroke": "#22242a", "parent": "root"}
                )  # fmt: skip

        return self._update(change)

    def drag(self, element: int) -> bytes:
        """An element elsewhere."""
        place = {"x": self.rng.randrange(2000), "y": self.rng.randrange(1500)}

        def change() -> None:
            self.elements[f"element-{element}"]["at"] = place

        return self._update(change)

    def stroke(self, element: int) -> bytes:
        """What people do: four drags of an element, then two words in the notes."""
        self._strokes += 1
        if self._strokes % 5:
            return self.drag(element)
        return self._update(lambda: self.notes.insert(0, "so it "))

    def blob(self, key: str, size: int) -> bytes:
        """One value of so many bytes, in place of the one before."""
        text = self.rng.randbytes(size // 2).hex()

        def change() -> None:
            self.probes[key] = text

        return self._update(change)

    def probe(self, key: str = "probe") -> bytes:
        """The next number, to be looked for."""
        self._probed += 1
        text = f"{PROBE.decode()}{self._probed:0{PROBE_DIGITS}}"

        def change() -> None:
            self.probes[key] = text

        return self._update(change)

    def point(self) -> bytes:
        """A cursor elsewhere, as an awareness update."""
        self.pointed += 1
        state = {
            "user": {"name": f"User {self.id}", "color": "#30bced"},
            "cursor": {"x": self.rng.randrange(2000), "y": self.rng.randrange(1500)},
        }
        return b"\x01" + number(self.id) + number(self.pointed) + counted(json.dumps(state).encode())
