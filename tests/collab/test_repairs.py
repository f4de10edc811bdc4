"""What the audit says of repairs: whose edits met, and only what the version before did not have."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from collab import checkpoint, fold, repairs, save
from collab.bpmn.records import Change, Value
from collab.checkpoint import Who
from collab.repairs import Last
from collab.workshop import Workshop
from storage import members
from storage.access import Role
from storage.audit.verify import verify
from storage.database import Database
from storage.updates import UpdateLog
from tests.collab.test_save import live_edit
from tests.conftest import Urls
from tests.people import TEXT, Owner, diagram_of, somebody

pytestmark = pytest.mark.timeout(120)
FLOW = [
    Change("~9.f", "t", "bpmn:sequenceFlow"), Change("~9.f", "@id", "Flow_7"), Change("~9.f", "p", ["Process_1", "z0", ""]),
    Change("~9.f", "@sourceRef", {"r": "Start_1"}), Change("~9.f", "@targetRef", {"r": "Task_2"}),
    Change("~9.f@Plane_1", "t", "bpmndi:BPMNEdge"), Change("~9.f@Plane_1", "p", ["Plane_1", "z0", ""]),
    Change("~9.f@Plane_1", "@bpmnElement", {"r": "~9.f"}),
    Change("~9.f@Plane_1", "w", ["di:waypoint", "a0", "1", "2", "3", "4"]),
]  # fmt: skip
GONE = "flow Flow_7 hidden: its target Task_2 was deleted"
NO_TASK = [Change("Task_2", "d", 1), Change("Task_2_di", "d", 1)]
BACK = [Change("Task_2", "d", None), Change("Task_2_di", "d", None)]


async def two(db: Database, shop: Workshop) -> tuple[Owner, Owner, UUID]:
    """Ann's diagram, and Bob, who may edit it. One flow less of the file leads to the task they meet at."""
    ann, bob = await somebody(db), await somebody(db, "Bob")
    diagram = await diagram_of(db, shop, ann)
    await members.put(db, ann.grant(diagram), bob.user_id, Role.EDITOR)
    return ann, Owner(bob.user_id, ann.org_id, bob.email), diagram


async def told(db: Database, ann: Owner) -> list[list[str]]:
    """The repairs in the audit lines of versions, oldest first."""
    async with db.transaction(user=ann.user_id, org=ann.org_id, read_only=True) as conn:
        assert (await verify(conn, ann.org_id, {})).broken is None
        rows = await conn.execute(text("SELECT metadata FROM colane.audit WHERE metadata ? 'repairs' ORDER BY seq"))
        return [row.metadata["repairs"] for row in rows]


def flows(words: list[str]) -> list[str]:
    return [one for one in words if "Flow_7" in one]


async def test_a_repair_names_who_deleted_and_who_connected_once(db: Database, shop: Workshop, log: UpdateLog) -> None:
    ann, bob, diagram = await two(db, shop)
    grant = ann.grant(diagram)
    await live_edit(log, ann, diagram, *NO_TASK)
    await live_edit(log, bob, diagram, *FLOW, client=77)
    await checkpoint.checkpoint(db, log, shop, grant=grant)
    assert flows((await told(db, ann))[-1]) == [f"{GONE} by Ann while Bob connected it"]

    # nothing new: the next version shows the same, and says nothing of it
    await live_edit(log, bob, diagram, Change("Task_1", "@name", "Later"), client=77)
    assert (await checkpoint.checkpoint(db, log, shop, grant=grant)).version == 3
    assert (await told(db, ann))[-1] == []

    # undeleted, the flow is back by itself; deleted again, it is told again, by whoever did it
    await live_edit(log, ann, diagram, *BACK)
    await checkpoint.checkpoint(db, log, shop, grant=grant)
    assert (await told(db, ann))[-1] == []
    assert b'id="Flow_7"' in (await save.live(db, log, shop, grant)).xml
    await live_edit(log, bob, diagram, *NO_TASK, client=77)
    await checkpoint.checkpoint(db, log, shop, grant=grant)
    assert flows((await told(db, ann))[-1]) == [f"{GONE} by Bob"]


