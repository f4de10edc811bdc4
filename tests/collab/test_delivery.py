"""Events are delivered in the order of their aggregate, their effects once, whatever happens to the workers."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from collab import delivery
from collab.delivery import Delivery, Effect
from storage import outbox
from storage.database import Connection, Database
from storage.notices import Notices
from storage.outbox import Event
from tests.collab.test_worker import aged
from tests.conftest import ROOT, Urls
from tests.people import Owner, somebody

KILLED = ROOT / "tests" / "collab" / "killed_worker.py"
HANDLED = (
    "CREATE TABLE public.handled (place bigserial, org_id uuid, aggregate uuid, event uuid, number int, worker text)"
)
GRANTS = "GRANT INSERT, SELECT ON public.handled TO colane_worker; GRANT USAGE ON SEQUENCE public.handled_place_seq TO colane_worker"
_WRITE = text(
    "INSERT INTO public.handled (org_id, aggregate, event, number, worker) VALUES (:org, :aggregate, :id, :number, :worker)"
)


class Writer:
    """A consumer whose effect would show if it happened twice: one row an event, with nothing to keep a second one out."""

    def __init__(self, worker: str = "one") -> None:
        self.worker = worker
        self.seen: list[Event] = []

    async def __call__(self, event: Event) -> Effect:
        self.seen.append(event)

        async def effect(conn: Connection) -> None:
            values = {"org": event.org_id, "aggregate": event.aggregate_id, "id": event.id, "worker": self.worker}
            await conn.execute(_WRITE, {**values, "number": event.payload.get("number", 0)})

        return effect


@pytest.fixture
async def hand(urls: Urls) -> AsyncIterator[Database]:
    """The worker's own login, and a table for effects."""
    owner = await asyncpg.connect(urls.owner)
    await owner.execute(HANDLED)
    await owner.execute(GRANTS)
    await owner.close()
    async with Database.open(urls.worker) as db:
        yield db


async def events(db: Database, owner: Owner, aggregates: Sequence[UUID], each: int) -> None:
    """So many numbered events of each aggregate, those of all of them mixed."""
    for number in range(each):
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            for aggregate in aggregates:
                await outbox.add(
                    conn, org_id=owner.org_id, aggregate=aggregate, event="test", payload={"number": number}
                )


async def effects(hand: Database) -> dict[UUID, list[int]]:
    """What happened, by aggregate, in the order in which it did."""
    async with hand.transaction() as conn:
        rows = (await conn.execute(text("SELECT aggregate, number FROM public.handled ORDER BY place"))).all()
    found: dict[UUID, list[int]] = {}
    for row in rows:
        found.setdefault(row.aggregate, []).append(row.number)
    return found


async def waiting(hand: Database) -> int:
    async with hand.transaction(read_only=True) as conn:
        return (await outbox.depth(conn)).waiting


async def drained(hand: Database, *hands: Delivery) -> None:
    async def drain(one: Delivery) -> None:
        while True:
            if not await one.round():
                if not await waiting(hand):
                    return
                await asyncio.sleep(0.02)  # others have what there is

    await asyncio.gather(*(drain(one) for one in hands))


def at_least(found: Sequence[object], count: int) -> bool:
    return len(found) >= count


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(urls: Urls, hand: Database, *consumers: delivery.Consumer) -> AsyncIterator[None]:
    """The worker's loop, in the background."""
    async with Notices.open(urls.worker, outbox.CHANNEL) as notices, asyncio.TaskGroup() as group:
        task = group.create_task(delivery.run(hand, consumers, notices))
        yield
        task.cancel()


async def test_events_of_an_aggregate_are_handled_in_their_order(db: Database, hand: Database) -> None:
    owner, aggregates = await somebody(db), [uuid4() for _ in range(5)]
    await events(db, owner, aggregates, 4)
    await drained(hand, Delivery(hand, [Writer()]))
    assert await effects(hand) == {one: [0, 1, 2, 3] for one in aggregates}


