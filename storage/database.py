"""Connections to PostgreSQL, and the one way to a transaction.

Who is asking and for which organization is said when a transaction begins (`app.user`, `app.org`, transaction-local), and
row-level security does the rest. There is no other way to run a statement, so there is none to forget it. Statements are
written with names (`:org`) and run by asyncpg itself: the layers between cost three times what it does.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import asyncpg
from sqlalchemy import TextClause, text

if TYPE_CHECKING:
    _Driver = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

POOL_SIZE: Final = 20
POOL_WAIT_S: Final = 5.0  # longer than this for a connection is "storage is busy", not patience
QUERIES: Final = 1_000_000  # of one connection, before another takes its place

# Every commit waits for the disk, whatever the server's default: an answered save is a promise too. And a process that
# hangs in the middle of a transaction does not hold a diagram for ever.
SESSION: Final = {
    "application_name": "colane",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
}

_TENANCY = text("SELECT set_config('app.user', :user, true), set_config('app.org', :org, true)")
_TENANCY_READ_ONLY = text(
    "SELECT set_config('transaction_read_only', 'on', true),"
    " set_config('app.user', :user, true), set_config('app.org', :org, true)"
)
# Before a statement that reads a person's own rows and nothing else: it speaks for :user by itself, so it needs no
# transaction around it. What follows is read for the name that the setting gives back, so it cannot come first.
SPEAKING_FOR: Final = (
    "(SELECT set_config('app.user', CAST(:user AS text), true) AS name OFFSET 0) AS speaker CROSS JOIN LATERAL"
)
_NAME: Final = re.compile(r"(?<![:\w]):(\w+)(?!:)")
_COUNTED: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.IGNORECASE | re.DOTALL)


def driver_url(url: str) -> str:
    """The same address for SQLAlchemy, with which migrations run and which wants its driver named."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}" if scheme in ("postgres", "postgresql") else url


class Row(asyncpg.Record):
    """A row: by position, by name, and by attribute."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Result:
    """What a statement gave: its rows, and how many it changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Row], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def all(self) -> list[Row]:
        """Every row."""
        return self._rows

    def first(self) -> Row | None:
        """The first row, if there is one."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Row | None:
        """The only row, if there is one."""
        if len(self._rows) > 1:
            raise LookupError("more than one row")
        return self.first()

    def one(self) -> Row:
        """The only row."""
        (row,) = self._rows
        return row

    def scalar_one(self) -> Any:
        """The first value of the only row."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """The first value of the only row, if there is one."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalars(self) -> list[Any]:
        """The first value of every row."""
        return [row[0] for row in self._rows]


@lru_cache(maxsize=2_000)
def _numbered(statement: str) -> tuple[str, tuple[str, ...], bool]:
    """A statement as the driver wants it, what its numbers stand for, and whether it gives a count instead of rows."""
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    numbers = {name: f"${place}" for place, name in enumerate(names, 1)}
    return _NAME.sub(lambda found: numbers[found[1]], statement), names, bool(_COUNTED.match(statement))


class Connection:
    """What is done with a transaction: statements. It ends with its block, and no other way."""

    __slots__ = ("_driver",)

    def __init__(self, driver: "_Driver") -> None:
        self._driver = driver

    async def execute(
        self, statement: TextClause, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> Result:
        """Run one statement; several sets of parameters run it for each."""
        sql, names, counted = _numbered(statement.text)
        given = parameters or {}
        if not isinstance(given, Mapping):
            await self._driver.executemany(sql, [[one[name] for name in names] for one in given])
            return Result([], len(given))
        values = [given[name] for name in names]
        if counted:
            status = await self._driver.execute(sql, *values)
            return Result([], int(status.rpartition(" ")[2]))
        rows = await self._driver.fetch(sql, *values, record_class=Row)
        return Result(rows, len(rows))


class Database:
    """A pool of connections for one login."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, size: int = POOL_SIZE) -> AsyncIterator[Self]:
        """A database for the length of a `with` block; connections are made when they are needed."""
        pool = asyncpg.create_pool(
            url, min_size=0, max_size=size, max_queries=QUERIES, init=_readied, reset=_left, server_settings=SESSION
        )
        async with pool:
            try:
                yield cls(pool)
            finally:
                pool.terminate()  # whatever still waits for a server that does not answer must not keep us

    @asynccontextmanager
    async def transaction(
        self, *, user: UUID | None = None, org: UUID | None = None, read_only: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction as this user in this organization; rolled back when the block raises."""
        async with self._pool.acquire(timeout=POOL_WAIT_S) as driver:
            ended = False
            try:
                await driver.execute(_beginning(user, org, read_only=read_only))
                try:
                    yield Connection(driver)
                except Exception:
                    with suppress(Exception):  # the first error is the one that counts
                        await driver.execute("ROLLBACK")
                        ended = True
                    raise
                await driver.execute("COMMIT")
                ended = True
            finally:
                # Whoever is torn away does not know how far it came, and nobody else gets a connection that speaks for them.
                if not ended:
                    driver.terminate()

    async def ask(self, statement: TextClause, values: Mapping[str, Any]) -> list[Row]:
        """The rows of one statement, which is its own transaction, as nobody: for look-ups, and what speaks for itself."""
        async with self._pool.acquire(timeout=POOL_WAIT_S) as driver:
            return (await Connection(driver).execute(statement, values)).all()


async def _readied(driver: "_Driver") -> None:
    """JSON goes in as text and comes out as values."""
    await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _left(_driver: "_Driver") -> None:
    """A transaction leaves nothing on its connection, so there is nothing to reset."""


def _beginning(user: UUID | None, org: UUID | None, *, read_only: bool) -> str:
    """Begin and say who speaks, in one round trip: every request and every socket that comes in waits for these."""
    begin = "BEGIN READ ONLY" if read_only else "BEGIN"
    if user is None and org is None:
        return begin
    return f"{begin}; SELECT set_config('app.user', '{user or ''}', true), set_config('app.org', '{org or ''}', true)"


async def speak_for(
    conn: Connection, *, user: UUID | None = None, org: UUID | None = None, read_only: bool = False
) -> None:
    """From here on this transaction is that user's, in that organization: for who must be looked up first."""
    tenancy = _TENANCY_READ_ONLY if read_only else _TENANCY
    await conn.execute(tenancy, {"user": str(user or ""), "org": str(org or "")})
