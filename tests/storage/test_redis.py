"""Questions to a real Valkey: answers in order, little patience, and nobody waits for one that is away."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from storage import redis as questions
from storage.redis import AwayError, Redis
from storage.valkey import Valkey
from tests.nodes import redis

PATIENT_S = 5.0  # where a test is not about patience: the machine may be busy


@pytest.fixture
def between() -> Iterator[Valkey]:
    with redis() as running:
        yield running


async def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def asking(between: Valkey, patience_s: float = PATIENT_S) -> AsyncIterator[Redis]:
    async with Redis.open(between.url, patience_s=patience_s) as link:
        await until(lambda: link.up)
        yield link


async def test_answers_come_to_whom_they_belong(between: Valkey) -> None:
    async with asking(between) as link:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(link.ask("ECHO", str(number))) for number in range(500)]
        assert [one.result() for one in asked] == [b"%d" % number for number in range(500)]


async def test_a_question_that_is_refused_or_given_up_does_not_shift_the_answers(between: Valkey) -> None:
    async with asking(between) as link:
        gone = asyncio.get_running_loop().create_task(link.ask("ECHO", "given up"))
        refused = asyncio.get_running_loop().create_task(link.ask("NO SUCH COMMAND"))
        kept = asyncio.get_running_loop().create_task(link.ask("ECHO", "kept"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await kept == b"kept"
        with pytest.raises(AwayError):
            await refused
        assert await link.ask("ECHO", "after") == b"after"
        assert (link.up, link.losses) == (True, 0)


async def test_without_redis_nobody_waits_and_when_it_comes_it_is_found(between: Valkey) -> None:
    between.stop()
    states: list[bool] = []
    async with Redis.open(between.url, told=states.append) as link:
        for _ in range(1_000):
            with pytest.raises(AwayError):
                await link.ask("PING")
        between.start()
        await until(lambda: link.up)
        assert await link.ask("ECHO", "here") == b"here"
    assert states[:2] == [False, True]


async def test_killed_under_questions_every_one_ends_and_it_comes_back(between: Valkey) -> None:
    async with asking(between) as link:
        ended = [0, 0]

        async def person() -> None:
            for _ in range(400):
                try:
                    assert await link.ask("ECHO", "x") == b"x"
                    ended[0] += 1
                except AwayError:
                    ended[1] += 1
                    await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(person())
            await until(lambda: ended[0] > 100)
            between.kill()
            await until(lambda: not link.up)
            between.start()
        assert sum(ended) == 8_000
        await until(lambda: link.up)
        assert link.losses == 1
        assert await link.ask("ECHO", "again") == b"again"


async def test_a_redis_that_hangs_costs_one_wait_and_then_none(between: Valkey) -> None:
    async with asking(between, patience_s=0.2) as link:
        assert between.process is not None
        os.kill(between.process.pid, signal.SIGSTOP)
        try:
            async with asyncio.TaskGroup() as group:
                first = [group.create_task(_refused(link)) for _ in range(50)]
            assert max(one.result() for one in first) < 2
            assert not link.up
            for _ in range(200):
                assert await _refused(link) < 0.2, "while it hangs, no question is even sent"
            assert len(link._asked) == 0
        finally:
            os.kill(between.process.pid, signal.SIGCONT)
        await until(lambda: link.up)
        assert await link.ask("ECHO", "woken") == b"woken"


async def _refused(link: Redis) -> float:
    began = time.monotonic()
    with pytest.raises(AwayError):
        await link.ask("PING")
    return time.monotonic() - began


async def test_too_many_questions_at_once_are_refused(between: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_ASKED", 10)
    async with asking(between) as link:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_answered(link)) for _ in range(30)]
        assert sum(one.result() for one in asked) == 10
        assert link.up


async def _answered(link: Redis) -> bool:
    try:
        return bool(await link.ask("PING") == b"PONG")
    except AwayError:
        return False
