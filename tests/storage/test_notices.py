"""Notices: heard after the commit and never before it; a listener that was cut off says so and listens again."""

import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest

from storage import notices
from storage.database import Database
from storage.notices import Notices
from tests.conftest import Urls
from tests.people import somebody


async def heard(listener: Notices) -> dict[str, Any]:
    async with asyncio.timeout(5):
        return await anext(listener)


async def test_a_notice_is_heard_when_its_transaction_commits_and_only_then(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    async with Notices.open(urls.app) as listener:
        assert await heard(listener) == {"event": "resync"}
        with contextlib.suppress(LookupError):
            async with db.transaction(org=owner.org_id) as conn:
                await notices.notify(conn, {"event": "log", "seq": 1})
                raise LookupError
        async with db.transaction(org=owner.org_id) as conn:
            await notices.notify(conn, {"event": "log", "seq": 2})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(listener)
        assert await heard(listener) == {"event": "log", "seq": 2}


async def test_a_listener_that_was_cut_off_says_resync(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    async with Notices.open(urls.app) as listener:
        assert await heard(listener) == {"event": "resync"}
        killer = await asyncpg.connect(urls.app)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        await killer.close()
        assert await heard(listener) == {"event": "resync"}
        async with db.transaction(org=owner.org_id) as conn:
            await notices.notify(conn, {"event": "deleted"})
        assert await heard(listener) == {"event": "deleted"}


async def test_strangers_words_on_the_channel_are_not_heard(urls: Urls) -> None:
    async with Notices.open(urls.app) as listener:
        await heard(listener)
        stranger = await asyncpg.connect(urls.app)
        for words in ("no json", "[1]", '{"event": "log"}'):
            await stranger.execute("SELECT pg_notify('colane', $1)", words)
        await stranger.close()
        assert await heard(listener) == {"event": "log"}


async def test_whoever_cannot_keep_up_is_told_to_look_for_themselves(
    urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "QUEUE", 3)
    async with Notices.open(urls.app) as listener:
        await heard(listener)
        speaker = await asyncpg.connect(urls.app)
        for number in range(6):
            await speaker.execute("SELECT pg_notify('colane', $1)", f'{{"seq": {number}}}')
        await speaker.close()
        await asyncio.sleep(0.1)
        assert [await heard(listener) for _ in range(4)] == [{"seq": 0}, {"seq": 1}, {"seq": 2}, {"event": "resync"}]


async def test_a_quiet_connection_is_asked_whether_it_lives(
    db: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "ALIVE_S", 0.02)
    async with Notices.open(urls.app) as listener:
        await heard(listener)
        await asyncio.sleep(0.1)
        async with db.transaction() as conn:
            await notices.notify(conn, {"event": "log"})
        assert await heard(listener) == {"event": "log"}
