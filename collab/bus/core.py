"""One node among many, sans I/O: what other nodes, the log and the clock say comes in, what to do goes out.

True at every moment: a room holds the log up to its number and nothing foreign beyond it, for foreign updates are applied
in the log's order only; a number that stays missing for GRACE_S is read from the log. So a message between nodes may be
lost, doubled, late or out of order, and Redis may be away: replicas meet again (R7). Presences of a node that falls
silent vanish after DEAD_S (R6). Driven by collab/bus/relay.py, and by the simulation with a clock of its own.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from collab.bus import words
from collab.bus.replica import DEAD_S, GRACE_S, NEVER, Neighbour, Replica
from collab.effects import Effects as RoomEffects
from collab.presence import Said
from collab.room import Room
from collab.wire.lib0 import WireError

RETRY_S: Final = 0.5  # a read that did not bring what was missing
POSITION_S: Final = 2.0  # after a change, how soon the others hear where we are
ROLL_S: Final = 10.0  # how often a node says who is here with it
HINT_S: Final = 0.1  # without Redis: PostgreSQL is asked to tell, at most so often
POLL_S: Final = 1.0  # without Redis: how often the heads of all open rooms are looked at
UNSURE_S: Final = 10.0  # what was said so shortly before Redis went may have reached nobody
COMPARE_S: Final = 60.0  # a room that changed is held against the database about so often
SUSPECT_S: Final = 5.0  # and no sooner than this after the last time, whatever others say
MESSAGE_LIMIT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Publish:
    """To all other nodes that have the diagram open."""

    diagram: UUID
    payload: bytes


@dataclass(frozen=True, slots=True)
class Carry:
    """Effects of a room, for its sockets. None may mean that the room has set itself a time to tick: look at `due`."""

    diagram: UUID
    effects: RoomEffects


@dataclass(frozen=True, slots=True)
class Read:
    """Read the log after the room's number, give it to `room.from_log`, say `caught_up`."""

    diagram: UUID


