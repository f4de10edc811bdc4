"""Work that nobody waits for: folds, automatic versions, and the sweeping of what has expired.

One process beside the server; more of them share the work by leases. Every piece is tried again on the next round, so a
failure costs time and nothing else.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog

from collab import checkpoint, epochs, fold, metrics
from collab.checkpoint import Who
from collab.epochs import Outcome
from collab.workshop import Workshop
from storage import epochs as stored_epochs
from storage import folds, outbox
from storage.database import Database
from storage.folds import Dirty
from storage.updates import UpdateLog

ROUND_S: Final = 2.0
QUIET_S: Final = 10.0  # a diagram is folded when nobody wrote for this long,
OVERDUE_S: Final = 60.0  # or when the oldest unfolded update has waited this long
VERSION_MINUTES: Final = 10
SWEEP_S: Final = 300.0
LEASE_S: Final = 60.0  # and how long a diagram is left alone after a failure

_log = structlog.get_logger()


async def run(db: Database, log: UpdateLog, workshop: Workshop) -> None:
    """Rounds without end."""
    holder = str(uuid4())
    swept = float("-inf")
    while True:
        try:
            await round_of(db, log, workshop, holder)
            now = asyncio.get_running_loop().time()
            if now - swept > SWEEP_S:
                await sweep(db, log, workshop)
                swept = now
        except Exception:  # noqa: BLE001 -- the next round tries again
            # Tidying up after a cancellation can fail too (the database is gone with the server) and hide it.
            running = asyncio.current_task()
            if running is not None and running.cancelling():
                raise asyncio.CancelledError from None
            _log.exception("worker.round_failed")
        await asyncio.sleep(ROUND_S)


async def round_of(db: Database, log: UpdateLog, workshop: Workshop, holder: str) -> None:
    """Folds what is due. What fails keeps its lease: it is not tried again before that ends, and keeps nobody waiting."""
    async with db.transaction(read_only=True) as conn:
        waiting = await folds.dirty(conn)
    # Oldest first. What failed a moment ago is not among them, and comes back when its lease ends.
    metrics.UNFOLDED.set((datetime.now(UTC) - waiting[0].first_at).total_seconds() if waiting else 0)
    for one in waiting:
        if not due(one, datetime.now(UTC)):
            continue
        async with db.transaction() as conn:
            if not await folds.claim(conn, one.lease, holder, LEASE_S):
                continue
        try:
            await _look_after(db, log, workshop, one)
        except Exception:  # noqa: BLE001 -- one diagram's trouble is not the others'
            metrics.FOLDS.labels("failed").inc()
            _log.exception("worker.fold_failed", diagram=str(one.diagram_id))
            continue
        metrics.FOLDS.labels("ok").inc()
        async with db.transaction() as conn:
            await folds.release(conn, one.lease, holder)


def due(one: Dirty, now: datetime) -> bool:
    """Quiet for a while, or waiting for long."""
    return (now - one.last_at).total_seconds() >= QUIET_S or (now - one.first_at).total_seconds() >= OVERDUE_S


async def _look_after(db: Database, log: UpdateLog, workshop: Workshop, one: Dirty) -> None:
    async with db.transaction(org=one.org_id, read_only=True) as conn:
        behind = await folds.behind(conn, one.org_id, VERSION_MINUTES, one.diagram_id)
    if behind:
        await checkpoint.make(db, log, workshop, Who(one.org_id, one.diagram_id, None))
    await fold.fold(db, log, workshop, one.org_id, one.diagram_id)


async def sweep(db: Database, log: UpdateLog, workshop: Workshop) -> None:
    """What expired goes, organization by organization; and edits whose room ended without its version get one."""
    async with db.transaction() as conn:
        await folds.sweep(conn)
        everyone = await folds.organizations(conn)
    for org_id in everyone:
        async with db.transaction(org=org_id) as conn:
            await folds.forget(conn, org_id)
            await outbox.forget(conn, org_id)
            behind = await folds.behind(conn, org_id, VERSION_MINUTES)
        for diagram_id in behind:
            await _catch_up(db, log, workshop, org_id, diagram_id)
    await renew(db, log, workshop)


async def renew(db: Database, log: UpdateLog, workshop: Workshop) -> None:
    """Heavy documents that nobody had open for a day begin a new epoch."""
    async with db.transaction(read_only=True) as conn:
        quiet = await stored_epochs.idle(conn)
    for one in quiet:
        try:
            outcome = await epochs.renew(db, log, workshop, one.org_id, one.diagram_id)
            _log.info("worker.weighed", diagram=str(one.diagram_id), outcome=outcome.value)
            if outcome is not Outcome.LIGHT:
                continue
        except Exception:  # noqa: BLE001 -- as above
            _log.exception("worker.renew_failed", diagram=str(one.diagram_id))
        async with db.transaction(org=one.org_id) as conn:
            await stored_epochs.weighed(conn, one)


async def _catch_up(db: Database, log: UpdateLog, workshop: Workshop, org_id: UUID, diagram_id: UUID) -> None:
    try:
        await checkpoint.make(db, log, workshop, Who(org_id, diagram_id, None))
    except Exception:  # noqa: BLE001 -- as above
        _log.exception("worker.version_failed", diagram=str(diagram_id))
