"""A list of diagrams is cheap whatever they weigh: it never reads a text."""

from sqlalchemy import event

from collab.workshop import Process, Workshop
from storage import diagrams
from storage.database import Database
from storage.diagrams import Wanted
from tests.people import diagram_of, somebody


async def test_a_list_of_diagrams_never_touches_xml(db: Database) -> None:
    owner = await somebody(db)
    process = Process()
    try:
        async with Workshop.of([process]) as shop:
            made = {await diagram_of(db, shop, owner) for _ in range(3)}
    finally:
        process.end()
    said: list[str] = []

    def hear(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(db._engine.sync_engine, "before_cursor_execute", hear)
    listed = await diagrams.page(db, user_id=owner.user_id, org_id=owner.org_id, wanted=Wanted(), after=None, limit=50)
    assert {one.id for one in listed} == made
    assert said
    assert not any("xml" in statement or "snapshots" in statement or "updates" in statement for statement in said)
