"""Stock y-websocket clients as they behave when a server goes away: they go on writing and come back, again and again.

Light enough for thousands in one process: frames of load/peers/frames.py over asyncio. The pauses are those of the npm
client: 0.1 s, doubled with each failure, at most 2.5 s, no jitter. What everybody met is kept in one `Told`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from pycrdt import (
    Doc,
    YMessageType,
    YSyncMessageType,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
)

from load.peers.frames import CLOSE, Door, YWebsocket, frame, walk
from load.pen import Pen, clocks

PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.5


@dataclass
class Told:
    """What clients met: when they tried, when they were let in, and in what words they were refused or sent away."""

    tried: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    joined: list[float] = field(default_factory=list)  # seconds from trying to having the document
    refused: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    saved: list[float] = field(
        default_factory=list
    )  # seconds from an edit to its acknowledgement, where nothing broke off

    def clear(self) -> None:
        """Counts from here."""
        for one in (self.tried, self.accepted, self.joined, self.saved):
            one.clear()
        self.refused.clear()
        self.closed.clear()


def peak(moments: Sequence[float], window: float) -> int:
    """The most of them within so many seconds."""
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] > window:
            first += 1
        most = max(most, last - first + 1)
    return most


class Returning(asyncio.Protocol):
    """One client of one diagram."""

    def __init__(self, port: int, token: str, diagram: str, told: Told, tasks: int) -> None:
        self.diagram, self.told = diagram, told
        self.doc: Doc[Any] = Doc()
        self.joined = False
        self._confirmed: Doc[Any] = Doc()  # what the server has sent
        self._pen = Pen(self.doc, tasks, random.Random())
        self._door = Door(port, f"/collab/{diagram}", YWebsocket(), f"Authorization: Bearer {token}\r\n")
        self._transport: asyncio.Transport | None = None
        self._leaving = asyncio.Event()
        self._opened = False
        self._data = b""
        self._since: list[tuple[int, float]] = []  # own clock after an edit, and when it was sent

    @property
    def clocks(self) -> dict[int, int]:
        """What it has of each Yjs client."""
        return clocks(self.doc.get_state())

    @property
    def written(self) -> int:
        """Its own clock: one for each edit."""
        return self.clocks.get(self.doc.client_id, 0)

    @property
    def acknowledged(self) -> int:
        """Its own clock, as far as the server has sent it back."""
        return clocks(self._confirmed.get_state()).get(self.doc.client_id, 0)

    # -- coming and going ----------------------------------------------------------------------------------------------

    async def stay(self) -> None:
        """Comes, and comes back, until it leaves."""
        loop, failures = asyncio.get_running_loop(), 0
        while not self._leaving.is_set():
            self._gone = loop.create_future()
            self._opened, self._data = False, b""
            self._tried = perf_counter()
            self.told.tried.append(self._tried)
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self._door.port)
            except OSError as error:
                self.told.refused[type(error).__name__] += 1
            else:
                await self._gone
            self.joined = False
            self._since.clear()
            failures = 0 if self._opened else failures + 1
            pause = min(PAUSE_S * 2**failures, LONGEST_PAUSE_S)
            try:
                async with asyncio.timeout(pause):
                    await self._leaving.wait()
            except TimeoutError:
                continue

    def leave(self) -> None:
        """Goes for good."""
        self._leaving.set()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._door.request())

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)

    # -- what it says and hears ----------------------------------------------------------------------------------------

    async def write(self, rate: float) -> None:
        """Renames something at a steady rate, connected or not; endless."""
        loop = asyncio.get_running_loop()
        due = loop.time() + random.random() / rate
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += 1 / rate
            update = self._pen.rename()
            if self.joined:
                self._since.append((self.written, perf_counter()))
                self._send(create_update_message(update))

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame(message))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._opened and not self._upgraded():
            return
        frames, used, _ = walk(self._data)
        self._data = self._data[used:]
        for kind, payload in frames:
            if kind == CLOSE:
                self.told.closed[str(int.from_bytes(payload[:2]))] += 1
                assert self._transport is not None
                self._transport.write(frame(payload[:2], CLOSE))
                self._transport.close()
                return
            self._hear(payload)

    def _upgraded(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = self._data.split(b" ", 2)[1].decode()
        if status != "101":
            self.told.refused[status] += 1
            assert self._transport is not None
            self._transport.close()
            return False
        self._data = self._data[end + 4 :]
        self._opened = True
        self.told.accepted.append(perf_counter())
        self._send(create_sync_message(self.doc))
        return True

    def _hear(self, message: bytes) -> None:
        if message[0] != YMessageType.SYNC:
            return
        reply = handle_sync_message(message[1:], self.doc)
        if reply is not None:
            self._send(reply)
            return
        now = perf_counter()
        self._confirmed.apply_update(read_message(message[2:]))
        while self._since and self._since[0][0] <= self.acknowledged:
            self.told.saved.append(now - self._since.pop(0)[1])
        if message[1] == YSyncMessageType.SYNC_STEP2 and not self.joined:
            self.joined = True
            self.told.joined.append(now - self._tried)
