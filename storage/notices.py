"""LISTEN and NOTIFY: how one process tells the others that something is in the database now.

A notice is a hint, never the record: whoever hears it reads the tables. Sent inside a transaction, it goes out when that
commits. The listener has a connection of its own and comes back by itself; after each (re)connection it yields a "resync"
event, because whatever was said meanwhile was not heard.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import asyncpg
import structlog
from sqlalchemy import text

from storage.database import Connection

CHANNEL: Final = "colane"
RETRY_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
ALIVE_S: Final = 15.0
ANSWER_S: Final = 5.0
QUEUE: Final = 10_000  # notices waiting; when full they are dropped and one "resync" stands for all

Event = dict[str, Any]
_NOTIFY = text("SELECT pg_notify('colane', :payload)")
_log = structlog.get_logger()


async def notify(conn: Connection, event: Event) -> None:
    """Tells every listener when this transaction commits. `event` is small: PostgreSQL carries 8,000 bytes at most."""
    await conn.execute(_NOTIFY, {"payload": json.dumps(event, separators=(",", ":"))})


class Notices:
    """What other processes (and this one) said. Iterate from one task; the listening ends with the `with` block."""

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._url = url
        self._channel = channel
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._lost = False

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, channel: str = CHANNEL) -> AsyncIterator[Self]:
        """Starts listening; the first event is a "resync"."""
        notices = cls(url, channel)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(notices._listen())
            try:
                yield notices
            finally:
                listening.cancel()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if self._queue.empty() and self._lost:
            self._lost = False
            self._put({"event": "resync"})
        return event

    def _put(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._lost = True

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            event = json.loads(str(payload))
        except ValueError:
            return  # somebody else's words on our channel
        if isinstance(event, dict):
            self._put(event)

    async def _listen(self) -> None:
        failures = 0
        while True:
            gone = asyncio.Event()
            try:
                connection = await asyncpg.connect(self._url)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                continue
            failures = 0
            try:
                connection.add_termination_listener(lambda _c, gone=gone: gone.set())
                await connection.add_listener(self._channel, self._heard)
                self._put({"event": "resync"})
                while not await _happens(gone, ALIVE_S):
                    # A connection can be lost without a word; then nothing would ever be heard again.
                    await connection.execute("SELECT 1", timeout=ANSWER_S)
                _log.warning("notices.connection_lost")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(RETRY_S[0])
            finally:
                connection.terminate()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
