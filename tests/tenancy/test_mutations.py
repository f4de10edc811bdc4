"""Everything that keeps tenants apart, taken away piece by piece, table by table: each time the proofs must turn red.

One database; each piece is taken away in a transaction that is rolled back. A new table, policy or look-up is in the list
by itself. The same against a running server, with the walk over all routes: tests/tenancy/test_widened.py, under `long`.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from storage.embedded import Running
from storage.tables import TABLES, Kind
from tests.conftest import Urls
from tests.tenancy import catalog, lookups
from tests.tenancy.isolation import leaks
from tests.tenancy.seed import seed


@pytest.fixture
async def conn(postgres: Running, urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """A superuser, on a database where two tenants have a row in every table."""
    connection = await asyncpg.connect(postgres.url("postgres", urls.app.partition("?")[0].rpartition("/")[2]))
    async with connection.transaction():
        await seed(connection)
    yield connection
    await connection.close()


async def red(conn: asyncpg.Connection, spoil: str, table: str | None, rule: catalog.Rule) -> tuple[bool, bool]:
    """Whether the catalog's rule, and what can be done with the table, tell of it."""
    change = conn.transaction()
    await change.start()
    try:
        await conn.execute(spoil)
        return bool(await rule(conn)), table is not None and bool(await leaks(conn, [table]))
    finally:
        await change.rollback()


async def test_nothing_leaks(conn: asyncpg.Connection) -> None:
    assert await leaks(conn) == []
    assert await lookups.findings(conn) == []
    assert await catalog.findings(conn) == {}


async def test_unforced_or_disabled_tables_are_found_out(conn: asyncpg.Connection) -> None:
    for table in TABLES:
        unforced = await red(conn, f"ALTER TABLE colane.{table} NO FORCE ROW LEVEL SECURITY", table, catalog.tables)
        assert unforced == (True, True), table
        disabled = await red(conn, f"ALTER TABLE colane.{table} DISABLE ROW LEVEL SECURITY", table, catalog.tables)
        assert disabled == (True, True), table


async def test_every_widened_policy_is_found_out(conn: asyncpg.Connection) -> None:
    """USING and WITH CHECK of every policy, where they are not open on purpose; found by definition and by deed."""
    rows = await conn.fetch("SELECT * FROM pg_policies WHERE schemaname = 'colane' ORDER BY tablename, policyname")
    assert {row["tablename"] for row in rows} == TABLES.keys()
    tried = 0
    for row in rows:
        name, table = f"{row['policyname']} ON colane.{row['tablename']}", row["tablename"]
        for part, said in (("USING", row["qual"]), ("WITH CHECK", row["with_check"])):
            if said is not None and said != "true":
                tried += 1
                by_rule, by_deed = await red(conn, f"ALTER POLICY {name} {part} (true)", table, catalog.policies)
                assert by_rule, f"{name}: {part} (true)"
                assert by_deed, f"{name}: {part} (true) lets nobody do anything more: is it needed?"
        for change in (f"ALTER POLICY {name} TO PUBLIC", f"DROP POLICY {name}"):
            assert (await red(conn, change, None, catalog.policies))[0], change
    assert tried > 2 * len(TABLES)


async def test_a_key_across_tenants_is_found_out(conn: asyncpg.Connection) -> None:
    for log, verb in (("audit", "is"), ("audit_heads", "are"), ("audit_seals", "are")):
        await conn.execute(f"ALTER TABLE colane.{log} DISABLE TRIGGER {log}_{verb}_not_emptied")
    for table, kind in TABLES.items():
        if kind is Kind.LEASE:
            continue
        first = await conn.fetchval(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attname NOT IN ('org_id', 'user_id', 'id') AND format_type(atttypid, NULL) <> 'jsonb' ORDER BY attnum",
            f"colane.{table}",
        )
        spoil = f"TRUNCATE colane.{table} CASCADE; CREATE UNIQUE INDEX ON colane.{table} ({first})"
        assert (await red(conn, spoil, None, catalog.keys))[0], spoil
    # The very keys there are, without their organization.
    keys = await conn.fetch(
        "SELECT c.conname, c.conrelid::regclass::text AS name, array_agg(a.attname ORDER BY k.place) AS columns"
        " FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY AS k (number, place), pg_attribute a"
        " WHERE c.connamespace = 'colane'::regnamespace AND c.contype IN ('p', 'u') AND a.attrelid = c.conrelid"
        " AND a.attnum = k.number GROUP BY 1, 2"
    )
    tried = 0
    for key in keys:
        rest = [column for column in key["columns"] if column not in ("org_id", "user_id")]
        if TABLES[key["name"].removeprefix("colane.")] is Kind.TENANT and rest and "org_id" in key["columns"]:
            tried += 1
            spoil = (
                f"TRUNCATE {key['name']} CASCADE; ALTER TABLE {key['name']} DROP CONSTRAINT {key['conname']} CASCADE;"
                f" ALTER TABLE {key['name']} ADD UNIQUE ({', '.join(rest)})"
            )
            assert (await red(conn, spoil, None, catalog.keys))[0], spoil
    assert tried >= 14


