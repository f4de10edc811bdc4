"""Tenancy, proven on PostgreSQL's own catalog: no table without forced row-level security, no way around.

What is spoiled here is of single tables; whatever can be taken away from each of them is in tests/tenancy/test_mutations.py.
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from storage.database import Database
from storage.tables import TABLES, Kind
from tests.conftest import Urls
from tests.people import somebody
from tests.storage.test_updates import empty_diagram
from tests.tenancy import catalog
from tests.tenancy.catalog import Rule


@pytest.fixture
async def owner(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(urls.owner)
    yield connection
    await connection.close()


@pytest.mark.parametrize("rule", catalog.RULES, ids=lambda rule: rule.__name__)
async def test_the_catalog_keeps(owner: asyncpg.Connection, rule: Rule) -> None:
    assert await rule(owner) == [], (
        f"{rule.__doc__} Say what is meant in storage/tables.py and tests/tenancy/catalog.py."
    )


MUTATIONS = {
    "tables": [
        "CREATE TABLE colane.forgotten (org_id uuid PRIMARY KEY)",
    ],
    "policies": [
        "ALTER POLICY own ON colane.tokens USING (user_id IS NOT NULL)",
        "CREATE POLICY more ON colane.outbox FOR SELECT TO colane_app USING (true)",
        "ALTER POLICY lookup ON colane.users TO colane_app",
    ],
    "keys": [
        "ALTER TABLE colane.projects ADD UNIQUE (name)",
        "CREATE UNIQUE INDEX ON colane.diagrams (title)",
        "ALTER TABLE colane.versions ADD FOREIGN KEY (created_by) REFERENCES colane.users",
    ],
    "functions": [
        "ALTER FUNCTION colane.new_id() SECURITY DEFINER",
        "GRANT EXECUTE ON FUNCTION colane.refuse_change() TO PUBLIC",
        "CREATE FUNCTION colane.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
    "rights": [
        "GRANT DELETE ON colane.audit TO colane_app",
        "GRANT UPDATE ON colane.updates TO colane_app",
        "GRANT TRUNCATE ON colane.versions TO colane_worker",
        "GRANT SELECT ON colane.diagrams TO colane_lookup",
    ],
    "columns": [
        "GRANT SELECT (password_hash) ON colane.users TO colane_lookup",
        "GRANT UPDATE (hash) ON colane.audit TO colane_app",
    ],
    "schemas": ["GRANT CREATE ON SCHEMA colane TO colane_app", "GRANT USAGE ON SCHEMA colane_meta TO colane_app"],
    "triggers": [
        "ALTER TABLE colane.audit DISABLE TRIGGER audit_is_append_only",
        "ALTER TABLE colane.audit_seals DISABLE TRIGGER audit_seals_are_append_only",
        "DROP TRIGGER audit_heads_move_on ON colane.audit_heads",
    ],
}


@pytest.mark.parametrize(("rule", "spoil"), [(rule, one) for rule, several in MUTATIONS.items() for one in several])
async def test_a_spoiled_database_is_found_out(owner: asyncpg.Connection, rule: str, spoil: str) -> None:
    change = owner.transaction()
    await change.start()
    await owner.execute(spoil)
    assert rule in await catalog.findings(owner)
    await change.rollback()


async def test_a_login_that_is_given_more_is_found_out(urls: Urls, owner: asyncpg.Connection) -> None:
    change = owner.transaction()
    await change.start()
    await owner.execute("GRANT colane_lookup TO colane_app")
    assert await catalog.roles(owner)
    await change.rollback()


async def test_the_audit_log_refuses_changes(urls: Urls, owner: asyncpg.Connection, db: Database) -> None:
    await somebody(db)
    app = await asyncpg.connect(urls.app)
    for statement in ("UPDATE colane.audit SET action = 'x'", "DELETE FROM colane.audit", "TRUNCATE colane.audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
        if "TRUNCATE" in statement:
            with pytest.raises(asyncpg.RaiseError):
                await owner.execute(statement)
    await app.close()


async def test_without_a_tenant_nothing_is_seen_and_nothing_written(urls: Urls, db: Database) -> None:
    await empty_diagram(db, await somebody(db))
    app = await asyncpg.connect(urls.app)
    for table in TABLES:
        if table != "leases":
            assert await app.fetchval(f"SELECT count(*) FROM colane.{table}") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(
            "INSERT INTO colane.organizations (id, org_id, name) SELECT u, u, 'x' FROM gen_random_uuid() u"
        )
    await app.close()


async def rows_of(url: str, table: str, org: object, user: object) -> list[object]:
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute(
            "SELECT set_config('app.org', $1, true), set_config('app.user', $2, true)", str(org), str(user)
        )
        rows = await connection.fetch(f"SELECT * FROM colane.{table}")
    await connection.close()
    return [row["org_id"] for row in rows]


async def test_inside_one_organization_no_row_of_another_is_seen_or_moved(urls: Urls, db: Database) -> None:
    ann, bob = await somebody(db, "Ann"), await somebody(db, "Bob")
    diagrams = [(one, await empty_diagram(db, one)) for one in (ann, bob)]
    for table, kind in TABLES.items():
        if kind is Kind.TENANT:
            seen = await rows_of(urls.app, table, ann.org_id, ann.user_id)
            assert set(seen) <= {ann.org_id}, table
    connection = await asyncpg.connect(urls.app)

    async def attempt(statement: str) -> None:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.org', $1, true)", str(ann.org_id))
            await connection.execute(statement)

    foreign = f"'{bob.org_id}'"
    for statement in (
        f"INSERT INTO colane.projects (org_id, name) VALUES ({foreign}, 'x')",
        f"UPDATE colane.diagrams SET org_id = {foreign}",
        (
            "INSERT INTO colane.tickets (org_id, secret_hash, user_id, diagram_id, maker, maker_id, expires_at)"
            f" VALUES ({foreign}, '', '{bob.user_id}', '{diagrams[1][1]}', 'session', '{bob.user_id}', now())"
        ),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(statement)
    await connection.close()
