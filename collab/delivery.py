"""Delivers the events of the outbox to their consumers: in the order of each aggregate, their effects exactly once.

A consumer first prepares outside any transaction, then takes effect in the one that marks the event as handled; killed in
between, the event is claimed again when its lease has ended. What fails is tried again after a while; what fails too often
is parked with its aggregate, and nobody else waits for it. Several workers share the work. Called by colane.py.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from collab import metrics, traces
from storage import outbox
from storage.database import Connection, Database
from storage.notices import Notices
from storage.outbox import START, Event, LostError

ROUND_S: Final = 1.0  # a look without being told
AT_ONCE: Final = 8  # aggregates; further events wait in the table
LEASE_S: Final = 60.0
PATIENCE_S: Final = 40.0  # for one event, well inside its lease
ATTEMPTS: Final = 8  # about two minutes; then a person is needed
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LOOK_S: Final = 5.0  # how often the depth of the outbox is measured

Effect = Callable[[Connection], Awaitable[None]]
Consumer = Callable[[Event], Awaitable[Effect | None]]  # None: the event is none of its business

_log = structlog.get_logger()
_tracer = trace.get_tracer("colane.outbox")
_random = secrets.SystemRandom()


class WorkerEndedError(Exception):
    """Workers ended again and again while they handled an event: it may be the reason."""

    def __init__(self) -> None:
        super().__init__("workers ended while they handled it")


def pause(attempts: int, chance: float) -> float:
    """Seconds until a failed event is tried again; `chance` between 0 and 1 keeps many from coming back at once."""
    longest = min(FIRST_PAUSE_S * 2.0 ** (attempts - 1), LONGEST_PAUSE_S)
    return longest * (0.5 + chance / 2)


class Delivery:
    """One worker's hand in the outbox."""

    def __init__(self, db: Database, consumers: Sequence[Consumer], *, lease_s: float = LEASE_S) -> None:
        self._db = db
        self._consumers = consumers
        self._lease_s = lease_s
        self._holder = str(uuid4())
        self._after = (uuid4(), uuid4())  # several workers begin at different places

    async def round(self) -> int:
        """Claims and handles the oldest event of some aggregates; how many were found. The next round goes on from there."""
        began_at = self._after
        async with self._db.transaction() as conn:
            events = await outbox.claim(conn, self._holder, lease_s=self._lease_s, limit=AT_ONCE, after=began_at)
        full = len(events) == AT_ONCE
        self._after = (events[-1].org_id, events[-1].aggregate_id) if full else START
        async with asyncio.TaskGroup() as group:
            for event in events:
                group.create_task(self._deliver(event))
        # Past the last aggregate the next round looks from the first one on, at once.
        return len(events) if events or began_at == START else await self.round()

    async def _deliver(self, event: Event) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=event.request_id, org=str(event.org_id), aggregate=str(event.aggregate_id)
        )
        with _tracer.start_as_current_span(
            f"{event.name} handle",
            context=traces.carried(event.traceparent) or Context(),
            kind=trace.SpanKind.CONSUMER,
            attributes={
                "event.id": str(event.id),
                "event.attempt": event.attempts,
                "request_id": event.request_id or "",
            },
        ) as span:
            structlog.contextvars.bind_contextvars(**traces.named(span))
            try:
                if event.attempts > ATTEMPTS:
                    raise WorkerEndedError
                async with asyncio.timeout(PATIENCE_S):
                    await self._handle(event)
            except LostError:
                metrics.OUTBOX_HANDLED.labels("lost").inc()
                _log.info("outbox.lost", name=event.name, id=str(event.id))
            except Exception as error:  # noqa: BLE001 -- one aggregate's trouble is not the others'
                span.record_exception(error)
                await self._failed(event, error)
            else:
                waited = (datetime.now(UTC) - event.occurred_at).total_seconds()
                metrics.OUTBOX_HANDLED.labels("ok").inc()
                metrics.OUTBOX_DELAY.observe(waited)
                _log.info("outbox.handled", name=event.name, id=str(event.id), seconds=round(waited, 3))

    async def _handle(self, event: Event) -> None:
        effects = [await consumer(event) for consumer in self._consumers]
        async with self._db.transaction(org=event.org_id) as conn:
            await outbox.mark(conn, event, self._holder)  # first: its row stays locked until the effects are there
            for effect in effects:
                if effect is not None:
                    await effect(conn)

    async def _failed(self, event: Event, error: Exception) -> None:
        parked = event.attempts >= ATTEMPTS
        result = "parked" if parked else "later"
        told = f"{type(error).__name__}: {error}"
        metrics.OUTBOX_HANDLED.labels(result).inc()
        _log.exception(f"outbox.{result}", name=event.name, id=str(event.id), attempts=event.attempts)
        try:
            async with self._db.transaction(org=event.org_id) as conn:
                if parked:
                    await outbox.park(conn, event, self._holder, told)
                else:
                    await outbox.later(conn, event, self._holder, pause(event.attempts, _random.random()), told)
        except Exception:  # noqa: BLE001 -- then its lease says when it is tried again
            _go_if_told()
            _log.exception("outbox.not_put_back", id=str(event.id))


async def run(db: Database, consumers: Sequence[Consumer], notices: Notices) -> None:
    """Rounds without end: at once while there is work, else when somebody says so, else every second."""
    delivery = Delivery(db, consumers)
    woken = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(notices, woken))
        group.create_task(_measure(db))
        while True:
            woken.clear()
            if not await _attempt(delivery):
                await _happens(woken, ROUND_S)


async def _listen(notices: Notices, woken: asyncio.Event) -> None:
    async for _ in notices:
        woken.set()


async def _attempt(delivery: Delivery) -> int:
    try:
        return await delivery.round()
    except Exception:  # noqa: BLE001 -- the next round tries again; leases end by themselves
        _go_if_told()
        _log.exception("outbox.round_failed")
        return 0


async def _measure(db: Database) -> None:
    while True:
        try:
            async with db.transaction(read_only=True) as conn:
                depth = await outbox.depth(conn)
        except Exception:  # noqa: BLE001 -- as above
            _go_if_told()
            _log.exception("outbox.not_measured")
        else:
            metrics.OUTBOX_WAITING.set(depth.waiting)
            metrics.OUTBOX_PARKED.set(depth.parked)
            metrics.OUTBOX_AGE.set(depth.age_s)
        await asyncio.sleep(LOOK_S)


def _go_if_told() -> None:
    """Tidying up after a cancellation can fail too (the database is gone with the server) and hide it."""
    running = asyncio.current_task()
    if running is not None and running.cancelling():
        raise asyncio.CancelledError from None


async def _happens(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
