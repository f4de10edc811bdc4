"""What must hold of PostgreSQL's catalog, each rule as a query for what breaks it. No row, no way around the tenants.

Fails closed: a table, policy, function or right that is not on a list here is a finding. `findings` runs them all; the
mutation tests spoil a database on purpose and expect to be found out. For a new table: its kind in storage/tables.py and
its grants in CHANGES are enough; what goes beyond (a sweep, a look-up, a key across tenants) is listed with its reason.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from storage.tables import TABLES, Kind

LOGINS = {"colane_app", "colane_worker"}
OURS = [*sorted(LOGINS), "colane_lookup"]
# The only functions that run as their owner, and what they give: ids, and what a role is. No name, no text, no address.
LOOKUPS = {
    "find_user": "uuid",
    "find_session": "TABLE(session_id uuid, user_id uuid)",
    "find_token": "TABLE(token_id uuid, user_id uuid)",
    "find_ticket": "TABLE(org_id uuid, user_id uuid)",
    "find_signin": "uuid",
    "grant_for": "TABLE(org_id uuid, role text, deleted boolean, until timestamp with time zone)",
    "find_invitation": "TABLE(org_id uuid, invitation_id uuid)",
    "find_link": "TABLE(org_id uuid, link_id uuid)",
    "find_visit": "TABLE(org_id uuid, user_id uuid)",
    "find_reset": "uuid",
    "find_identity": "uuid",
    "elsewhere": "SETOF uuid",
    "search_ids": "TABLE(diagram_id uuid, key text, rank real)",
}
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
for _table in ("organizations", "diagram_heads", "updates", "snapshots", "outbox", "audit_heads", "audit_seals"):
    EXTRA[_table, "sweep"] = ("SELECT", "colane_worker", "true", None)
for _table in ("sessions", "tokens", "signin_links", "tickets", "invitations", "link_guests", "reset_links"):
    EXTRA[_table, "expired"] = ("SELECT", "colane_worker", "(expires_at < now())", None)
    EXTRA[_table, "expired_gone"] = ("DELETE", "colane_worker", "(expires_at < now())", None)
_OLD = "(created_at < (now() - '24:00:00'::interval))"
EXTRA["idempotency_keys", "expired"] = ("SELECT", "colane_worker", _OLD, None)
EXTRA["idempotency_keys", "expired_gone"] = ("DELETE", "colane_worker", _OLD, None)
for _table in ("users", "sessions", "tokens", "signin_links", "tickets", "memberships", "diagrams", "diagram_members",
               "invitations", "share_links", "link_guests", "reset_links", "identities",
               "search_entries"):  # fmt: skip
    EXTRA[_table, "lookup"] = ("SELECT", "colane_lookup", "true", None)

# What may be changed or deleted, by login; reading and adding are the policies' business.
CHANGES: dict[str, dict[str, set[str]]] = {
    "colane_app": {
        "DELETE": {"sessions", "tokens", "signin_links", "idempotency_keys", "memberships", "projects", "diagram_members",
                   "tickets", "comments", "mentions", "invitations", "share_links", "link_guests", "reset_links"},
        "UPDATE": {"users", "sessions", "tokens", "signin_links", "idempotency_keys", "memberships", "organizations",
                   "invitations", "reset_links",
                   "projects", "diagrams", "diagram_members", "tickets", "diagram_heads",
                   "audit_heads", "comments"},
    },
    "colane_worker": {
        "DELETE": {"sessions", "tokens", "signin_links", "idempotency_keys", "tickets", "invitations", "link_guests",
                   "reset_links", "diagrams", "diagram_heads", "updates", "snapshots", "writers", "element_changes",
                   "versions", "bases", "outbox", "leases", "search_entries", "diagram_facts", "diagram_activity"},
        "UPDATE": {"diagrams", "diagram_heads", "epochs", "snapshots", "leases", "audit_heads", "search_entries",
                   "diagram_facts", "diagram_activity"},
    },
}  # fmt: skip
# Keys that do not begin with the tenant or the person, and why they tell nobody anything.
UNIQUE_ACROSS = {
    "users_email": "an address is one person's everywhere, and registering says so by contract",
    "sessions_secret_hash_key": "256 random bits",
    "tokens_secret_hash_key": "256 random bits",
    "signin_links_secret_hash_key": "256 random bits",
    "reset_links_secret_hash_key": "256 random bits",
    "identities_pkey": "who somebody is at a provider is known to that provider only",
    "leases_pkey": "the worker's alone",
}
TRIGGERS = {
    ("audit", "audit_is_append_only"), ("audit", "audit_is_not_emptied"), ("audit_seals", "audit_seals_are_append_only"),
    ("audit_seals", "audit_seals_are_not_emptied"), ("audit_heads", "audit_heads_move_on"),
    ("audit_heads", "audit_heads_stay"), ("audit_heads", "audit_heads_are_not_emptied"),
}  # fmt: skip

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
        if row["relkind"] not in "rp" and (
            row["relkind"] != "v" or "security_invoker=true" not in (row["reloptions"] or [])
        ):
            found.append(("sees as its owner", row["relname"]))
    # Children and partitions have row-level security of their own, or none: there are no such tables.
    found += await conn.fetch(
        "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE c.relkind NOT IN ('i', 'I')"
    )
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


async def covered(conn: asyncpg.Connection) -> list[Any]:
    """Whoever holds a right on a table has a policy for that command on it: nothing is left to a default."""
    held = await conn.fetch(
        "SELECT DISTINCT c.relname, a.grantee::regrole::text AS role, a.privilege_type AS command FROM pg_class c"
        " LEFT JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(coalesce(t.attacl, c.relacl)) a"
        " WHERE c.relnamespace = 'colane'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner"
        " AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')"
        " UNION SELECT c.relname, a.grantee::regrole::text, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE c.relnamespace = 'colane'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner"
        " AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')"
    )
    rows = await conn.fetch("SELECT tablename, cmd, roles FROM pg_policies WHERE schemaname = 'colane'")
    there = {(row["tablename"], role, row["cmd"]) for row in rows for role in row["roles"]}
    return [
        tuple(row)
        for row in held
        if not {(row["relname"], row["role"], row["command"]), (row["relname"], row["role"], "ALL")} & there
    ]


def qual_of_colleagues(qual: str) -> bool:
    """Both ways to be a colleague end at the organization."""
    return qual.count("EXISTS") == 2 and qual.count(ORG) == 2


async def keys(conn: asyncpg.Connection) -> list[Any]:
    """Unique and foreign keys of tenant tables begin with the organization, so that none tells of somebody else's row;
    unique keys of a person's tables with the person, or they are the row's own id."""
    constraints = await conn.fetch(
        "SELECT c.conrelid::regclass::text AS name, c.conname, c.contype::text AS kind, a.attname,"
        " (SELECT f.attname FROM pg_attribute f WHERE f.attrelid = c.confrelid AND f.attnum = c.confkey[1]) AS target"
        " FROM pg_constraint c LEFT JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.connamespace = 'colane'::regnamespace AND c.contype IN ('f', 'x')"
    )
    indexes = await conn.fetch(
        "SELECT i.indrelid::regclass::text AS name, i.indexrelid::regclass::text AS conname, 'u' AS kind, a.attname,"
        " i.indisprimary AND i.indnkeyatts = 1 AS own FROM pg_index i"
        " JOIN pg_class k ON k.oid = i.indrelid AND k.relnamespace = 'colane'::regnamespace"
        " LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indisunique"
    )
    found = []
    for row in (*constraints, *indexes):
        table, name, first = row["name"].removeprefix("colane."), row["conname"].removeprefix("colane."), row["attname"]
        kind = TABLES.get(table)
        if kind is Kind.TENANT:
            fine = first == "org_id" and (row["kind"] != "f" or row["target"] == "org_id")
        elif row["kind"] == "f":
            fine = (first, row["target"]) in {("user_id", "id"), ("org_id", "org_id")}
        elif kind is Kind.MEMBERSHIP:
            fine = first == "org_id"
        else:
            fine = first == "user_id" or (first == "id" and row["kind"] == "u" and row["own"]) or name in UNIQUE_ACROSS
        if not fine:
            found.append((table, name, first))
    return found


async def roles(conn: asyncpg.Connection) -> list[Any]:
    """No login is more than a login, owns anything, belongs to another role or comes with settings; nobody is given the
    look-ups' role, which owns the look-ups and nothing else."""
    found = await conn.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
        " OR rolreplication OR (rolname = 'colane_lookup' AND rolcanlogin))",
        OURS,
    )
    owned = await conn.fetch(
        "SELECT d.refobjid::regrole::text, d.classid::regclass::text, d.objid FROM pg_shdepend d"
        " LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid"
        " WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass AND d.refobjid::regrole::text = ANY($1)"
        " AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
        " AND NOT (d.refobjid::regrole::text = 'colane_lookup' AND p.proname IS NOT NULL AND p.proname = ANY($2)"
        " AND p.pronamespace = 'colane'::regnamespace)",
        OURS,
        list(LOOKUPS),
    )
    member = await conn.fetch(
        "SELECT m.rolname AS member, g.rolname AS granted FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        " JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname = ANY($1)",
        OURS,
    )
    settings = await conn.fetch(
        "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE setrole::regrole::text = ANY($1)"
        " OR array_to_string(setconfig, ' ') ~ 'app\\.|row_security|session_preload'",
        OURS,
    )
    return [*found, *owned, *member, *settings]


