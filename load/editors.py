"""Editors for the benchmarks: y-websocket clients that write genuine edits at a steady rate and time each until it is saved.

`crowd` runs in a process of its own (multiprocessing, spawn) and gives back plain figures. An edit is saved when the
server has sent the editor's own structs back. Nobody waits for an answer before the next edit: the rate is kept.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pycrdt import (
    Doc,
    YMessageType,
    YSyncMessageType,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from load.pen import Pen, clocks

LAST_ANSWERS_S = 10.0


@dataclass
class Written:
    """What a crowd did: edits sent, seconds from sending to saved, edits never answered, connections lost."""

    sent: int = 0
    saved: list[float] = field(default_factory=list)
    unanswered: int = 0
    lost: list[str] = field(default_factory=list)
    sizes: dict[str, list[int]] = field(default_factory=dict)


class Editor:
    """One client of one diagram."""

    def __init__(self, socket: ClientConnection, tasks: int, written: Written) -> None:
        self.socket, self.written = socket, written
        self.doc: Doc[Any] = Doc()
        self.confirmed: Doc[Any] = Doc()
        self.pen = Pen(self.doc, tasks, random.Random())
        self.joined = asyncio.Event()
        self.settled = asyncio.Event()  # everything sent so far is saved
        self.waiting: deque[tuple[int, float]] = deque()  # own clock after an edit, and when it was sent

    async def listen(self) -> None:
        """Applies what comes, until the connection ends."""
        try:
            async for message in self.socket:
                assert isinstance(message, bytes)
                if message[0] == YMessageType.SYNC:
                    await self._sync(message)
        except ConnectionClosed:
            pass
        if self.socket.close_code not in (1000, 1005):
            self.written.lost.append(str(self.socket.close_code))

    async def _sync(self, message: bytes) -> None:
        reply = handle_sync_message(message[1:], self.doc)
        if reply is not None:
            await self.socket.send(reply)
            return
        self.confirmed.apply_update(read_message(message[2:]))
        if message[1] == YSyncMessageType.SYNC_STEP2:
            self.joined.set()
        now, mine = time.perf_counter(), self._clock(self.confirmed)
        while self.waiting and self.waiting[0][0] <= mine:
            self.written.saved.append(now - self.waiting.popleft()[1])
        if not self.waiting:
            self.settled.set()

    def _clock(self, doc: Doc[Any]) -> int:
        return clocks(doc.get_state()).get(self.doc.client_id, 0)

    async def edit(self) -> None:
        """One genuine edit, sent at once."""
        kind, update = self.pen.any_edit()
        self.written.sizes.setdefault(kind, []).append(len(update))
        self.waiting.append((self._clock(self.doc), time.perf_counter()))
        self.written.sent += 1
        self.settled.clear()
        await self.socket.send(create_update_message(update))

    async def write(self, rate: float, seconds: float) -> None:
        """Edits at a steady rate."""
        loop = asyncio.get_running_loop()
        began = loop.time() + random.random() / rate
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            await self.edit()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_S):
                await self.settled.wait()
        self.written.unanswered += len(self.waiting)


def crowd(
    ws: str, token: str, diagrams: Sequence[str], tasks: int, editors: int, rate: float, seconds: float
) -> Written:
    """So many editors in each diagram, each writing `rate` edits a second."""
    return asyncio.run(_crowd(ws, token, diagrams, tasks, editors, rate, seconds))


async def _crowd(
    ws: str, token: str, diagrams: Sequence[str], tasks: int, editors: int, rate: float, seconds: float
) -> Written:
    written = Written()

    async def one(diagram: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            connect(f"{ws}/{diagram}", additional_headers=headers, max_size=None) as socket,
            asyncio.TaskGroup() as group,
        ):
            editor = Editor(socket, tasks, written)
            await socket.send(create_sync_message(editor.doc))
            listening = group.create_task(editor.listen())
            async with asyncio.timeout(15):
                await editor.joined.wait()
            try:
                await editor.write(rate, seconds)
            except ConnectionClosed:
                written.unanswered += len(editor.waiting)
            listening.cancel()

    async with asyncio.TaskGroup() as everybody:
        for diagram in diagrams:
            for _ in range(editors):
                everybody.create_task(one(diagram))
    return written
