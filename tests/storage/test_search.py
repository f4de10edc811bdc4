"""The index finds what the words say, within one organization, and by the index."""

from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text

from collab.bpmn import words
from storage import readmodels, search
from storage.database import Database
from storage.embedded import Running
from storage.readmodels import Text
from tests.bpmn.test_words import FOUND, NOT_FOUND
from tests.conftest import Urls
from tests.people import Owner, somebody
from tests.storage.test_updates import empty_diagram


async def put(urls: Urls, owner: Owner, diagram: UUID, *bodies: str) -> None:
    async with Database.open(urls.worker) as hand, hand.transaction(org=owner.org_id) as conn:
        found = [Text(f"name:{n}", "name", f"Task_{n}", "task", body) for n, body in enumerate(bodies)]
        await readmodels.put_texts(
            conn,
            owner.org_id,
            diagram,
            ["name"],
            found,
            lambda one: words.vector(one.body, "B", words.tag_of(owner.org_id)),
        )


async def hits(db: Database, owner: Owner, query: str) -> list[str]:
    found = await search.find(
        db,
        user_id=owner.user_id,
        org_id=owner.org_id,
        query=words.query(query, words.tag_of(owner.org_id)),
        skip=0,
        limit=100,
    )
    return [one.body for one in found]


async def test_what_people_type_finds_what_people_wrote(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)
    await put(urls, owner, diagram, *(body for body, _ in FOUND), "Handle complaint")
    missed = [(b, q) for b, queries in FOUND for q in queries if b not in await hits(db, owner, q)]
    assert missed == []
    assert [(b, q) for b, queries in NOT_FOUND for q in queries if b in await hits(db, owner, q)] == []


async def test_the_shorter_and_the_more_exact_come_first(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    diagram = await empty_diagram(db, owner)
    long = "Before anything else is done somebody has to look whether the invoice is there at all"
    await put(urls, owner, diagram, long, "Invoices", "Invoice")
    assert await hits(db, owner, "invoice") == ["Invoice", "Invoices", long]


async def test_only_ones_own_organization_and_what_one_may_see(db: Database, urls: Urls) -> None:
    ann, bob = await somebody(db, "Ann"), await somebody(db, "Bob")
    for owner in (ann, bob):
        await put(urls, owner, await empty_diagram(db, owner), f"secret of {owner.email}")
    assert await hits(db, ann, "secret") == [f"secret of {ann.email}"]
    foreign = Owner(bob.user_id, ann.org_id, bob.email)
    async with db.transaction(user=ann.user_id, org=ann.org_id) as conn:
        await conn.execute(text("UPDATE colane.diagrams SET visibility = 'private'"))
    assert await hits(db, ann, "secret") == [f"secret of {ann.email}"]
    assert await hits(db, foreign, "secret") == []
    async with db.transaction(user=ann.user_id, org=ann.org_id) as conn:
        await conn.execute(text("UPDATE colane.diagrams SET deleted_at = now()"))
    assert await hits(db, ann, "secret") == []
    async with db.transaction(user=ann.user_id) as conn:
        found = await conn.execute(text("SELECT * FROM colane.search_ids('''osecret'':*'::tsquery)"))
        assert found.all() == [], "without an organization nothing is found"


async def test_the_words_are_found_by_the_index(db: Database, urls: Urls, postgres: Running) -> None:
    """Under row-level security it would not be used; in the look-up it is, with organization and words in its condition."""
    owner = await somebody(db)
    await put(urls, owner, await empty_diagram(db, owner), *(f"Task number{n}" for n in range(3_000)))
    name = urlsplit(urls.owner).path.removeprefix("/")
    body = postgres.sql("SELECT prosrc FROM pg_proc WHERE proname = 'search_ids'", name)
    prepared = body.replace("p_query", "$1").strip()
    told = postgres.sql(
        "ANALYZE colane.search_entries; SET plan_cache_mode = force_generic_plan; SET ROLE colane_lookup;"
        f" PREPARE s (tsquery) AS {prepared}; EXPLAIN EXECUTE s ('''number77''');",
        name,
    )
    assert "search_words" in told, told
    assert "Seq Scan" not in told
    assert (await hits(db, owner, "number77"))[0] == "Task number77"


@pytest.mark.parametrize("query", ["''", "a & b | !c", "(((", "\\", "%_", "🙂 ' ; DROP", "null\x00byte", "a" * 300])
async def test_no_query_is_an_error(db: Database, urls: Urls, query: str) -> None:
    owner = await somebody(db)
    asked = words.query(query, "o")
    if asked:
        assert await hits(db, owner, query) == []
