"""Saves, versions and folds: a save is just another edit, a stale one is refused, nothing live is overwritten."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from collab import checkpoint, fold, save
from collab.bpmn import document
from collab.bpmn.errors import MalformedError
from collab.bpmn.records import Change
from collab.checkpoint import Who
from collab.workshop import Workshop
from storage import history, versions
from storage.audit.verify import verify
from storage.database import Database
from storage.updates import Append, UpdateLog
from tests.conftest import Urls
from tests.people import TEXT, Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(120)


def renamed(name: bytes) -> bytes:
    return TEXT.replace(b'name="Do"', b'name="' + name + b'"')


async def live_edit(log: UpdateLog, owner: Owner, diagram: UUID, *changes: Change, client: int = 4242) -> int:
    """What an editor's browser would write; each has a client of its own."""
    stored = await log.load(owner.org_id, diagram)
    update = document.write(document.load(stored.updates, client), changes)
    assert update is not None
    (seq,) = await log.append(
        [Append(owner.org_id, diagram, 1, update, owner.user_id, client, ((client, owner.user_id),))]
    )
    assert isinstance(seq, int)
    return seq


async def test_a_file_is_kept_as_it_was_sent(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    assert await history.xml(db, grant, 1) == TEXT
    live = await save.live(db, log, shop, grant)
    assert (live.xml, live.version, live.seq) == (TEXT, 1, 1)


async def test_a_save_makes_one_version_and_keeps_the_text_sent(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    saved = await save.save(db, log, shop, grant=grant, xml=renamed(b"New"), base=1)
    assert (saved.version, saved.unchanged, saved.xml) == (2, False, None)
    assert await history.xml(db, grant, 2) == renamed(b"New")
    again = await save.save(db, log, shop, grant=grant, xml=renamed(b"New"), base=2)
    assert (again.version, again.unchanged) == (2, True)
    stale_but_equal = await save.save(db, log, shop, grant=grant, xml=renamed(b"New"), base=1)
    assert (stale_but_equal.version, stale_but_equal.unchanged) == (2, True)


async def test_a_stale_save_is_refused_and_changes_nothing(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await save.save(db, log, shop, grant=grant, xml=renamed(b"Theirs"), base=1)
    with pytest.raises(save.VersionConflict) as raised:
        await save.save(db, log, shop, grant=grant, xml=renamed(b"Mine"), base=1)
    conflict = raised.value
    assert (conflict.base_version, conflict.current_version, conflict.updated_by) == (1, 2, owner.user_id)
    assert conflict.conflict["both"][0]["yours"] == "Mine"
    assert await history.xml(db, grant, 2) == renamed(b"Theirs")
    assert (await log.load(owner.org_id, diagram)).seq == 2


async def test_a_base_nobody_knows_is_stale(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    for base in (0, 2, 99):
        with pytest.raises(save.VersionConflict) as raised:
            await save.save(db, log, shop, grant=owner.grant(diagram), xml=renamed(b"Mine"), base=base)
        assert (raised.value.current_version, raised.value.conflict["auto_mergeable"]) == (1, False)


async def test_live_edits_become_a_version_before_anything_is_saved_over_them(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    with pytest.raises(save.VersionConflict) as raised:
        await save.save(db, log, shop, grant=grant, xml=renamed(b"Mine"), base=1)
    assert raised.value.current_version == 2
    kept = await history.xml(db, grant, 2)
    assert kept is not None
    assert b'name="live"' in kept
    on_live = await save.live(db, log, shop, grant)
    saved = await save.save(db, log, shop, grant=grant, xml=on_live.xml.replace(b'name="Do"', b'name="On top"'), base=2)
    assert saved.version == 3
    text_now = (await save.live(db, log, shop, grant)).xml
    assert b'name="live"' in text_now
    assert b'name="On top"' in text_now


async def test_who_saves_again_from_the_old_file_keeps_what_a_colleague_did(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    ann, bob = await somebody(db), await somebody(db, "Bob")
    diagram = await diagram_of(db, shop, ann)
    mine = renamed(b"Done")
    assert (await save.save(db, log, shop, grant=ann.grant(diagram), xml=mine, base=1)).version == 2
    colleague = Owner(bob.user_id, ann.org_id, bob.email)
    await live_edit(log, colleague, diagram, Change("Task_2", "@name", "Bob's"), client=77)
    again = mine.replace(b'id="Lane_1" name="First"', b'id="Lane_1" name="Mine"')
    with pytest.raises(save.VersionConflict) as raised:
        await save.save(db, log, shop, grant=ann.grant(diagram), xml=again, base=2)
    assert raised.value.conflict["auto_mergeable"]
    merged = await save.save(db, log, shop, grant=ann.grant(diagram), xml=again, base=2, merging=True)
    assert (merged.version, merged.merged) == (4, True), "3 is what Bob did"
    shown = (await save.live(db, log, shop, ann.grant(diagram))).xml
    for edit in (b'name="Done"', b'name="Bob\'s"', b'id="Lane_1" name="Mine"'):
        assert edit in shown


async def test_of_many_saves_on_one_base_exactly_one_wins(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)

    async def attempt(number: int) -> int | None:
        try:
            saved = await save.save(db, log, shop, grant=grant, xml=renamed(b"%d" % number), base=1)
        except save.VersionConflict as conflict:
            assert conflict.current_version == 2
            return None
        return saved.version

    results = await asyncio.gather(*(attempt(n) for n in range(12)))
    assert [r for r in results if r is not None] == [2]
    assert len(await history.page(db, grant, before=None, limit=50)) == 2


async def test_restore_is_an_edit_and_a_new_version(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await save.save(db, log, shop, grant=grant, xml=renamed(b"Two"), base=1)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    restored = await save.restore(db, log, shop, grant=grant, version=1)
    assert restored.version == 4, "the live edit became version 3 first"
    assert await history.xml(db, grant, 4) == TEXT
    assert (await save.restore(db, log, shop, grant=grant, version=1)).unchanged


async def test_a_checkpoint_of_nothing_new_is_the_head(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    assert await checkpoint.checkpoint(db, log, shop, grant=grant) == checkpoint.Made(1, created=False)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    assert await checkpoint.checkpoint(db, log, shop, grant=grant, message="now") == checkpoint.Made(2, created=True)
    (version, _) = await history.page(db, grant, before=None, limit=5)
    assert (version.message, version.kind, version.authors[0].id) == ("now", "manual", owner.user_id)
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "else"))
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "live"))
    assert await checkpoint.checkpoint(db, log, shop, grant=grant) == checkpoint.Made(2, created=False)


async def test_ten_automatic_versions_stay_and_named_ones_for_good(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await history.change(db, grant, 1, name=("first",), pinned=None)
    for number in range(2, 15):
        await save.save(db, log, shop, grant=grant, xml=renamed(b"%d" % number), base=number - 1)
    kept = [v.version for v in await history.page(db, grant, before=None, limit=50)]
    assert kept == [14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 1]
    assert await history.xml(db, grant, 2) is None
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        assert await versions.base_text(conn, owner.org_id, diagram, 2) is not None, "still a base for merging"


async def test_a_fold_changes_nothing_but_the_log_and_writes_history(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "One"))
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "Two"))
    before = (await save.live(db, log, shop, grant)).xml
    async with Database.open(urls.worker) as worker, UpdateLog.open(urls.worker) as worker_log:
        assert await fold.fold(worker, worker_log, shop, owner.org_id, diagram)
        assert not await fold.fold(worker, worker_log, shop, owner.org_id, diagram)
    stored = await log.load(owner.org_id, diagram)
    assert (stored.seq, stored.tail) == (3, [])
    assert (await save.live(db, log, shop, grant)).xml == before
    assert (await log.tail(owner.org_id, diagram, 1)).folded
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        rows = (await conn.execute(text("SELECT * FROM colane.element_changes ORDER BY seq, ordinal"))).all()
        assert [(r.seq, r.node_key, r.register, r.before, r.after, r.author) for r in rows] == [
            (2, "Task_1", "@name", "Do", "One", owner.user_id),
            (3, "Task_1", "@name", "One", "Two", owner.user_id),
        ]
        assert (await verify(conn, owner.org_id, {})).broken is None
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "Three"))
    assert b'name="Three"' in (await save.live(db, log, shop, grant)).xml


async def test_what_is_no_diagram_changes_nothing(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    with pytest.raises(MalformedError):
        await save.save(db, log, shop, grant=owner.grant(diagram), xml=b"<a/>", base=1)
    assert (await log.load(owner.org_id, diagram)).seq == 1


async def test_the_worker_versions_and_folds_what_is_due(db: Database, shop: Workshop, log: UpdateLog) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "One"))
    made = await checkpoint.make(db, log, shop, Who(owner.org_id, diagram, None))
    assert made == checkpoint.Made(2, created=True)
    (version, _) = await history.page(db, owner.grant(diagram), before=None, limit=5)
    assert (version.kind, [a.id for a in version.authors]) == ("auto", [owner.user_id])