async def test_who_commits_later_has_the_higher_number(db: Database, hand: Database) -> None:
    """A number drawn early by somebody who commits late would be handled after its successors, or never be seen."""
    owner, aggregate = await somebody(db), uuid4()

    async def late(number: int) -> None:
        async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
            await outbox.add(conn, org_id=owner.org_id, aggregate=aggregate, event="test", payload={"number": number})
            await asyncio.sleep(0.002 * (10 - number))
        committed.append(number)

    committed: list[int] = []
    await asyncio.gather(*(late(number) for number in range(10)))
    await drained(hand, Delivery(hand, [Writer()]))
    assert (await effects(hand))[aggregate] == committed


async def test_several_workers_share_the_work_and_keep_the_order(db: Database, hand: Database) -> None:
    owner, aggregates = await somebody(db), [uuid4() for _ in range(30)]
    await events(db, owner, aggregates, 5)
    await drained(hand, *(Delivery(hand, [Writer(name)]) for name in ("one", "two", "three")))
    assert await effects(hand) == {one: [0, 1, 2, 3, 4] for one in aggregates}
    async with hand.transaction() as conn:
        rows = (await conn.execute(text("SELECT worker, count(*) AS n FROM public.handled GROUP BY 1"))).all()
    assert len(rows) > 1, "one worker did it all"


async def test_a_poison_event_parks_its_aggregate_and_nobody_else(db: Database, hand: Database, urls: Urls) -> None:
    owner, poisoned, fine = await somebody(db), uuid4(), uuid4()

    class Allergic(Writer):
        cured = False

        async def __call__(self, event: Event) -> Effect:
            if event.aggregate_id == poisoned and event.payload["number"] == 1 and not self.cured:
                raise ValueError("I cannot")
            return await super().__call__(event)

    consumer = Allergic()
    one = Delivery(hand, [consumer])
    await events(db, owner, [poisoned, fine], 4)
    for _ in range(60):
        await one.round()
        await aged(urls, "UPDATE colane.outbox SET available_at = now() WHERE handled_at IS NULL")
    assert await effects(hand) == {poisoned: [0], fine: [0, 1, 2, 3]}
    async with hand.transaction(read_only=True) as conn:
        (parked,) = await outbox.waiting(conn, parked=True, limit=10)
        depth = await outbox.depth(conn)
    assert (parked.aggregate_id, parked.attempts, parked.behind) == (poisoned, delivery.ATTEMPTS, 2)
    assert parked.last_error == "ValueError: I cannot"
    assert (depth.waiting, depth.parked, depth.age_s) == (3, 1, 0.0)
    # Repaired, an operator has it handled again, and everything behind it goes on.
    consumer.cured = True
    async with hand.transaction() as conn:
        assert await outbox.replay(conn, None) == 1
    await drained(hand, one)
    assert (await effects(hand))[poisoned] == [0, 1, 2, 3]


async def test_a_parked_event_may_be_given_up(db: Database, hand: Database, urls: Urls) -> None:
    owner, aggregate = await somebody(db), uuid4()
    await events(db, owner, [aggregate], 3)
    await aged(urls, "UPDATE colane.outbox SET parked_at = now() WHERE payload = '{\"number\": 0}'")
    one = Delivery(hand, [Writer()])
    assert await one.round() == 0
    async with hand.transaction(read_only=True) as conn:
        (parked,) = await outbox.waiting(conn, parked=True, limit=10)
    async with hand.transaction() as conn:
        assert not await outbox.skip(conn, uuid4())
        assert await outbox.skip(conn, parked.id)
    await drained(hand, one)
    assert await effects(hand) == {aggregate: [1, 2]}


