"""Channels between the nodes over Redis or Valkey: bytes in, bytes out, at most once. The only place that speaks Redis.

A breaker with one rule: the link is up while we hear our own heartbeat, which goes out on the one connection and comes
back on the other. When it is not heard, both are dropped, `linked(up=False)` is said at once, and we come back with
growing, jittered pauses. Nothing waits for Redis: `publish` queues or refuses. What when the queue is full? `publish` says
False, the message is not sent, and the caller sees to it that the others read the log. What when we read too slowly?
Redis hangs up on us, and we come back as after any loss. Called by collab/bus/relay.py.
"""

import asyncio
import itertools
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

QUEUE_BYTES: Final = 8 * 1024 * 1024
QUEUE: Final = 20_000
AT_ONCE: Final = 500  # messages in one write
FAIR: Final = 16  # messages heard in one go
BEAT_S: Final = 1.0
SILENT_S: Final = 3.0  # longer without our own heartbeat, and Redis is as good as away
CONNECT_S: Final = 2.0
ANSWER_S: Final = 0.5
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command, and who waits for its answer."""

    command: tuple[bytes, ...]
    answer: "asyncio.Future[Any] | None" = None

    @property
    def size(self) -> int:
        return len(self.command[-1])


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
        self._queue: deque[_Asked] = deque()
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
        self._ask(_Asked((b"PUBLISH", PREFIX + channel.encode(), payload)))
        return True

    def keep(self, key: str, name: str, value: bytes | None, seconds: int) -> None:
        """One entry of a table that everybody reads, and forgets when nobody has kept anything in it for so long.

        None takes it away. Like everything here it may be lost: whoever keeps something says so again.
        """
        if self.up and len(self._queue) < QUEUE:
            full, field = PREFIX + key.encode(), name.encode()
            self._ask(_Asked((b"HDEL", full, field) if value is None else (b"HSET", full, field, value)))
            self._ask(_Asked((b"EXPIRE", full, b"%d" % seconds)))

    async def kept(self, key: str) -> dict[str, bytes]:
        """The whole table; empty when Redis does not answer at once."""
        if not self.up or len(self._queue) >= QUEUE:
            return {}
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._ask(_Asked((b"HGETALL", PREFIX + key.encode()), answer))
        try:
            async with asyncio.timeout(ANSWER_S):
                listed = await answer
        except TimeoutError:
            return {}
        pairs = listed if isinstance(listed, list) else []
        return {name.decode(): value for name, value in zip(pairs[::2], pairs[1::2], strict=False)}

    def _ask(self, asked: _Asked) -> None:
        self._queue.append(asked)
        self._bytes += asked.size
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
            self._ask(_Asked((b"PUBLISH", self._own, b"")))
            await asyncio.sleep(BEAT_S)
            if time.monotonic() - self._beat_heard > SILENT_S:
                raise _SilentError("our own heartbeat does not come back")

    async def _listen(self, ear: AbstractConnection) -> None:
        for number in itertools.count():
            if number % FAIR == 0:
                await asyncio.sleep(0)  # what is buffered is read without waiting: others want their turn
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
                turns = [self._turns.popleft() for _ in range(min(AT_ONCE, len(self._turns)))]
                if turns:
                    await _send(ear, turns)
                asked = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
                if asked:
                    self._bytes -= sum(one.size for one in asked)
                    await _send(mouth, [one.command for one in asked])
                    for one in asked:
                        _answer(one, await _answered(mouth))


async def _answered(mouth: AbstractConnection) -> Any:
    """The next answer; None for one that says no (a full server, say), which is nobody's fault here."""
    try:
        return await mouth.read_response(timeout=SILENT_S)
    except ResponseError as error:
        _log.warning("bus.refused", reason=str(error))
        return None


def _answer(asked: _Asked, answer: Any) -> None:
    if asked.answer is not None and not asked.answer.done():
        asked.answer.set_result(answer)


def _transport(connection: AbstractConnection) -> asyncio.WriteTransport:
    writer = connection._writer  # noqa: SLF001 -- no public way
    assert writer is not None
    return writer.transport


async def _send(connection: AbstractConnection, commands: Iterable[tuple[bytes, ...]]) -> None:
    if not connection.is_connected:
        raise ConnectionError("lost")  # the library would connect again by itself
    packed = b"".join(part for command in commands for part in connection.pack_command(*command))
    await connection.send_packed_command(packed, check_health=False)
