"""What waits for the disk, sans I/O: which updates go into the next commit, and what its end means for each of them (R1).

True at every moment: an update is told its number only after a commit that answered; updates of one diagram are committed
in the order in which they came; what failed is kept and tried again. A batch that fails as a whole, though the database is
there, is tried again diagram by diagram, so that one bad diagram stalls nobody else. One batch is out at a time. Driven by
collab/journal.py, and by the simulation with a clock of its own.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from storage.updates import Append, Refused

BATCH: Final = 2_000
BATCH_BYTES: Final = 8 * 1024 * 1024
LIMIT_BYTES: Final = 64 * 1024 * 1024
PAUSE_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
HELD_PAUSE_S: Final = 0.002  # a held head belongs to a short transaction: a moment later it is free

Done = Callable[[int | Refused], None]


@dataclass(slots=True)
class Entry:
    """One update, who is to hear of it, and since when it waits, in the caller's seconds."""

    item: Append
    done: Done
    since: float


class Backlog:
    """One a process."""

    def __init__(self) -> None:
        self.bytes = 0
        self.trouble = False  # the last commit failed, and none has answered since
        self._queue: deque[Entry] = deque()
        self._apart: deque[list[Entry]] = deque()  # what is left of a batch that is tried diagram by diagram
        self._alone = False  # the batch that is out is one of those
        self._failures = 0

    def __len__(self) -> int:
        return len(self._queue) + sum(map(len, self._apart))

    @property
    def full(self) -> bool:
        """No more may be handed in just now."""
        return self.bytes >= LIMIT_BYTES

    def add(self, item: Append, done: Done, now: float) -> None:
        """Hands in one update. `done` is called once, from `settle` or `failed`, with its number or a refusal."""
        self._queue.append(Entry(item, done, now))
        self.bytes += len(item.update)

    def take(self) -> list[Entry]:
        """The next batch; empty when nothing waits. To be followed by `settle` or `failed`."""
        self._alone = bool(self._apart)
        if self._alone:
            return self._apart.popleft()
        batch: list[Entry] = []
        size = 0
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            entry = self._queue.popleft()
            size += len(entry.item.update)
            batch.append(entry)
        return batch

    def settle(self, batch: Sequence[Entry], results: Sequence[int | Refused]) -> float:
        """The commit answered: tells each; what met a held head goes back to the front. Seconds to wait before the next."""
        self._failures, self.trouble = 0, False
        held: list[Entry] = []
        for entry, result in zip(batch, results, strict=True):
            if result is Refused.HELD:
                held.append(entry)
                continue
            self.bytes -= len(entry.item.update)
            entry.done(result)
        self._queue.extendleft(reversed(held))
        return HELD_PAUSE_S if held else 0.0

    def failed(self, batch: Sequence[Entry], *, away: bool) -> float:
        """It did not answer: whatever it did, nobody may be told so. `away`: the database, not one of these, is to blame.

        Seconds to wait before the next.
        """
        if not away and self._alone:
            for entry in batch:
                self.bytes -= len(entry.item.update)
                entry.done(Refused.GONE)
            return 0.0
        if not away and len(batch) > 1:
            by_diagram: dict[object, list[Entry]] = {}
            for entry in batch:
                by_diagram.setdefault(entry.item.diagram_id, []).append(entry)
            self._apart.extend(by_diagram.values())
            return 0.0
        rest = [entry for entries in self._apart for entry in entries]
        self._apart.clear()
        self._queue.extendleft(reversed([*batch, *rest]))
        self.trouble = True
        pause = PAUSE_S[min(self._failures, len(PAUSE_S) - 1)]
        self._failures += 1
        return pause
