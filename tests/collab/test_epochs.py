"""Epochs: a new life changes nothing that is seen; an old replica is known and never merged (R13); late work is replayed."""

from typing import Any
from uuid import UUID

import pytest
from pycrdt import Array, Doc, Map, Text
from sqlalchemy import text

from collab import epochs, fold, replay, save, worker
from collab.bpmn import diagram as bench
from collab.bpmn import document, renewal
from collab.bpmn.records import Change
from collab.effects import Part, Send
from collab.epochs import Outcome
from collab.room import Room
from collab.session import Protocol
from collab.wire import messages
from collab.wire.close import Close
from collab.workshop import Workshop
from storage import folds
from storage.database import Database
from storage.updates import Append, Refused, UpdateLog
from tests.collab.conftest import Hand
from tests.collab.test_room import ANN
from tests.collab.test_save import live_edit
from tests.conftest import Urls
from tests.people import TEXT, Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(90)


def heavy(seed: bytes, deleted: int = 200) -> bytes:
    """A document in which most records are deleted ones."""
    doc = document.load([seed], 77)
    document.write(
        doc,
        [
            Change(f"gone{n}", register, value)
            for n in range(deleted)
            for register, value in (("t", "bpmn:task"), ("p", ["Process_1", f"z{n:04}", "Process_1"]), ("d", 1))
        ],
    )
    return bytes(doc.get_update())


async def alone(owner_urls: Urls, diagram: UUID) -> None:
    """Nobody had it open for two days."""
    async with Database.open(owner_urls.worker) as db, db.transaction() as conn:
        row = (
            await conn.execute(text("SELECT org_id FROM colane.diagram_heads WHERE diagram_id = :d"), {"d": diagram})
        ).one()
        await conn.execute(text("SELECT set_config('app.org', :o, true)"), {"o": str(row.org_id)})
        await conn.execute(
            text("UPDATE colane.diagram_heads SET seen_at = now() - interval '2 days' WHERE diagram_id = :d"),
            {"d": diagram},
        )


async def grown(db: Database, shop: Workshop, log: UpdateLog, hand: Hand, owner: Owner) -> UUID:
    """A folded diagram that is worth a new life."""
    diagram = await diagram_of(db, shop, owner)
    stored = await log.load(owner.org_id, diagram)
    doc = document.load([heavy(stored.updates[0])])
    update = doc.get_update(document.load(stored.updates).get_state())
    await log.append([Append(owner.org_id, diagram, 1, update, owner.user_id, 77)])
    assert await fold.fold(*hand, shop, owner.org_id, diagram)
    return diagram


async def test_R13_a_new_epoch_changes_nothing_that_is_seen_and_takes_edits(
    db: Database,
    shop: Workshop,
    log: UpdateLog,
    hand: Hand,
    urls: Urls,
) -> None:
    owner = await somebody(db)
    diagram = await grown(db, shop, log, hand, owner)
    before = await save.live(db, log, shop, owner.grant(diagram))
    shown = bench.text((await log.load(owner.org_id, diagram)).updates)
    assert await epochs.renew(*hand, shop, owner.org_id, diagram) is Outcome.MOVED, "somebody had it open today"
    await alone(urls, diagram)
    await worker.renew(*hand, shop)
    stored = await log.load(owner.org_id, diagram)
    assert (stored.epoch, stored.tail, len(stored.retired)) == (2, [], 1)
    assert len(document.read(document.load(stored.updates)).nodes) < 150
    after = await save.live(db, log, shop, owner.grant(diagram))
    assert (bench.text(stored.updates), after.version, after.seq) == (shown, before.version, before.seq)
    old = Append(owner.org_id, diagram, 1, b"\0\0", owner.user_id)
    assert await log.append([old]) == [Refused.EPOCH]
    saved = await save.save(db, log, shop, grant=owner.grant(diagram), xml=TEXT.replace(b'"Do"', b'"New"'), base=1)
    assert saved.version == before.version + 1
    assert not await fold.fold(*hand, shop, owner.org_id, diagram) or (await log.load(owner.org_id, diagram)).epoch == 2
    await alone(urls, diagram)
    assert await epochs.renew(*hand, shop, owner.org_id, diagram) is Outcome.LIGHT


async def test_work_of_an_ended_epoch_is_replayed_where_nobody_else_changed_it(
    db: Database,
    shop: Workshop,
    log: UpdateLog,
    hand: Hand,
    urls: Urls,
) -> None:
    owner = await somebody(db)
    diagram = await grown(db, shop, log, hand, owner)
    grant = owner.grant(diagram)
    tab = document.load((await log.load(owner.org_id, diagram)).updates, 4711)
    await alone(urls, diagram)
    assert await epochs.renew(*hand, shop, owner.org_id, diagram) is Outcome.RENEWED
    stored = await log.load(owner.org_id, diagram)
    update = document.write(document.load(stored.updates, 99), [Change("Gateway_1", "@name", "Bob's")])
    assert update is not None
    await log.append([Append(owner.org_id, diagram, 2, update, owner.user_id, 99)])
    document.write(tab, [Change("Task_1", "@name", "Ann's"), Change("Gateway_1", "@name", "Ann's too")])
    late = bytes(tab.get_update())
    done = await epochs.replay(db, log, shop, grant, 1, late)
    assert (done.applied, done.left) == (1, [("Gateway_1", "@name")])
    nodes = document.read(document.load((await log.load(owner.org_id, diagram)).updates)).nodes
    assert (nodes["Task_1"]["@name"], nodes["Gateway_1"]["@name"]) == ("Ann's", "Bob's")
    again = await epochs.replay(db, log, shop, grant, 1, late)
    assert again.applied == 0, "twice is once"
    with pytest.raises(ValueError, match="cannot be decoded"):
        await epochs.replay(db, log, shop, grant, 1, b"nonsense")
    async with hand[0].transaction(org=owner.org_id) as conn:
        await conn.execute(text("UPDATE colane.epochs SET ended_at = now() - interval '31 days'"))
        await folds.forget(conn, owner.org_id)
    with pytest.raises(epochs.EpochGoneError):
        await epochs.replay(db, log, shop, grant, 1, late)
    assert (await log.load(owner.org_id, diagram)).retired, "an old replica is known for good"


