"""Connections to PostgreSQL, and the one way to a transaction.

Who is asking and for which organization is said when a transaction begins (`app.user`, `app.org`, transaction-local), and
row-level security does the rest. There is no other way to run a statement, so there is none to forget it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

Connection = AsyncConnection  # so that nobody outside storage/ imports SQLAlchemy

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
_READ_ONLY = text("SET TRANSACTION READ ONLY")
# Both in one round trip: every request and every socket that comes in waits for these.
_TENANCY_READ_ONLY = text(
    "SELECT set_config('transaction_read_only', 'on', true),"
    " set_config('app.user', :user, true), set_config('app.org', :org, true)"
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
        async with self._engine.connect() as conn, conn.begin():
            if user is not None or org is not None:
                await speak_for(conn, user=user, org=org, read_only=read_only)
            elif read_only:
                await conn.execute(_READ_ONLY)
            yield conn


async def speak_for(
    conn: Connection, *, user: UUID | None = None, org: UUID | None = None, read_only: bool = False
) -> None:
    """From here on this transaction is that user's, in that organization: for who must be looked up first."""
    tenancy = _TENANCY_READ_ONLY if read_only else _TENANCY
    await conn.execute(tenancy, {"user": str(user or ""), "org": str(org or "")})
