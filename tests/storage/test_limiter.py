"""Rates: one contract for the limiter of a process and the one in Redis, and what an outage does to the latter."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import limiter
from storage.keys import key_of
from storage.limiter import SECOND, Limiter, LocalLimiter, Policy, SharedLimiter, Slot, verdict
from storage.valkey import Valkey
from tests.nodes import redis
from tests.storage.test_redis import asking, until

TEN = Policy("ten", 10)
MANY = Policy("many", 200)


@pytest.fixture(scope="module")
def between() -> Iterator[Valkey]:
    with redis() as running:
        yield running


@asynccontextmanager
async def limiters(kind: str, between: Valkey) -> AsyncIterator[Limiter]:
    if kind == "local":
        yield LocalLimiter()
    else:
        async with asking(between) as link:
            await link.ask("FLUSHALL")
            yield SharedLimiter(link)


@pytest.fixture(params=["local", "shared"])
async def rates(request: pytest.FixtureRequest, between: Valkey) -> AsyncIterator[Limiter]:
    async with limiters(request.param, between) as made:
        yield made


# -- the contract ------------------------------------------------------------------------------------------------------


async def test_so_many_pass_and_then_none(rates: Limiter) -> None:
    left = [(await rates.take([(TEN, "ann")]))[0] for _ in range(12)]
    assert [one.allowed for one in left] == [True] * 10 + [False] * 2
    assert [one.remaining for one in left] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert all(5 <= one.wait_s <= 6 for one in left), "one comes back in six seconds"
    assert (await rates.take([(TEN, "bob")]))[0].remaining == 9, "somebody else's is another"
    assert (await rates.take([(Policy("other", 10), "ann")]))[0].remaining == 9, "and so is another policy's"


async def test_a_request_takes_from_all_its_slots_or_from_none(rates: Limiter) -> None:
    one = Policy("one", 1)
    assert all(v.allowed for v in await rates.take([(one, "ann"), (TEN, "here")]))
    for _ in range(5):
        refused = await rates.take([(one, "ann"), (TEN, "here")])
        assert [v.allowed for v in refused] == [False, True]
    assert [v.remaining for v in await rates.peek([(one, "ann"), (TEN, "here")])] == [0, 9]


async def test_what_was_free_is_given_back(rates: Limiter) -> None:
    slots: list[Slot] = [(TEN, "ann"), (MANY, "here")]
    for _ in range(30):
        assert all(v.allowed for v in await rates.take(slots))
        given = await rates.give_back(slots)
    assert [v.remaining for v in given] == [10, 200]
    assert [v.remaining for v in await rates.give_back(slots)] == [10, 200], "more than whole there is not"
    assert [v.wait_s for v in await rates.peek(slots)] == [0, 0]


async def test_looking_takes_nothing(rates: Limiter) -> None:
    await rates.take([(TEN, "ann")])
    for _ in range(20):
        assert (await rates.peek([(TEN, "ann")]))[0].remaining == 9


async def test_after_the_wait_that_was_said_it_passes(rates: Limiter) -> None:
    fast = Policy("fast", 4, window_s=1)
    while (refused := (await rates.take([(fast, "ann")]))[0]).allowed:
        pass
    assert refused.wait_s == 1
    await asyncio.sleep(refused.wait_s)
    passed = 0
    while (await rates.take([(fast, "ann")]))[0].allowed:
        passed += 1
    assert passed == 4


async def test_a_hundred_at_once_take_no_more_than_there_is(rates: Limiter) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(rates.take([(TEN, "ann"), (MANY, "here")])) for _ in range(100)]
    assert sum(all(v.allowed for v in one.result()) for one in asked) == 10
    assert (await rates.peek([(MANY, "here")]))[0].remaining == 190, "what was refused took nothing elsewhere"


class Told:
    """A clock that says what Redis said last."""

    now = 0

    def __call__(self) -> int:
        return self.now


async def test_the_same_sequence_has_the_same_verdicts(between: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    told = Told()
    rules = [Policy(f"p{quota}", quota, window_s=1) for quota in (1, 3, 7, 50, 999)]

    async with asking(between) as link:
        await link.ask("FLUSHALL")
        ask = link.ask

        async def listen(*command: bytes | str | int) -> object:
            answer = await ask(*command)
            told.now = answer[0]
            return answer

        monkeypatch.setattr(link, "ask", listen)
        shared, local = SharedLimiter(link), LocalLimiter(told)
        refused = 0
        for number in range(3_000):
            slots = [(dice.choice(rules), dice.choice("ab")) for _ in range(dice.choice((1, 1, 2)))]
            slots = list(dict.fromkeys(slots))
            what = dice.choices(("take", "peek", "give_back"), (6, 1, 1))[0]
            one = await getattr(shared, what)(slots)
            two = await getattr(local, what)(slots)
            assert one == two, f"seed {seed}: step {number}: {what} {slots}"
            refused += not all(v.allowed for v in one)
            if dice.random() < 0.02:
                await asyncio.sleep(dice.random() * 0.05)
        assert 300 < refused < 2_700, "the sequence said nothing"


@given(
    quota=st.integers(1, 5_000),
    window=st.integers(1, 3_600),
    steps=st.lists(st.tuples(st.sampled_from([-1, 0, 1, 1, 1]), st.integers(0, 4_000_000)), max_size=60),
)
@settings(max_examples=300, deadline=None)
async def test_never_more_than_the_quota_and_what_came_back(
    quota: int, window: int, steps: list[tuple[int, int]]
) -> None:
    told = Told()
    policy = Policy("any", quota, window)
    rates = LocalLimiter(told)
    net = 0
    for by, later in steps:
        told.now += later
        before = rates.change([(policy, "a")], 0)[0]
        found = rates.change([(policy, "a")], by)[0]
        assert 0 <= found.remaining <= quota
        assert found.allowed == (by < 1 or before.remaining > 0), "it passes exactly when there was one left"
        if by == 1 and found.allowed:
            net += 1
            assert found.remaining == before.remaining - 1
        elif by == -1:
            net -= 1
        assert net <= quota + told.now // policy.interval + 1
        if found.remaining < quota:
            told.now += found.wait_s * SECOND
            assert rates.change([(policy, "a")], 0)[0].remaining > found.remaining, "the wait is not too short"


def test_a_full_table_forgets_what_matters_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "MOST_KEYS", 100)
    told = Told()
    rates = LocalLimiter(told)
    for _ in range(10):
        rates.change([(TEN, "busy")], 1)
    for number in range(1_000):
        rates.change([(TEN, str(number))], 1)
        assert len(rates.whole_at) <= 100
    assert not rates.change([(TEN, "busy")], 1)[0].allowed


def test_a_verdict_in_words() -> None:
    assert verdict(TEN, 0, 0, allowed=True).remaining == 10
    assert verdict(TEN, 60 * SECOND, 0, allowed=True).wait_s == 6
    assert verdict(TEN, 1, 0, allowed=True).remaining == 9


# -- keys --------------------------------------------------------------------------------------------------------------

PARTS = st.lists(st.one_of(st.text(max_size=6), st.integers(), st.uuids(), st.sampled_from(["", ":", "s1:a", "i1;"])))


@given(PARTS, PARTS)
@settings(max_examples=200, deadline=None)
def test_different_parts_have_different_keys(one: list[str | int], two: list[str | int]) -> None:
    assert (key_of(*one) == key_of(*two)) == (one == two)


@given(st.text(max_size=8), st.text(max_size=8), st.integers(0, 8))
@settings(max_examples=500, deadline=None)
def test_where_a_part_ends_is_part_of_the_key(one: str, two: str, cut: int) -> None:
    joined = one + two
    if joined[:cut] != one:
        assert key_of(one, two) != key_of(joined[:cut], joined[cut:])
    assert key_of(one, two) != key_of(joined)
    assert key_of("5") != key_of(5)


# -- an outage ---------------------------------------------------------------------------------------------------------


async def test_while_redis_is_away_the_node_counts_on_and_an_empty_redis_is_told(between: Valkey) -> None:
    async with asking(between) as link, asking(between) as other:
        await link.ask("FLUSHALL")
        rates, elsewhere = SharedLimiter(link), SharedLimiter(other)
        for _ in range(4):
            await rates.take([(TEN, "ann")])
        assert (await elsewhere.take([(TEN, "ann")]))[0].remaining == 5, "all nodes count together"
        assert (await rates.take([(TEN, "ann")]))[0].remaining == 4

        between.kill()
        began = time.monotonic()
        alone = [(await rates.take([(TEN, "ann")]))[0] for _ in range(6)]
        assert [one.allowed for one in alone] == [True] * 4 + [False] * 2, "what was taken before counts"
        assert time.monotonic() - began < 5, "nobody waits for what is away"
        for _ in range(9):
            await rates.take([(TEN, "bob")])

        between.start()
        await until(lambda: link.up and other.up)
        assert await link.ask("DBSIZE") == 0
        assert not (await rates.take([(TEN, "ann")]))[0].allowed
        assert (await rates.peek([(TEN, "bob")]))[0].remaining == 1
        assert (await elsewhere.take([(TEN, "ann")]))[0].allowed is False, "and so the others know it too"
        assert (await elsewhere.take([(TEN, "bob")]))[0].remaining == 0
        # What was said once is not said again: a return of others counts.
        await elsewhere.give_back([(TEN, "bob")])
        assert (await rates.peek([(TEN, "bob")]))[0].remaining == 1


async def test_a_redis_that_says_no_is_as_good_as_away(between: Valkey) -> None:
    async with asking(between) as link:
        await link.ask("FLUSHALL")
        rates = SharedLimiter(link)
        await link.ask("CONFIG", "SET", "maxmemory", "1")
        try:
            assert [(await rates.take([(TEN, "ann")]))[0].allowed for _ in range(11)] == [True] * 10 + [False]
        finally:
            await link.ask("CONFIG", "SET", "maxmemory", "0")
        assert link.up
