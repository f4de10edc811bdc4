"""Channels between nodes on a real Valkey: link, loss, silence, and what when the queue is full."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from storage import bus
from storage.bus import Channels
from storage.valkey import Valkey
from tests.nodes import redis


class Heard:
    """Notes what the channels say."""

    def __init__(self) -> None:
        self.up: list[bool] = []
        self.channels: list[str] = []
        self.messages: list[tuple[str, bytes]] = []

    def linked(self, *, up: bool) -> None:
        self.up.append(up)

    def subscribed(self, channel: str) -> None:
        self.channels.append(channel)

    def heard(self, channel: str, payload: bytes) -> None:
        self.messages.append((channel, payload))


@pytest.fixture
def between() -> Iterator[Valkey]:
    with redis() as running:
        yield running


@asynccontextmanager
async def node(url: str, number: int) -> AsyncIterator[tuple[Channels, Heard]]:
    heard = Heard()
    async with Channels.open(url, number, heard) as channels:
        yield channels, heard


async def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


async def test_messages_arrive_in_order_and_only_where_they_are_wanted(between: Valkey) -> None:
    async with node(between.url, 1) as (one, ears), node(between.url, 2) as (two, others):
        one.subscribe("a")
        two.subscribe("a")
        two.subscribe("b")
        await until(lambda: ears.channels == ["a"] and sorted(others.channels) == ["a", "b"])
        for number in range(2_000):
            assert one.publish("a", b"%d" % number)
        assert one.publish("b", bytes(range(256)))
        await until(lambda: len(others.messages) == 2_001)
        assert others.messages[:-1] == [("a", b"%d" % number) for number in range(2_000)]
        assert others.messages[-1] == ("b", bytes(range(256)))
        assert len(ears.messages) == 2_000
        two.unsubscribe("a")
        one.publish("a", b"x")
        one.publish("b", b"y")
        await until(lambda: others.messages[-1] == ("b", b"y"))
        assert ("a", b"x") not in others.messages


async def test_R7_killed_and_back_every_subscription_is_back_too(between: Valkey) -> None:
    async with node(between.url, 1) as (one, ears):
        one.subscribe("a")
        await until(lambda: ears.channels == ["a"])
        between.kill()
        await until(lambda: ears.up == [True, False], 1.0)
        assert not one.publish("a", b"into the void")
        one.subscribe("b")
        between.start()
        began = time.monotonic()
        await until(lambda: sorted(ears.channels) == ["a", "a", "b"])
        assert time.monotonic() - began < 5.0
        assert one.publish("b", b"heard")
        await until(lambda: ears.messages == [("b", b"heard")])


async def test_R7_a_redis_that_hangs_is_as_good_as_away(between: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "SILENT_S", 0.5)
    monkeypatch.setattr(bus, "BEAT_S", 0.1)
    assert between.process is not None
    async with node(between.url, 1) as (one, ears):
        await until(lambda: ears.up == [True])
        os.kill(between.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: ears.up == [True, False], 3.0)
            assert not one.publish("a", b"")
        finally:
            os.kill(between.process.pid, signal.SIGCONT)
        await until(lambda: ears.up == [True, False, True])


async def test_R7_none_at_all_is_no_error() -> None:
    async with node("unix:///nowhere/valkey.sock", 1) as (one, ears):
        one.subscribe("a")
        await asyncio.sleep(0.3)
        assert not one.publish("a", b"")
        assert ears.up == []


async def test_a_full_queue_refuses_instead_of_growing(between: Valkey) -> None:
    async with node(between.url, 1) as (one, ears):
        await until(lambda: ears.up == [True])
        taken = 0
        while one.publish("a", b"x" * 100_000):
            taken += 1
            assert taken <= bus.QUEUE_BYTES // 100_000
        await until(lambda: one.publish("a", b"there is room again"))
        assert ears.up == [True]


async def test_what_is_kept_is_read_by_all_and_goes_by_itself(between: Valkey) -> None:
    async with node(between.url, 1) as (one, ears), node(between.url, 2) as (two, others):
        assert await one.kept("t") == {}, "nothing before the link is up"
        await until(lambda: ears.up == others.up == [True])
        one.keep("t", "1", b"mine", 1)
        two.keep("t", "2", bytes(range(256)), 1)
        async with asyncio.timeout(5):
            while await one.kept("t") != {"1": b"mine", "2": bytes(range(256))}:
                await asyncio.sleep(0.01)
        two.keep("t", "2", None, 1)
        async with asyncio.timeout(5):
            while await one.kept("t") != {"1": b"mine"}:
                await asyncio.sleep(0.01)
            while await one.kept("t"):
                await asyncio.sleep(0.05)
        between.kill()
        began = time.monotonic()
        assert await one.kept("t") == {}
        assert time.monotonic() - began < 2.0


async def test_a_server_that_says_no_is_no_lost_link(between: Valkey) -> None:
    async with node(between.url, 1) as (one, ears):
        one.subscribe("a")
        await until(lambda: ears.channels == ["a"])
        one._ask(bus._Asked((b"INCR", b"colane:t", b"too", b"many")))
        assert await one.kept("nothing") == {}
        one.publish("a", b"still here")
        await until(lambda: ears.messages == [("a", b"still here")])
        assert ears.up == [True]
