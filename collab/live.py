"""One open room with its seats: the shell around room.py. It gives the room time and the journal, carries its effects out.

What it needs of all rooms, of a client's connection and of other nodes is said here in protocols' words. Made and kept by
collab/rooms.py; everything runs on the loop.
"""

import asyncio
import random
import time
from typing import Final, Protocol
from uuid import UUID

import structlog

from collab import metrics
from collab.effects import Acknowledge, Append, Effects, Part, Send, Spread
from collab.journal import Journal
from collab.presence import Said
from collab.room import Room
from collab.session import Person, Session
from collab.session import Protocol as Dialect
from collab.wire import messages
from collab.wire.close import Close
from storage import updates
from storage.notices import Event
from storage.updates import Refused

HELD_S: Final = 2.0  # an old replica's socket stays open so long: stock clients come back at once after any close
INBOX_BYTES: Final = 256 * 1024  # what may wait for a room's next tick
CHECK_S: Final = 60.0  # everybody's rights are looked at as often as this (R10)

_log = structlog.get_logger()


class Listener(Protocol):
    """What a room needs of a connection whose messages it hears later."""

    def hear(self, data: bytes) -> None:
        """Deal with what came from the client."""


class Seat(Protocol):
    """What a room needs of a client's connection."""

    def send(self, payload: bytes, *, droppable: bool) -> None:
        """Write a payload, addressed as the client's protocol wants it."""

    def acknowledge(self, count: int) -> None:
        """So many of its updates are on disk."""

    def part(self, code: Close) -> None:
        """This session is over."""

    def tell(self, event: Event) -> None:
        """Something that is not the document happened."""

    async def recheck(self) -> None:
        """Rights may have changed."""


class Neighbours(Protocol):
    """What rooms tell of themselves where there are other nodes; see collab/bus/relay.py."""

    def opened(self, room: "LiveRoom") -> None:
        """A room was loaded."""

    def closed(self, room: "LiveRoom") -> None:
        """It is no longer where people are sent."""

    def committed(self, room: "LiveRoom", seq: int, update: bytes) -> None:
        """An update of it is on disk and acknowledged; its number is not taken in yet."""

    def spread(self, room: "LiveRoom", said: tuple[Said, ...]) -> None:
        """Presences of this node's clients."""

    def caught_up(self, room: "LiveRoom", *, well: bool) -> None:
        """A read of its log has ended."""

    async def people(self, diagram: UUID) -> list[Person]:
        """Who has it open on other nodes."""


class Keeper(Protocol):
    """What a room needs of whoever keeps all of them; see collab/rooms.py."""

    journal: Journal
    neighbours: Neighbours | None

    def gather(self) -> bool:
        """Something has come for a quiet room: is it better heard with what comes for others?"""

    def soon(self, room: "LiveRoom") -> None:
        """Let it hear together with others."""

    def emptied(self, room: "LiveRoom") -> None:
        """The last one left."""

    def forget(self, room: "LiveRoom") -> None:
        """Nobody is sent here any more."""

    def behind(self, room: "LiveRoom") -> None:
        """Somebody else committed something that it does not know."""


