"""Group commit: while one transaction runs, what all rooms write meanwhile gathers for the next (R1).

An update is handed in with a callback; the callback hears its number in the log, or why it was refused, and never before
the commit. When the database is away everything waits and is tried again; `trouble` says so to whoever asks. When the
journal is full nobody may hand in more: sockets stop reading (R14). One task, owned by the composition root; what it
decides is in collab/backlog.py.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import structlog

from collab import metrics
from collab.backlog import Backlog, Done, Entry
from storage.failures import is_unavailable
from storage.updates import Append, Refused, UpdateLog

GATHER_S: Final = 0.02  # between the beginnings of two commits: each costs as much as seventy updates in it
COMMIT_S: Final = 10.0  # a commit that has not answered by then has failed, whatever becomes of it

_log = structlog.get_logger()


class Journal:
    """One a process."""

    def __init__(self, log: UpdateLog) -> None:
        self._updates = log
        self._backlog = Backlog()
        metrics.JOURNAL.set_function(lambda: self._backlog.bytes)
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._began = float("-inf")  # when the last commit did
        self._told = False  # the trouble that was said last
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
        return self._backlog.full

    @property
    def trouble(self) -> bool:
        """Nothing can be saved just now."""
        return self._backlog.trouble

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
        self._backlog.add(item, done, time.perf_counter())
        self._measure()
        self._idle.clear()
        self._more.set()

    def _measure(self) -> None:
        if self._backlog.full:
            self._room.clear()
        else:
            self._room.set()

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            # The first after a pause goes at once; while people write, commits begin this far apart.
            wait = self._began + GATHER_S - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            batch = self._backlog.take()
            if not batch:
                self._more.clear()
                self._idle.set()
                continue
            self._began = time.perf_counter()
            pause = await self._commit(batch)
            self._measure()
            if self._backlog.trouble != self._told:
                self._told = self._backlog.trouble
                self.on_trouble(self._told)
            if pause:
                await asyncio.sleep(pause)

    async def _commit(self, batch: list[Entry]) -> float:
        """One transaction; how long to wait before the next."""
        try:
            async with asyncio.timeout(COMMIT_S):
                results = await self._updates.append([entry.item for entry in batch])
        except Exception as error:  # noqa: BLE001 -- whatever it is, nothing was promised and nobody may be told so
            metrics.TROUBLE.inc()
            away = is_unavailable(error)
            _log.warning("journal.commit_failed", error=str(error), updates=len(batch), exc_info=not away)
            return self._backlog.failed(batch, away=away)
        metrics.BATCH.observe(len(batch))
        now = time.perf_counter()
        for entry, result in zip(batch, results, strict=True):
            if not isinstance(result, Refused):
                metrics.DURABLE.observe(now - entry.since)
        return self._backlog.settle(batch, results)
