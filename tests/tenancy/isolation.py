"""What the policies do, tried out: in Ann's name nobody sees, changes, removes or makes a row of Bob's, in any table.

`leaks` runs on a database that tests/tenancy/seed.py has filled, as superuser who takes the part of each login in turn. It
knows no policy and reads no definition; a table that is not kept apart is found out by what can be done with it.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from storage.tables import TABLES, Kind
from tests.tenancy import catalog
from tests.tenancy.seed import ANN, BOB, owner, whose


class _UndoneError(Exception):
    """What was tried is taken back."""


@asynccontextmanager
async def _as(conn: asyncpg.Connection, role: str, user: object, org: object) -> AsyncIterator[None]:
    """This role, for this person in this organization; whatever is done is undone."""
    try:
        async with conn.transaction():
            await conn.execute(
                "SELECT set_config('app.user', $1, true), set_config('app.org', $2, true)", str(user), str(org)
            )
            # What a trigger refuses is out of the policies' hands; here they are tried alone.
            await conn.execute(f"SET LOCAL session_replication_role = replica; SET LOCAL ROLE {role}")
            yield
            raise _UndoneError
    except _UndoneError:
        return


def swept(role: str, table: str) -> bool:
    """Whether this login finds its work in all organizations' rows of this table."""
    return any(
        (command, who, qual) == ("SELECT", role, "true")
        for (name, _), (command, who, qual, _) in catalog.EXTRA.items()
        if name == table
    )


async def leaks(conn: asyncpg.Connection, tables: Iterable[str] = TABLES) -> list[Any]:
    """What can be done that should not be, by login and table."""
    found: list[Any] = []
    for table in tables:
        for role in sorted(catalog.LOGINS):
            if TABLES[table] is not Kind.LEASE:
                found += await _seen(conn, role, table)
                found += await _written(conn, role, table)
        async with _as(conn, "colane_owner", ANN.user, ANN.org):
            if await conn.fetchval(f"SELECT count(*) FROM colane.{table}"):
                found.append(("the owner sees rows", table))
    return found


async def _seen(conn: asyncpg.Connection, role: str, table: str) -> list[Any]:
    column, found = whose(table), []
    if not await conn.fetchval("SELECT has_column_privilege($1, $2, $3, 'SELECT')", role, f"colane.{table}", column):
        return []
    async with _as(conn, role, ANN.user, ANN.org):
        seen = {row[0] for row in await conn.fetch(f"SELECT {column} FROM colane.{table}")}
    if seen - {owner(table, ANN)} and not swept(role, table):
        found.append(("sees another's", role, table))
    if role == "colane_app" and owner(table, ANN) not in seen:
        found.append(("does not see its own", role, table))  # then the rest would prove nothing
    async with _as(conn, role, "", ""):
        if await conn.fetch(f"SELECT {column} FROM colane.{table}") and not swept(role, table):
            found.append(("sees without a tenant", role, table))
    return found


async def _written(conn: asyncpg.Connection, role: str, table: str) -> list[Any]:
    found: list[Any] = []
    name, column = f"colane.{table}", whose(table)
    may = await conn.fetchrow(
        "SELECT has_table_privilege($1, $2, 'DELETE') AS delete, has_table_privilege($1, $2, 'INSERT') AS insert,"
        " has_column_privilege($1, $2, $3, 'UPDATE') AS move, (SELECT a.attname FROM pg_attribute a"
        " WHERE a.attrelid = $2::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
        " AND a.attname <> $3 AND has_column_privilege($1, a.attrelid, a.attnum, 'UPDATE')"
        " ORDER BY a.attnum DESC LIMIT 1) AS change",
        role, name, column,
    )  # fmt: skip
    assert may is not None
    if may["delete"] and await _count(conn, role, f"DELETE FROM {name}") > 1:
        found.append(("deletes another's", role, table))
    theirs = owner(table, BOB)
    if may["change"]:
        # To a value that is read from nowhere: who reads is also held by the policies for reading.
        value = await conn.fetchval(f"SELECT {may['change']}::text FROM {name} WHERE {column} = $1", theirs)
        to = "NULL" if value is None else f"'{_quoted(value)}'"
        if await _count(conn, role, f"UPDATE {name} SET {may['change']} = {to}") > 1:
            found.append(("changes another's", role, table))
    if may["move"]:
        found += await _refused(conn, role, table, f"UPDATE {name} SET {column} = '{theirs}'", "gives away")
    if may["insert"]:
        fields = ", ".join(
            row["attname"]
            for row in await conn.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
                " AND attgenerated = ''",
                name,
            )
        )
        row = await conn.fetchval(f"SELECT to_jsonb(t)::text FROM {name} t WHERE {column} = $1", theirs)
        made = (
            f"INSERT INTO {name} ({fields}) SELECT {fields} FROM jsonb_populate_record(NULL::{name}, '{_quoted(row)}')"
        )
        found += await _refused(conn, role, table, made, "makes another's")
    return found


async def _count(conn: asyncpg.Connection, role: str, statement: str) -> int:
    done = ""
    async with _as(conn, role, ANN.user, ANN.org):
        # Nothing hangs together with foreign keys here: what counts is how many rows are within reach.
        done = await _reached(conn, statement)
    return int(done.rpartition(" ")[2] or 0)


async def _reached(conn: asyncpg.Connection, statement: str) -> str:
    try:
        async with conn.transaction():
            return await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return "2"  # it came to a row that it may not write back
    except asyncpg.ForeignKeyViolationError:
        return "0"


async def _refused(conn: asyncpg.Connection, role: str, table: str, statement: str, what: str) -> list[Any]:
    async with _as(conn, role, ANN.user, ANN.org):
        try:
            async with conn.transaction():
                await conn.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            return []
        except asyncpg.IntegrityConstraintViolationError:
            pass  # it came past the policy, and that the row was there already is told to the one who asked
    return [(what, role, table)]


def _quoted(text: str) -> str:
    return text.replace("'", "''")