async def test_every_table_opened_to_everybody_is_found_out(conn: asyncpg.Connection) -> None:
    for table in TABLES:
        name, column = f"colane.{table}", "org_id" if TABLES[table] is Kind.TENANT else None
        spoils: list[tuple[str, catalog.Rule]] = [
            (f"GRANT SELECT ON {name} TO PUBLIC", catalog.rights),
            (f"CREATE TABLE colane.child () INHERITS ({name})", catalog.tables),
            (f"CREATE VIEW colane.all_of_it AS SELECT * FROM {name}", catalog.tables),
            (f"CREATE MATERIALIZED VIEW colane.all_of_it AS SELECT * FROM {name}", catalog.tables),
            (f"CREATE PUBLICATION out FOR TABLE {name}", catalog.byways),
            (f"CREATE RULE away AS ON INSERT TO {name} DO ALSO NOTIFY away", catalog.byways),
        ]
        if column:
            spoils.append((f"GRANT SELECT ({column}) ON {name} TO PUBLIC", catalog.columns))
        for spoil, rule in spoils:
            assert (await red(conn, spoil, None, rule))[0], spoil


@pytest.mark.parametrize(
    "spoil",
    [
        *(f"ALTER ROLE {role} {more}" for role in catalog.OURS for more in ("BYPASSRLS", "SUPERUSER", "CREATEROLE")),
        "GRANT colane_owner TO colane_app",
        "GRANT colane_lookup TO colane_worker",
        "ALTER TABLE colane.diagrams OWNER TO colane_app",
        "ALTER FUNCTION colane.new_id() OWNER TO colane_worker",
        "ALTER TABLE colane.diagrams OWNER TO colane_lookup",
        "ALTER ROLE colane_app SET row_security = off",
        "ALTER ROLE colane_worker SET app.org = 'x'",
    ],
)
async def test_a_role_that_is_more_is_found_out(conn: asyncpg.Connection, spoil: str) -> None:
    assert (await red(conn, spoil, None, catalog.roles))[0]


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA colane GRANT SELECT ON TABLES TO PUBLIC", catalog.rights),
        ("GRANT USAGE ON SCHEMA colane TO PUBLIC", catalog.schemas),
        ("GRANT CREATE ON SCHEMA public TO colane_app", catalog.schemas),
        ("GRANT USAGE ON SCHEMA colane_meta TO colane_worker", catalog.schemas),
        ("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", catalog.functions),
        ("ALTER FUNCTION colane.new_id() LEAKPROOF", catalog.functions),
        ("REVOKE ALL ON colane.audit FROM colane_app; GRANT INSERT ON colane.leases TO colane_app", catalog.covered),
        ("CREATE SEQUENCE colane.numbers; GRANT USAGE ON SEQUENCE colane.numbers TO PUBLIC", catalog.rights),
        ("CREATE TRIGGER more BEFORE UPDATE ON colane.users EXECUTE FUNCTION colane.refuse_change()", catalog.triggers),
    ],
)
async def test_a_way_around_is_found_out(conn: asyncpg.Connection, spoil: str, rule: catalog.Rule) -> None:
    assert (await red(conn, spoil, None, rule))[0]


async def test_a_look_up_that_gives_a_foreign_id_is_found_out(conn: asyncpg.Connection) -> None:
    """Each condition of each look-up, turned round or left out; and each right it has, given to everybody."""
    for name in catalog.LOOKUPS:
        definition: str = await conn.fetchval(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1 AND pronamespace = 'colane'::regnamespace",
            name,
        )
        head, quote, rest = definition.partition("$function$")
        conditions = list(re.finditer(r"= (?=(lower\()?p_|\(SELECT nullif)|> now\(\)|used_at IS NULL", rest))
        assert conditions, f"{name} compares with none of its parameters"
        for found in conditions:
            turned = {"=": "IS DISTINCT FROM ", ">": "<= now()", "u": "used_at IS NOT NULL"}[found[0][0]]
            spoiled = f"{head}{quote}{rest[: found.start()]}{turned}{rest[found.end() :]}"
            assert await _told(conn, name, spoiled), f"{name}: {found[0]} at {found.start()} turned round"
        arguments = await conn.fetchval(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = $1 AND pronamespace = 'colane'::regnamespace",
            name,
        )
        for more in (
            f"GRANT EXECUTE ON FUNCTION {arguments} TO PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {arguments} TO colane_worker",
            f"ALTER FUNCTION {arguments} RESET search_path",
            f"ALTER FUNCTION {arguments} SET search_path = public",
            f"ALTER FUNCTION {arguments} OWNER TO colane_owner",
            f"ALTER FUNCTION {arguments} SECURITY INVOKER",
        ):
            assert (await red(conn, more, None, catalog.functions))[0], more


async def _told(conn: asyncpg.Connection, name: str, spoiled: str) -> list[Any]:
    change = conn.transaction()
    await change.start()
    try:
        await conn.execute(spoiled)
        return await lookups.findings(conn, [name])
    finally:
        await change.rollback()
