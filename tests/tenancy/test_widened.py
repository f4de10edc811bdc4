"""A running server whose policies are widened and whose look-ups are loosened: rows tell of the ones, the walk of the others.

Every statement of ours names its organization beside the policies, so a widened policy alone shows nothing over REST: that
is the second wall, and what the walk sees of it is counted, not asked for. That it is wide open is told by what each login
can do in the same database (tests/tenancy/isolation.py). A look-up that gives a foreign grant must show in the walk itself.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator

import asyncpg
import httpx
import pytest

from storage.tables import TABLES, Kind
from tests.serving import Served, served
from tests.tenancy import catalog
from tests.tenancy.isolation import leaks
from tests.tenancy.places import Operation, operations
from tests.tenancy.seed import seed
from tests.tenancy.test_walk import blanked, named, send, unnamed
from tests.tenancy.world import World, built, nobodys

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("COLANE_LONG_MINUTES"), reason="takes minutes: ./run test --long"),
]

# A definition of a look-up, and the same one with a condition less: the walk must tell.
LOOSENED = {
    "grant_for": [(" = p_user", " IS NOT NULL")],
}


async def _sql(server: Served, *statements: str) -> list[object]:
    conn = await asyncpg.connect(server.database("postgres"))
    try:
        return [await conn.fetchval(one) for one in statements]
    finally:
        await conn.close()


def sql(server: Served, *statements: str) -> list[object]:
    return asyncio.run(_sql(server, *statements))


async def _by_rows(server: Served, table: str) -> int:
    conn = await asyncpg.connect(server.database("postgres"))
    change = conn.transaction()
    await change.start()
    try:
        await seed(conn)
        return len(await leaks(conn, [table]))
    finally:
        await change.rollback()
        await conn.close()


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, World, World, list[Operation]]]:
    """A server of its own, to be spoiled."""
    with served(tmp_path_factory.mktemp("widened") / "data") as server:
        walk = operations(httpx.get(f"{server.url}/openapi.json").json())
        anns, own = built(server, "ann"), built(server, "mallory")
        for world in (anns, own):
            for operation in walk:
                named(operation, world)
        yield server, anns, own, walk
        anns.close()
        own.close()


def differences(anns: World, own: World, walk: list[Operation]) -> list[str]:
    """What a stranger is told of Ann's things that nobody is told of nobody's. Reading only: the next walk needs it all."""
    found = []
    for operation in walk:
        if operation.method == "GET" and operation.own:
            foreign, unknown = (send(own.owner, operation, one) for one in (named(operation, anns), unnamed(operation)))
            if blanked(foreign) != blanked(unknown):
                found.append(f"{operation}: {foreign.status_code}")
        if operation.method == "GET" and "org" in operation.query:
            mine = named(operation, own)
            foreign, unknown = (
                send(own.owner, operation, mine, query={"org": one}) for one in (anns.owner.org_id, nobodys("org_id"))
            )
            if blanked(foreign) != blanked(unknown):
                found.append(f"{operation}?org=: {foreign.status_code}")
        if operation.method == "GET":
            answer = send(own.owner, operation, named(operation, own))
            if any(word in answer.text for word in anns.needles):
                found.append(f"{operation}: shows what is Ann's")
    return found


def test_every_widened_policy(
    spoiled: tuple[Served, World, World, list[Operation]], record_property: Callable[[str, object], None]
) -> None:
    server, anns, own, walk = spoiled
    assert differences(anns, own, walk) == []
    told: dict[str, dict[str, object]] = {}
    rows = sql(server, "SELECT json_agg(p) FROM pg_policies p WHERE schemaname = 'colane'")[0]
    for policy in json.loads(str(rows)):
        table, name = policy["tablename"], f"{policy['policyname']} ON colane.{policy['tablename']}"
        if policy["qual"] in (None, "true") or "colane_app" not in policy["roles"] or TABLES[table] is Kind.LEASE:
            continue
        try:
            sql(server, f"ALTER POLICY {name} USING (true)")
            by_rows = asyncio.run(_by_rows(server, table))
            by_walk = differences(anns, own, walk)
        finally:
            sql(server, f"ALTER POLICY {name} USING ({policy['qual']})")
        told[name] = {"rows": by_rows, "walk": by_walk}
        assert by_rows or by_walk, f"{name}: nothing tells that it is wide open"
    assert len(told) >= len(TABLES) - 5
    for name, one in told.items():
        record_property(name, one)


def test_every_loosened_look_up(
    spoiled: tuple[Served, World, World, list[Operation]], record_property: Callable[[str, object], None]
) -> None:
    server, anns, own, walk = spoiled
    for name, changes in LOOSENED.items():
        assert name in catalog.LOOKUPS
        (definition,) = sql(
            server,
            f"SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = '{name}' AND pronamespace = 'colane'::regnamespace",
        )
        for old, new in changes:
            assert old in str(definition)
            try:
                sql(server, str(definition).replace(old, new))
                found = differences(anns, own, walk)
            finally:
                sql(server, str(definition))
            record_property(name, found)
            assert found, f"{name} without {old}: the walk saw nothing"
    assert differences(anns, own, walk) == []
