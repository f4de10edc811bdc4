"""Tenancy, proven on PostgreSQL's own catalog: no table without forced row-level security, no way around it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from storage.tables import TABLES, Kind
from tests.conftest import Urls

LOOKUPS = {"find_user", "find_session", "find_token", "find_ticket", "find_signin", "grant_for"}


@pytest.fixture
async def owner(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(urls.owner)
    yield connection
    await connection.close()


async def test_every_table_is_in_the_list_and_has_forced_row_level_security(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = 'colane'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert {row["relname"] for row in rows} == set(TABLES)
    for row in rows:
        assert row["relrowsecurity"], row["relname"]
        assert row["relforcerowsecurity"], row["relname"]


async def test_every_table_has_policies_and_none_is_for_everybody(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT tablename, policyname, roles, qual, with_check FROM pg_policies WHERE schemaname = 'colane'"
    )
    by_table: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        by_table.setdefault(row["tablename"], []).append(row)
        assert set(row["roles"]) <= {"colane_app", "colane_worker", "colane_lookup"}, row
    assert set(by_table) == set(TABLES)
    for table, kind in TABLES.items():
        texts = [f"{row['qual']} {row['with_check']}" for row in by_table[table] if "colane_app" in row["roles"]]
        if kind is Kind.TENANT:
            assert all("app.org" in text for text in texts), table
            assert texts, table
        elif kind is Kind.IDENTITY:
            assert any("app.user" in text for text in texts), table


async def test_keys_of_tenant_tables_begin_with_the_organization(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT c.conrelid::regclass::text AS name, c.conname, c.contype, a.attname FROM pg_constraint c"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.connamespace = 'colane'::regnamespace AND c.contype IN ('p', 'u', 'f')"
    )
    for row in rows:
        table = row["name"].removeprefix("colane.")
        if TABLES[table] is Kind.TENANT:
            assert row["attname"] == "org_id", f"{table}.{row['conname']}"


async def test_the_logins_own_nothing_and_cannot_bypass(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch("SELECT * FROM pg_roles WHERE rolname IN ('colane_app', 'colane_worker', 'colane_lookup')")
    assert len(rows) == 3
    for row in rows:
        assert not row["rolsuper"]
        assert not row["rolbypassrls"]
        assert not row["rolcreaterole"]
    assert (
        await owner.fetchval(
            "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname IN ('colane_app', 'colane_worker')"
        )
        == 0
    )
    members = await owner.fetch(
        "SELECT m.rolname AS member, g.rolname AS granted FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        " JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname IN ('colane_app', 'colane_worker')"
    )
    assert members == []


async def test_only_the_listed_functions_run_as_their_owner(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT p.proname, r.rolname, p.proconfig, p.prosecdef, p.proacl::text AS acl FROM pg_proc p"
        " JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'colane'::regnamespace"
    )
    definers = {row["proname"]: row for row in rows if row["prosecdef"]}
    assert set(definers) == LOOKUPS
    for name, row in definers.items():
        assert row["rolname"] == "colane_lookup", name
        assert row["proconfig"] == ["search_path=pg_catalog, pg_temp"], name
    for row in rows:
        assert row["acl"] is not None, f"{row['proname']}: everybody may run it"
        assert "{=X" not in row["acl"], row["proname"]
        assert ",=X" not in row["acl"], row["proname"]


async def test_the_audit_log_refuses_changes(owner: asyncpg.Connection, urls: Urls) -> None:
    granted = await owner.fetch(
        "SELECT privilege_type FROM information_schema.role_table_grants WHERE table_name = 'audit' AND grantee LIKE 'colane_%'"
        " AND grantee <> 'colane_owner'"
    )
    assert {row["privilege_type"] for row in granted} == {"SELECT", "INSERT"}
    app = await asyncpg.connect(urls.app)
    for statement in ("UPDATE colane.audit SET action = 'x'", "DELETE FROM colane.audit", "TRUNCATE colane.audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
    await app.close()


async def test_without_a_tenant_nothing_is_seen_and_nothing_written(urls: Urls) -> None:
    app = await asyncpg.connect(urls.app)
    for table in TABLES:
        if table != "leases":
            assert await app.fetchval(f"SELECT count(*) FROM colane.{table}") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(
            "INSERT INTO colane.organizations (id, org_id, name) SELECT u, u, 'x' FROM gen_random_uuid() u"
        )
    await app.close()
