"""Migrations: the only door for changes of the schema, run as `colane_owner` and by nobody else.

`upgrade(url)` brings a database to the newest schema; starting it twice, or from two processes at once, is safe.
Alembic's own table lives in the schema `colane_meta`, which the application cannot see.
"""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent


def upgrade(url: str, revision: str = "head") -> None:
    """To the given revision. Synchronous and with an event loop of its own: call it before the server's loop starts."""
    from alembic import command  # noqa: PLC0415 -- half a second that only migrations need
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = url
    command.upgrade(config, revision)
