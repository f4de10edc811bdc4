"""Which versions stay: ten automatic ones, every named or pinned one, always the head; whatever happens at once."""

import asyncio
from uuid import UUID

from sqlalchemy import text

from storage import history, versions
from storage.database import Database
from storage.versions import NewVersion
from tests.people import Owner, somebody
from tests.storage.test_updates import empty_diagram


def new(owner: Owner, diagram: UUID, number: int) -> NewVersion:
    return NewVersion(
        owner.org_id, diagram, number, "manual", None, owner.user_id, [owner.user_id], 1, number, b"<a/>", bytes(32), {}, [],
        valid=True, element_count=1, thumbnail="<svg/>",
    )  # fmt: skip


async def diagram_with(db: Database, owner: Owner, count: int) -> UUID:
    diagram = await empty_diagram(db, owner)
    for number in range(1, count + 1):
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            await versions.insert(conn, new(owner, diagram, number))
    return diagram


async def kept(db: Database, owner: Owner, diagram: UUID) -> list[int]:
    return sorted(one.version for one in await history.page(db, owner.grant(diagram), before=None, limit=200))


async def test_the_eleventh_automatic_version_evicts_the_first(db: Database) -> None:
    owner = await somebody(db)
    assert await kept(db, owner, await diagram_with(db, owner, 10)) == list(range(1, 11))
    assert await kept(db, owner, await diagram_with(db, owner, 11)) == list(range(2, 12))


async def test_a_version_that_loses_its_name_counts_again(db: Database) -> None:
    owner = await somebody(db)
    diagram = await diagram_with(db, owner, 1)
    grant = owner.grant(diagram)
    await history.change(db, grant, 1, name=("first",), pinned=True)
    for number in range(2, 12):
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            await versions.insert(conn, new(owner, diagram, number))
    assert await kept(db, owner, diagram) == list(range(1, 12))
    await history.change(db, grant, 1, name=(None,), pinned=None)
    assert await kept(db, owner, diagram) == list(range(1, 12)), "still pinned"
    changed = await history.change(db, grant, 1, name=None, pinned=False)
    assert changed is not None
    assert changed.evicted_at is not None
    assert await kept(db, owner, diagram) == list(range(2, 12))
    assert await history.change(db, grant, 1, name=("again",), pinned=None) is None


async def test_a_version_named_while_it_is_evicted_is_either_kept_or_refused(db: Database) -> None:
    owner = await somebody(db)
    diagram = await diagram_with(db, owner, 10)
    grant = owner.grant(diagram)

    async with db.transaction(user=owner.user_id, org=owner.org_id) as naming:
        await naming.execute(text("UPDATE colane.versions SET name = 'kept' WHERE version = 1"))

        async def eleventh() -> None:
            async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
                await versions.insert(conn, new(owner, diagram, 11))

        evicting = asyncio.get_running_loop().create_task(eleventh())
        await asyncio.sleep(0.1)  # it waits for the row that is being named
    await evicting
    assert 1 in await kept(db, owner, diagram)
    found = await history.read(db, grant, 1)
    assert found is not None
    assert (found.name, found.evicted_at) == ("kept", None)


async def test_the_text_and_the_maker_of_a_version_cannot_be_changed(db: Database) -> None:
    owner = await somebody(db)
    await diagram_with(db, owner, 1)
    for change in ("xml = NULL", "sha256 = ''", "created_by = NULL", "version = 7", "authors = '{}'", "kind = 'ai'"):
        refused = False
        try:
            async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
                await conn.execute(text(f"UPDATE colane.versions SET {change}"))
        except Exception as error:
            refused = "permission denied" in str(error)
        assert refused, change