class LiveRoom:
    """An open room with its seats. All methods run on the loop."""

    def __init__(self, rooms: Keeper, org_id: UUID, diagram_id: UUID, epoch: int, core: Room) -> None:
        self.org_id, self.diagram_id, self.epoch, self.core = org_id, diagram_id, epoch, core
        self._rooms = rooms
        self._seats: dict[Session, Seat] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timed = 0.0  # when it goes off
        self._durable: tuple[int, int] | None = None  # what of a batch is on disk and not acknowledged: ticket, number
        self._told: list[tuple[int, bytes]] = []  # and is to be told to other nodes, by its number
        self._inbox: list[tuple[Listener, bytes]] = []  # what has come for the next tick
        self._inbox_bytes = 0
        self.linger: asyncio.TimerHandle | None = None
        self.seen = 0.0
        self.checked = time.monotonic() - CHECK_S * random.random()  # noqa: S311 -- rooms that open together are not looked at together

    def join(self, person: Person, dialect: Dialect, seat: Seat, *, writes: bool) -> Session:
        """Takes a seat; the greeting goes out before this returns."""
        if self.linger is not None:
            self.linger.cancel()
            self.linger = None
        session, effects = self.core.join(person, dialect, writes=writes)
        self._seats[session] = seat
        self.carry(effects)
        return session

    def leave(self, session: Session) -> None:
        """Gives a seat up."""
        self._seats.pop(session, None)
        self.carry(self.core.leave(session))
        if not self._seats:
            self._rooms.emptied(self)

    @property
    def gathers(self) -> bool:
        """Is it better to let it hear things later, many at once? What wakes the interpreter alone costs several times more.

        In a busy room nobody would be sent anything before its tick anyway.
        """
        return bool(self._inbox) or self.core.busy or self._rooms.gather()

    def later(self, listener: Listener, data: bytes) -> None:
        """Something came from a client. Over the limit it is heard at once."""
        self._inbox.append((listener, data))
        self._inbox_bytes += len(data)
        if self._inbox_bytes > INBOX_BYTES:
            self.hear()
        elif self.core.busy:
            self._arm(self.core.next_tick)
        else:
            self._rooms.soon(self)

    def hear(self) -> None:
        """Hears all that has come so far, in its order."""
        if not self._inbox:
            return
        inbox, self._inbox, self._inbox_bytes = self._inbox, [], 0
        self.core.gather()
        for listener, data in inbox:
            listener.hear(data)
        try:
            effects = self.core.settle(time.monotonic())
        except Exception:  # noqa: BLE001 -- whatever it is: of what was gathered nobody knows what became, so all offer it again
            _log.exception("room.failed", diagram=str(self.diagram_id))
            self.end(Close.STORAGE)
        else:
            self.carry(effects)

    def receive(self, session: Session, message: messages.Message) -> None:
        """One message of a client."""
        gaps = len(session.gaps)
        self.carry(self.core.receive(session, message, time.monotonic()))
        if len(session.gaps) > gaps:
            metrics.GAPS.inc()

    def carry(self, effects: Effects) -> None:
        """Does what the room decided, in its order."""
        for effect in effects:
            match effect:
                case Send(to, payload, droppable):
                    for session in to:
                        if (seat := self._seats.get(session)) is not None:
                            seat.send(payload, droppable=droppable)
                case Acknowledge(session, count):
                    if (seat := self._seats.get(session)) is not None:
                        seat.acknowledge(count)
                case Append():
                    self._append(effect)
                case Spread(said):
                    self._spread(said)
                case Part(session, code, held):
                    self._see_out(session, code, held=held)
        self._arm(self.core.due)
        if not self._seats:
            self._rooms.emptied(self)

    def _arm(self, due: float | None) -> None:
        """Sees to it that the room gets its tick, which may be wanted earlier than was said before."""
        if due is not None and (self._timer is None or due < self._timed):
            if self._timer is not None:
                self._timer.cancel()
            self._timed = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._tick)

    def _spread(self, said: tuple[Said, ...]) -> None:
        if self._rooms.neighbours is not None:
            self._rooms.neighbours.spread(self, said)

    def _see_out(self, session: Session, code: Close, *, held: bool) -> None:
        if (seat := self._seats.pop(session, None)) is not None:
            if code is Close.EPOCH:
                seat.tell({"event": "epoch", "diagram": str(self.diagram_id)})
            asyncio.get_running_loop().call_later(HELD_S, seat.part, code) if held else seat.part(code)

    def _tick(self) -> None:
        self._timer = None
        self.hear()
        self.carry(self.core.tick(time.monotonic()))

    def _append(self, append: Append) -> None:
        item = updates.Append(
            self.org_id, self.diagram_id, self.epoch, append.update, append.author, append.client, append.writers
        )
        self._rooms.journal.submit(item, lambda result: self._settled(append, result))

    def _settled(self, append: Append, result: int | Refused) -> None:
        """An update is on disk, or refused. What of a batch is this room's is acknowledged at once, when all is known."""
        if isinstance(result, Refused):
            self._acknowledge()
            self.end(Close.EPOCH if result is Refused.EPOCH else Close.GONE)
            return
        if self._durable is None:
            self._durable = (append.ticket, self.core.seq)
            asyncio.get_running_loop().call_soon(self._acknowledge)
        seq, neighbours = self._durable[1], self._rooms.neighbours
        if neighbours is not None:
            self._told.append((result, append.update))
        elif result == seq + 1:
            seq = result
        elif result > seq:
            # Somebody else's update lies between: the notice of it may still be on its way.
            self._rooms.behind(self)
        self._durable = (append.ticket, seq)

    def _acknowledge(self) -> None:
        durable, self._durable = self._durable, None
        if durable is None:
            return
        self.carry(self.core.committed(*durable))
        told, self._told = self._told, []
        if (neighbours := self._rooms.neighbours) is not None:
            for seq, update in told:
                neighbours.committed(self, seq, update)

    def tell(self, event: Event, session: Session | None = None) -> None:
        """Says something to all seats, or to one."""
        for one, seat in list(self._seats.items()):
            if session is None or one is session:
                seat.tell(event)

    def end(self, code: Close) -> None:
        """Everybody has to leave, and nobody may come in: this document is not, or not any more, what is stored."""
        self._rooms.forget(self)
        self.carry(self.core.lost(code))

    async def recheck(self, user_id: UUID | None = None) -> None:
        """Asks the seats to look at their rights again."""
        for session, seat in list(self._seats.items()):
            if user_id is None or session.person.id == user_id:
                await seat.recheck()
