"""One open room among several nodes: how far it has the log, what came early, who else has it open. Plain data, sans I/O.

What is true of it at every moment stands in core.py, which gives it the clock and speaks for it.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from collab.effects import Effects as RoomEffects
from collab.room import Room
from collab.wire import structs
from collab.wire.lib0 import WireError

GRACE_S: Final = 0.1  # two nodes' commits cross on the way; longer than this, and the log is read
DEAD_S: Final = 25.0  # a node that has said nothing of a room for so long has nobody in it
EARLY_LIMIT: Final = 4 * 1024 * 1024  # bytes of updates that wait for an earlier one
NEVER: Final = float("inf")


@dataclass(slots=True)
class Neighbour:
    """Another node that has the room open."""

    heard: float
    turn: int = 0


@dataclass(slots=True)
class Replica:
    """One open room, and what is known of its log beyond it."""

    epoch: int
    room: Room
    roll_at: float
    early: dict[int, bytes | None] = field(default_factory=dict)  # beyond a missing number; None: our own, applied
    early_bytes: int = 0
    known: int = 0  # the highest number anybody spoke of
    missing_since: float | None = None
    reading: int | None = None  # what was known when the read under way began
    outgoing: list[tuple[int, bytes]] = field(default_factory=list)
    spoke: float = -NEVER  # when an update of ours was last published
    position_at: float = NEVER
    compare_at: float = NEVER
    compared: float = -NEVER
    comparing: bool = False
    neighbours: dict[int, Neighbour] = field(default_factory=dict)
    printed: tuple[int, bytes, bytes] = (-1, b"", b"")  # number, state vector, and their fingerprint
    alarm: float = NEVER

    @property
    def settled(self) -> bool:
        """The document is the log up to the room's number, and nothing else."""
        return not self.room.uncommitted and not self.early and self.known <= self.room.seq

    def print(self) -> bytes:
        """The document's fingerprint, taken anew only when something has changed."""
        at, state = self.room.seq, self.room.state
        if self.printed[:2] != (at, state):
            self.printed = (at, state, fingerprint(self.room))
        return self.printed[2]

    def next(self) -> float:
        missing = NEVER if self.missing_since is None or self.reading is not None else self.missing_since + GRACE_S
        dead = min((one.heard + DEAD_S for one in self.neighbours.values()), default=NEVER)
        return min(missing, dead, self.position_at, self.roll_at, NEVER if self.comparing else self.compare_at)

    def take(self, listed: list[tuple[int, bytes | None]], now: float) -> RoomEffects | None:
        """Numbers of the log, with updates or (our own) without; None when nothing became consecutive."""
        room = self.room
        for seq, data in listed:
            if seq <= room.seq or (seq in self.early and data is not None):
                continue
            self.early[seq] = data
            self.early_bytes += len(data or b"")
            self.known = max(self.known, seq)
        carried = self._apply(now)
        if self.known <= room.seq:
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now
        return carried

    def _apply(self, now: float) -> RoomEffects | None:
        room, early = self.room, self.early
        fresh: list[bytes] = []
        reached = room.seq
        while reached + 1 in early:
            reached += 1
            if (data := early[reached]) is not None:
                fresh.append(data)
        carried: RoomEffects | None = None
        if reached > room.seq:
            try:
                carried = room.from_log(reached, fresh, now)
                self.missing_since = None
            except WireError:  # damaged on the way; the log has it whole
                early.clear()
        for seq in [seq for seq in early if seq <= room.seq]:
            self.early_bytes -= len(early.pop(seq) or b"")
        if self.early_bytes > EARLY_LIMIT:
            early.clear()
        if not early:
            self.early_bytes = 0
        return carried

    def forget(self, read: int) -> None:
        """The log has been read since this number was the highest spoken of: a number is spoken of after its commit, so
        what was spoken of then and is not in the room now never will be."""
        self.early = {seq: data for seq, data in self.early.items() if seq > read}
        self.early_bytes = sum(len(data or b"") for data in self.early.values())
        self.known = max(self.room.seq, self.known if self.known > read else 0)


def fingerprint(room: Room) -> bytes:
    """Equal for documents that hold the same structs and the same deletions, however they came by them."""
    state = room.state
    clocks = sorted(structs.clocks(state).items())
    deleted = sorted(
        (client, clock, length)
        for client, ranges in structs.deletions(room.state_after(state)).items()
        for clock, length in structs.joined(ranges)
    )
    return hashlib.sha256(repr((clocks, deleted)).encode()).digest()[:16]