async def test_what_failed_waits_longer_each_time_and_not_all_alike(db: Database, hand: Database) -> None:
    owner = await somebody(db)
    await events(db, owner, [uuid4()], 1)

    async def failing(_: Event) -> Effect:
        raise ValueError

    one = Delivery(hand, [failing])
    assert (await one.round(), await one.round()) == (1, 0), "not before its time"
    async with hand.transaction(read_only=True) as conn:
        (failed,) = await outbox.waiting(conn, parked=False, limit=1)
    assert (failed.attempts, failed.parked_at, failed.last_error) == (1, None, "ValueError: ")
    pauses = [delivery.pause(attempts, 1.0) for attempts in range(1, 10)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delivery.pause(3, 0.0) == 2


async def test_a_word_that_is_lost_costs_a_moment(db: Database, hand: Database, urls: Urls) -> None:
    owner, aggregate = await somebody(db), uuid4()
    await events(db, owner, [aggregate], 1)
    writer = Writer()
    async with running(urls, hand, writer):
        await until(lambda: len(writer.seen) == 1)
        listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        connection = await asyncpg.connect(urls.worker)
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({listening}) l")
        # Written as if by somebody who says nothing.
        await connection.execute("SELECT set_config('app.org', $1, false)", str(owner.org_id))
        await connection.execute(
            "INSERT INTO colane.outbox (org_id, aggregate_id, event, payload) VALUES ($1, $2, 'test', '{}')",
            owner.org_id, aggregate,
        )  # fmt: skip
        await connection.close()
        await until(lambda: len(writer.seen) == 2)
        await until_handled(hand)


async def until_handled(hand: Database) -> None:
    async with asyncio.timeout(10):
        while await waiting(hand):
            await asyncio.sleep(0.01)


async def test_a_worker_that_is_told_goes_at_once(db: Database, hand: Database, urls: Urls) -> None:
    owner, writer = await somebody(db), Writer()
    async with running(urls, hand, writer):
        await asyncio.sleep(0.3)
        began = time.monotonic()
        for number in range(5):
            await events(db, owner, [uuid4()], 1)
            await until(partial(at_least, writer.seen, number + 1))
        assert time.monotonic() - began < 4 * delivery.ROUND_S, "it looked every second and heard nothing"
        await until_handled(hand)


async def test_the_lease_of_a_dead_worker_ends_and_its_late_word_counts_nothing(db: Database, hand: Database) -> None:
    owner, aggregate = await somebody(db), uuid4()
    await events(db, owner, [aggregate], 2)
    async with hand.transaction() as conn:
        (claimed,) = await outbox.claim(conn, "slow", lease_s=0.2, limit=8)
    quick = Delivery(hand, [Writer("quick")])
    assert await quick.round() == 0, "it is somebody else's"
    await asyncio.sleep(0.25)
    assert await quick.round() == 1
    with pytest.raises(outbox.LostError):
        async with hand.transaction(org=owner.org_id) as conn:
            await outbox.mark(conn, claimed, "slow")
    await drained(hand, quick)
    assert await effects(hand) == {aggregate: [0, 1]}


async def test_an_event_that_ends_its_workers_is_parked(db: Database, hand: Database, urls: Urls) -> None:
    owner = await somebody(db)
    await events(db, owner, [uuid4()], 1)
    for attempt in range(1, delivery.ATTEMPTS + 1):
        async with hand.transaction() as conn:
            (claimed,) = await outbox.claim(conn, "dead", lease_s=60, limit=1)
        assert claimed.attempts == attempt
        await aged(urls, "UPDATE colane.outbox SET claimed_until = now() - interval '1 second'")
    writer = Writer()
    await Delivery(hand, [writer]).round()
    assert writer.seen == []
    async with hand.transaction(read_only=True) as conn:
        (parked,) = await outbox.waiting(conn, parked=True, limit=10)
    assert parked.last_error == "WorkerEndedError: workers ended while they handled it"


async def test_what_was_handled_long_ago_is_forgotten(db: Database, hand: Database, urls: Urls) -> None:
    owner = await somebody(db)
    await events(db, owner, [uuid4()], 2)
    await Delivery(hand, [Writer()]).round()
    await aged(urls, "UPDATE colane.outbox SET handled_at = handled_at - interval '6 days'")
    for left in (2, 1):
        async with hand.transaction(org=owner.org_id) as conn:
            await outbox.forget(conn, owner.org_id)
            assert (await conn.execute(text("SELECT count(*) FROM colane.outbox"))).scalar_one() == left
        await aged(urls, "UPDATE colane.outbox SET handled_at = handled_at - interval '2 days'")


# -- killed ----------------------------------------------------------------------------------------------------------

STEPS = ("claimed", "prepared", "marked", "written", "committed", "next")


def start(urls: Urls, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(KILLED), urls.worker, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_an_event_has_its_effect_once(
    db: Database, hand: Database, urls: Urls, step: str
) -> None:
    owner, aggregates = await somebody(db), [uuid4() for _ in range(3)]
    await events(db, owner, aggregates, 3)
    first = await asyncio.to_thread(start(urls, step).wait, 30)
    assert first == -signal.SIGKILL
    before = await effects(hand)
    assert sum(map(len, before.values())) < 9
    assert await asyncio.to_thread(start(urls, "never").wait, 30) == 0
    assert await effects(hand) == {one: [0, 1, 2] for one in aggregates}


async def killed_at_random(db: Database, hand: Database, urls: Urls, seed: int, each: int, seconds: float) -> None:
    """Workers killed at moments of chance, two at a time, until everything is handled; `each` events of ten aggregates."""
    chance, owner, aggregates = random.Random(seed), await somebody(db), [uuid4() for _ in range(10)]
    await events(db, owner, aggregates, each)
    kills, deadline = 0, time.monotonic() + seconds
    workers = [start(urls, "never"), start(urls, "never")]
    try:
        while left := await waiting(hand):
            goal = left - chance.randrange(1, 60)
            while await waiting(hand) > max(goal, 0):
                assert time.monotonic() < deadline, f"seed {seed}: {left} left after {kills} kills"
                await asyncio.sleep(chance.uniform(0.001, 0.05))
            place = chance.randrange(2)
            kills += workers[place].poll() is None
            workers[place].kill()
            workers[place].wait()
            workers[place] = start(urls, "never")
    finally:
        for one in workers:
            one.kill()
            one.wait()
    assert await effects(hand) == {one: list(range(each)) for one in aggregates}, f"seed {seed}"
    print(f"seed {seed}: {kills} kills, {each * 10} events")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_killed_at_random_moments_everything_happens_once(db: Database, hand: Database, urls: Urls) -> None:
    await killed_at_random(db, hand, urls, random.randrange(10**6), 200, 200)


# -- many ------------------------------------------------------------------------------------------------------------


async def many(db: Database, hand: Database, urls: Urls, count: int, aggregates: int) -> float:
    """So many events, over so many aggregates, drained by two workers; how long that took."""
    owner = await somebody(db)
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        await conn.execute(
            text(
                "INSERT INTO colane.outbox (org_id, aggregate_id, event, payload) SELECT :org,"
                " ('00000000-0000-4000-8000-' || lpad((n % :many)::text, 12, '0'))::uuid, 'test',"
                " jsonb_build_object('number', n / :many) FROM generate_series(0, :count - 1) n"
            ),
            {"org": owner.org_id, "many": aggregates, "count": count},
        )
    began = time.monotonic()
    await drained(hand, Delivery(hand, [Writer("one")]), Delivery(hand, [Writer("two")]))
    spent = time.monotonic() - began
    found = await effects(hand)
    assert len(found) == aggregates
    assert all(numbers == list(range(count // aggregates)) for numbers in found.values())
    return spent


async def test_a_thousand_that_wait_are_drained_in_order(db: Database, hand: Database, urls: Urls) -> None:
    await many(db, hand, urls, 1_000, 50)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("aggregates", [1, 100, 10_000])
async def test_ten_thousand_that_wait_are_drained_in_order(
    db: Database, hand: Database, urls: Urls, aggregates: int, record_property: Callable[[str, object], None]
) -> None:
    spent = await many(db, hand, urls, 10_000, aggregates)
    record_property("seconds", round(spent, 1))
