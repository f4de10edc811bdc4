"""The history of an element: complete whether folded or not, in people's words, a page at a time."""

from uuid import UUID

import pytest

from collab import elements, fold
from collab.bpmn.records import Change
from collab.elements import Event
from collab.workshop import Workshop
from storage.access import Grant
from storage.database import Database
from storage.updates import UpdateLog
from tests.collab.conftest import Hand
from tests.collab.test_save import live_edit
from tests.people import diagram_of, somebody

pytestmark = pytest.mark.timeout(90)


async def told(db: Database, log: UpdateLog, shop: Workshop, grant: Grant, element: str) -> list[Event]:
    """The whole history, read in pages of two."""
    found: list[Event] = []
    before = None
    while True:
        page, before = await elements.history(db, log, shop, grant, element, before=before, limit=2)
        found += page
        if before is None:
            return found
        assert len(page) == 2


async def test_each_change_is_told_once_folded_or_not(
    db: Database,
    shop: Workshop,
    log: UpdateLog,
    hand: Hand,
) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "One"), Change("Task_1", "oo", "1"))
    await live_edit(log, owner, diagram, Change("Task_1", "t", "bpmn:serviceTask"))
    await live_edit(log, owner, diagram, Change("Task_2", "@name", "Somebody else's"))
    assert await fold.fold(*hand, shop, owner.org_id, diagram)
    await live_edit(log, owner, diagram, Change("Task_1", "@name", "Two"))
    await live_edit(log, owner, diagram, Change("Task_1", "d", 1))
    events = await told(db, log, shop, grant, "Task_1")
    assert [(e.property, e.before, e.after) for e in events] == [
        ("element", "bpmn:serviceTask", None),
        ("name", "One", "Two"),
        ("type", "bpmn:userTask", "bpmn:serviceTask"),
        ("name", "Do", "One"),
    ]
    assert all(e.author is not None and e.author.name == "Ann" for e in events)
    assert [e.at for e in events] == sorted((e.at for e in events), reverse=True)
    with pytest.raises(elements.UnknownElementError):
        await told(db, log, shop, grant, "Nobody")


async def test_its_drawing_its_parts_and_its_references_belong_to_it(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    owner = await somebody(db)
    diagram: UUID = await diagram_of(db, shop, owner)
    grant = owner.grant(diagram)
    await live_edit(
        log, owner, diagram,
        Change("note", "t", "bpmn:documentation"), Change("note", "p", ["Task_1", "a", "Process_1"]),
        Change("note", "x", "Why"), Change("Task_1", "@id", "Renamed"),
        Change("Task_1_di", "b", ["dc:Bounds", "a", "1", "2", "100", "80"]),
    )  # fmt: skip
    await live_edit(log, owner, diagram, Change("Flow_2", "@targetRef", {"r": "Task_1"}))
    events = await told(db, log, shop, grant, "Renamed")
    assert [(e.property, e.before, e.after) for e in sorted(events, key=lambda e: e.property)] == [
        (
            "bounds",
            {"x": "250", "y": "138", "width": "100", "height": "80"},
            {"x": "1", "y": "2", "width": "100", "height": "80"},
        ),
        ("documentation", None, "Why"),
        ("id", "Task_1", "Renamed"),
    ]
    (event, *_rest) = await told(db, log, shop, grant, "Flow_2")
    assert (event.property, event.after) == ("targetRef", "Renamed")
