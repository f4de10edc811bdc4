"""Connections to PostgreSQL, and the one way to a transaction.

Who is asking and for which organization is said when a transaction begins (`app.user`, `app.org`, transaction-local), and
row-level security does the rest. There is no other way to run a statement, so there is none to forget it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from uuid import UUID

from sqlalchemy import CursorResult, Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

if TYPE_CHECKING:
    import asyncpg


class Connection(Protocol):
    """What is done with a transaction: statements. It ends with its block, and no other way."""

    async def execute(
        self, statement: TextClause, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement; several sets of parameters run it for each."""


POOL_SIZE: Final = 10
POOL_OVERFLOW: Final = 10
POOL_WAIT_S: Final = 5.0  # longer than this for a connection is "storage is busy", not patience

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


def driver_url(url: str) -> str:
    """The same address for SQLAlchemy, which wants its driver named."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}" if scheme in ("postgres", "postgresql") else url


class Database:
    """A pool of connections for one login."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """A database for the length of a `with` block."""
        engine = create_async_engine(
            driver_url(url),
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_WAIT_S,
            pool_pre_ping=False,
            hide_parameters=True,  # people's diagrams do not belong into logs
            isolation_level="AUTOCOMMIT",  # transactions begin and end below, with fewer words than the library's
            connect_args={"server_settings": SESSION},
        )
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, *, user: UUID | None = None, org: UUID | None = None, read_only: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction as this user in this organization; rolled back when the block raises."""
        async with self._engine.connect() as conn:
            driver = await _driver(conn)
            await driver.execute(_beginning(user, org, read_only=read_only))
            try:
                yield conn
            except BaseException:
                await asyncio.shield(_roll_back(conn, driver))
                raise
            await driver.execute("COMMIT")

    async def ask(self, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        """The rows of one statement, which is its own transaction, as nobody: for look-ups, and what speaks for itself."""
        async with self._engine.connect() as conn:
            await _driver(conn)
            return (await conn.execute(statement, values)).all()


async def _driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The connection underneath, fit for a new transaction: one that was lost or left in the middle of one is replaced."""
    driver = (await conn.get_raw_connection()).driver_connection
    if driver is None or driver.is_closed() or driver.is_in_transaction():
        await conn.invalidate()
        driver = (await conn.get_raw_connection()).driver_connection
    assert driver is not None
    return driver  # type: ignore[no-any-return]


def _beginning(user: UUID | None, org: UUID | None, *, read_only: bool) -> str:
    """Begin and say who speaks, in one round trip: every request and every socket that comes in waits for these."""
    begin = "BEGIN READ ONLY" if read_only else "BEGIN"
    if user is None and org is None:
        return begin
    return f"{begin}; SELECT set_config('app.user', '{user or ''}', true), set_config('app.org', '{org or ''}', true)"


async def _roll_back(conn: AsyncConnection, driver: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await driver.execute("ROLLBACK")
    except Exception:  # noqa: BLE001 -- whatever it is: a connection in an unknown state serves nobody else
        driver.terminate()
        await conn.invalidate()


async def speak_for(
    conn: Connection, *, user: UUID | None = None, org: UUID | None = None, read_only: bool = False
) -> None:
    """From here on this transaction is that user's, in that organization: for who must be looked up first."""
    tenancy = _TENANCY_READ_ONLY if read_only else _TENANCY
    await conn.execute(tenancy, {"user": str(user or ""), "org": str(org or "")})
