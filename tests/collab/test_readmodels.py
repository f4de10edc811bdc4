"""Read models follow what happens, and made anew they are the same."""

import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from collab import checkpoint, save, worker
from collab.bpmn import words
from collab.bpmn.records import Change
from collab.delivery import Delivery
from collab.readmodels import ReadModels
from collab.workshop import Workshop
from storage import comments, dashboard, diagrams, history, outbox, readmodels, search
from storage.comments import Anchor, Said
from storage.database import Database
from storage.updates import UpdateLog
from tests.collab.test_save import live_edit
from tests.collab.test_worker import aged
from tests.conftest import Urls
from tests.people import TEXT, Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(120)
STEPS = 25


@pytest.fixture
async def hand(urls: Urls) -> AsyncIterator[Database]:
    """The worker's own login."""
    async with Database.open(urls.worker) as db:
        yield db


async def follow(hand: Database, shop: Workshop) -> None:
    """Everything that waits is handled."""
    delivery = Delivery(hand, [ReadModels(hand, shop)])
    while await delivery.round():
        pass
    async with hand.transaction(read_only=True) as conn:
        assert await outbox.waiting(conn, parked=False, limit=10) == []


async def anew(hand: Database, shop: Workshop, org_id: UUID) -> None:
    async for _ in ReadModels(hand, shop).rebuild(org_id):
        pass