@dataclass(frozen=True, slots=True)
class Hint:
    """Without Redis: tell the others by PostgreSQL that these logs have grown."""

    heads: tuple[tuple[UUID, int], ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """Without Redis: look at the heads of all open rooms, and say `told`."""


@dataclass(frozen=True, slots=True)
class Compare:
    """Hold the room against the database, and say `compared`."""

    diagram: UUID


Effect = Publish | Carry | Read | Hint | Poll | Compare
Effects = list[Effect]


class Bus:
    """All open rooms of one node. `node` is drawn anew at every start: what it said in an earlier life is another's."""

    def __init__(self, node: int, rng: random.Random) -> None:
        self.node = node
        self.up = False
        self._rng = rng
        self._turn = 0
        self._replicas: dict[UUID, Replica] = {}
        self._alarms: list[tuple[float, UUID]] = []
        self._outgoing: set[UUID] = set()
        self._hints: dict[UUID, int] = {}
        self._hint_at = NEVER
        self._poll_at = NEVER

    # -- rooms come and go ---------------------------------------------------------------------------------------------

    def open(self, diagram: UUID, epoch: int, room: Room, now: float) -> Effects:
        """A room was loaded. What happens before its channel is heard is read from the log by `subscribed`."""
        room.shared = True
        replica = Replica(epoch, room, roll_at=now + self._jittered(ROLL_S), known=room.seq)
        self._replicas[diagram] = replica
        if not self.up and self._poll_at == NEVER:
            self._poll_at = now + POLL_S
        self._set_alarm(diagram, replica)
        return []

    def close(self, diagram: UUID, now: float) -> Effects:
        """A room is closed here."""
        replica = self._replicas.get(diagram)
        if replica is None:
            return []
        effects = self._flush(diagram, replica, now)
        if self.up:
            effects.append(self._say(diagram, replica, words.Left()))
        del self._replicas[diagram]
        return effects

    # -- Redis comes and goes ------------------------------------------------------------------------------------------

    def linked(self, now: float, *, up: bool) -> Effects:
        """Redis is reached, or not any more: then PostgreSQL says what is new, more slowly."""
        self.up = up
        if up:
            self._poll_at = NEVER
            return []
        self._poll_at = now
        for diagram, replica in self._replicas.items():
            unsent, replica.outgoing = replica.outgoing, []
            if unsent or now - replica.spoke < UNSURE_S:
                self._hint(diagram, max([replica.room.seq, *(seq for seq, _ in unsent)]), now)
        self._outgoing.clear()
        return []

    def subscribed(self, diagram: UUID, now: float) -> Effects:
        """From now on we hear what is said of this diagram: what was said before is in the log."""
        replica = self._replicas.get(diagram)
        if replica is None:
            return []
        replica.reading = replica.known
        return [Read(diagram), self._roll(diagram, replica, now, asks=True)]

    def unsent(self, diagram: UUID, now: float) -> Effects:
        """A message was not taken, because too many wait: the others will hear where we are, and read the log."""
        if (replica := self._replicas.get(diagram)) is not None:
            replica.position_at = min(replica.position_at, now + self._jittered(POSITION_S))
            self._set_alarm(diagram, replica)
        return []

    # -- the log -----------------------------------------------------------------------------------------------------

    def committed(self, diagram: UUID, seq: int, update: bytes, now: float) -> Effects:
        """An update of this node is on disk under this number; the room has acknowledged it already."""
        replica = self._replicas.get(diagram)
        if replica is None:
            return self.orphaned(diagram, seq, now)
        if self.up:
            replica.outgoing.append((seq, update))
            self._outgoing.add(diagram)
        else:
            self._hint(diagram, seq, now)
        return self._number(diagram, replica, [(seq, None)], now)

    def orphaned(self, diagram: UUID, seq: int, now: float) -> Effects:
        """An update of a room that has ended is on disk: whoever has the diagram open now, here or there, reads it."""
        self._hint(diagram, seq, now)
        return self.told(diagram, seq)

    def told(self, diagram: UUID, seq: int) -> Effects:
        """Somebody who has seen the log itself says how far it goes."""
        replica = self._replicas.get(diagram)
        if replica is None or seq <= replica.room.seq:
            return []
        replica.known = max(replica.known, seq)
        return self._read(diagram, replica)

    def caught_up(self, diagram: UUID, now: float, *, well: bool) -> Effects:
        """A read of the log has ended, well or not, whoever began it."""
        replica = self._replicas.get(diagram)
        if replica is None:
            return []
        before, replica.reading = replica.reading, None
        if before is None:
            return self._number(diagram, replica, [], now)
        if well:
            replica.forget(before)
            return self._number(diagram, replica, [], now)
        effects = self._number(diagram, replica, [], now)
        if replica.missing_since is not None:
            replica.missing_since = now + RETRY_S
        return effects

    def _number(self, diagram: UUID, replica: Replica, listed: list[tuple[int, bytes | None]], now: float) -> Effects:
        """Takes numbers of the log in, and applies what has become consecutive."""
        carried = replica.take(listed, now)
        replica.position_at = min(replica.position_at, now + POSITION_S)
        if replica.compare_at == NEVER:
            replica.compare_at = now + self._jittered(COMPARE_S)
        self._set_alarm(diagram, replica)
        return [] if carried is None else [Carry(diagram, carried)]

    def _read(self, diagram: UUID, replica: Replica) -> Effects:
        if replica.reading is not None:
            return []
        replica.reading = replica.known
        return [Read(diagram)]

    # -- other nodes -------------------------------------------------------------------------------------------------

    def spread(self, diagram: UUID, said: tuple[Said, ...]) -> Effects:
        """News of this node's presences. Without Redis they stay here: presence never reaches the database (R6)."""
        replica = self._replicas.get(diagram)
        if replica is None or not self.up or not said:
            return []
        return [self._say(diagram, replica, words.Presence(said))]

    def heard(self, diagram: UUID, payload: bytes, now: float) -> Effects:
        """What came over the diagram's channel. What cannot be read (another version's, say) may have been news: we look."""
        replica = self._replicas.get(diagram)
        if replica is None:
            return []
        try:
            message = words.decode(payload)
        except WireError:
            return self._read(diagram, replica)
        if message.node == self.node or message.epoch < replica.epoch:
            return []
        if message.epoch > replica.epoch:
            return self._read(diagram, replica)  # whoever reads finds out that this document's life is over
        neighbour = replica.neighbours.setdefault(message.node, Neighbour(now))
        neighbour.heard = max(neighbour.heard, now)
        newest, neighbour.turn = message.turn > neighbour.turn, max(message.turn, neighbour.turn)
        self._set_alarm(diagram, replica)
        return self._take(diagram, replica, message, now, newest=newest)

    def _take(self, diagram: UUID, replica: Replica, message: words.Message, now: float, *, newest: bool) -> Effects:
        """Numbers and positions are good whenever they come; of presences only what is newer than what we have heard."""
        effects: Effects = []
        room, node = replica.room, message.node
        match message.word:
            case words.Updates(listed):
                effects += self._number(diagram, replica, list(listed), now)
            case words.Position() as position:
                effects += self._where(diagram, replica, position, now)
            case words.Presence(said):
                if newest:
                    effects.append(Carry(diagram, room.hear_node(node, said, now, whole=False)))
            case words.Roll(asks, position, said):
                if newest:
                    effects.append(Carry(diagram, room.hear_node(node, said, now, whole=True)))
                if asks and self.up:
                    effects.append(self._roll(diagram, replica, now, asks=False))
                effects += self._where(diagram, replica, position, now)
            case words.Left():
                if newest:
                    effects.append(Carry(diagram, room.forget_node(node)))
        return effects

    def _where(self, diagram: UUID, replica: Replica, position: words.Position, now: float) -> Effects:
        """Another node's position: beyond ours, something was lost; the same with another print, something is wrong."""
        if position.seq > replica.room.seq:
            replica.known = max(replica.known, position.seq)
            return self._number(diagram, replica, [], now)
        if (
            position.seq == replica.room.seq
            and position.print
            and replica.settled
            and not replica.comparing
            and now - replica.compared >= SUSPECT_S
            and position.print != replica.print()
        ):
            return self._compare(diagram, replica, now)
        return []

    def _say(self, diagram: UUID, replica: Replica, word: words.Word) -> Publish:
        self._turn += 1
        return Publish(diagram, words.encode(words.Message(self.node, self._turn, replica.epoch, word)))

    def _roll(self, diagram: UUID, replica: Replica, now: float, *, asks: bool) -> Publish:
        replica.roll_at = now + self._jittered(ROLL_S)
        self._set_alarm(diagram, replica)
        position = words.Position(replica.room.seq, replica.print() if replica.settled else b"")
        return self._say(diagram, replica, words.Roll(asks, position, replica.room.present_here()))

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(self, diagram: UUID, replica: Replica, now: float) -> Effects:
        replica.comparing, replica.compared, replica.compare_at = True, now, NEVER
        return [Compare(diagram)]

    def compared(self, diagram: UUID, now: float, *, again: bool = False) -> Effects:
        """The comparison has ended; `again`: what was mended is looked at soon."""
        if (replica := self._replicas.get(diagram)) is not None:
            replica.comparing = False
            replica.compared = now
            if again:
                replica.compare_at = now + SUSPECT_S
            self._set_alarm(diagram, replica)
        return []

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When `tick` wants to be called next."""
        soonest = self._alarms[0][0] if self._alarms else NEVER
        return min(soonest, self._hint_at, self._poll_at, -NEVER if self._outgoing else NEVER)

    def tick(self, now: float) -> Effects:
        """Says what has gathered, and looks at what is due."""
        effects: Effects = []
        outgoing, self._outgoing = self._outgoing, set()
        for diagram in outgoing:
            if (replica := self._replicas.get(diagram)) is not None:
                effects += self._flush(diagram, replica, now)
        if now >= self._hint_at:
            hints, self._hints, self._hint_at = self._hints, {}, NEVER
            effects.append(Hint(tuple(hints.items())))
        if now >= self._poll_at:
            self._poll_at = now + self._jittered(POLL_S) if self._replicas else NEVER
            if self._replicas:
                effects.append(Poll())
        while self._alarms and self._alarms[0][0] <= now:
            when, diagram = heapq.heappop(self._alarms)
            replica = self._replicas.get(diagram)
            if replica is not None and replica.alarm == when:
                replica.alarm = NEVER
                effects += self._look(diagram, replica, now)
                self._set_alarm(diagram, replica)
        return effects

    def _look(self, diagram: UUID, replica: Replica, now: float) -> Effects:
        effects: Effects = []
        if replica.missing_since is not None and now >= replica.missing_since + GRACE_S:
            effects += self._read(diagram, replica)
        for node in [node for node, one in replica.neighbours.items() if now >= one.heard + DEAD_S]:
            del replica.neighbours[node]
            effects.append(Carry(diagram, replica.room.forget_node(node)))
        if now >= replica.roll_at:
            replica.position_at = NEVER
            if self.up:
                effects.append(self._roll(diagram, replica, now, asks=False))
            else:
                replica.roll_at = now + ROLL_S
        if now >= replica.position_at:
            replica.position_at = NEVER
            if self.up:
                effects.append(self._say(diagram, replica, words.Position(replica.room.seq, b"")))
        if now >= replica.compare_at and not replica.comparing:
            if replica.settled:
                effects += self._compare(diagram, replica, now)
            else:
                replica.compare_at = now + GRACE_S
        return effects

    def _flush(self, diagram: UUID, replica: Replica, now: float) -> Effects:
        """What was committed since the last flush, in as few messages as their size allows."""
        waiting, replica.outgoing = replica.outgoing, []
        effects: Effects = []
        part: list[tuple[int, bytes]] = []
        size = 0
        for seq, data in waiting:
            if part and size + len(data) > MESSAGE_LIMIT:
                effects.append(self._say(diagram, replica, words.Updates(tuple(part))))
                part, size = [], 0
            part.append((seq, data))
            size += len(data)
        if part:
            effects.append(self._say(diagram, replica, words.Updates(tuple(part))))
            replica.spoke = now
        return effects

    def _hint(self, diagram: UUID, seq: int, now: float) -> None:
        self._hints[diagram] = max(seq, self._hints.get(diagram, 0))
        self._hint_at = min(self._hint_at, now + HINT_S)

    def _set_alarm(self, diagram: UUID, replica: Replica) -> None:
        soonest = replica.next()
        if soonest < replica.alarm:
            replica.alarm = soonest
            heapq.heappush(self._alarms, (soonest, diagram))

    def _jittered(self, seconds: float) -> float:
        return seconds * self._rng.uniform(0.8, 1.0)


__all__ = ["NEVER", "Bus", "Carry", "Compare", "Effect", "Effects", "Hint", "Poll", "Publish", "Read"]
