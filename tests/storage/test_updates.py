"""The log: numbers without gaps, whole or not at all, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import diagrams, updates
from storage.database import Database
from storage.embedded import Running
from storage.failures import is_unavailable
from storage.updates import Append, LoadError, Refused, UnknownDiagramError, UpdateLog
from tests.conftest import Urls
from tests.people import Owner, somebody


@pytest.fixture
async def log(urls: Urls) -> AsyncIterator[UpdateLog]:
    async with UpdateLog.open(urls.app) as opened:
        yield opened


async def empty_diagram(db: Database, owner: Owner) -> UUID:
    diagram: UUID = uuids.uuid7()
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        await diagrams.insert(conn, owner.org_id, diagram, owner.user_id, "Test", None, "org")
        await updates.begin(conn, owner.org_id, diagram, 1)
    return diagram


def one(owner: Owner, diagram: UUID, data: bytes, epoch: int = 1) -> Append:
    return Append(owner.org_id, diagram, epoch, data, owner.user_id)


async def test_R12_numbers_rise_without_gaps_whoever_appends(db: Database, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)

    async def append(number: int) -> int:
        while True:
            (result,) = await log.append([one(owner, diagram, b"%d" % number)])
            if result is not Refused.HELD:
                assert isinstance(result, int)
                return result
            await asyncio.sleep(0.001)

    numbers = await asyncio.gather(*(append(n) for n in range(40)))
    assert sorted(numbers) == list(range(1, 41))
    stored = await log.load(owner.org_id, diagram)
    assert [seq for seq, _ in stored.tail] == list(range(1, 41))


async def test_R8_a_connection_that_breaks_between_two_commits_is_replaced(
    db: Database, log: UpdateLog, postgres: Running
) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)
    assert await log.append([one(owner, diagram, b"1")]) == [1]
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'colane_app'")
    await asyncio.sleep(0.1)  # it is known to be gone before anybody asks it for anything
    results: list[int | Refused] = []
    for _ in range(3):
        try:
            results = results or await log.append([one(owner, diagram, b"2")])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            assert is_unavailable(error)
    assert results == [2]


async def test_a_batch_spans_organizations_and_keeps_its_order(db: Database, log: UpdateLog) -> None:
    ann, bob = await somebody(db, "Ann"), await somebody(db, "Bob")
    a, b = await empty_diagram(db, ann), await empty_diagram(db, bob)
    results = await log.append([one(ann, a, b"1"), one(bob, b, b"x"), one(ann, a, b"2"), one(bob, b, b"y")])
    assert results == [1, 1, 2, 2]
    assert [data for _, data in (await log.load(ann.org_id, a)).tail] == [b"1", b"2"]
    assert [data for _, data in (await log.load(bob.org_id, b)).tail] == [b"x", b"y"]


async def test_a_held_head_stalls_only_its_own_diagram(db: Database, log: UpdateLog) -> None:
    owner = await somebody(db)
    held, free = await empty_diagram(db, owner), await empty_diagram(db, owner)
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        await updates.head(conn, owner.org_id, held, lock=True)
        assert await log.append([one(owner, held, b"a"), one(owner, free, b"b")]) == [Refused.HELD, 1]
    assert await log.append([one(owner, held, b"a")]) == [1]


async def test_unknown_foreign_deleted_and_other_epochs_are_refused(db: Database, log: UpdateLog) -> None:
    ann, bob = await somebody(db, "Ann"), await somebody(db, "Bob")
    diagram = await empty_diagram(db, ann)
    foreign = Append(bob.org_id, diagram, 1, b"x", bob.user_id)
    assert await log.append([one(ann, uuid4(), b"x"), foreign, one(ann, diagram, b"x", epoch=2)]) == [
        Refused.GONE,
        Refused.GONE,
        Refused.EPOCH,
    ]
    await diagrams.delete(db, ann.grant(diagram))
    assert await log.append([one(ann, diagram, b"x")]) == [Refused.GONE]
    with pytest.raises(UnknownDiagramError):
        await log.load(ann.org_id, diagram)
    with pytest.raises(UnknownDiagramError):
        await log.load(bob.org_id, diagram)


async def test_a_failing_batch_leaves_nothing(db: Database, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)
    bad = Append(owner.org_id, diagram, 1, b"x", owner.user_id, client_id=1 << 70)
    with pytest.raises((OverflowError, asyncpg.DataError, ValueError)):
        await log.append([one(owner, diagram, b"good"), bad])
    assert (await log.load(owner.org_id, diagram)).seq == 0


async def test_R8_a_log_with_a_hole_makes_no_document(db: Database, log: UpdateLog, urls: Urls) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)
    await log.append([one(owner, diagram, b"%d" % n) for n in range(5)])
    async with Database.open(urls.worker) as worker, worker.transaction(org=owner.org_id) as conn:
        await conn.execute(text("DELETE FROM colane.updates WHERE seq = 3"))
    with pytest.raises(LoadError):
        await log.load(owner.org_id, diagram)
    with pytest.raises(LoadError):
        await log.tail(owner.org_id, diagram, 1)
    assert [n for n, _ in (await log.tail(owner.org_id, diagram, 3)).updates] == [4, 5]


async def test_a_cancelled_transaction_leaves_no_tenant_behind(db: Database) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)

    async def poison() -> None:
        async with db.transaction(user=owner.user_id, org=owner.org_id):
            await asyncio.sleep(10)

    for _ in range(12):
        task = asyncio.get_running_loop().create_task(poison())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for _ in range(12):
        async with db.transaction() as conn:
            found = await conn.execute(text("SELECT count(*) FROM colane.diagrams WHERE id = :id"), {"id": diagram})
            assert found.scalar_one() == 0


async def test_committed_synchronously_whatever_the_server_says(log: UpdateLog) -> None:
    assert "fsync" in await log.switched_off(), "the tests' server does not flush; production mode must notice"
    async with log._pool.acquire() as conn:
        assert await conn.fetchval("SHOW synchronous_commit") == "on"
