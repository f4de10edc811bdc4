"""The audit chain: every line holds the one before; a changed, missing or cut line is found."""

import asyncio

import asyncpg
import pytest

from storage import audit
from storage.database import Database
from tests.conftest import Urls
from tests.people import Owner, somebody

REST = "id, at, actor, action, resource, diagram_id, result, metadata, request_id, prev_hash, hash"


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
    async with db.transaction(user=owner.user_id, org=owner.org_id, read_only=True) as conn:
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
        ("UPDATE colane.audit SET diagram_id = gen_random_uuid() WHERE seq = 2", 2),
        ("UPDATE colane.audit SET id = gen_random_uuid() WHERE seq = 6", 6),
        ("DELETE FROM colane.audit", 1),
        (
            f"INSERT INTO colane.audit SELECT org_id, -5, {REST} FROM colane.audit WHERE seq = 1",
            1,
        ),
        (
            f"INSERT INTO colane.audit SELECT org_id, 99, {REST} FROM colane.audit WHERE seq = 1",
            8,
        ),
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


async def test_a_line_after_the_end_is_found_out_also_when_it_fits_the_chain(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    await _lines(db, owner, 3)
    tamperer = await asyncpg.connect(urls.owner)
    await tamperer.execute("ALTER TABLE colane.audit_heads NO FORCE ROW LEVEL SECURITY")
    kept = await tamperer.fetchrow("SELECT seq, hash FROM colane.audit_heads")
    assert kept is not None
    await _lines(db, owner, 1)
    await tamperer.execute("UPDATE colane.audit_heads SET seq = $1, hash = $2", kept["seq"], kept["hash"])
    await tamperer.execute("ALTER TABLE colane.audit_heads FORCE ROW LEVEL SECURITY")
    await tamperer.close()
    assert await _verdict(db, owner) == kept["seq"] + 1


async def test_a_chain_is_verified_while_it_grows(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 4)
    owner = await somebody(db)
    await _lines(db, owner, 5)
    writing = asyncio.get_running_loop().create_task(_lines(db, owner, 40))
    verdicts = []
    while not writing.done():
        verdicts.append(await _verdict(db, owner))
    await writing
    assert len(verdicts) > 3
    assert set(verdicts) == {None}


async def test_metadata_that_postgresql_would_refuse_is_written_as_near_as_can_be(db: Database) -> None:
    owner = await somebody(db)
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        strange = {"a\0": "b\0c", "n": float("nan"), "b": b"\x01\xff", "s": {owner.user_id}, "half": "\ud800"}
        await audit.record(conn, org_id=owner.org_id, actor=None, action="test", resource="thing:1", metadata=strange)
    assert await _verdict(db, owner) is None
