"""One document on a socket: addressed, counted, and resynchronized when its reader was slow (R5).

What collab/live.py writes to; knows the two dialects' addresses, and nothing of frames or TCP. While the reader is slow,
what it may miss is missed, what it is owed is counted.
"""

import time
from typing import Final, Protocol
from uuid import UUID

from collab import metrics
from collab.door import Door, may_write
from collab.effects import Effects
from collab.room import Room
from collab.session import Session
from collab.wire import messages
from collab.wire.close import Close
from storage.access import Identity
from storage.notices import Event

QUEUE_LIMIT: Final = 1024 * 1024  # bytes that may wait for a reader before it counts as slow


class Pipe(Protocol):
    """What a seat needs of its socket."""

    door: Door

    @property
    def buffered(self) -> int:
        """Bytes that wait for the reader."""

    def write(self, payload: bytes, address: bytes = b"") -> None:
        """One frame, at once: the payload behind its address."""

    def watch(self, seat: "Seat") -> None:
        """Say `drained` to this seat when the reader has caught up."""

    def unseat(self, seat: "Seat", code: Close) -> None:
        """This seat's session is over."""


class Table(Protocol):
    """What a seat needs of its room: collab.live.LiveRoom, or one of the simulation's."""

    core: Room
    diagram_id: UUID

    def carry(self, effects: Effects) -> None:
        """Do what the room decided."""

    def receive(self, session: Session, message: messages.Message) -> None:
        """One message of a client."""

    def leave(self, session: Session) -> None:
        """A seat is given up."""


class Seat:
    """One document on a socket: addressed, counted, and resynchronized when the reader was slow."""

    def __init__(self, socket: Pipe, room: Table, identity: Identity, name: str | None) -> None:
        self.socket, self.room, self.identity, self.name = socket, room, identity, name
        self._address = b"" if name is None else messages.address(name)
        self._owed = 0
        self.session: Session
        self.slow_since: float | None = None

    def send(self, payload: bytes, *, droppable: bool) -> None:
        """Writes a payload, unless the reader is slow and may miss this one."""
        if self.slow_since is not None:
            if droppable:
                return
        elif droppable and self.socket.buffered > QUEUE_LIMIT:
            self.slow_since = time.monotonic()
            self.room.core.lag(self.session)
            self.socket.watch(self)
            return
        self.socket.write(payload, self._address)

    def acknowledge(self, count: int) -> None:
        """One SyncStatus for each update; while the reader is slow they are counted and sent later."""
        if self.slow_since is not None:
            self._owed += count
            return
        for _ in range(count):
            self.socket.write(messages.SAVED, self._address)

    def drained(self) -> None:
        """The reader has caught up: one difference, and what it is owed."""
        self.slow_since = None
        metrics.RESYNCS.inc()
        self.room.carry(self.room.core.resync(self.session))
        owed, self._owed = self._owed, 0
        self.acknowledge(owed)

    def part(self, code: Close) -> None:
        """The room ended this session."""
        self.socket.unseat(self, code)

    def tell(self, event: Event) -> None:
        """Hocuspocus clients hear events; y-websocket has no message for them."""
        if self.name is not None:
            self.socket.write(messages.stateless(event), self._address)

    @property
    def expects_much(self) -> bool:
        """It has not been given the document yet, and that is a large one."""
        return not self.session.synced and self.room.core.large

    @property
    def expired(self) -> bool:
        """The time of its credential or its right is over, as far as is known here."""
        expires = self.identity.expires_at
        return expires is not None and expires.timestamp() < time.time()

    async def recheck(self) -> None:
        """Looks at the credential and at rights again (R10)."""
        identity, grant = await self.socket.door.still(self.identity, self.room.diagram_id)
        if self.session.gone:
            return
        if identity is None:
            self.part_now(Close.SIGNED_OUT)
            return
        self.identity = identity
        if grant is None:
            self.part_now(Close.NO_RIGHT)
            return
        if not may_write(grant) and self.session.writes:
            self.tell({"event": "role", "diagram": str(self.room.diagram_id), "role": grant.role.label})
        self.room.carry(self.room.core.set_right(self.session, writes=may_write(grant)))

    def part_now(self, code: Close) -> None:
        """Ends this session from outside the room."""
        self.room.carry(self.room.core.part(self.session, code))
