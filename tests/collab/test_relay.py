"""A room held against the database, on a real one, and a real Valkey: what differs is found, counted and mended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pycrdt import Doc, Map

from collab.bus import compare, core
from collab.bus.relay import Relay
from collab.journal import Journal
from collab.live import LiveRoom
from collab.rooms import Rooms
from collab.session import Person
from collab.session import Protocol as Dialect
from collab.wire import messages
from collab.wire.close import Close
from collab.workshop import Workshop
from storage.database import Database
from storage.notices import Event, Notices
from storage.updates import Append, UpdateLog
from tests.collab.test_room import value_of
from tests.conftest import Urls
from tests.nodes import redis
from tests.people import Owner, diagram_of, somebody


def doc_with(client: int, key: str, value: object) -> bytes:
    doc: Doc[Any] = Doc(client_id=client)
    doc.get("meta", type=Map)[key] = value
    return doc.get_update()


def counted(found: str) -> float:
    return REGISTRY.get_sample_value("colane_comparisons_total", {"found": found}) or 0.0


def divergent() -> float:
    return REGISTRY.get_sample_value("colane_divergent_rooms") or 0.0


async def until(what: Callable[[], object], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


class Seat:
    """A client's connection that only remembers."""

    def __init__(self) -> None:
        self.closed: Close | None = None
        self.sent: list[bytes] = []
        self.told: list[Event] = []

    def send(self, payload: bytes, *, droppable: bool) -> None:  # noqa: ARG002 -- the shape of a seat
        self.sent.append(payload)

    def acknowledge(self, count: int) -> None:
        pass

    def part(self, code: Close) -> None:
        self.closed = code

    def tell(self, event: Event) -> None:
        self.told.append(event)

    async def recheck(self) -> None:
        pass


@dataclass
class Node:
    """One process' live side."""

    log: UpdateLog
    rooms: Rooms
    room: LiveRoom
    seat: Seat
    owner: Owner

    async def stored(self) -> list[bytes]:
        return (await self.log.load(self.room.org_id, self.room.diagram_id)).updates


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clockwork as it is, only faster."""
    monkeypatch.setattr(core, "COMPARE_S", 0.2)
    monkeypatch.setattr(core, "SUSPECT_S", 0.2)


@asynccontextmanager
async def node(urls: Urls, db: Database, shop: Workshop, url: str) -> AsyncIterator[Node]:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(UpdateLog.open(urls.app))
        journal = await stack.enter_async_context(Journal.open(log))
        notices = await stack.enter_async_context(Notices.open(urls.app))
        rooms = await stack.enter_async_context(Rooms.open(log, journal, notices))
        await stack.enter_async_context(Relay.open(rooms, log, shop, url, 1))
        room = await rooms.enter(owner.grant(diagram))
        seat = Seat()
        session = room.join(Person(owner.user_id, "Ann", "#000000"), Dialect.YWS, seat, writes=True)
        room.receive(session, messages.Step1(b"\x00"))
        yield Node(log, rooms, room, seat, owner)
        await journal.drained(5.0)


def write(one: Node, update: bytes) -> None:
    session = one.room.core.sessions[0]
    one.room.receive(session, messages.Update(update))


@pytest.mark.usefixtures("quick")
async def test_R7_what_differs_from_the_database_is_found_and_mended(urls: Urls, db: Database, shop: Workshop) -> None:
    with redis() as between:
        async with node(urls, db, shop, between.url) as one:
            before = {found: counted(found) for found in ("equal", "ahead", "behind")}
            write(one, doc_with(1, "mine", 1))
            await until(lambda: counted("equal") > before["equal"])
            assert (counted("ahead"), counted("behind")) == (before["ahead"], before["behind"])
            assert divergent() == 0

            # An update in the room that the log never got.
            one.room.core.from_log(one.room.core.seq, [doc_with(2, "stray", 2)], 0.0)
            write(one, doc_with(3, "more", 3))
            await until(lambda: counted("ahead") > before["ahead"])
            equal = counted("equal")
            await until(lambda: counted("equal") > equal)
            assert divergent() == 0
            assert value_of_meta(await one.stored(), "stray") == 2

            # An update in the log that the room believes to have, and has not.
            async with asyncio.timeout(5):
                await plant(one, doc_with(4, "lost", 4))
            one.room.core.seq += 1
            write(one, doc_with(5, "again", 5))
            await until(lambda: counted("behind") > before["behind"])
            equal = counted("equal")
            await until(lambda: counted("equal") > equal)
            assert divergent() == 0
            assert value_of_meta([one.room.core.state_after(b"\x00")], "lost") == 4
            assert any(b"lost" in payload for payload in one.seat.sent), "its clients are told"
            assert one.seat.closed is None


@pytest.mark.usefixtures("quick")
async def test_R7_two_clients_under_one_id_are_found_though_their_state_vectors_agree(
    urls: Urls, db: Database, shop: Workshop
) -> None:
    with redis() as between:
        async with node(urls, db, shop, between.url) as one:
            content = counted("content")
            # The log got the one, this room the other; each is client 9's first struct.
            await plant(one, doc_with(9, "whose", "theirs"))
            one.room.core.from_log(one.room.core.seq + 1, [doc_with(9, "whose", "mine!!")], 0.0)
            write(one, doc_with(5, "more", 5))
            await until(lambda: counted("content") > content)
            assert one.seat.closed is Close.EPOCH
            again = await one.rooms.enter(one.owner.grant(one.room.diagram_id))
            assert value_of_meta([again.core.state_after(b"\x00")], "whose") == "theirs"


async def plant(one: Node, update: bytes) -> None:
    """Into the log, with no word to anybody."""
    room = one.room
    await one.log.append([Append(room.org_id, room.diagram_id, room.epoch, update, None)])


def value_of_meta(updates: list[bytes], key: str) -> object:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc.get("meta", type=Map).get(key)


def test_judge_compares_structs_deletions_and_what_people_see() -> None:
    doc: Doc[Any] = Doc(client_id=1)
    nodes: Map[Any] = doc.get("n", type=Map)
    updates = []
    for number in range(5):
        before = doc.get_state()
        nodes[f"k{number}"] = number
        updates.append(doc.get_update(before))
    whole = doc.get_update()
    assert compare.judge(whole, updates).verdict == "equal"
    assert compare.judge(updates[0], updates[:1]).verdict == "equal"
    short = compare.judge(updates[0], updates)
    assert short.verdict == "behind"
    assert short.room_lacks is not None
    assert value_of([updates[0], short.room_lacks], "k4") == 4
    assert compare.judge(whole, updates[:3]).verdict == "ahead"
    before = doc.get_state()
    del nodes["k0"]
    deletion = doc.get_update(before)
    assert compare.judge(doc.get_update(), updates).verdict == "ahead", "a deletion is no struct, and counts"
    assert compare.judge(whole, [*updates, deletion]).verdict == "behind"
    assert compare.judge(doc.get_update(), [*updates, deletion]).verdict == "equal"
    assert compare.judge(doc_with(9, "a", "x"), [doc_with(9, "a", "y")]).verdict == "content"
