"""Saves, checkpoints and restores at once, and over live edits that do not stop: one wins, nothing is lost or skipped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import text

from collab import checkpoint, save
from collab.bpmn.diagram import blank
from collab.bpmn.records import Change
from collab.workshop import Workshop
from storage import history
from storage.audit.verify import verify
from storage.database import Database
from storage.updates import UpdateLog
from tests.collab.test_save import live_edit, renamed
from tests.people import Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def busy(log: UpdateLog, owner: Owner, diagram: UUID) -> AsyncIterator[None]:
    """Somebody who edits without a pause for the length of the block, and has begun."""
    begun = asyncio.Event()

    async def edit() -> None:
        for number in range(10_000):
            await live_edit(log, owner, diagram, Change("Task_2", "@name", f"live {number}"))
            begun.set()
            await asyncio.sleep(0.002)

    task = asyncio.get_running_loop().create_task(edit())
    try:
        await begun.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def numbers(db: Database, owner: Owner, diagram: UUID) -> list[int]:
    return sorted(one.version for one in await history.page(db, owner.grant(diagram), before=None, limit=200))


async def test_of_200_saves_on_one_base_exactly_one_wins(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner, blank("Test"))
    grant = owner.grant(diagram)

    async def attempt(number: int) -> int | None:
        try:
            return (await save.save(db, log, shop, grant=grant, xml=blank(f"{number}"), base=1)).version
        except save.VersionConflict as conflict:
            assert conflict.current_version == 2
            return None

    results = await asyncio.gather(*(attempt(n) for n in range(200)))
    assert [r for r in results if r is not None] == [2]
    assert await numbers(db, owner, diagram) == [1, 2]
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        assert (await verify(conn, owner.org_id, {})).broken is None


async def test_many_checkpoints_of_one_state_make_one_version(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    made = await asyncio.gather(*(checkpoint.checkpoint(db, log, shop, grant=owner.grant(diagram)) for _ in range(12)))
    assert {one.version for one in made} == {2}
    assert sum(one.created for one in made) == 1


async def test_many_saves_over_a_live_edit_all_hear_of_it(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))

    async def attempt(number: int) -> int:
        with pytest.raises(save.VersionConflict) as raised:
            await save.save(db, log, shop, grant=owner.grant(diagram), xml=renamed(b"%d" % number), base=1)
        return raised.value.current_version

    assert set(await asyncio.gather(*(attempt(n) for n in range(12)))) == {2}


async def test_a_save_in_a_busy_room_is_answered_and_makes_one_version_at_most(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    async with busy(log, owner, diagram):
        async with asyncio.timeout(20):
            with pytest.raises(save.VersionConflict):
                await save.save(db, log, shop, grant=owner.grant(diagram), xml=renamed(b"Mine"), base=1)
    assert await numbers(db, owner, diagram) == [1, 2]


async def test_many_saves_in_a_busy_room_do_not_wait_for_each_other_s_connections(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    """Whoever holds the head must not need a connection that those who wait for the head have taken."""
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)

    async def attempt() -> None:
        await checkpoint.checkpoint(db, log, shop, grant=owner.grant(diagram))

    async with busy(log, owner, diagram), asyncio.timeout(60):
        await asyncio.gather(*(attempt() for _ in range(40)))


async def test_a_save_on_the_live_state_keeps_its_authors_as_a_version_of_their_own(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    seq = await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    live = await save.live(db, log, shop, grant)
    assert (live.version, live.seq) == (1, seq)
    mine = live.xml.replace(b'name="Do"', b'name="On top"')
    saved = await save.save(db, log, shop, grant=grant, xml=mine, base=1, base_seq=seq)
    assert saved.version == 3
    kept = await history.xml(db, grant, 2)
    assert kept == live.xml
    with pytest.raises(save.VersionConflict):
        await save.save(db, log, shop, grant=grant, xml=mine.replace(b"On top", b"Else"), base=1, base_seq=seq)


async def test_a_restore_in_a_busy_room_overwrites_nothing_that_is_no_version(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    async with busy(log, owner, diagram), asyncio.timeout(20):
        restored = await save.restore(db, log, shop, grant=grant, version=1)
    async with db.transaction(user=owner.user_id, org=owner.org_id, read_only=True) as conn:
        rows = await conn.execute(text("SELECT version, seq, kind FROM colane.versions ORDER BY version"))
        seqs = {row.version: (row.seq, row.kind) for row in rows}
    assert seqs[restored.version][1] == "restore"
    assert seqs[restored.version][0] == seqs[restored.version - 1][0] + 1, "the version before holds all that was there"
    assert sorted(seqs) == list(range(1, len(seqs) + 1))
