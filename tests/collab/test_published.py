"""Failures that users and readers of other Yjs servers have published, on our cores: none of them is ours.

Each test names the server and what went wrong there. Those that need sockets: tests/interop/test_published.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pycrdt import Doc, Map
from sqlalchemy import text

from collab import hub as sockets
from collab import rooms as living
from collab.door import Door
from collab.effects import Append, Send
from collab.journal import Journal
from collab.rooms import Rooms, RoomUnavailableError
from collab.session import Person
from collab.session import Protocol as Dialect
from collab.wire import messages
from collab.wire.close import Close
from collab.workshop import Workshop
from storage.database import Database
from storage.notices import Notices
from storage.settings import Settings
from storage.updates import UpdateLog
from tests.collab.test_relay import Seat, until
from tests.collab.test_room import ANN, BOB, HOC, YWS, Bench
from tests.conftest import Urls
from tests.people import Owner, diagram_of, somebody


def test_pycrdt_websocket_a_burst_over_65536_is_dropped() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 101), bench.join(BOB, YWS, 102)
    written: list[bytes] = []
    subscription = ann.doc.observe(lambda event: written.append(event.update))
    count = 70_000
    for number in range(count):
        ann.map[f"k{number}"] = number
        bench.say(ann, messages.Update(written.pop()))
    ann.doc.unobserve(subscription)
    assert len(bench.pending) == count
    bench.tick()
    assert bob.map.to_py() == ann.map.to_py()
    for append in bench.pending:
        bench.carry(bench.room.committed(append.ticket, append.ticket))
    assert ann.acknowledged == count + 1, "each once, and the first step 2"


def test_y_sweet_a_leaver_with_two_presences_leaves_one_as_a_ghost() -> None:
    """Presences were taken away only when a client had named exactly one."""
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 101), bench.join(BOB, YWS, 102)
    bench.say(ann, messages.Awareness((messages.Entry(7, 1, {"x": 1}), messages.Entry(8, 1, {"x": 2}))))
    bench.tick()
    bench.carry(bench.room.leave(ann.session))
    bench.tick()
    shown: dict[int, object] = {}
    for one in bob.received:
        if isinstance(one, messages.Awareness):
            shown |= {entry.client: entry.state for entry in one.entries}
    assert shown == {7: None, 8: None}


def test_y_redis_presence_is_written_to_the_store() -> None:
    """Cursors filled their streams; here a presence is in no log, whatever it says."""
    bench = Bench()
    ann = bench.join(ANN, YWS, 101)
    for clock in range(1, 200):
        said = messages.Awareness((messages.Entry(7, clock, {"x": clock}),))
        assert not [one for one in bench.room.receive(ann.session, said, clock) if isinstance(one, Append)]
    assert bench.pending == []


def test_yhub_every_joiner_of_a_large_document_costs_its_whole_state_again() -> None:
    """One message for all who join meanwhile: the very same bytes, until somebody writes."""
    large: Doc[Any] = Doc()
    large.get("n", type=Map)["k"] = "x" * 2_000_000
    bench = Bench([large.get_update()])
    assert bench.room.large
    sent = []
    for _ in range(3):
        session, _greeting = bench.room.join(ANN, YWS, writes=True)
        effects = bench.room.receive(session, messages.Step1(b"\x00"), 0.0)
        sent += [one.payload for one in effects if isinstance(one, Send) and len(one.payload) > 2_000_000]
    assert len(sent) == 3
    assert sent[0] is sent[1] is sent[2]
    bob = bench.join(BOB, YWS, 102)
    bench.say(bob, bob.edit("other", 1))
    assert bench.join(ANN, YWS, 103).map["other"] == 1


@asynccontextmanager
async def rooms_of(urls: Urls, log: UpdateLog) -> AsyncIterator[Rooms]:
    async with (
        Journal.open(log) as journal,
        Notices.open(urls.app) as notices,
        Rooms.open(log, journal, notices) as rooms,
    ):
        yield rooms
        await journal.drained(5)


@pytest.fixture
async def owner(db: Database) -> Owner:
    return await somebody(db)


async def test_hocuspocus_a_load_that_fails_becomes_an_empty_document(
    db: Database, log: UpdateLog, urls: Urls, shop: Workshop, owner: Owner
) -> None:
    """Their #382: a blank document overwrote what was stored. And #1156: each failed load stayed in memory."""
    diagram = await diagram_of(db, shop, owner)
    async with rooms_of(urls, log) as rooms:
        async with Database.open(urls.worker) as worker:
            async with worker.transaction(org=owner.org_id) as conn:
                moved = await conn.execute(text("UPDATE colane.diagram_heads SET seq = seq + 1 RETURNING seq"))
                assert moved.rowcount == 1
            results = await asyncio.gather(
                *(rooms.enter(owner.grant(diagram)) for _ in range(5)), return_exceptions=True
            )
            assert [type(one) for one in results] == [RoomUnavailableError] * 5
            assert rooms.seats == 0
            async with worker.transaction(org=owner.org_id) as conn:
                await conn.execute(text("UPDATE colane.diagram_heads SET seq = seq - 1"))
        room = await rooms.enter(owner.grant(diagram))
        doc: Doc[Any] = Doc()
        doc.apply_update(room.core.state_after(b"\x00"))
        assert len(doc.get("n", type=Map)) > 5


