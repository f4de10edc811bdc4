"""Processes for bench work, so that parsing and exporting never hold up the event loop.

Functions and arguments must be picklable: the bench works on bytes. A process does one job at a time; one that dies or
takes too long is replaced alone, and whoever waited for it hears a typed error. Waiting for a free process has a limit of
its own: a crowd is refused, not killed. Errors of the bench travel back as they are. A child ends with its parent.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any, Final, ParamSpec, Self, TypeVar

import structlog

P = ParamSpec("P")
T = TypeVar("T")

JOB_S: Final = 30.0  # one job, once it runs
PATIENCE_S: Final = 20.0  # waiting for a free process
WAITING: Final = 256  # jobs that may wait; one more is refused rather than kept for ever
_PR_SET_PDEATHSIG: Final = 1
_log = structlog.get_logger()


class WorkshopError(Exception):
    """The work was not done: too long, too much, or the process died. Trying again may help."""


def _begin() -> None:
    """In the child: ends with its parent, leaves Ctrl-C to it, and has the bench imported before the first job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = parent_process()
        if parent is not None and os.getppid() != parent.pid:
            os._exit(1)  # it ended while we were starting
    # A session of its own and a lower rank: where processors are scarce (shared by session on many a Linux, by rank
    # elsewhere), everybody's edits and the health checks must not queue behind one large import.
    os.setsid()
    os.nice(5)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from collab.bpmn import diagram, schema  # noqa: PLC0415 -- the parent need not load lxml

    with contextlib.suppress(Exception):
        schema.problems(diagram.blank("warm"))
    collect_seldom()


def collect_seldom() -> None:
    """A job builds a tree of up to a million objects and drops it whole: looking through it for cycles again and again
    took a third of the time of a large import."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Process:
    """One process of the workshop, and its successor when it dies. Started by its first job."""

    def __init__(self) -> None:
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a child of a process with an event loop and open sockets would keep them open.
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)

    def warm(self) -> None:
        """Starts it, so that the first job need not wait for that."""
        self._pool.submit(os.getpid)

    async def run(self, job: Callable[[], T]) -> T:
        """Does one job. Raises what it raises, and WorkshopError."""
        try:
            try:
                running = self._pool.submit(job)
            except BrokenExecutor:  # it died while it had nothing to do
                self._replace()
                running = self._pool.submit(job)
            async with asyncio.timeout(JOB_S):
                return await asyncio.wrap_future(running)
        except (TimeoutError, BrokenExecutor) as error:
            self._replace()
            raise WorkshopError(f"the work was not done: {type(error).__name__}") from error

    def _replace(self) -> None:
        _log.warning("workshop.replaced")
        self.end()
        self._pool = self._new()

    def end(self) -> None:
        """Ends it at once, also in the middle of a job."""
        processes = list((self._pool._processes or {}).values())  # noqa: SLF001 -- no public way to end a stuck job
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()


class Workshop:
    """Gives each job to a free process."""

    def __init__(self, processes: list[Process], work: asyncio.TaskGroup) -> None:
        self._free: asyncio.Queue[Process] = asyncio.Queue()
        for process in processes:
            self._free.put_nowait(process)
        self._work = work
        self._serving: set[asyncio.Task[None]] = set()
        self._waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, processes: int = 1) -> AsyncIterator[Self]:
        """Processes for the length of a `with` block; the first is warmed up at once."""
        everyone = [Process() for _ in range(processes)]
        everyone[0].warm()
        try:
            async with cls.of(everyone) as shop:
                yield shop
        finally:
            for process in everyone:
                process.end()

    @classmethod
    @asynccontextmanager
    async def of(cls, processes: list[Process]) -> AsyncIterator[Self]:
        """A workshop with processes that somebody else ends."""
        async with asyncio.TaskGroup() as work:
            shop = cls(processes, work)
            try:
                yield shop
            finally:
                for task in shop._serving:
                    task.cancel()

    async def do(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a function run in another process. Raises what it raises, and WorkshopError."""
        if self._waiting >= WAITING:
            raise WorkshopError("too much work is waiting")
        self._waiting += 1
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A task of its own: whoever asks may be cancelled, and the process is busy until the job ends all the same.
        task = self._work.create_task(self._serve(partial(function, *args, **kwargs), answer))
        self._serving.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._serving.discard(task)
            _fail(answer, WorkshopError("the workshop is closing"))

        task.add_done_callback(ended)
        return await answer

    async def _serve(self, job: Callable[[], Any], answer: "asyncio.Future[Any]") -> None:
        try:
            result = await self._done(job, answer)
        except Exception as error:  # noqa: BLE001 -- it belongs to whoever asked
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(result)

    async def _done(self, job: Callable[[], Any], answer: "asyncio.Future[Any]") -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                process = await self._free.get()
        except TimeoutError as error:
            raise WorkshopError("no process was free in time") from error
        finally:
            self._waiting -= 1
        try:
            return None if answer.done() else await process.run(job)
        finally:
            self._free.put_nowait(process)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
