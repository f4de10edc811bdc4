"""Refused requests on their way into the log: told once a minute, counted meanwhile, bounded, never in a request's way."""

import asyncio
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from storage.audit import SYSTEM, refusals
from storage.audit.refusals import EVERY_S, RESOURCES, Refusal, Refusals
from storage.audit.verify import verify
from storage.database import Database
from storage.embedded import Running
from tests.conftest import Urls
from tests.interop.clients import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(
    org: UUID = SYSTEM, *, actor: UUID | None = None, address: str = "", resource: str = "diagram:1"
) -> Refusal:
    return Refusal(
        org, actor, address, "request.refused", "GET /api/v1/diagrams/{diagram_id}", resource, None, "not_found"
    )


async def told(db: Database, org: UUID = SYSTEM) -> list[tuple[str, int]]:
    """Resource and count of each line, oldest first; the chain is whole."""
    async with db.transaction(org=org, read_only=True) as conn:
        assert (await verify(conn, org, {})).broken is None
        rows = await conn.execute(text("SELECT resource, metadata FROM colane.audit ORDER BY seq"))
        return [(row.resource, row.metadata["count"]) for row in rows]


async def test_the_first_is_told_at_once_and_the_rest_once_a_minute(db: Database) -> None:
    clock, who = Clock(), uuid4()
    log = Refusals(db, clock)
    log.note(refusal(actor=who), "one")
    await log.write()
    assert await told(db) == [("diagram:1", 1)]
    for _ in range(5):
        log.note(refusal(actor=who), "more")
        clock.now += EVERY_S / 6
        await log.write()
    assert await told(db) == [("diagram:1", 1)]
    clock.now += EVERY_S / 6
    await log.write()
    assert await told(db) == [("diagram:1", 1), ("diagram:1", 5)]
    clock.now += EVERY_S
    await log.write()
    log.note(refusal(actor=who), "much later")
    await log.write()
    assert await told(db) == [("diagram:1", 1), ("diagram:1", 5), ("diagram:1", 1)]


async def test_who_why_and_what_make_a_difference(db: Database) -> None:
    log = Refusals(db)
    ann, org = uuid4(), uuid4()
    for one in (
        refusal(actor=ann), refusal(actor=uuid4()), refusal(address="10.0.0.1"), refusal(address="10.0.0.2"),
        refusal(actor=ann, resource="diagram:2"), refusal(org, actor=ann),
    ):  # fmt: skip
        log.note(one, None)
        log.note(one, None)
    await log.write()
    assert [count for _, count in await told(db)] == [2] * 5
    assert [count for _, count in await told(db, org)] == [2]


async def test_who_asks_for_ever_other_things_does_not_fill_the_log(db: Database) -> None:
    clock, who = Clock(), uuid4()
    log = Refusals(db, clock)
    for number in range(500):
        log.note(refusal(actor=who, resource=f"diagram:{number}"), None)
    await log.write()
    lines = await told(db)
    assert len(lines) == RESOURCES + 1
    assert lines[-1] == ("diagram:many", 500 - RESOURCES)
    clock.now += EVERY_S
    await log.write()
    log.note(refusal(actor=who, resource="diagram:later"), None)
    await log.write()
    assert (await told(db))[-1] == ("diagram:later", 1), "after a quiet minute things are told apart again"


async def test_when_full_the_rest_is_counted(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "OPEN", 30)
    before = REGISTRY.get_sample_value("colane_audit_refusals_lost_total") or 0.0
    log = Refusals(db)
    for _ in range(100):
        log.note(refusal(actor=uuid4()), None)
    assert log.waiting == 30
    await log.write()
    lines = await told(db)
    assert len(lines) == 31
    assert lines[-1] == ("log:audit", 70)
    assert REGISTRY.get_sample_value("colane_audit_refusals_lost_total") == before + 70
    await log.write()
    assert len(await told(db)) == 31


async def test_what_comes_while_it_is_written_is_not_lost(db: Database) -> None:
    clock, who = Clock(), uuid4()
    log = Refusals(db, clock)
    noted = 0
    for _ in range(30):
        writing = asyncio.ensure_future(log.write())
        while not writing.done():
            log.note(refusal(actor=who), None)
            noted += 1
            await asyncio.sleep(0)
        await writing
        clock.now += EVERY_S
    await log.write(everything=True)
    assert sum(count for _, count in await told(db)) == noted


async def test_while_the_database_is_away_refusals_wait(urls: Urls, postgres: Running) -> None:
    name = urls.app.partition("/test_")[2].partition("?")[0]
    async with Database.open(urls.app) as db, Refusals.open(db) as log:
        log.note(refusal(actor=uuid4()), None)
        await asyncio.to_thread(eventually, "the first is written", lambda: log.waiting == 0)
        postgres.sql(f"ALTER DATABASE test_{name} ALLOW_CONNECTIONS false")
        postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test_{name}'")
        for _ in range(3):
            log.note(refusal(actor=uuid4()), None)
        await asyncio.sleep(1.2)
        assert log.waiting == 3
        postgres.sql(f"ALTER DATABASE test_{name} ALLOW_CONNECTIONS true")
        await asyncio.to_thread(eventually, "what waited is written", lambda: log.waiting == 0)
        assert len(await told(db)) == 4


async def test_what_is_left_is_written_at_the_end(db: Database) -> None:
    async with Refusals.open(db) as log:
        for _ in range(3):
            log.note(refusal(actor=uuid4()), None)
    assert len(await told(db)) == 3
