"""Every socket of this process: who may come in now, who is still welcome, and how all are sent away at the end.

What websockets' ServerConnection takes for its server. Two tasks run as long as the process: one says to quiet clients that
we live, one looks at rights again (R10). Made by the composition root; the sockets are collab/socket.py.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

import structlog
from websockets.asyncio.server import ServerConnection

from collab.door import Door
from collab.journal import Journal
from collab.rooms import Rooms
from collab.wire.close import Close
from storage.failures import is_unavailable
from storage.settings import Settings

if TYPE_CHECKING:
    from collab.socket import Socket

KEEPALIVE_S: Final = 20.0
EXPIRY_S: Final = 1.0
DRAIN_BATCH: Final = 50
DRAIN_S: Final = 4.0  # for all batches together
FLUSH_S: Final = 2.5  # for the journal, before and after
GOODBYE_S: Final = 1.0  # for clients to answer the close
ENTERING: Final = 16  # so many come in at once; fewer than the database has connections for
ENTER_PATIENCE_S: Final = 20.0
STATES: Final = 8  # large documents on their way to new readers; others wait for theirs
_log = structlog.get_logger()


class Hub:
    """What ServerConnection asks of its server, and every socket of this process."""

    def __init__(self, settings: Settings, door: Door, rooms: Rooms, journal: Journal) -> None:
        self.settings, self.door, self.rooms, self.journal = settings, door, rooms, journal
        self.handler_tasks: set[asyncio.Task[None]] = set()
        self.all_connections: set[ServerConnection] = set()
        self.logger = logging.getLogger("websockets.server")
        self.draining = False
        self.per_user: dict[UUID, int] = {}
        self._entering = asyncio.Semaphore(ENTERING)
        self.states = asyncio.Semaphore(STATES)

    def is_serving(self) -> bool:
        """ServerConnection refuses the handshake otherwise."""
        return not self.draining

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Whoever comes in waits for their turn: after a restart everybody comes at once, and again when refused.

        Raises TimeoutError when it takes too long.
        """
        async with asyncio.timeout(ENTER_PATIENCE_S):
            await self._entering.acquire()
        try:
            yield
        finally:
            self._entering.release()

    async def handler(self, connection: ServerConnection) -> None:
        """The life of one socket; started by the library when the TCP connection is made."""
        task = asyncio.current_task()
        try:
            await cast("Socket", connection).live()
        except Exception:  # noqa: BLE001 -- the outermost frame of a connection
            _log.exception("socket.failed")
            connection.transport.abort()
        finally:
            if task is not None:
                self.handler_tasks.discard(task)

    async def keep_alive(self) -> None:
        """Sends every quiet socket something in time, lets quiet rooms rest; endless, in the root's TaskGroup."""
        while True:
            await asyncio.sleep(KEEPALIVE_S / 4)
            now = time.monotonic()
            for socket in self.sockets:
                socket.keep_alive(now)
            self.rooms.rest()

    async def watch_rights(self) -> None:
        """R10: looks at everybody's rights again every minute, at once where a credential's time is over; endless.

        Not where keep_alive is: a database that hangs must not keep us from saying that we live. One that is away ends
        nobody's work; it is asked again.
        """
        while True:
            await asyncio.sleep(EXPIRY_S)
            try:
                for socket in self.sockets:
                    for seat in socket.expired:
                        await seat.recheck()
                await self.rooms.recheck_due()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the next round asks again
                _log.warning("socket.rights_unknown", error=str(error), exc_info=not is_unavailable(error))

    @property
    def sockets(self) -> list["Socket"]:
        """All that are open here."""
        return [cast("Socket", one) for one in self.all_connections]

    async def drain(self) -> bool:
        """R11: no new sockets, what was handed in is committed, then everybody is sent away in batches, not at once.

        False when something that was handed in could not be committed. Takes no longer than the times above together.
        """
        self.draining = True
        self.rooms.closing = True
        for socket in self.sockets:
            socket.tell("drain")
        await self.journal.drained(FLUSH_S)  # while people write there is always more; what counts is the end
        waiting = self.sockets
        _log.info("drain.flushed", sockets=len(waiting), trouble=self.journal.trouble)
        random.shuffle(waiting)
        pause = min(0.1, DRAIN_S / max(1, len(waiting) / DRAIN_BATCH))
        due = time.monotonic()
        for at in range(0, len(waiting), DRAIN_BATCH):
            for socket in waiting[at : at + DRAIN_BATCH]:
                socket.finish(Close.DRAINING)
            due += pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if self.handler_tasks:
            await asyncio.wait(self.handler_tasks, timeout=GOODBYE_S)
        for connection in list(self.all_connections):
            connection.transport.abort()
        clean = await self.journal.drained(FLUSH_S)
        _log.info("drain.ended", clean=clean)
        return clean
