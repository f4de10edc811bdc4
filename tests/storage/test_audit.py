"""The audit chain: every line holds the one before; a changed, missing or cut line is found."""

import asyncio

import asyncpg
import pytest

from storage import audit
from storage.database import Database
from tests.conftest import Urls
from tests.people import Owner, somebody


async def _lines(db: Database, owner: Owner, count: int) -> None:
    for number in range(count):
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            await audit.record(
                conn,
                org_id=owner.org_id,
                actor=owner.user_id,
                action="test",
                resource=f"thing:{number}",
                metadata={"n": number, "ü": 1.5},
            )


async def _verdict(db: Database, owner: Owner) -> int | None:
    async with db.transaction(user=owner.user_id, org=owner.org_id, read_only=False) as conn:
        return await audit.verify(conn, owner.org_id)


async def test_a_chain_written_at_once_by_many_is_whole(db: Database) -> None:
    owner = await somebody(db)
    await asyncio.gather(*(_lines(db, owner, 5) for _ in range(4)))
    assert await _verdict(db, owner) is None


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("UPDATE colane.audit SET action = 'other' WHERE seq = 3", 3),
        ("UPDATE colane.audit SET metadata = '{}' WHERE seq = 4", 4),
        ("DELETE FROM colane.audit WHERE seq = 3", 3),
        ("DELETE FROM colane.audit WHERE seq >= 5", 5),
        ("UPDATE colane.audit SET seq = CASE seq WHEN 2 THEN 103 WHEN 3 THEN 102 END WHERE seq IN (2, 3)", 2),
    ],
)
async def test_a_tampered_chain_is_found_out(db: Database, urls: Urls, how: str, found: int) -> None:
    owner = await somebody(db)
    await _lines(db, owner, 6)
    tamperer = await asyncpg.connect(urls.owner)
    await tamperer.execute(
        "ALTER TABLE colane.audit DISABLE TRIGGER USER; ALTER TABLE colane.audit NO FORCE ROW LEVEL SECURITY"
    )
    await tamperer.execute(how)
    await tamperer.execute("ALTER TABLE colane.audit FORCE ROW LEVEL SECURITY")
    await tamperer.close()
    assert await _verdict(db, owner) == found
