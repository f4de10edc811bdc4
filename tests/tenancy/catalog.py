"""What must hold of PostgreSQL's catalog, each rule as a query for what breaks it. No row, no way around the tenants.

Fails closed: a table, policy, function or right that is not on a list here is a finding. `findings` runs them all; the
mutation tests spoil a database on purpose and expect to be found out.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from storage.tables import TABLES, Kind

LOGINS = {"colane_app", "colane_worker"}
LOOKUPS = {"find_user", "find_session", "find_token", "find_ticket", "find_signin", "grant_for"}
ORG = "( SELECT (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid AS \"nullif\")"
USER = ORG.replace("app.org", "app.user")
TENANT = f"(org_id = {ORG})"
OWN = f"(user_id = {USER})"

# Policies beside the tenant's and the person's own: table, name, command, role, and what makes a row visible or writable.
EXTRA: dict[tuple[str, str], tuple[str, str, str | None, str | None]] = {
    ("users", "own"): ("ALL", "colane_app", f"(id = {USER})", f"(id = {USER})"),
    ("users", "colleagues"): ("SELECT", "colane_app", "...", None),
    ("memberships", "seen"): ("SELECT", "colane_app", f"({OWN} OR {TENANT})", None),
    ("memberships", "added"): ("INSERT", "colane_app", None, TENANT),
    ("memberships", "changed"): ("UPDATE", "colane_app", TENANT, TENANT),
    ("memberships", "removed"): ("DELETE", "colane_app", TENANT, None),
    ("users", "named"): ("SELECT", "colane_worker", "...", None),
    ("memberships", "named"): ("SELECT", "colane_worker", TENANT, None),
    ("leases", "claims"): ("ALL", "colane_worker", "true", "true"),
}
for _table in ("organizations", "diagram_heads", "updates", "snapshots", "outbox"):
    EXTRA[_table, "sweep"] = ("SELECT", "colane_worker", "true", None)
for _table in ("sessions", "tokens", "signin_links", "tickets"):
    EXTRA[_table, "expired"] = ("SELECT", "colane_worker", "(expires_at < now())", None)
    EXTRA[_table, "expired_gone"] = ("DELETE", "colane_worker", "(expires_at < now())", None)
_OLD = "(created_at < (now() - '24:00:00'::interval))"
EXTRA["idempotency_keys", "expired"] = ("SELECT", "colane_worker", _OLD, None)
EXTRA["idempotency_keys", "expired_gone"] = ("DELETE", "colane_worker", _OLD, None)
for _table in ("users", "sessions", "tokens", "signin_links", "tickets", "memberships", "diagrams", "diagram_members"):
    EXTRA[_table, "lookup"] = ("SELECT", "colane_lookup", "true", None)

# What may be changed or deleted, by login; reading and adding are the policies' business.
CHANGES: dict[str, dict[str, set[str]]] = {
    "colane_app": {
        "DELETE": {"sessions", "tokens", "signin_links", "idempotency_keys", "memberships", "projects", "diagram_members",
                   "tickets", "comments", "mentions"},
        "UPDATE": {"users", "sessions", "tokens", "signin_links", "idempotency_keys", "memberships", "organizations",
                   "projects", "diagrams", "diagram_members", "tickets", "diagram_heads", "outbox",
                   "audit_heads", "comments"},
    },
    "colane_worker": {
        "DELETE": {"sessions", "tokens", "signin_links", "idempotency_keys", "tickets", "diagrams", "diagram_heads",
                   "updates", "snapshots", "writers", "element_changes", "versions", "bases", "outbox",
                   "leases"},
        "UPDATE": {"diagrams", "diagram_heads", "epochs", "snapshots", "outbox", "leases", "audit_heads"},
    },
}  # fmt: skip
UNIQUE_ACROSS = {"sessions_secret_hash_key", "tokens_secret_hash_key", "signin_links_secret_hash_key", "users_email"}

Rule = Callable[[asyncpg.Connection], Awaitable[list[Any]]]


async def tables(conn: asyncpg.Connection) -> list[Any]:
    """Every table is on the list, and row-level security is enabled and forced on it."""
    rows = await conn.fetch(
        "SELECT relname, relkind::text, relrowsecurity, relforcerowsecurity, reloptions FROM pg_class"
        " WHERE relnamespace = 'colane'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    found: list[Any] = sorted({row["relname"] for row in rows if row["relkind"] in "rp"} ^ TABLES.keys())
    for row in rows:
        if row["relkind"] in "rp" and not (row["relrowsecurity"] and row["relforcerowsecurity"]):
            found.append(("not forced", row["relname"]))
        if row["relkind"] not in "rp" and "security_invoker=true" not in (row["reloptions"] or []):
            found.append(("sees as its owner", row["relname"]))
    return found


async def policies(conn: asyncpg.Connection) -> list[Any]:
    """Every policy is one of the three kinds', or on the list of exceptions, to the letter."""
    expected = dict(EXTRA)
    for table, kind in TABLES.items():
        if kind is Kind.TENANT:
            expected[table, "tenant"] = ("ALL", "colane_app,colane_worker", TENANT, TENANT)
        elif kind is Kind.IDENTITY and table != "users":
            expected[table, "own"] = ("ALL", "colane_app", OWN, OWN)
    rows = await conn.fetch("SELECT * FROM pg_policies WHERE schemaname = 'colane'")
    actual = {}
    for row in rows:
        qual = (
            "..." if row["policyname"] in ("colleagues", "named") and qual_of_colleagues(row["qual"]) else row["qual"]
        )
        roles = ",".join(sorted(row["roles"]))
        actual[row["tablename"], row["policyname"]] = (row["cmd"], roles, qual, row["with_check"])
        if row["permissive"] != "PERMISSIVE":
            return [("restrictive", row["policyname"])]
    return [
        (key, actual.get(key), expected.get(key))
        for key in {*actual, *expected}
        if actual.get(key) != expected.get(key)
    ]


