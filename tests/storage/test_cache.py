"""What is kept: one contract for the cache of a process and the one in Redis, bounds, and what an outage does to the latter."""

import random
from collections.abc import AsyncIterator, Iterator

import pytest

from storage import cache
from storage.cache import Cache, LocalCache, SharedCache
from storage.keys import key_of
from storage.valkey import Valkey
from tests.nodes import redis
from tests.storage.test_redis import asking, until

ROOM = 1 << 20


@pytest.fixture(scope="module")
def between() -> Iterator[Valkey]:
    with redis() as running:
        yield running


@pytest.fixture(params=["local", "shared"])
async def kept(request: pytest.FixtureRequest, between: Valkey) -> AsyncIterator[Cache]:
    if request.param == "local":
        yield LocalCache(ROOM)
    else:
        async with asking(between) as link:
            await link.ask("FLUSHALL")
            yield SharedCache(link, LocalCache(ROOM))


async def test_what_was_put_is_there_byte_for_byte(kept: Cache) -> None:
    values = {key_of("xml", number): random.randbytes(number * 37) for number in range(100)}
    for key, value in values.items():
        assert await kept.get(key) is None
        await kept.put(key, value)
    for key, value in values.items():
        assert await kept.get(key) == value
    assert await kept.get(key_of("thumbnail", 1)) is None
    assert await kept.get(b"*") is None, "a key is no pattern"


async def test_what_is_too_large_is_not_kept_and_pushes_nothing_out(kept: Cache) -> None:
    await kept.put(b"small", b"x")
    await kept.put(b"large", bytes(2 * ROOM))
    assert await kept.get(b"large") is None
    assert await kept.get(b"small") == b"x"


async def test_a_process_keeps_no_more_than_it_may_and_the_used_ones_longest() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    held = LocalCache(50_000, most_entries=100)
    for step in range(5_000):
        await held.put(b"%d" % dice.randrange(300), bytes(dice.randrange(6_000)))
        assert await held.get(b"favourite") is not None or step == 0
        await held.put(b"favourite", b"x")
        assert held.bytes_held <= 50_000
        assert len(held.held) <= 100
        assert held.bytes_held == sum(cache._size(*pair) for pair in held.held.items()), f"seed {seed}"
    nothing = LocalCache(0)
    await nothing.put(b"a", b"")
    assert await nothing.get(b"a") is None


async def test_nodes_find_what_others_kept_and_none_waits_for_a_redis_that_is_away(between: Valkey) -> None:
    async with asking(between) as one_link, asking(between) as other_link:
        one, other = SharedCache(one_link, LocalCache(ROOM)), SharedCache(other_link, LocalCache(ROOM))
        await one.put(b"a", b"1")
        assert await other.get(b"a") == b"1"
        assert 0 < int(await one_link.ask("TTL", b"a")) <= cache.KEPT_S, "nothing stays for good"
        between.kill()
        await until(lambda: not one_link.up and not other_link.up)
        assert await other.get(b"a") == b"1", "from its own"
        await one.put(b"b", b"2")
        assert (await one.get(b"b"), await other.get(b"b")) == (b"2", None)
        between.start()
        await until(lambda: one_link.up and other_link.up)
        assert await other.get(b"b") is None
        await one.put(b"c", b"3")
        assert await other.get(b"c") == b"3"
