"""Alembic's entry: one connection as the owner, one lock so that two starts do not migrate at once."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import driver_url

LOCK = 0x636F6C61  # "cola"
META = "colane_meta"


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, version_table_schema=META, transactional_ddl=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {META}"))
        context.run_migrations()


async def _run(url: str) -> None:
    engine = create_async_engine(driver_url(url))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