def qual_of_colleagues(qual: str) -> bool:
    """Both ways to be a colleague end at the organization."""
    return qual.count("EXISTS") == 2 and qual.count(ORG) == 2


async def keys(conn: asyncpg.Connection) -> list[Any]:
    """Unique and foreign keys of tenant tables begin with the organization, so that none tells of somebody else's row."""
    constraints = await conn.fetch(
        "SELECT c.conrelid::regclass::text AS name, c.conname, a.attname FROM pg_constraint c"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.connamespace = 'colane'::regnamespace AND c.contype IN ('p', 'u', 'f')"
    )
    indexes = await conn.fetch(
        "SELECT i.indrelid::regclass::text AS name, i.indexrelid::regclass::text AS conname, a.attname FROM pg_index i"
        " JOIN pg_class k ON k.oid = i.indrelid AND k.relnamespace = 'colane'::regnamespace"
        " LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indisunique"
    )
    found = []
    for row in (*constraints, *indexes):
        table, name = row["name"].removeprefix("colane."), row["conname"].removeprefix("colane.")
        if table not in TABLES or name in UNIQUE_ACROSS:
            continue
        if TABLES[table] is Kind.TENANT and row["attname"] != "org_id":
            found.append((table, name))
    return found


async def roles(conn: asyncpg.Connection) -> list[Any]:
    """No login is more than a login, owns anything, or belongs to another role; nobody is given the look-ups' role."""
    found = await conn.fetch(
        "SELECT rolname FROM pg_roles WHERE (rolname = ANY($1) OR rolname = 'colane_lookup') AND (rolsuper OR rolbypassrls"
        " OR rolcreaterole OR rolcreatedb OR rolreplication OR (rolname = 'colane_lookup' AND rolcanlogin))",
        list(LOGINS),
    )
    owned = await conn.fetch(
        "SELECT c.oid::regclass FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname = ANY($1) OR r.rolname = 'colane_lookup'",
        list(LOGINS),
    )
    member = await conn.fetch(
        "SELECT m.rolname AS member, g.rolname AS granted FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        " JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname = ANY($1) OR m.rolname = 'colane_lookup'",
        list(LOGINS),
    )
    return [*found, *owned, *member]


