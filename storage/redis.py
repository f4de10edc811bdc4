"""Questions to Redis or Valkey, with little patience: an answer at once, or `AwayError` and the caller's own way.

The breaker: closed while questions are answered in time; open from the first that is not, when every question is refused
without a wait; half-open while the loop that looks after the link, and no request, tries a connection and a PING. Pauses
grow until a link has held for a while. What when too much waits for answers? The question is refused. Used by
storage/limiter.py and storage/cache.py; storage/bus.py has links of its own, which may be slow.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

PATIENCE_S: Final = 0.1  # what a dead or slow Redis costs a request, at most once
CONNECT_S: Final = 2.0
STEADY_S: Final = 5.0
PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MOST_ASKED: Final = 1_000
MOST_BYTES: Final = 16 * 1024 * 1024
_log = structlog.get_logger()


class AwayError(Exception):
    """Redis does not answer, or not in time, or says no."""


def _silent(up: bool) -> None:  # noqa: FBT001 -- the shape of a listener
    """Nobody wants to know."""


class Redis:
    """One link, shared by all requests of this process; questions go out at once, answers come in their order."""

    def __init__(self, url: str, *, told: Callable[[bool], None] = _silent, patience_s: float = PATIENCE_S) -> None:
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=CONNECT_S, retry=Retry(NoBackoff(), 0),
            health_check_interval=0, protocol=2,
        )  # fmt: skip
        self._told, self._patience = told, patience_s
        self._link: AbstractConnection | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()
        self.up = False
        self.losses = 0  # how often the link was lost: what Redis knew may be gone since

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, told: Callable[[bool], None] = _silent, patience_s: float = PATIENCE_S
    ) -> AsyncIterator[Self]:
        """Works until the `with` block ends; not being able to connect is no error."""
        redis = cls(url, told=told, patience_s=patience_s)
        told(False)  # noqa: FBT003
        async with asyncio.TaskGroup() as group:
            running = group.create_task(redis._run())
            try:
                yield redis
            finally:
                running.cancel()

    async def ask(self, *command: bytes | str | int) -> Any:
        """The answer to one command. Raises AwayError, at the latest when patience is over."""
        link = self._link
        if not self.up or link is None or len(self._asked) >= MOST_ASKED:
            raise AwayError
        transport = _transport(link)
        if transport.get_write_buffer_size() > MOST_BYTES:
            raise AwayError
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        transport.write(b"".join(link.pack_command(*command)))
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                return answer.result()  # it was we who were busy: the answer lay there
            self._lost(link, "no answer in time")
            raise AwayError from None
        except ResponseError as error:
            _log.warning("redis.refused", reason=str(error)[:200])
            raise AwayError from None

    # -- the link ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            since = time.monotonic()
            reason = await self._until_lost()
            failures = 0 if time.monotonic() - since > STEADY_S else failures + 1
            if failures <= 1:
                _log.warning("redis.away", reason=reason)
            # Jitter: after Redis was away, all nodes would knock at once.
            await asyncio.sleep(PAUSE_S[min(failures, len(PAUSE_S) - 1)] * random.uniform(0.5, 1.0))  # noqa: S311

    async def _until_lost(self) -> str:
        """One connection: tried, used, lost; the reason in words."""
        link: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        reason = "the link ended"
        try:
            async with asyncio.timeout(CONNECT_S):
                await link.connect()  # type: ignore[no-untyped-call]
                _transport(link).write(b"".join(link.pack_command("PING")))
                await link.read_response(timeout=math.inf)
            self._link, self.up = link, True
            self._told(True)  # noqa: FBT003
            _log.info("redis.linked")
            await self._hear(link)
        except (RedisError, OSError, TimeoutError) as error:
            reason = str(error)[:200] or type(error).__name__
        finally:
            self._lost(link, reason)
            with suppress(RedisError, OSError):
                await link.disconnect(nowait=True)
        return reason

    async def _hear(self, link: AbstractConnection) -> None:
        while self._link is link:
            try:
                answer: Any = await link.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as error:
                answer = error
            if self._link is not link or not self._asked:
                return
            asked = self._asked.popleft()
            if asked.done():
                continue  # whoever asked was cancelled
            if isinstance(answer, ResponseError):
                asked.set_exception(answer)
            else:
                asked.set_result(answer)

    def _lost(self, link: AbstractConnection, reason: str) -> None:
        """From here on nobody waits: what was asked is refused, and the loop begins anew."""
        writer = link._writer  # noqa: SLF001 -- no public way
        if writer is not None:
            writer.transport.abort()
        if self._link is not link:
            return
        self._link, self.up = None, False
        self.losses += 1
        self._told(False)  # noqa: FBT003
        asked, self._asked = self._asked, deque()
        for one in asked:
            if not one.done():
                one.set_exception(AwayError(reason))
                one.exception()  # looked at: whoever asked may be gone


def _transport(link: AbstractConnection) -> asyncio.WriteTransport:
    writer = link._writer  # noqa: SLF001 -- no public way
    if writer is None:
        raise AwayError
    return writer.transport
