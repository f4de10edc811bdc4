"""One socket between a client and a node: frames in order, each way, taking their time; and a reader that may stop.

The node's end is what a Seat writes to. A line that is cut loses what is on its way; the client knows at once, the node
after a while. Bounds: what waits for a reader that has stopped (R5). Used by client.py and node.py.
"""

from collections import deque
from typing import TYPE_CHECKING, Final
from uuid import UUID

from collab.door import Door
from collab.seat import QUEUE_LIMIT, Seat
from collab.simulate.world import Violation, World
from collab.wire.close import Close

if TYPE_CHECKING:
    from collab.simulate.client import Client
    from collab.simulate.node import Node

LATENCY_S: Final = 0.02
SMALL: Final = 1_500  # bytes at which a reader counts as slow here: histories are short, so is their patience
DRAINED: Final = 200
NOTICED_S: Final = 3.0  # until a node knows that a connection broke


class Line:
    """Open from the handshake until either side ends it."""

    door: Door  # who may enter is not this simulation's question

    def __init__(self, world: World, client: "Client", node: "Node", diagram: UUID) -> None:
        self.world, self.client, self.node, self.diagram = world, client, node, diagram
        self.seat: Seat | None = None
        self.open = True  # as the client sees it
        self.attended = True  # as the node sees it
        self.reading = True
        self.watched = False
        self._up: deque[bytes] = deque()
        self._down: deque[bytes] = deque()
        self._waiting = 0
        self._largest = 0
        self._sent = 0  # bytes the client sent: what it is owed grows with them
        self._overdue = 0  # bytes written while its reader was slow

    # -- the client's end ------------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """A frame for the node."""
        if self.open:
            self._up.append(frame)
            self.world.soon(LATENCY_S, self._arrive)

    def cut(self) -> None:
        """The connection breaks."""
        if self.open:
            self.open = False
            self._down.clear()
            self.world.soon(NOTICED_S if self.world.chance(0.3) else LATENCY_S, self.gone)

    def resume(self) -> None:
        """The client reads again."""
        self.reading = True
        self.world.soon(LATENCY_S, self._deliver)

    def _deliver(self) -> None:
        while self._down and self.reading and self.open:
            frame = self._down.popleft()
            self._waiting -= len(frame)
            self.client.take(self, frame)
        if self.watched and self._waiting <= DRAINED and self.seat is not None and self.attended:
            self.watched, self._overdue = False, 0
            self.world.tell(self.node.name, f"{self.client.name} has caught up")
            self.seat.drained()

    # -- the node's end --------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        if self._up and self.attended and self.node.alive:
            frame = self._up.popleft()
            self._sent += len(frame)
            self.node.take(self, frame)

    def gone(self) -> None:
        """The node learns that nobody is there any more."""
        if self.attended:
            self.attended = False
            if self.seat is not None and self.node.alive:
                self.seat.room.leave(self.seat.session)

    @property
    def buffered(self) -> int:
        """Bytes that wait, as a seat counts them."""
        return QUEUE_LIMIT + 1 if self._waiting > SMALL else self._waiting

    def write(self, payload: bytes, address: bytes = b"") -> None:
        """One frame to the client."""
        payload = address + payload
        if not self.attended:
            return
        self._down.append(payload)
        self._waiting += len(payload)
        self._largest = max(self._largest, len(payload))
        if self.watched:
            self._overdue += len(payload)
            # While it is slow: its own acknowledgements, answers and farewells only.
            if self._overdue > 4 * self._sent + 4 * self._largest + 20_000:
                raise Violation("R5", f"{self._overdue} bytes written to {self.client.name}, who does not read")
        if self.open and self.reading:
            self.world.soon(LATENCY_S, self._deliver)

    def watch(self, seat: Seat) -> None:  # noqa: ARG002 -- a seat knows only pipes; this one has one seat
        """The seat wants to know when its reader has caught up."""
        self.watched = True
        self.world.tell(self.node.name, f"{self.client.name} is slow")

    def unseat(self, seat: Seat, code: Close) -> None:  # noqa: ARG002
        """The node ends it."""
        if not self.attended:
            return
        self.gone()
        if self.open:
            self.world.soon(LATENCY_S, lambda: self._closed(code))

    def _closed(self, code: Close | None) -> None:
        if self.open:
            self._deliver()
            self.open = False
            self.client.closed(self, code)

    def broke(self) -> None:
        """The node has crashed: the client sees the connection end."""
        self.attended = False
        if self.open:
            self._down.clear()
            self.world.soon(LATENCY_S, lambda: self._closed(None))