async def test_hocuspocus_a_room_is_unloaded_while_somebody_comes_in(
    db: Database, log: UpdateLog, urls: Urls, shop: Workshop, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their #893 and #971: who came in at that moment wrote into a room that nobody else was in, and no store heard of."""
    monkeypatch.setattr(living, "LINGER_S", 0.3)
    diagram = await diagram_of(db, shop, owner)
    person = Person(owner.user_id, "Ann", "#112233")
    async with rooms_of(urls, log) as rooms:
        first = Seat()
        room = await rooms.enter(owner.grant(diagram))
        room.leave(room.join(person, Dialect.YWS, first, writes=True))
        await asyncio.sleep(0.2)  # it will close in 0.1 s
        again = await rooms.enter(owner.grant(diagram))
        await asyncio.sleep(0.2)  # the handshake goes on meanwhile
        assert await rooms.enter(owner.grant(diagram)) is again, "it waits for who is on their way"
        session = again.join(person, Dialect.YWS, Seat(), writes=True)
        again.leave(session)
        await asyncio.sleep(0.5)
        assert await rooms.enter(owner.grant(diagram)) is not again, "and closes when nobody is"


async def test_y_websocket_everybody_comes_back_at_once_after_a_restart() -> None:
    """Stock clients have no jitter. So many are asked about at a time; the others wait in their order, not in vain."""
    hub = sockets.Hub(Settings(), cast("Door", None), cast("Rooms", None), cast("Journal", None))
    inside = most = 0
    order: list[int] = []

    async def come(number: int) -> None:
        nonlocal inside, most
        async with hub.turn():
            inside += 1
            most = max(most, inside)
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(come(number) for number in range(500)))
    assert most == sockets.ENTERING
    assert order == list(range(500))


async def test_y_websocket_who_waits_too_long_is_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "ENTER_PATIENCE_S", 0.05)
    hub = sockets.Hub(Settings(), cast("Door", None), cast("Rooms", None), cast("Journal", None))
    stuck = [asyncio.create_task(_stay(hub)) for _ in range(sockets.ENTERING)]
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with hub.turn():
            pass
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    async with hub.turn():
        pass


async def _stay(hub: sockets.Hub) -> None:
    async with hub.turn():
        await asyncio.Event().wait()


async def test_yhub_a_database_that_is_away_ends_the_process_that_looks_at_rights(
    db: Database, log: UpdateLog, urls: Urls, shop: Workshop, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Theirs gives up after a thousand failures of its store. Here whoever is in goes on, and is asked about again."""
    monkeypatch.setattr(sockets, "EXPIRY_S", 0.01)
    monkeypatch.setattr(living, "CHECK_S", 0.0)
    diagram = await diagram_of(db, shop, owner)

    class Away(Seat):
        async def recheck(self) -> None:
            """As a real one does whose database is gone: asks it, in vain."""
            tried.append(1)
            async with Database.open("postgresql://colane_app@/colane?host=/nowhere") as gone, gone.transaction():
                pass

    tried: list[int] = []
    async with rooms_of(urls, log) as rooms:
        room = await rooms.enter(owner.grant(diagram))
        seat = Away()
        room.join(Person(owner.user_id, "Ann", "#112233"), Dialect.YWS, seat, writes=True)
        hub = sockets.Hub(Settings(), cast("Door", None), rooms, cast("Journal", None))
        watching = asyncio.create_task(hub.watch_rights())
        await until(lambda: len(tried) >= 3 or watching.done())
        assert not watching.done()
        assert seat.closed is None
        watching.cancel()


async def test_R13_who_is_in_a_document_that_begins_a_new_epoch_is_told_so(
    db: Database, log: UpdateLog, urls: Urls, shop: Workshop, owner: Owner
) -> None:
    diagram = await diagram_of(db, shop, owner)
    async with rooms_of(urls, log) as rooms:
        room = await rooms.enter(owner.grant(diagram))
        seat = Seat()
        room.join(Person(owner.user_id, "Ann", "#112233"), Dialect.HOCUSPOCUS, seat, writes=True)
        async with Database.open(urls.worker) as hand, hand.transaction(org=owner.org_id) as conn:
            await conn.execute(text("UPDATE colane.diagram_heads SET epoch = epoch + 1"))
        await rooms.catch_up(room)
        assert seat.closed is Close.EPOCH
        assert seat.told == [{"event": "epoch", "diagram": str(diagram)}]
