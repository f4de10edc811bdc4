"""Folds: the document is the same before and after, whatever foreign clients wrote into it; history is told as people act."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Map, Text
from sqlalchemy import text

from collab import checkpoint, fold, replay, save
from collab.bpmn import diagram as bench
from collab.bpmn import document
from collab.bpmn.document import Shared
from collab.bpmn.records import Change
from collab.workshop import Workshop
from storage import folds
from storage.database import Database
from storage.updates import Append, UpdateLog
from tests.collab.conftest import Hand
from tests.collab.test_save import live_edit, renamed
from tests.people import Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(90)


async def raw_edit(
    log: UpdateLog,
    owner: Owner,
    diagram: UUID,
    client: int,
    edit: Callable[[Map[Any]], None],
    author: UUID | None = None,
) -> None:
    """What any Yjs client may write."""
    doc: Shared = document.load((await log.load(owner.org_id, diagram)).updates, client)
    before = doc.get_state()
    edit(doc.get("n", type=Map))
    await log.append([Append(owner.org_id, diagram, 1, doc.get_update(before), author or owner.user_id, client)])


async def history_of(db: Database, owner: Owner) -> list[tuple[Any, ...]]:
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        rows = await conn.execute(text("SELECT * FROM colane.element_changes ORDER BY seq, ordinal"))
        return [(r.seq, r.author, r.node_key, r.register, r.before, r.after) for r in rows]


async def audited(db: Database, owner: Owner) -> list[tuple[str, Any]]:
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        rows = await conn.execute(
            text("SELECT action, metadata FROM colane.audit WHERE diagram_id IS NOT NULL ORDER BY seq")
        )
        return [(row.action, row.metadata.get("updates")) for row in rows]


STRANGE: dict[str, Callable[[Map[Any]], None]] = {
    "NUL in a value": lambda n: n["Task_1"].__setitem__("@name", "a\0b"),
    "NUL in an id": lambda n: n.__setitem__("a\0", Map({"t": "bpmn:task", "p": ["Process_1", "a"], "@id": "q\0"})),
    "NUL in a register": lambda n: n["Task_1"].__setitem__("@a\0", "v"),
    "NUL in a tag": lambda n: n["Task_1"].__setitem__("t", "bpmn:\0"),
    "no number": lambda n: n["Task_1"].__setitem__("@name", float("nan")),
    "no end": lambda n: n["Task_1"].__setitem__("z", float("-inf")),
    "bytes": lambda n: n["Task_1"].__setitem__("@name", b"\x00\xff"),
    "bytes in a list": lambda n: n["Task_1"].__setitem__("p", [b"x", float("nan"), None]),
    "not a record": lambda n: n.__setitem__("zz", "plain"),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_whatever_a_client_writes_can_be_folded_versioned_and_saved_over(
    db: Database, shop: Workshop, log: UpdateLog, hand: Hand, name: str
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await raw_edit(log, owner, diagram, 77, STRANGE[name])
    await checkpoint.checkpoint(db, log, shop, grant=owner.grant(diagram))
    before = await save.live(db, log, shop, owner.grant(diagram))
    shown = await shop.do(bench.text, (await log.load(owner.org_id, diagram)).updates)
    assert await fold.fold(*hand, shop, owner.org_id, diagram)
    assert await shop.do(bench.text, (await log.load(owner.org_id, diagram)).updates) == shown
    assert await save.live(db, log, shop, owner.grant(diagram)) == before
    saved = await save.save(db, log, shop, grant=owner.grant(diagram), xml=renamed(b"After"), base=before.version)
    assert not saved.unchanged


async def test_typing_is_one_change_of_its_author_and_long_text_is_cut(
    db: Database, shop: Workshop, log: UpdateLog, hand: Hand
) -> None:
    ann, bob = await somebody(db, "Ann"), await somebody(db, "Bob")
    diagram = await diagram_of(db, shop, ann)
    record = {"t": "bpmn:documentation", "p": ["Task_1", "zz"]}
    await raw_edit(log, ann, diagram, 77, lambda n: n.__setitem__("doc", Map({**record, "x": Text("")})))

    def typed(letters: str) -> Callable[[Map[Any]], None]:
        def edit(nodes: Map[Any]) -> None:
            held = nodes["doc"]["x"]
            held += letters

        return edit

    for letter in "words":
        await raw_edit(log, ann, diagram, 77, typed(letter))
    await raw_edit(log, ann, diagram, 88, typed("!"), author=bob.user_id)
    await raw_edit(log, ann, diagram, 77, typed("?" * 20_000))
    assert await fold.fold(*hand, shop, ann.org_id, diagram)
    changes = [
        (seq, author, before, after)
        for seq, author, _, register, before, after in await history_of(db, ann)
        if register == "x"
    ]
    assert changes[0] == (7, ann.user_id, None, "words")
    assert changes[1] == (8, bob.user_id, "words", "words!")
    assert (changes[2][:3], len(changes[2][3])) == ((9, ann.user_id, "words!"), replay.LONGEST + 1)


async def test_what_commands_wrote_is_not_told_twice(db: Database, shop: Workshop, log: UpdateLog, hand: Hand) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await save.save(db, log, shop, grant=owner.grant(diagram), xml=renamed(b"One"), base=1)
    await fold.fold(*hand, shop, owner.org_id, diagram)
    assert await audited(db, owner) == [("diagram.create", None), ("diagram.save", None)]
    assert [row[3:] for row in await history_of(db, owner)] == [("@name", "Do", "One")], "the element's history has it"
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    await fold.fold(*hand, shop, owner.org_id, diagram)
    assert (await audited(db, owner))[2:] == [("diagram.edit", 1)]


async def test_a_long_log_is_folded_piece_by_piece(
    db: Database, shop: Workshop, log: UpdateLog, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "PIECE", 3)
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    for number in range(6):
        await live_edit(log, owner, diagram, Change("Task_2", "@name", f"{number}"))
    tails = []
    while await fold.fold(*hand, shop, owner.org_id, diagram):
        tails.append([seq for seq, _ in (await log.load(owner.org_id, diagram)).tail])
    assert tails == [[4, 5, 6, 7], [7], []]
    assert [row[5] for row in await history_of(db, owner)] == [f"{n}" for n in range(6)]
    assert b'name="5"' in (await save.live(db, log, shop, owner.grant(diagram))).xml


async def test_of_two_folds_at_once_one_counts_and_the_slower_takes_nothing_back(
    db: Database, shop: Workshop, log: UpdateLog, hand: Hand
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    results = await asyncio.gather(*(fold.fold(*hand, shop, owner.org_id, diagram) for _ in range(8)))
    assert sorted(results) == [*[False] * 7, True]
    stored = await log.load(owner.org_id, diagram)
    assert stored.snapshot is not None
    with pytest.raises(folds.OvertakenError):
        async with hand[0].transaction(org=owner.org_id) as conn:
            await folds.write(conn, owner.org_id, diagram, 1, 1, b"older", [])
    assert (await log.load(owner.org_id, diagram)).snapshot == stored.snapshot


async def test_edits_while_a_fold_is_computed_stay_in_the_log(
    db: Database, shop: Workshop, log: UpdateLog, hand: Hand
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    for number in range(3):
        await live_edit(log, owner, diagram, Change("Task_2", "@name", f"{number}"))
    folding = asyncio.get_running_loop().create_task(fold.fold(*hand, shop, owner.org_id, diagram))
    await asyncio.sleep(0.005)
    last = await live_edit(log, owner, diagram, Change("Task_1", "@name", "meanwhile"))
    assert await folding
    stored = await log.load(owner.org_id, diagram)
    assert stored.seq == last
    xml = (await save.live(db, log, shop, owner.grant(diagram))).xml
    assert b'name="meanwhile"' in xml
    assert b'name="2"' in xml
