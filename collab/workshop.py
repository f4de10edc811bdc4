"""A process pool for bench work, so that parsing and exporting never hold up the event loop or each other's health checks.

Functions and arguments must be picklable: the bench works on bytes. A child ends with its parent; one that dies or takes
too long is replaced, and whoever waited hears a typed error. Errors of the bench travel back as they are.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import Final, ParamSpec, Self, TypeVar

import structlog

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S: Final = 30.0
WAITING: Final = 256  # jobs that may wait; one more is refused rather than kept for ever
_PR_SET_PDEATHSIG: Final = 1
_log = structlog.get_logger()


class WorkshopError(Exception):
    """The work was not done: too long, too much, or the process died. Trying again may help."""


def _begin() -> None:
    """In the child: ends with its parent, leaves Ctrl-C to it, and has the bench imported before the first job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from collab.bpmn import diagram, schema  # noqa: PLC0415 -- the parent need not load lxml

    with contextlib.suppress(Exception):
        schema.problems(diagram.blank("warm"))


class Workshop:
    """Does one job after the other in each of its processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = self._new()
        self._waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, processes: int = 1) -> AsyncIterator[Self]:
        """Processes for the length of a `with` block; the first is warmed up at once."""
        shop = cls(processes)
        shop._pool.submit(os.getpid)
        try:
            yield shop
        finally:
            shop._pool.shutdown(wait=False, cancel_futures=True)
            shop._kill(shop._pool)

    def _new(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a child of a process with an event loop and open sockets would keep them open.
        return ProcessPoolExecutor(self._processes, mp_context=get_context("spawn"), initializer=_begin)

    def _kill(self, pool: ProcessPoolExecutor) -> None:
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 -- there is no public way to end a stuck job
            process.kill()

    async def do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a function run in another process. Raises what it raises, and WorkshopError."""
        if self._waiting >= WAITING:
            raise WorkshopError("too much work is waiting")
        self._waiting += 1
        pool = self._pool
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
        except (TimeoutError, BrokenExecutor) as error:
            self._replace(pool)
            raise WorkshopError(f"the work was not done: {type(error).__name__}") from error
        finally:
            self._waiting -= 1

    def _replace(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            _log.warning("workshop.replaced")
            self._pool = self._new()
            pool.shutdown(wait=False, cancel_futures=True)
            self._kill(pool)
