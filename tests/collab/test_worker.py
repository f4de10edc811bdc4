"""The worker: folds what is due, versions what a dead room left, clears up; no diagram's trouble is another's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from collab import worker
from collab.bpmn.records import Change
from collab.workshop import Workshop
from storage import diagrams, folds, history
from storage.audit.verify import verify
from storage.database import Database
from storage.folds import Dirty
from storage.updates import LoadError, UnknownDiagramError, UpdateLog
from tests.collab.test_save import live_edit
from tests.conftest import Urls
from tests.people import diagram_of, somebody

pytestmark = pytest.mark.timeout(90)
HOLDER = "test"


@pytest.fixture
async def hand(urls: Urls) -> AsyncIterator[tuple[Database, UpdateLog]]:
    """The worker's own login."""
    async with Database.open(urls.worker) as db, UpdateLog.open(urls.worker) as log:
        yield db, log


async def aged(urls: Urls, statement: str) -> None:
    """Moves times into the past, as the owner of the tables with row-level security out of the way."""
    table = statement.split()[1]
    owner = await asyncpg.connect(urls.owner)
    await owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    await owner.execute(statement)
    await owner.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    await owner.close()


async def old_log(urls: Urls) -> None:
    await aged(urls, "UPDATE colane.updates SET at = at - interval '5 minutes'")


def test_due_is_quiet_or_overdue() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def dirty(first: float, last: float) -> Dirty:
        return Dirty(uuid4(), uuid4(), 2, 1, now - timedelta(seconds=first), now - timedelta(seconds=last))

    assert not worker.due(dirty(9, 1), now)
    assert worker.due(dirty(11, 10), now)
    assert worker.due(dirty(60, 0), now)
    assert not worker.due(dirty(59, 0), now)


