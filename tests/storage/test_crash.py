"""R1, R2 on the side of storage: what was answered with a number is there after PostgreSQL was killed, flushing as it does."""

import asyncio
import os
import signal
from pathlib import Path
from uuid import UUID

import pytest

from storage.database import Database
from storage.embedded import Running, embedded
from storage.failures import is_unavailable
from storage.migrations import upgrade
from storage.updates import Append, Refused, UpdateLog
from tests.people import Owner, somebody
from tests.storage.test_updates import empty_diagram

pytestmark = pytest.mark.timeout(120)


async def write_until_killed(running: Running, before_the_end: int) -> tuple[Owner, UUID, dict[int, bytes]]:
    """Four writers on one diagram; the server is killed in the middle of it. What they were told is kept."""
    answered: dict[int, bytes] = {}
    async with Database.open(running.url("colane_app")) as db, UpdateLog.open(running.url("colane_app")) as log:
        assert await log.switched_off() == []
        owner = await somebody(db)
        diagram = await empty_diagram(db, owner)

        async def write(name: str) -> None:
            for number in range(100_000):
                data = f"{name} {number}".encode()
                try:
                    (result,) = await log.append([Append(owner.org_id, diagram, 1, data, owner.user_id)])
                except Exception as error:
                    assert is_unavailable(error), error
                    return
                if isinstance(result, Refused):
                    assert result is Refused.HELD
                    await asyncio.sleep(0.001)
                else:
                    answered[result] = data
                if len(answered) == before_the_end:
                    os.kill(running.process.pid, signal.SIGKILL)

        await asyncio.gather(*(write(name) for name in "abcd"))
    return owner, diagram, answered


def test_R2_every_answered_update_survives_kill_9_of_the_database(tmp_path: Path) -> None:
    with embedded(tmp_path) as running:
        upgrade(running.url("colane_owner"))
        owner, diagram, answered = asyncio.run(write_until_killed(running, 200))
        running.process.wait(10)
    assert len(answered) >= 200

    async def there() -> dict[int, bytes]:
        async with UpdateLog.open(again.url("colane_app")) as log:
            stored = await log.load(owner.org_id, diagram)  # raises when there is a gap
            assert stored.seq == len(stored.tail)
            return dict(stored.tail)

    with embedded(tmp_path) as again:
        kept = asyncio.run(there())
    assert answered.items() <= kept.items()
    assert len(kept) - len(answered) <= 4, "at most what each writer was about to be told"
