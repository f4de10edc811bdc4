"""Two tenants of one shape: a row for each in every table there is, made from the catalog, so that a new table has its too.

As superuser and without triggers, because the tests are about who sees rows and not about how they come to be. A column
with a CHECK that this cannot read from the catalog is a failure: add what fits to FITTING.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg

from storage.tables import TABLES, Kind

# What a column must hold where the catalog alone does not say: "table.column" or "column".
FITTING: dict[str, Any] = {"tokens.scopes": ["read"], "search_entries.words": "'wanted':1"}
_ONE_OF = re.compile(r"\(\(?\(?(\w+) = ANY \(\(?ARRAY\['([^']+)'")


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization and the only person in it."""

    name: str

    @property
    def org(self) -> UUID:
        return uuid5(NAMESPACE_OID, f"org {self.name}")

    @property
    def user(self) -> UUID:
        return uuid5(NAMESPACE_OID, f"user {self.name}")

    def secret(self, table: str) -> bytes:
        """The hash that stands for this tenant's secret in a table."""
        return hashlib.sha256(f"{self.name} {table}".encode()).digest()

    def id(self, column: str) -> UUID:
        """Every other id of this tenant: one for each name, `id` of a table being what others call `<table>_id`."""
        return uuid5(NAMESPACE_OID, f"{column} {self.name}")


ANN, BOB = Tenant("ann"), Tenant("bob")


def whose(table: str) -> str:
    """The column that says to whom a row belongs."""
    if TABLES[table] is Kind.IDENTITY:
        return "id" if table == "users" else "user_id"
    return "name" if TABLES[table] is Kind.LEASE else "org_id"


def owner(table: str, tenant: Tenant) -> Any:
    """What stands in that column."""
    if TABLES[table] is Kind.LEASE:
        return f"{tenant.name}-name"
    return tenant.user if TABLES[table] is Kind.IDENTITY else tenant.org


async def seed(conn: asyncpg.Connection) -> None:
    """A row for Ann and a row for Bob in every table. Inside the caller's transaction, as superuser."""
    await conn.execute("SET LOCAL session_replication_role = replica")
    for table in TABLES:
        for tenant in (ANN, BOB):
            await _insert(conn, table, tenant)
    await conn.execute("SET LOCAL session_replication_role = origin")


async def _insert(conn: asyncpg.Connection, table: str, tenant: Tenant) -> None:
    columns = await conn.fetch(
        "SELECT a.attname, format_type(a.atttypid, NULL) AS type FROM pg_attribute a WHERE a.attrelid = $1::regclass"
        " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
        " AND (a.attnotnull OR a.attname IN ('org_id', 'user_id', 'diagram_id', 'project_id', 'created_by', 'expires_at'))",
        f"colane.{table}",
    )
    checks = await conn.fetch(
        "SELECT pg_get_constraintdef(oid) AS said FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'",
        f"colane.{table}",
    )
    words = {found[1]: found[2] for row in checks if (found := _ONE_OF.search(row["said"]))}
    values = {}
    for row in columns:
        name = row["attname"]
        fitting = FITTING.get(f"{table}.{name}", FITTING.get(name, words.get(name)))
        values[name] = _value(table, name, row["type"], tenant) if fitting is None else fitting
    places = ", ".join(f"${at + 1}" for at in range(len(values)))
    try:
        await conn.execute(
            f"INSERT INTO colane.{table} ({', '.join(values)}) VALUES ({places}) ON CONFLICT DO NOTHING",
            *values.values(),
        )
    except asyncpg.CheckViolationError as error:
        raise AssertionError(f"say in tests/tenancy/seed.py what fits: {error}") from None


def _value(table: str, column: str, kind: str, tenant: Tenant) -> Any:
    if kind == "uuid":
        if column == "org_id" or (table, column) == ("organizations", "id"):
            return tenant.org
        if column in ("user_id", "created_by", "updated_by", "author") or (table, column) == ("users", "id"):
            return tenant.user
        return tenant.id(f"{table.removesuffix('s')}_id" if column == "id" else column)
    text = f"{tenant.name}-{column}"
    simple: dict[str, Any] = {
        "text": text, "character varying": text, "bytea": tenant.secret(table), "boolean": False, "jsonb": "{}",
        "json": "{}", "integer": 1, "bigint": 1, "smallint": 1, "double precision": 1.0, "real": 1.0, "numeric": 1,
        "timestamp with time zone": datetime.now(UTC) + timedelta(hours=1), "date": datetime.now(UTC).date(),
        "interval": timedelta(hours=1),
    }  # fmt: skip
    if kind.endswith("[]"):
        return []
    if kind not in simple:
        raise AssertionError(f"say in tests/tenancy/seed.py what a {kind} is ({table}.{column})")
    return simple[kind]
