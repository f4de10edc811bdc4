"""One process: open rooms, the backlog of its commits, the bus. Their cores are as they are; around them is done what
collab/live.py, rooms.py, journal.py and bus/relay.py do with sockets, tasks and a real clock.

It can be struck down between any two steps; what it knew is gone with it, what it had sent to the database may still be
committed. A restart is a new Node.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from collab.backlog import Backlog, Entry
from collab.bus import compare, core
from collab.effects import Acknowledge, Append, Effects, Part, Send, Spread
from collab.live import HELD_S
from collab.room import Room
from collab.rooms import LINGER_S
from collab.seat import Seat
from collab.session import Person, Protocol, Session
from collab.simulate.database import HANG_S, ORG, Database
from collab.simulate.line import Line
from collab.simulate.redis import Redis
from collab.simulate.world import Struck, Violation, World
from collab.wire import messages
from collab.wire.close import Close
from collab.wire.lib0 import Reader, WireError
from storage import updates
from storage.access import Identity
from storage.updates import LoadError, Refused

if TYPE_CHECKING:
    from collab.simulate.client import Client

QUERY_S: Final = 0.01
RESTS: Final = 0.1  # how often a room has rested before a message comes, where it may
GATHERS: Final = 0.2  # how often a room that has heard everything gathers what comes next, for up to so many seconds
GATHER_S: Final = 0.05
STRIKES: Final = 0.01  # of so many steps one is the last, where a history has crashes

MakeRoom = Callable[[list[bytes], int, frozenset[int]], Room]


@dataclass(slots=True)
class Faults:
    """What may happen to a node in this history."""

    strikes: float = 0.0


class Live:
    """An open room with its seats, as collab.live.LiveRoom is one."""

    def __init__(self, node: "Node", diagram: UUID, epoch: int, room: Room) -> None:
        self.node, self.diagram_id, self.epoch, self.core = node, diagram, epoch, room
        self.seats: dict[Session, Seat] = {}
        self._armed = self._lingers = False
        self._inbox: list[tuple[Session, messages.Message]] = []

    def join(self, person: Person, protocol: Protocol, seat: Seat, *, writes: bool) -> None:
        """Takes a seat."""
        session, effects = self.core.join(person, protocol, writes=writes)
        seat.session = session
        self.seats[session] = seat
        self.carry(effects)

    def leave(self, session: Session) -> None:
        """Gives a seat up."""
        self.hear()
        self.seats.pop(session, None)
        self.carry(self.core.leave(session))

    def receive(self, session: Session, message: messages.Message) -> None:
        """One message of a client; now and then several are heard together, as a busy room hears them."""
        if self.node.world.chance(RESTS):
            self.core.rest(float("inf"))
        if not self._inbox and not self.node.world.chance(GATHERS):
            self.carry(self.core.receive(session, message, self.node.world.now))
            return
        if not self._inbox:
            self.node.later(self.node.world.rng.random() * GATHER_S, self.hear)
        self._inbox.append((session, message))

    def hear(self) -> None:
        """What has come so far, as collab.live.LiveRoom hears it."""
        if not self._inbox:
            return
        inbox, self._inbox = self._inbox, []
        self.core.gather()
        for session, message in inbox:
            if not session.gone:
                self.carry(self.core.receive(session, message, self.node.world.now))
        self.carry(self.core.settle(self.node.world.now))

    def carry(self, effects: Effects) -> None:  # noqa: C901 -- a case for each effect
        """Does what the room decided, in its order; the process may end anywhere in it."""
        for effect in effects:
            self.node.step()
            match effect:
                case Send(to, payload, droppable):
                    for session in to:
                        if (seat := self.seats.get(session)) is not None:
                            seat.send(payload, droppable=droppable)
                case Acknowledge(session, count):
                    if (seat := self.seats.get(session)) is not None:
                        seat.acknowledge(count)
                case Append():
                    self.node.submit(self, effect)
                case Spread(said):
                    self.node.spread(self, said)
                case Part(session, code, held):
                    if (seat := self.seats.pop(session, None)) is not None:
                        self.node.later(HELD_S if held else 0.0, lambda seat=seat, code=code: seat.part(code))  # type: ignore[misc]
        if self.core.due is not None and not self._armed:
            self._armed = True
            self.node.later(self.core.due - self.node.world.now, self._tick)
        if not self.seats and not self._lingers:
            self._lingers = True
            self.node.later(LINGER_S, self._close)

    def _tick(self) -> None:
        self._armed = False
        self.carry(self.core.tick(self.node.world.now))

    def _close(self) -> None:
        self._lingers = False
        if not self.core.sessions:
            if self.core.uncommitted and self.node.rooms.get(self.diagram_id) is self:
                self._lingers = True
                self.node.later(LINGER_S, self._close)
            else:
                self.node.forget(self)

    def end(self, code: Close) -> None:
        """Everybody has to leave, and nobody may come in."""
        self.node.forget(self)
        self.carry(self.core.lost(code))


class Node:
    """A process, from its start until it is struck down. `shared`: there are others, and Redis between them."""

    def __init__(
        self, world: World, name: str, database: Database, redis: Redis | None, make: MakeRoom, faults: Faults
    ) -> None:
        self.world, self.name, self.database, self.redis, self.faults = world, name, database, redis, faults
        self.alive = self.listens = True
        self.linked = False
        self.rooms: dict[UUID, Live] = {}
        self.lines: list[Line] = []
        self.backlog = Backlog()
        self._make = make
        self._writing = False
        self._bus_at = core.NEVER
        self._subscribed: set[UUID] = set()
        self._bus: core.Bus | None = None
        database.listeners.append(self._noticed)
        if redis is not None:
            self._bus = core.Bus(world.rng.getrandbits(48), random.Random(world.rng.random()))  # noqa: S311
            redis.nodes.append(self)
            self.link(up=redis.up)

    # -- life --------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """On the agenda, if the process still lives by then."""
        self.world.later(seconds, lambda: what() if self.alive else None)

    def step(self) -> None:
        """Between two steps: the process may be struck down here. Raises Struck."""
        if self.faults.strikes and self.world.chance(self.faults.strikes):
            self.crash()
            raise Struck

    def crash(self) -> None:
        """kill -9."""
        if not self.alive:
            return
        self.world.tell(self.name, "CRASHES")
        self.alive = False
        self.database.listeners.remove(self._noticed)
        if self.redis is not None:
            self.redis.nodes.remove(self)
        for line in self.lines:
            line.broke()

    # -- clients -----------------------------------------------------------------------------------------------------

    def accept(self, client: "Client", diagram: UUID) -> Line | None:
        """A client knocks; None: come back later."""
        live = self.rooms.get(diagram)
        if live is None:
            return None
        line = Line(self.world, client, self, diagram)
        person = client.person
        identity = Identity(person.id, person.name, "", person.color, "token", person.id)
        name = str(diagram) if client.protocol is Protocol.HOCUSPOCUS else None
        line.seat = Seat(line, live, identity, name)
        self.lines = [*(one for one in self.lines if one.attended), line]
        live.join(person, client.protocol, line.seat, writes=client.writes)
        return line

    def enter(self, diagram: UUID) -> None:
        """Loads a room; whoever waits for it knocks again."""
        if diagram in self.rooms:
            return
        try:
            stored = self.database.load(diagram)
        except LoadError:
            return
        self.later(self.world.rng.random() * QUERY_S, lambda: self._loaded(diagram, stored))

    def _loaded(self, diagram: UUID, stored: updates.Stored) -> None:
        if diagram in self.rooms:
            return
        live = Live(self, diagram, stored.epoch, self._make(stored.updates, stored.seq, stored.retired))
        self.rooms[diagram] = live
        if self._bus is not None:
            self._do(self._bus.open(diagram, stored.epoch, live.core, self.world.now))
            if self.linked:
                self.later(QUERY_S, lambda: self._subscribe(diagram))
        else:
            self._read(live)  # what was committed while it was loaded was told to nobody here
        live.carry([])

    def forget(self, live: Live) -> None:
        """Whoever comes from now on gets a room loaded afresh."""
        if self.rooms.get(live.diagram_id) is live:
            del self.rooms[live.diagram_id]
            self._subscribed.discard(live.diagram_id)
            if self._bus is not None:
                self._do(self._bus.close(live.diagram_id, self.world.now))

    def take(self, line: Line, frame: bytes) -> None:
        """A frame, read as collab/socket.py reads it."""
        seat = line.seat
        if seat is None or not line.attended:
            return
        self.step()
        try:
            if seat.name is None:
                for message in messages.decode_frame(frame):
                    if seat.session.gone:
                        return
                    seat.room.receive(seat.session, message)
            elif len(frame) > 1:
                reader = Reader(frame)
                name = reader.string()
                message = messages.decode(reader, hocuspocus=True)
                if name == seat.name and not isinstance(message, messages.Token | messages.Leave):
                    seat.room.receive(seat.session, message)
        except WireError:
            line.unseat(seat, Close.MALFORMED)

    # -- the journal -----------------------------------------------------------------------------------------------------

    def submit(self, live: Live, append: Append) -> None:
        """An update to commit."""
        item = updates.Append(
            ORG, live.diagram_id, live.epoch, append.update, append.author, append.client, append.writers
        )
        self.backlog.add(item, lambda result: self._settled(live, append, result), self.world.now)
        self._pump()

    def _pump(self) -> None:
        if self._writing or not (batch := self.backlog.take()):
            return
        self._writing = True
        rng, database = self.world.rng, self.database
        fate = rng.choice(("fails", "odd", "hangs", "unheard")) if self.world.chance(database.moody) else "well"
        # The database goes on without us: this is on the world's agenda, not on ours.
        self.world.later(rng.random() * QUERY_S, lambda: self._commit(batch, fate))

    def _commit(self, batch: list[Entry], fate: str) -> None:
        well = not self.database.away and fate in ("well", "unheard") and (self.alive or self.world.chance(0.5))
        results = self.database.append([entry.item for entry in batch]) if well else None
        if not self.alive:
            return
        if results is not None and fate == "well":
            self.later(self.world.rng.random() * QUERY_S, lambda: self._answered(batch, results))
            return
        self.world.tell(
            self.name, f"a commit of {len(batch)} {fate if not self.database.away else 'finds no database'}"
        )
        self.later(HANG_S if fate == "hangs" else QUERY_S, lambda: self._failed(batch, odd=fate == "odd"))

    def _answered(self, batch: list[Entry], results: list[int | Refused]) -> None:
        self.later(self.backlog.settle(batch, results), self._on)

    def _failed(self, batch: list[Entry], *, odd: bool) -> None:
        # A batch that fails for a reason of its own is tried by diagram; here none of them is really bad.
        away = not odd or len({entry.item.diagram_id for entry in batch}) == 1
        self.later(self.backlog.failed(batch, away=away), self._on)

    def _on(self) -> None:
        self._writing = False
        self._pump()

    def _settled(self, live: Live, append: Append, result: int | Refused) -> None:
        self.step()
        if isinstance(result, Refused):
            live.end(Close.EPOCH if result is Refused.EPOCH else Close.GONE)
        elif self._bus is not None:
            live.carry(live.core.committed(append.ticket, live.core.seq))
            if self.rooms.get(live.diagram_id) is live:
                self._do(self._bus.committed(live.diagram_id, result, append.update, self.world.now))
            else:
                self._do(self._bus.orphaned(live.diagram_id, result, self.world.now))
        elif result > live.core.seq + 1:
            self._read(live)
            live.carry(live.core.committed(append.ticket, live.core.seq))
        else:
            live.carry(live.core.committed(append.ticket, result))

    # -- what others committed ---------------------------------------------------------------------------------------------

    def _noticed(self, diagram: UUID, seq: int) -> None:
        if self.listens:
            self.later(QUERY_S, lambda: self._behind(diagram, seq))

    def _behind(self, diagram: UUID, seq: int) -> None:
        live = self.rooms.get(diagram)
        if live is not None and seq > live.core.seq:
            self._read(live)

    def listen(self) -> None:
        """Listens again: what was told meanwhile is read."""
        self.listens = True
        for live in list(self.rooms.values()):
            self._read(live)

    def _read(self, live: Live) -> None:
        try:
            tail = self.database.tail(live.diagram_id, live.core.seq)
            stored = self.database.load(live.diagram_id) if tail.folded else None
        except LoadError:
            if self._bus is None:  # a listener that lost the database reads when it is back
                self.later(1.0, lambda: self._read(live) if self.rooms.get(live.diagram_id) is live else None)
            self.later(QUERY_S, lambda: self._caught_up(live, well=False))
            return
        self.later(self.world.rng.random() * QUERY_S, lambda: self._heard_log(live, tail, stored))

    def _heard_log(self, live: Live, tail: updates.Tail, stored: updates.Stored | None) -> None:
        if self.rooms.get(live.diagram_id) is live:
            if tail.epoch != live.epoch:
                live.end(Close.EPOCH)
            elif stored is not None:
                live.carry(live.core.from_log(stored.seq, stored.updates, self.world.now))
            else:
                live.carry(live.core.from_log(tail.seq, [data for _, data in tail.updates], self.world.now))
        self._caught_up(live, well=True)

    def _caught_up(self, live: Live, *, well: bool) -> None:
        if self._bus is not None and self.rooms.get(live.diagram_id) is live:
            self._do(self._bus.caught_up(live.diagram_id, self.world.now, well=well))

    # -- the bus -----------------------------------------------------------------------------------------------------

    def link(self, *, up: bool) -> None:
        """Redis is reached, or not any more."""
        if self._bus is None or up == self.linked:
            return
        self.linked = up
        self._subscribed.clear()
        self._do(self._bus.linked(self.world.now, up=up))
        if up:
            for diagram in list(self.rooms):
                self.later(QUERY_S, lambda diagram=diagram: self._subscribe(diagram))  # type: ignore[misc]

    def _subscribe(self, diagram: UUID) -> None:
        if self._bus is not None and self.linked and diagram in self.rooms:
            self._subscribed.add(diagram)
            self._do(self._bus.subscribed(diagram, self.world.now))

    def heard(self, diagram: UUID, payload: bytes) -> None:
        """A message of another node."""
        if self._bus is not None and self.alive and self.linked and diagram in self._subscribed:
            self._do(self._bus.heard(diagram, payload, self.world.now))

    def spread(self, live: Live, said: tuple[tuple[int, int, str], ...]) -> None:
        """Presences of this node's clients, for the others."""
        if self._bus is not None and self.rooms.get(live.diagram_id) is live:
            self._do(self._bus.spread(live.diagram_id, said))

    def _do(self, effects: core.Effects) -> None:
        assert self._bus is not None
        for effect in effects:
            self.step()
            match effect:
                case core.Publish(diagram, payload):
                    if self.redis is not None and self.linked:
                        self.redis.publish(self, diagram, payload)
                case core.Carry(diagram, carried):
                    if (live := self.rooms.get(diagram)) is not None:
                        live.carry(carried)
                case core.Read(diagram):
                    if (live := self.rooms.get(diagram)) is not None:
                        self._read(live)
                case core.Hint(heads):
                    self.later(QUERY_S, lambda heads=heads: self._hint(heads))  # type: ignore[misc]
                case core.Poll():
                    self.later(QUERY_S, self._poll)
                case core.Compare(diagram):
                    self.later(QUERY_S, lambda diagram=diagram: self._compare(diagram))  # type: ignore[misc]
        if self._bus.due < self._bus_at:
            self._bus_at = due = self._bus.due
            self.later(due - self.world.now, lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        if self._bus is not None and due == self._bus_at:
            self._bus_at = core.NEVER
            self._do(self._bus.tick(self.world.now))

    def _hint(self, heads: tuple[tuple[UUID, int], ...]) -> None:
        if self.database.away:
            self.later(0.5, lambda: self._hint(heads))
            return
        for diagram, seq in heads:
            self.database.notify(diagram, seq)

    def _poll(self) -> None:
        if self._bus is not None and not self.database.away:
            for diagram in list(self.rooms):
                self._do(self._bus.told(diagram, self.database.documents[diagram].seq))

    def _compare(self, diagram: UUID) -> None:
        """The room against the log, as the relay does it: they may never differ."""
        live = self.rooms.get(diagram)
        if self._bus is None:
            return
        if live is not None and not live.core.uncommitted and not self.database.away:
            stored = self.database.load(diagram)
            folded = stored.tail[0][0] - 1 if stored.tail else stored.seq
            if stored.epoch == live.epoch and folded <= live.core.seq:
                log = [data for number, data in stored.tail if number <= live.core.seq]
                log = [stored.snapshot, *log] if stored.snapshot else log
                verdict = compare.judge(live.core.state_after(b"\x00"), log).verdict
                if verdict != "equal":
                    raise Violation("R7", f"{self.name}'s room and its log differ: {verdict}")
        self._do(self._bus.compared(diagram, self.world.now))
