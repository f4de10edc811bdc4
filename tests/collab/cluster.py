"""Several nodes with one diagram in virtual time: rooms and buses as they are; network, log and clock of the test's own."""

import heapq
import itertools
import random
from collections.abc import Callable
from uuid import UUID

from collab.bus import core
from collab.bus.replica import NEVER
from collab.effects import Append, Effects, Send, Spread
from collab.room import Room
from collab.session import Person, Protocol, Session
from collab.wire import messages
from tests.collab.test_room import Peer

DIAGRAM = UUID(int=77)


class Node:
    """One process: a room, its bus, its clients."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.room = Room(world.log, len(world.log))
        self.bus = core.Bus(number, random.Random(number))
        self.peers: dict[Session, Peer] = {}
        self.pending: list[Append] = []
        self.compares = 0
        self.alive = True
        self.do(self.bus.open(DIAGRAM, 1, self.room, world.now))

    def join(self, person: Person, client: int, protocol: Protocol = Protocol.YWS) -> Peer:
        peer = Peer(self.room, person, protocol, client)
        self.peers[peer.session] = peer
        self.carry(peer.owed)
        self.say(peer, messages.Step1(peer.doc.get_state()))
        return peer

    def leave(self, peer: Peer) -> None:
        del self.peers[peer.session]
        self.carry(self.room.leave(peer.session))

    def say(self, peer: Peer, message: messages.Message) -> None:
        self.carry(self.room.receive(peer.session, message, self.world.now))

    def carry(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Send(to, payload, _):
                    for session in to:
                        if session in self.peers:
                            self.peers[session].take(payload)
                case Append():
                    self.pending.append(effect)
                case Spread(said):
                    self.do(self.bus.spread(DIAGRAM, said))

    def do(self, effects: core.Effects) -> None:
        for effect in effects:
            match effect:
                case core.Publish(_, payload):
                    self.world.publish(payload)
                case core.Carry(_, carried):
                    self.carry(carried)
                case core.Read():
                    self.world.later(self.world.rng.uniform(0.001, 0.02), self.read)
                case core.Hint(heads):
                    for _, seq in heads:
                        self.world.notify(seq)
                case core.Poll():
                    self.world.later(0.002, lambda: self.do(self.bus.told(DIAGRAM, len(self.world.log))))
                case core.Compare():
                    self.compares += 1
                    self.world.later(0.01, lambda: self.do(self.bus.compared(DIAGRAM, self.world.now)))

    def read(self) -> None:
        well = self.world.database
        if well:
            self.carry(self.room.from_log(len(self.world.log), self.world.log[self.room.seq :], self.world.now))
        self.do(self.bus.caught_up(DIAGRAM, self.world.now, well=well))

    def commit(self) -> None:
        """What is pending here is on disk now."""
        pending, self.pending = self.pending, []
        for append in pending:
            self.world.log.append(append.update)
            seq = len(self.world.log)
            self.carry(self.room.committed(append.ticket, self.room.seq))
            self.do(self.bus.committed(DIAGRAM, seq, append.update, self.world.now))

    def link(self, *, up: bool) -> None:
        """Redis is reached from here, or not any more."""
        self.do(self.bus.linked(self.world.now, up=up))
        if up:
            self.do(self.bus.subscribed(DIAGRAM, self.world.now))


class World:
    """The nodes' network and clock; `unruly` is the share of messages that are lost, doubled or late."""

    def __init__(self, nodes: int, seed: int, unruly: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.unruly = unruly
        self.now = 0.0
        self.database = True
        self.log: list[bytes] = []
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.nodes = [Node(self, number) for number in range(1, nodes + 1)]

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), action))

    def publish(self, payload: bytes) -> None:
        """To every node whose link is up: once, twice, late or never."""
        for node in self.nodes:
            copies = 1
            if self.rng.random() < self.unruly:
                copies = self.rng.choice((0, 0, 2))
            for _ in range(copies):
                delay = self.rng.uniform(0.2, 1.0) if self.rng.random() < self.unruly else 0.001
                self.later(delay, lambda node=node: self.hear(node, payload))  # type: ignore[misc]

    def hear(self, node: Node, payload: bytes) -> None:
        if node.bus.up and node.alive:
            node.do(node.bus.heard(DIAGRAM, payload, self.now))

    def notify(self, seq: int) -> None:
        """PostgreSQL's notice: a room that is behind reads."""
        for node in self.nodes:
            if node.alive and seq > node.room.seq:
                self.later(0.002, node.read)

    def run(self, seconds: float) -> None:
        """Lets time pass: agenda, buses and rooms in the order in which they are due."""
        end = self.now + seconds
        while True:
            living = [node for node in self.nodes if node.alive]
            due = min(
                [node.bus.due for node in living]
                + [node.room.due for node in living if node.room.due is not None]
                + [self._agenda[0][0] if self._agenda else NEVER]
            )
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            while self._agenda and self._agenda[0][0] <= self.now:
                heapq.heappop(self._agenda)[2]()
            for node in living:
                if node.room.due is not None and node.room.due <= self.now:
                    node.carry(node.room.tick(self.now))
                if node.bus.due <= self.now:
                    node.do(node.bus.tick(self.now))