async def functions(conn: asyncpg.Connection) -> list[Any]:
    """Only the listed look-ups run as their owner, who is nobody; each with a fixed search path, none for everybody."""
    rows = await conn.fetch(
        "SELECT p.proname, r.rolname, p.proconfig, p.prosecdef, p.proleakproof, p.proacl::text AS acl, l.lanname,"
        " pg_get_function_result(p.oid) AS gives, p.pronamespace = 'colane'::regnamespace AS ours FROM pg_proc p"
        " JOIN pg_roles r ON r.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 AND NOT EXISTS"
        " (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')"
    )
    definers = [row["proname"] for row in rows if row["prosecdef"]]
    found: list[Any] = sorted({*definers} ^ LOOKUPS.keys())
    if len(definers) != len({*definers}):
        found.append(("two look-ups of one name", definers))
    for row in rows:
        if not row["ours"]:
            found.append(("a function elsewhere", row))
        if row["proname"] in LOOKUPS:
            if row["rolname"] != "colane_lookup" or row["proconfig"] != ["search_path=pg_catalog, pg_temp"]:
                found.append(row)
            if row["lanname"] != "sql" or row["gives"] != LOOKUPS[row["proname"]]:
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
        " WHERE c.relnamespace = 'colane'::regnamespace AND a.grantee <> c.relowner"
    )
    found: list[Any] = [row for row in rows if row["grantee"] not in LOGINS]
    # Nor will anybody on what is made later.
    found += await conn.fetch(
        "SELECT defaclrole::regrole::text, defaclobjtype::text, defaclacl::text FROM pg_default_acl"
    )
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
        "SELECT c.relname, t.attname, coalesce(r.rolname, 'PUBLIC') AS rolname, a.privilege_type FROM pg_attribute t"
        " JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.relnamespace = 'colane'::regnamespace"
    )
    fine = {"id", "email", "org_id", "user_id", "diagram_id", "role", "secret_hash", "expires_at", "used_at", "visibility",
            "created_by", "deleted_at", "link_id", "issuer", "subject", "key", "words"}  # fmt: skip
    named = {("users", "id"), ("users", "name"), ("memberships", "org_id"), ("memberships", "user_id"),
             ("diagram_members", "org_id"), ("diagram_members", "user_id")}  # fmt: skip
    found: list[Any] = []
    for row in rows:
        if (row["rolname"], row["privilege_type"]) == ("colane_worker", "SELECT"):
            found += [row] if (row["relname"], row["attname"]) not in named else []
            continue
        if row["rolname"] == "colane_lookup" and (row["attname"] not in fine or row["privilege_type"] != "SELECT"):
            found.append(row)
        if row["rolname"] != "colane_lookup" and (
            row["relname"] not in ("versions", "outbox") or row["rolname"] not in LOGINS
        ):
            found.append(row)
    return found


