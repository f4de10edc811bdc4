"""A list of diagrams is cheap whatever they weigh: it never reads a text."""

import asyncpg.connection

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

    def hear(query: asyncpg.connection.LoggedQuery) -> None:
        said.append(query.query)

    async with db.transaction() as conn:
        conn._driver.add_query_logger(hear)  # the next transaction has the same connection
    listed = await diagrams.page(db, user_id=owner.user_id, org_id=owner.org_id, wanted=Wanted(), after=None, limit=50)
    assert {one.id for one in listed} == made
    assert said
    assert not any("xml" in statement or "snapshots" in statement or "updates" in statement for statement in said)