async def test_a_round_folds_what_is_due_and_nothing_else(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    owner = await somebody(db)
    old = await diagram_of(db, shop, owner)
    await old_log(urls)
    young = await diagram_of(db, shop, owner)
    await worker.round_of(*hand, shop, HOLDER)
    assert (await log.load(owner.org_id, old)).tail == []
    assert len((await log.load(owner.org_id, young)).tail) == 1
    async with hand[0].transaction() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM colane.leases"))).scalar_one() == 0


async def test_folds_are_counted_and_the_oldest_that_waits_is_known(
    db: Database, shop: Workshop, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    def now(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    folded = now("colane_folds_total", result="ok")
    await diagram_of(db, shop, await somebody(db))
    await old_log(urls)
    await worker.round_of(*hand, shop, HOLDER)
    assert now("colane_folds_total", result="ok") == folded + 1
    assert 300 <= now("colane_log_unfolded_seconds") < 400
    await worker.round_of(*hand, shop, HOLDER)
    assert now("colane_log_unfolded_seconds") == 0


async def test_a_deleted_diagram_is_folded_too_and_comes_back_whole(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    await diagrams.delete(db, owner.grant(diagram))
    await old_log(urls)
    await worker.round_of(*hand, shop, HOLDER)
    async with hand[0].transaction() as conn:
        assert await folds.dirty(conn) == []
    with pytest.raises(UnknownDiagramError):
        await log.load(owner.org_id, diagram)
    await diagrams.undelete(db, owner.grant(diagram))
    stored = await log.load(owner.org_id, diagram)
    assert (stored.seq, stored.tail) == (2, [])


async def test_a_diagram_that_cannot_be_folded_keeps_nobody_waiting(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    owner = await somebody(db)
    broken = await diagram_of(db, shop, owner)
    await live_edit(log, owner, broken, Change("Task_2", "@name", "live"))
    fine = await diagram_of(db, shop, owner)
    await old_log(urls)
    await aged(urls, f"UPDATE colane.updates SET seq = 7 WHERE seq = 2 AND diagram_id = '{broken}'")
    await worker.round_of(*hand, shop, HOLDER)
    assert (await log.load(owner.org_id, fine)).tail == []
    with pytest.raises(LoadError):
        await log.load(owner.org_id, broken)
    async with hand[0].transaction() as conn:
        assert await folds.dirty(conn) == [], "left alone until its lease ends"
    await aged(urls, "UPDATE colane.leases SET until = now()")
    async with hand[0].transaction() as conn:
        assert [one.diagram_id for one in await folds.dirty(conn)] == [broken]


async def test_one_worker_at_a_time(hand: tuple[Database, UpdateLog]) -> None:
    db, _ = hand
    async with db.transaction() as conn:
        assert await folds.claim(conn, "x", "a", 60)
        assert not await folds.claim(conn, "x", "b", 60)
        assert await folds.claim(conn, "x", "a", 0)
    await asyncio.sleep(0.01)
    async with db.transaction() as conn:
        assert await folds.claim(conn, "x", "b", 60)
        await folds.release(conn, "x", "a")
        assert not await folds.claim(conn, "x", "a", 60)


async def test_edits_of_a_room_that_died_become_a_version(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    """The version that the last session's leaving makes is lost with a killed server; the sweep makes it."""
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    untouched = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    await old_log(urls)
    await worker.round_of(*hand, shop, HOLDER)
    assert await history.head(db, owner.grant(diagram)) == 1, "not before ten minutes"
    await aged(urls, "UPDATE colane.versions SET created_at = created_at - interval '11 minutes'")
    await worker.sweep(*hand, shop)
    await worker.sweep(*hand, shop)
    assert await history.head(db, owner.grant(untouched)) == 1
    (version, _) = await history.page(db, owner.grant(diagram), before=None, limit=5)
    assert (version.version, version.kind, [a.id for a in version.authors]) == (2, "auto", [owner.user_id])


async def test_the_sweep_purges_in_its_time_and_says_so(
    db: Database, shop: Workshop, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    owner = await somebody(db)
    gone, deleted = await diagram_of(db, shop, owner), await diagram_of(db, shop, owner)
    for one in (gone, deleted):
        await diagrams.delete(db, owner.grant(one))
    await aged(urls, f"UPDATE colane.diagrams SET purge_at = now() WHERE id = '{gone}'")
    await worker.sweep(*hand, shop)
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        rows = await conn.execute(text("SELECT id FROM colane.diagrams"))
        assert [row.id for row in rows] == [deleted]
        for table in ("updates", "versions", "diagram_heads"):
            left = await conn.execute(text(f"SELECT DISTINCT diagram_id FROM colane.{table}"))
            assert [row.diagram_id for row in left] == [deleted], table
        line = (await conn.execute(text("SELECT action, diagram_id FROM colane.audit ORDER BY seq DESC LIMIT 1"))).one()
        assert tuple(line) == ("diagram.purge", gone)
        assert (await verify(conn, owner.org_id, {})).broken is None


async def test_texts_of_evicted_versions_are_forgotten_after_30_days(
    db: Database, shop: Workshop, urls: Urls, hand: tuple[Database, UpdateLog]
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)

    async def has_text() -> bool:
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            found = await conn.execute(text("SELECT xml IS NOT NULL FROM colane.versions"))
            return bool(found.scalar_one())

    for days, kept in ((29, True), (31, False)):
        await aged(urls, f"UPDATE colane.versions SET evicted_at = now() - interval '{days} days'")
        await worker.sweep(*hand, shop)
        assert await has_text() is kept, (diagram, days)


async def test_a_worker_that_is_told_to_stop_stops_also_when_the_database_went_first(
    db: Database, shop: Workshop, urls: Urls, hand: tuple[Database, UpdateLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen once in life: the clearing up after a cancellation failed, hid it, and the worker ran on alone for ever."""

    async def stuck(*_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ConnectionResetError("the database went with the server")

    monkeypatch.setattr(worker, "round_of", stuck)
    running = asyncio.get_running_loop().create_task(worker.run(*hand, shop))
    await asyncio.sleep(0.05)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=5)
    assert done
    assert running.cancelled()