async def test_folds_do_not_make_it_forget_and_the_worker_knows_the_names(
    db: Database, shop: Workshop, log: UpdateLog, urls: Urls
) -> None:
    ann, bob, diagram = await two(db, shop)
    await live_edit(log, ann, diagram, *NO_TASK)
    async with Database.open(urls.worker) as hand, UpdateLog.open(urls.worker) as hands_log:
        assert await fold.fold(hand, hands_log, shop, ann.org_id, diagram)
        await live_edit(log, bob, diagram, *FLOW, client=77)
        await checkpoint.make(hand, hands_log, shop, Who(ann.org_id, diagram, None))
    assert flows((await told(db, ann))[-1]) == [f"{GONE} by Ann while Bob connected it"]


async def test_a_save_that_meets_a_deletion_is_told_with_its_author(
    db: Database, shop: Workshop, log: UpdateLog
) -> None:
    """A text that calls two tasks by one id is Bob's own fault; an id that Ann has given meanwhile is both's."""
    ann, bob, diagram = await two(db, shop)
    await live_edit(log, ann, diagram, Change("Task_1", "@id", "Chosen"))
    renamed = TEXT.replace(b'"Task_2"', b'"Chosen"').replace(b">Task_2<", b">Chosen<")
    saved = await save.save(db, log, shop, grant=bob.grant(diagram), xml=renamed, base=1, merging=True)
    assert saved.merged
    (words,) = [one for one in (await told(db, ann))[-1] if "two elements have the same" in one]
    assert words.endswith(("(edits of Bob)", "(edits of Ann and Bob)"))


ANN, BOB = uuid4(), uuid4()


def lasts(**registers: tuple[str, UUID, Value]) -> dict[tuple[str, str], Last]:
    return {(key, register): Last(5, author, after) for key, (register, author, after) in registers.items()}


@pytest.mark.parametrize(
    ("rule", "said", "last", "wanted"),
    [
        ("host", "event E hidden: its host T was deleted", lasts(T=("d", ANN, 1), E=("@attachedToRef", BOB, {"r": "T"})),
         "event E hidden: its host T was deleted by Ann while Bob attached it"),
        ("parent", "task E moved to process P: sub process T, which held it, was deleted",
         lasts(T=("d", ANN, 1), E=("p", BOB, ["T", "a0", "P"])),
         "task E moved to process P: sub process T, which held it, was deleted by Ann while Bob put it there"),
        ("ends", "flow E hidden: its target T was deleted", lasts(T=("d", ANN, 1), E=("@targetRef", ANN, {"r": "T"})),
         "flow E hidden: its target T was deleted by Ann"),
        ("ends", "flow E hidden: its target T was deleted", lasts(E=("@targetRef", BOB, {"r": "T"})),
         "flow E hidden: its target T was deleted (edits of Bob)"),
        ("ends", "flow E hidden: its target T was deleted", {}, "flow E hidden: its target T was deleted"),
        ("single", "time date E hidden: timer T has one already", lasts(E=("t", ANN, "bpmn:timeDate"), T=("t", BOB, "x")),
         "time date E hidden: timer T has one already (edits of Ann and Bob)"),
    ],
)  # fmt: skip
def test_in_words(rule: str, said: str, last: dict[tuple[str, str], Last], wanted: str) -> None:
    repair = {"rule": rule, "key": "E", "id": "E", "text": said, "other": "T"}
    assert repairs.in_words(repair, last, {ANN: "Ann", BOB: "Bob"}, since=4) == wanted


def test_what_is_kept_although_deleted_names_both() -> None:
    repair = {"rule": "definition", "key": "M", "id": "M", "text": "message M kept: event E refers to it", "other": "E"}
    last = lasts(M=("d", ANN, 1), E=("@messageRef", BOB, {"r": "M"}))
    words = repairs.in_words(repair, last, {ANN: "Ann", BOB: "Bob"}, since=4)
    assert words == "message M kept: event E refers to it (deleted by Ann, used by Bob)"
    old = repairs.in_words(repair, last, {ANN: "Ann", BOB: "Bob"}, since=5)
    assert old == "message M kept: event E refers to it (deleted by Ann)"
