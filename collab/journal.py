"""Group commit: while one transaction runs, what all rooms write meanwhile gathers for the next (R1).

An update is handed in with a callback; the callback hears its number in the log, or why it was refused, and never before
the commit. When the database is away everything waits and is tried again; `trouble` says so to whoever asks. When the
journal is full nobody may hand in more: sockets stop reading (R14). One task, owned by the composition root.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import structlog

from collab import metrics
from storage.failures import is_unavailable
from storage.updates import Append, Refused, UpdateLog

BATCH: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
LIMIT_BYTES: Final = 64 * 1024 * 1024
PAUSE_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
HELD_PAUSE_S: Final = 0.002  # a held head belongs to a short transaction: a moment later it is free

Done = Callable[[int | Refused], None]
_log = structlog.get_logger()


@dataclass(slots=True)
class _Entry:
    item: Append
    done: Done
    since: float


class Journal:
    """One a process."""

    def __init__(self, log: UpdateLog) -> None:
        self._updates = log
        self._queue: deque[_Entry] = deque()
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._bytes = 0
        self.trouble = False
        self.on_trouble: Callable[[bool], None] = lambda _away: None

    @classmethod
    @asynccontextmanager
    async def open(cls, log: UpdateLog) -> AsyncIterator[Self]:
        """Writes until the `with` block ends; call `drained` before, or what waits is not written."""
        journal = cls(log)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(journal._run())
            try:
                yield journal
            finally:
                writing.cancel()

    @property
    def full(self) -> bool:
        """No more may be handed in just now."""
        return self._bytes >= LIMIT_BYTES

    async def has_room(self, seconds: float) -> bool:
        """Waits until there is room again; False when there was none in time."""
        if not self.full:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def drained(self, seconds: float) -> bool:
        """Waits until everything handed in is committed; False when it took longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def submit(self, item: Append, done: Done) -> None:
        """Hands in one update. `done` is called once, from this loop, with its number or a refusal."""
        self._queue.append(_Entry(item, done, time.perf_counter()))
        self._count(len(item.update))
        self._idle.clear()
        self._more.set()

    def _count(self, size: int) -> None:
        self._bytes += size
        metrics.JOURNAL.set(self._bytes)
        if self.full:
            self._room.clear()
        else:
            self._room.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._more.wait()
            batch = self._take()
            if not batch:
                self._more.clear()
                self._idle.set()
                continue
            try:
                results = await self._updates.append([entry.item for entry in batch])
            except Exception as error:  # noqa: BLE001 -- whatever it is, nothing was committed and nobody may be told so
                metrics.TROUBLE.inc()
                self._queue.extendleft(reversed(batch))
                if not is_unavailable(error) and len(batch) > 1:
                    await self._one_by_one()
                    continue
                self._set_trouble(away=True)
                _log.warning("journal.commit_failed", error=str(error), waiting=len(self._queue))
                await asyncio.sleep(PAUSE_S[min(failures, len(PAUSE_S) - 1)])
                failures += 1
                continue
            failures = 0
            self._set_trouble(away=False)
            if self._settle(batch, results):
                await asyncio.sleep(HELD_PAUSE_S)

    async def _one_by_one(self) -> None:
        """A batch that fails as a whole is tried diagram by diagram, so that one bad one stalls nobody else."""
        batch = self._take()
        by_diagram: dict[object, list[_Entry]] = {}
        for entry in batch:
            by_diagram.setdefault(entry.item.diagram_id, []).append(entry)
        back: list[_Entry] = []
        for entries in by_diagram.values():
            try:
                results = await self._updates.append([entry.item for entry in entries])
            except Exception as error:  # noqa: BLE001 -- as above
                if is_unavailable(error):
                    back += entries
                    continue
                _log.exception("journal.diagram_refused", diagram=str(entries[0].item.diagram_id))
                results = [Refused.GONE] * len(entries)
            self._settle(entries, results)
        self._queue.extendleft(reversed(back))

    def _take(self) -> list[_Entry]:
        batch: list[_Entry] = []
        size = 0
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            entry = self._queue.popleft()
            size += len(entry.item.update)
            batch.append(entry)
        return batch

    def _settle(self, batch: list[_Entry], results: list[int | Refused]) -> bool:
        """Tells the rooms; what met a held head goes back to the front. True when something did."""
        metrics.BATCH.observe(len(batch))
        now = time.perf_counter()
        held: list[_Entry] = []
        for entry, result in zip(batch, results, strict=True):
            if result is Refused.HELD:
                held.append(entry)
                continue
            self._count(-len(entry.item.update))
            if not isinstance(result, Refused):
                metrics.DURABLE.observe(now - entry.since)
            entry.done(result)
        self._queue.extendleft(reversed(held))
        return bool(held)

    def _set_trouble(self, *, away: bool) -> None:
        if away != self.trouble:
            self.trouble = away
            self.on_trouble(away)