async def functions(conn: asyncpg.Connection) -> list[Any]:
    """Only the listed look-ups run as their owner, who is nobody; each with a fixed search path, none for everybody."""
    rows = await conn.fetch(
        "SELECT p.proname, r.rolname, p.proconfig, p.prosecdef, p.proleakproof, p.proacl::text AS acl FROM pg_proc p"
        " JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'colane'::regnamespace"
    )
    found: list[Any] = sorted({row["proname"] for row in rows if row["prosecdef"]} ^ LOOKUPS)
    for row in rows:
        if row["proname"] in LOOKUPS:
            if row["rolname"] != "colane_lookup" or row["proconfig"] != ["search_path=pg_catalog, pg_temp"]:
                found.append(row)
            if "colane_worker" in (row["acl"] or ""):
                found.append(row)
        if row["acl"] is None or "{=" in row["acl"] or ",=" in row["acl"] or row["proleakproof"]:
            found.append(row)
    return found


async def rights(conn: asyncpg.Connection) -> list[Any]:
    """Nobody but our roles has a right on a table; what may be changed and deleted is on the list."""
    rows = await conn.fetch(
        "SELECT c.relname, coalesce(r.rolname, 'PUBLIC') AS grantee, a.privilege_type FROM pg_class c,"
        " aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.relnamespace = 'colane'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner"
    )
    found: list[Any] = [row for row in rows if row["grantee"] not in LOGINS]
    for login in sorted(LOGINS):
        for privilege in ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            held = {row["relname"] for row in rows if (row["grantee"], row["privilege_type"]) == (login, privilege)}
            wanted = CHANGES[login].get(privilege, set())
            found += [(login, privilege, table) for table in sorted(held ^ wanted)]
    return found


async def columns(conn: asyncpg.Connection) -> list[Any]:
    """The look-ups' role reads ids, hashes and what decides about them; never a name, a text or a password. The worker
    reads of people what they are called."""
    rows = await conn.fetch(
        "SELECT c.relname, t.attname, r.rolname, a.privilege_type FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid,"
        " aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE c.relnamespace = 'colane'::regnamespace"
    )
    fine = {"id", "email", "org_id", "user_id", "diagram_id", "role", "secret_hash", "expires_at", "used_at", "visibility",
            "created_by", "deleted_at"}  # fmt: skip
    named = {("users", "id"), ("users", "name"), ("memberships", "org_id"), ("memberships", "user_id"),
             ("diagram_members", "org_id"), ("diagram_members", "user_id")}  # fmt: skip
    found: list[Any] = []
    for row in rows:
        if (row["rolname"], row["privilege_type"]) == ("colane_worker", "SELECT"):
            found += [row] if (row["relname"], row["attname"]) not in named else []
            continue
        if row["rolname"] == "colane_lookup" and (row["attname"] not in fine or row["privilege_type"] != "SELECT"):
            found.append(row)
        if row["rolname"] != "colane_lookup" and row["relname"] != "versions":
            found.append(row)
    return found


async def schemas(conn: asyncpg.Connection) -> list[Any]:
    """The logins create nothing here and do not see the migrations' own table."""
    found: list[Any] = await conn.fetch(
        "SELECT n.nspname, r.rolname FROM pg_namespace n, pg_roles r WHERE (r.rolname = ANY($1) OR r.rolname = 'colane_lookup')"
        " AND ((n.nspname = 'colane' AND has_schema_privilege(r.oid, n.oid, 'CREATE'))"
        " OR (n.nspname = 'colane_meta' AND has_schema_privilege(r.oid, n.oid, 'USAGE')))",
        list(LOGINS),
    )
    return found


async def triggers(conn: asyncpg.Connection) -> list[Any]:
    """The audit log refuses changes whoever asks."""
    rows = await conn.fetch(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'colane.audit'::regclass AND NOT tgisinternal AND tgenabled = 'O'"
    )
    return sorted({row["tgname"] for row in rows} ^ {"audit_is_append_only", "audit_is_not_emptied"})


RULES: tuple[Rule, ...] = (tables, policies, keys, roles, functions, rights, columns, schemas, triggers)


async def findings(conn: asyncpg.Connection) -> dict[str, list[Any]]:
    """What breaks a rule, by rule."""
    found = {rule.__name__: await rule(conn) for rule in RULES}
    return {name: what for name, what in found.items() if what}
