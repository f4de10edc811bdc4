"""Migrations: the only door for changes of the schema, run as `colane_owner` and by nobody else.

`upgrade(url)` brings a database to the newest schema; starting it twice, or from two processes at once, is safe.
Alembic's own table lives in the schema `colane_meta`, which the application cannot see.
"""

import asyncio
from pathlib import Path
from typing import Final

import asyncpg

HERE: Final = Path(__file__).resolve().parent


def newest() -> str:
    """The newest revision there is."""
    return max(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))


async def _current(url: str) -> str | None:
    """The revision a database is at."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('colane_meta.alembic_version')") is None:
            return None
        found: str | None = await connection.fetchval("SELECT version_num FROM colane_meta.alembic_version")
        return found
    finally:
        await connection.close()


def upgrade(url: str, revision: str = "head") -> None:
    """To the given revision. Synchronous and with an event loop of its own: call it before the server's loop starts."""
    if revision == "head" and asyncio.run(_current(url)) == newest():
        return  # what alembic would find out too, after half a second of importing
    from alembic import command  # noqa: PLC0415 -- half a second that only migrations need
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = url
    command.upgrade(config, revision)