@pytest.mark.parametrize("protocol", list(Protocol))
def test_R13_an_old_replica_is_held_and_sent_away_and_nothing_of_it_is_merged(protocol: Protocol) -> None:
    seed = bench.from_xml(TEXT, None, 1 << 40).update
    renewed = renewal.renew([heavy(seed)], (1 << 40) + 1)
    assert renewed is not None
    room = Room([renewed.first], 5, {1 << 40})
    before = room.state_after(b"\0")
    old = document.load([renewed.last], 12)
    document.write(old, [Change("", "new", "1"), Change("Task_1", "@name", "Old")])
    session, effects = room.join(ANN, protocol, writes=True)
    assert effects == [], "it says first what it has"
    effects = room.receive(session, messages.Step1(old.get_state()), 0.0)
    assert effects == [Part(session, Close.EPOCH, held=True)]
    assert room.receive(session, messages.Step2(bytes(old.get_update())), 0.0) == []
    hasty, _ = room.join(ANN, protocol, writes=True)
    assert room.receive(hasty, messages.Update(bytes(old.get_update())), 0.0) == [Part(hasty, Close.EPOCH)]
    assert room.state_after(b"\0") == before
    fresh, _ = room.join(ANN, protocol, writes=True)
    greeted = [e for e in room.receive(fresh, messages.Step1(b"\0"), 0.0) if isinstance(e, Send)]
    kinds = [type(m) for e in greeted for m in messages.decode_frame(e.payload)]
    assert kinds == [messages.Step2, messages.Step1]


def test_a_renewal_keeps_what_other_clients_made_and_what_it_cannot_copy_it_leaves_alone() -> None:
    seed = bench.from_xml(TEXT, None, 1).update
    doc: Doc[Any] = document.load([heavy(seed)], 5)
    doc.get("notes", type=Map)["a"] = Map({"deep": Array([1.5, "x"])})
    doc.get("list", type=Array).append("one")
    doc.get("words", type=Text).insert(0, "hello")
    doc.get("n", type=Map)["Task_1"]["@strange"] = Map({"k": Text("typed")})
    renewed = renewal.renew([bytes(doc.get_update())], 2)
    assert renewed is not None
    assert len(renewed.first) < len(renewed.last)
    new = document.load([renewed.first])
    assert new.get("notes", type=Map).to_py() == {"a": {"deep": [1.5, "x"]}}
    assert new.get("list", type=Array).to_py() == ["one"]
    assert str(new.get("words", type=Text)) == "hello"
    assert new.get("n", type=Map)["Task_1"]["@strange"].to_py() == {"k": "typed"}
    words: Text = new.get("n", type=Map)["Task_1"]["@strange"]["k"]
    assert isinstance(words, Text), "a text stays one that several may type in"
    doc.get("words", type=Text).format(0, 2, {"bold": True})
    assert renewal.renew([bytes(doc.get_update())], 2) is None


def test_a_light_document_is_left_alone() -> None:
    seed = bench.from_xml(TEXT, None, 1).update
    assert renewal.renew([seed], 2) is None


def test_a_deleted_record_that_a_living_one_names_goes_along() -> None:
    seed = heavy(bench.from_xml(TEXT, None, 1).update)
    doc = document.load([seed], 9)
    document.write(doc, [Change("Task_1", "d", 1)])  # Flow_1 ends there, and a boundary event sits on it
    last = bytes(doc.get_update())
    renewed = renewal.renew([last], 2)
    assert renewed is not None
    nodes = document.read(document.load([renewed.first])).nodes
    assert nodes["Task_1"]["d"] == 1
    assert "gone1" not in nodes
    assert bench.text([renewed.first]) == bench.text([last])


async def test_history_outlives_a_renewal(
    db: Database,
    shop: Workshop,
    log: UpdateLog,
    hand: Hand,
    urls: Urls,
) -> None:
    owner = await somebody(db)
    diagram = await grown(db, shop, log, hand, owner)
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "One"))
    assert await fold.fold(*hand, shop, owner.org_id, diagram)
    await alone(urls, diagram)
    assert await epochs.renew(*hand, shop, owner.org_id, diagram) is Outcome.RENEWED
    stored = await log.load(owner.org_id, diagram)
    assert stored.snapshot is not None
    assert replay.trace(stored.snapshot, [], [], "Task_1").parts