async def rows(hand: Database, org_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all read models."""
    found = {}
    async with hand.transaction(org=org_id, read_only=True) as conn:
        for table in readmodels.TABLES:
            result = await conn.execute(text(f"SELECT * FROM colane.{table} t ORDER BY t::text"))
            found[table] = [tuple(row) for row in result]
    return found


async def hits(db: Database, owner: Owner, query: str) -> set[tuple[str, str | None]]:
    found = await search.find(
        db,
        user_id=owner.user_id,
        org_id=owner.org_id,
        query=words.query(query, words.tag_of(owner.org_id)),
        skip=0,
        limit=100,
    )
    return {(one.field, one.element_id) for one in found}


async def board(db: Database, owner: Owner) -> dashboard.Dashboard:
    return await dashboard.of(db, user_id=owner.user_id, org_id=owner.org_id, days=30)


async def test_what_is_written_is_found_until_it_is_changed(
    db: Database, shop: Workshop, log: UpdateLog, hand: Database
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await follow(hand, shop)
    assert await hits(db, owner, "inner") == {("name", "Task_2")}
    assert await hits(db, owner, "raw text") == {("documentation", "Process_1")}
    assert await hits(db, owner, "spaces kept") == {("text", "Note_1")}
    changed = TEXT.replace(b'name="Inner"', b'name="Outer"')
    await save.save(db, log, shop, grant=grant, xml=changed, base=1)
    await diagrams.change(db, grant, diagrams.Change(title="Renamed plan"))
    await follow(hand, shop)
    assert await hits(db, owner, "inner") == set()
    assert await hits(db, owner, "outer") == {("name", "Task_2")}
    assert await hits(db, owner, "plan") == {("title", None)}
    said = await comments.begin(db, grant, Said("Is this outdated?"), Anchor("Task_2", "Outer", 1))
    await comments.answer(db, grant, said.id, Said("Unfortunately"))
    await follow(hand, shop)
    assert await hits(db, owner, "outdated") == await hits(db, owner, "unfortunately") == {("comment", "Task_2")}
    await comments.delete(db, grant, said)
    await diagrams.delete(db, grant)
    await follow(hand, shop)
    assert await hits(db, owner, "outer") == set()
    await diagrams.undelete(db, grant)
    await follow(hand, shop)
    assert await hits(db, owner, "outdated") == set()
    assert await hits(db, owner, "outer") == {("name", "Task_2")}


async def test_the_dashboard_counts_and_says_who(db: Database, shop: Workshop, log: UpdateLog, hand: Database) -> None:
    ann = await somebody(db, "Ann")
    first, second = await diagram_of(db, shop, ann), await diagram_of(db, shop, ann)
    for number in range(3):
        changed = TEXT.replace(b'name="Inner"', f'name="Inner {number}"'.encode())
        await save.save(db, log, shop, grant=ann.grant(first), xml=changed, base=number + 1)
    thread = await comments.begin(db, ann.grant(second), Said("Why?"), None)
    await comments.begin(db, ann.grant(second), Said("How?"), None)
    await comments.resolve(db, ann.grant(second), thread.id, resolved=True)
    await follow(hand, shop)
    found = await board(db, ann)
    counts = found.counts
    assert (counts.diagrams, counts.versions, counts.people, counts.threads, counts.open_threads) == (2, 5, 1, 2, 1)
    assert [(day.edits, day.people, day.diagrams) for day in found.activity] == [(5, 1, 2)]
    (editor,) = found.editors
    assert (editor.person.name, editor.edits) == ("Ann", 5)
    assert [(one.id, one.edits) for one in editor.diagrams] == [(first, 4), (second, 1)]
    assert [(one.id, one.version) for one in found.recent] == [(first, 4), (second, 1)]
    await diagrams.change(db, ann.grant(first), diagrams.Change(visibility="private"))
    guest = Owner((await somebody(db, "Bob")).user_id, ann.org_id, "bob@example.org")
    assert (await board(db, guest)).counts.diagrams == 1


async def test_an_event_handled_twice_changes_nothing(db: Database, shop: Workshop, hand: Database, urls: Urls) -> None:
    owner = await somebody(db)
    await diagram_of(db, shop, owner)
    await follow(hand, shop)
    before = await rows(hand, owner.org_id)
    await aged(urls, "UPDATE colane.outbox SET handled_at = NULL")
    await follow(hand, shop)
    assert await rows(hand, owner.org_id) == before


async def test_a_text_that_cannot_be_read_any_more_keeps_nothing_waiting(
    db: Database, shop: Workshop, hand: Database, urls: Urls
) -> None:
    owner = await somebody(db)
    await diagram_of(db, shop, owner)
    await aged(urls, "UPDATE colane.versions SET xml = 'no XML'")
    await follow(hand, shop)
    assert await hits(db, owner, "test") == {("title", None)}


class History:
    """Somebody who does something of chance, again and again."""

    def __init__(self, db: Database, log: UpdateLog, shop: Workshop, owner: Owner, chance: random.Random) -> None:
        self.db, self.log, self.shop, self.owner, self.chance = db, log, shop, owner, chance
        self.live: list[UUID] = []
        self.deleted: list[UUID] = []

    async def step(self) -> str:
        if not self.live:
            return await self.make()
        names = ["make", "save", "save", "edit", "rename", "hide", "delete", "undelete", "talk", "restore", "name"]
        return str(await getattr(self, self.chance.choice(names))())

    async def make(self) -> str:
        self.live.append(await diagram_of(self.db, self.shop, self.owner))
        return "make"

    def some(self) -> UUID:
        return self.chance.choice(self.live)

    async def save(self) -> str:
        grant = self.owner.grant(self.some())
        named = f'name="Word{self.chance.randrange(5)} {self.chance.randrange(100)}"'
        xml = TEXT.replace(b'name="Inner"', named.encode())
        if self.chance.random() < 0.3:
            xml = xml.replace(b"spaces kept", b"spaces lost")
        await save.save(self.db, self.log, self.shop, grant=grant, xml=xml, base=await history.head(self.db, grant))
        return "save"

    async def edit(self) -> str:
        diagram = self.some()
        await live_edit(self.log, self.owner, diagram, Change("Task_2", "@name", f"live {self.chance.randrange(100)}"))
        await checkpoint.make(self.db, self.log, self.shop, checkpoint.Who(self.owner.org_id, diagram, None))
        return "edit"

    async def rename(self) -> str:
        change = diagrams.Change(title=f"Title {self.chance.randrange(10)}")
        await diagrams.change(self.db, self.owner.grant(self.some()), change)
        return "rename"

    async def hide(self) -> str:
        change = diagrams.Change(visibility=self.chance.choice(["org", "private"]))
        await diagrams.change(self.db, self.owner.grant(self.some()), change)
        return "hide"

    async def delete(self) -> str:
        gone = self.some()
        await diagrams.delete(self.db, self.owner.grant(gone))
        self.live.remove(gone)
        self.deleted.append(gone)
        return "delete"

    async def undelete(self) -> str:
        if self.deleted:
            back = self.deleted.pop(self.chance.randrange(len(self.deleted)))
            await diagrams.undelete(self.db, self.owner.grant(back))
            self.live.append(back)
        return "undelete"

    async def talk(self) -> str:
        grant = self.owner.grant(self.some())
        made = await comments.begin(self.db, grant, Said(f"Said {self.chance.randrange(9)}"), Anchor("Task_2", None, 1))
        answer = await comments.answer(self.db, grant, made.id, Said("Answered"))
        match self.chance.randrange(5):
            case 0:
                await comments.edit(self.db, grant, made.id, Said("Meant otherwise"))
            case 1:
                await comments.resolve(self.db, grant, made.id, resolved=True)
            case 2:
                await comments.delete(self.db, grant, made)
            case 3:
                await comments.delete(self.db, grant, answer)
        return "talk"

    async def restore(self) -> str:
        grant = self.owner.grant(self.some())
        await save.restore(self.db, self.log, self.shop, grant=grant, version=1)
        return "restore"

    async def name(self) -> str:
        grant = self.owner.grant(self.some())
        await history.change(self.db, grant, 1, name=("Kept",), pinned=None)
        return "name"


async def a_history(db: Database, log: UpdateLog, shop: Workshop, hand: Database, urls: Urls, seed: int) -> None:
    chance, owner = random.Random(seed), await somebody(db, f"Ann{seed}")
    told, one = [], History(db, log, shop, owner, chance)
    for _ in range(STEPS):
        told.append(await one.step())
        if chance.random() < 0.3:
            await follow(hand, shop)
        if chance.random() < 0.05:
            await anew(hand, shop, owner.org_id)  # while events wait
    if one.deleted:
        await aged(urls, f"UPDATE colane.diagrams SET purge_at = now() WHERE id = '{one.deleted[0]}'")
        await worker.sweep(hand, log, shop)
    await follow(hand, shop)
    incremental = await rows(hand, owner.org_id)
    await anew(hand, shop, owner.org_id)
    assert incremental == await rows(hand, owner.org_id), f"seed {seed}: {told}"
    known = {row[1] for table in incremental.values() for row in table}
    assert known == {*one.live, *one.deleted[1:]}, f"seed {seed}: what is purged leaves nothing"


@pytest.mark.parametrize("seed", [1, 2])
async def test_made_anew_they_are_the_same(
    db: Database, log: UpdateLog, shop: Workshop, hand: Database, urls: Urls, seed: int
) -> None:
    await a_history(db, log, shop, hand, urls, seed)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_made_anew_they_are_the_same_after_many_histories(
    db: Database, log: UpdateLog, shop: Workshop, hand: Database, urls: Urls
) -> None:
    first = random.randrange(10**6)
    print(f"seeds {first} to {first + 19}")
    for seed in range(first, first + 20):
        await a_history(db, log, shop, hand, urls, seed)
