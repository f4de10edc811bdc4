"""Channels between the nodes over Redis or Valkey: bytes in, bytes out, at most once. The only place that speaks Redis.

A breaker with one rule: the link is up while we hear our own heartbeat, which goes out on the one connection and comes
back on the other. When it is not heard, both are dropped, `linked(up=False)` is said at once, and we come back with
growing, jittered pauses. Nothing waits for Redis: `publish` queues or refuses. What when the queue is full? `publish` says
False, the message is not sent, and the caller sees to it that the others read the log. What when we read too slowly?
Redis hangs up on us, and we come back as after any loss. Called by collab/bus/relay.py.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol, Self

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

QUEUE_BYTES: Final = 8 * 1024 * 1024
QUEUE: Final = 20_000
AT_ONCE: Final = 500  # messages in one write
BEAT_S: Final = 1.0
SILENT_S: Final = 3.0  # longer without our own heartbeat, and Redis is as good as away
CONNECT_S: Final = 2.0
PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
PREFIX: Final = b"colane:"
_log = structlog.get_logger()


class Ears(Protocol):
    """Who hears what happens; called from the loop, must not raise."""

    def linked(self, *, up: bool) -> None:
        """Redis is reached, or not any more."""

    def subscribed(self, channel: str) -> None:
        """From now on, until the link is lost, messages of this channel are heard."""

    def heard(self, channel: str, payload: bytes) -> None:
        """A message: of anybody, ourselves included."""


class _SilentError(Exception):
    """Our own heartbeat does not come back."""


class Channels:
    """Subscriptions and publications of one node; both outlive any loss of the link."""

    def __init__(self, url: str, node: int, ears: Ears) -> None:
        # No timeout of the library's on writes: its way of waiting can swallow a cancellation. The heartbeat sees to that.
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=CONNECT_S, retry=Retry(NoBackoff(), 0),
            health_check_interval=0, protocol=2,
        )  # fmt: skip
        self._own = PREFIX + b"node:%d" % node
        self._ears = ears
        self._wanted: set[bytes] = set()
        self._turns: deque[tuple[bytes, bytes]] = deque()  # SUBSCRIBE or UNSUBSCRIBE, and the channel
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._bytes = 0
        self._more = asyncio.Event()
        self._beat_heard = 0.0
        self.up = False

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, node: int, ears: Ears) -> AsyncIterator[Self]:
        """Works until the `with` block ends; not being able to connect is no error."""
        channels = cls(url, node, ears)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(channels._run())
            try:
                yield channels
            finally:
                running.cancel()

    def subscribe(self, channel: str) -> None:
        """Hear this channel; `subscribed` says from when on."""
        name = PREFIX + channel.encode()
        self._wanted.add(name)
        if self.up:
            self._turns.append((b"SUBSCRIBE", name))
            self._more.set()

    def unsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        name = PREFIX + channel.encode()
        self._wanted.discard(name)
        if self.up:
            self._turns.append((b"UNSUBSCRIBE", name))
            self._more.set()

    def publish(self, channel: str, payload: bytes) -> bool:
        """Sends soon; False when the link is down or too much waits already."""
        if not self.up or self._bytes + len(payload) > QUEUE_BYTES or len(self._queue) >= QUEUE:
            return False
        self._send(PREFIX + channel.encode(), payload)
        return True

    def _send(self, name: bytes, payload: bytes) -> None:
        self._queue.append((name, payload))
        self._bytes += len(payload)
        self._more.set()

    # -- the link ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            reason = await self._until_lost()
            if self.up:
                self.up, failures = False, 0
                self._ears.linked(up=False)
                _log.warning("bus.lost", reason=reason)
            elif failures == 0:
                _log.warning("bus.unreachable", reason=reason)
            self._queue.clear()
            self._turns.clear()
            self._bytes = 0
            # Jitter: after Redis was away, all nodes would knock at once.
            await asyncio.sleep(PAUSE_S[min(failures, len(PAUSE_S) - 1)] * random.uniform(0.5, 1.0))  # noqa: S311
            failures += 1

    async def _until_lost(self) -> str:
        """Two connections and three tasks, until any of them fails; the reason in words."""
        ear: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        mouth: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        transports: list[asyncio.WriteTransport] = []
        reason = "ended"
        try:
            async with asyncio.timeout(CONNECT_S):
                for connection in (ear, mouth):
                    await connection.connect()  # type: ignore[no-untyped-call]
                    transports.append(_transport(connection))
            self._beat_heard = time.monotonic()
            self._turns.append((b"SUBSCRIBE", self._own))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(ear))
                group.create_task(self._write(ear, mouth))
                group.create_task(self._beat())
        except* (RedisError, OSError, TimeoutError, _SilentError) as errors:
            reason = str(errors.exceptions[0])[:200] or type(errors.exceptions[0]).__name__
        finally:
            # At once, with what was not sent: the library would wait for a reader that may never read.
            for transport in transports:
                transport.abort()
            for connection in (ear, mouth):
                with suppress(RedisError, OSError):
                    await connection.disconnect()
            await asyncio.sleep(0)
        return reason

    async def _beat(self) -> None:
        while True:
            self._send(self._own, b"")
            await asyncio.sleep(BEAT_S)
            if time.monotonic() - self._beat_heard > SILENT_S:
                raise _SilentError("our own heartbeat does not come back")

    async def _listen(self, ear: AbstractConnection) -> None:
        while True:
            answer: Any = await ear.read_response(timeout=math.inf)
            if not isinstance(answer, list) or len(answer) < 3:
                continue
            kind, name, body = answer[0], answer[1], answer[2]
            if kind == b"message":
                if name == self._own:
                    self._heard_myself()
                else:
                    self._ears.heard(name.removeprefix(PREFIX).decode(errors="replace"), body)
            elif kind == b"subscribe" and name in self._wanted:
                self._ears.subscribed(name.removeprefix(PREFIX).decode())

    def _heard_myself(self) -> None:
        self._beat_heard = time.monotonic()
        if not self.up:
            self.up = True
            self._ears.linked(up=True)
            self._turns.extend((b"SUBSCRIBE", name) for name in self._wanted)
            self._more.set()
            _log.info("bus.linked")

    async def _write(self, ear: AbstractConnection, mouth: AbstractConnection) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._turns or self._queue:
                turns = self._take(self._turns)
                if turns:
                    await _send(ear, turns)
                messages = self._take(self._queue)
                if messages:
                    self._bytes -= sum(len(payload) for _, payload in messages)
                    await _send(mouth, [(b"PUBLISH", name, payload) for name, payload in messages])
                    for _ in messages:
                        await mouth.read_response(timeout=SILENT_S)

    @staticmethod
    def _take(queue: deque[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return [queue.popleft() for _ in range(min(AT_ONCE, len(queue)))]


def _transport(connection: AbstractConnection) -> asyncio.WriteTransport:
    writer = connection._writer  # noqa: SLF001 -- no public way
    assert writer is not None
    return writer.transport


async def _send(connection: AbstractConnection, commands: Iterable[tuple[bytes, ...]]) -> None:
    if not connection.is_connected:
        raise ConnectionError("lost")  # the library would connect again by itself
    packed = b"".join(part for command in commands for part in connection.pack_command(*command))
    await connection.send_packed_command(packed, check_health=False)
