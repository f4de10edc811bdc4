"""Every row of an organization and of its people, as one number a table: what strangers do must leave them as they are."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from storage.tables import TABLES, Kind
from tests.tenancy.seed import whose
from tests.tenancy.world import World

SETTLED_S = 0.5  # the worker has done what there was to do
PATIENCE_S = 20.0
# Without what says when somebody of theirs had a diagram open: that is written a while later.
ROW = "(to_jsonb(t) - 'seen_at')::text"


async def _checksums(world: World) -> dict[str, str]:
    conn = await asyncpg.connect(world.server.database("postgres"))
    try:
        people = [world.owner.user_id, world.member.user_id]
        found = {}
        for table, kind in TABLES.items():
            if kind is Kind.LEASE:
                continue
            owners = people if kind is Kind.IDENTITY else [world.owner.org_id]
            found[table] = await conn.fetchval(
                f"SELECT count(*) || ' ' || md5(coalesce(string_agg({ROW}, '|' ORDER BY {ROW}), ''))"
                f" FROM colane.{table} t WHERE {whose(table)}::text = ANY($1)",
                owners,
            )
        return found
    finally:
        await conn.close()


async def _left_alone(world: World) -> None:
    """No fold of the worker's comes in between: it is as if another worker were at it."""
    conn = await asyncpg.connect(world.server.database("postgres"))
    try:
        await conn.execute(
            "INSERT INTO colane.leases (name, holder, until) SELECT 'fold:' || diagram_id, 'a test', now() + interval '1 hour'"
            " FROM colane.diagram_heads WHERE org_id::text = $1"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until",
            world.owner.org_id,
        )
    finally:
        await conn.close()


def settled(world: World) -> dict[str, str]:
    """Of every table, once nothing changes any more."""
    asyncio.run(_left_alone(world))
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        now = asyncio.run(_checksums(world))
        if now == world.rows:
            return now
        world.rows = now
        time.sleep(SETTLED_S)
    raise AssertionError("the other tenant's rows do not come to rest")


@contextmanager
def unchanged(world: World) -> Iterator[None]:
    """Whatever is done inside, this tenant's rows are as they were."""
    before = settled(world)
    yield
    after = asyncio.run(_checksums(world))
    changed = {table: (before[table], after[table]) for table in before if before[table] != after[table]}
    assert not changed, f"rows of {world.name} changed: {changed}"