async def schemas(conn: asyncpg.Connection) -> list[Any]:
    """Everybody else is kept out of our schema; the logins create nothing anywhere, nor see the migrations' own table."""
    made: list[Any] = await conn.fetch(
        "SELECT n.nspname, r.rolname FROM pg_namespace n, pg_roles r WHERE r.rolname = ANY($1)"
        " AND (has_schema_privilege(r.oid, n.oid, 'CREATE')"
        " OR (n.nspname = 'colane_meta' AND has_schema_privilege(r.oid, n.oid, 'USAGE')))",
        OURS,
    )
    used: list[Any] = await conn.fetch(
        "SELECT n.nspname, a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname LIKE 'colane%'"
        " AND a.grantee <> n.nspowner AND NOT (n.nspname = 'colane' AND a.grantee::regrole::text = ANY($1)"
        " AND a.privilege_type = 'USAGE')",
        OURS,
    )
    return [*made, *used]


async def triggers(conn: asyncpg.Connection) -> list[Any]:
    """The audit log refuses changes whoever asks; no other trigger, which would run as somebody else."""
    rows = await conn.fetch(
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = 'colane'::regnamespace AND NOT t.tgisinternal AND t.tgenabled = 'O'"
    )
    return sorted({(row["relname"], row["tgname"]) for row in rows} ^ TRIGGERS)


async def byways(conn: asyncpg.Connection) -> list[Any]:
    """Nothing carries rows past the policies: no publication, event trigger, rewriting rule or foreign server."""
    found: list[Any] = await conn.fetch(
        "SELECT 'publication' AS what, pubname::text AS name FROM pg_publication UNION ALL"
        " SELECT 'event trigger', evtname FROM pg_event_trigger UNION ALL SELECT 'server', srvname FROM pg_foreign_server"
        " UNION ALL SELECT 'rule', r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class"
        " WHERE c.relnamespace = 'colane'::regnamespace AND r.rulename <> '_RETURN'"
    )
    return found


RULES: tuple[Rule, ...] = (
    tables, policies, covered, keys, roles, functions, rights, columns, schemas, triggers, byways,
)  # fmt: skip


async def findings(conn: asyncpg.Connection) -> dict[str, list[Any]]:
    """What breaks a rule, by rule."""
    found = {rule.__name__: await rule(conn) for rule in RULES}
    return {name: what for name, what in found.items() if what}
