"""A database as large as an installation: 100,000 diagrams of 1,000 organizations, in about a minute.

Written by the superuser, inside PostgreSQL: the contents are a few files of ours, imported once and copied. Everything is
as the server leaves it when nobody has edited for a while: logs folded, heads weighed, so that no worker begins on it. Only
the audit lines have no true chain. Whose row it is, and every id, follow from a number: the same at every filling.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from collab.bpmn import diagram, texts
from load.chart import SMALL, chart

SAMPLES: Final = Path(__file__).resolve().parents[2] / "collab" / "samples"
PEOPLE: Final = 10  # of an organization: 0 owner, 1 admin, 2 to 6 editors, 7 commenter, 8 and 9 viewers
ENTRIES: Final = 8  # texts of each file that search knows: all of them would be three million
CLIENT: Final = 1 << 33  # the Yjs client that wrote every document
TAG: Final = "@tag@"  # fill.sql puts in the organization's
SCRIPT: Final = Path(__file__).with_name("fill.sql")


@dataclass(frozen=True, slots=True)
class Filled:
    """How much there is, and how to be somebody: person p belongs to organization p // 10."""

    organizations: int
    diagrams: int  # of each organization

    def token(self, organization: int, member: int = 2) -> str:
        """An access token of a member; 2 is an editor."""
        return f"clt_load_{organization * PEOPLE + member}"


async def fill(url: str, filled: Filled) -> None:
    """Fills a migrated, otherwise empty database; `url` is a superuser's, whose session checks no foreign keys."""
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
    try:
        await conn.execute(
            "SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '128MB'"
        )
        await conn.execute("SELECT setseed(0.5)")
        await _templates(conn)
        values = {":organizations": filled.organizations, ":each": filled.diagrams, ":client": CLIENT}
        script = SCRIPT.read_text()
        for name, value in values.items():
            script = script.replace(name, str(value))
        await conn.execute(script)
        await conn.execute("VACUUM (ANALYZE)")
    finally:
        await conn.close()


async def _templates(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    files = [*(path.read_bytes() for path in sorted(SAMPLES.glob("*.bpmn"))), chart(12), chart(SMALL)]
    await conn.execute(
        "CREATE TEMP TABLE templates (n bigint, xml bytea, state bytea, sha256 bytea, elements int, thumbnail text)"
    )
    await conn.execute(
        "CREATE TEMP TABLE texts"
        " (n bigint, key text, field text, element_id text, element_type text, body text, words text)"
    )
    for number, xml in enumerate(files):
        for one in texts.entries(xml, TAG)[:ENTRIES]:
            key = f"{one.field}:{one.element_id}"
            await conn.execute(
                "INSERT INTO texts VALUES ($1, $2, $3, $4, $5, $6, $7)",
                number, key, one.field, one.element_id, one.element_type, one.body, one.words,
            )  # fmt: skip
        made = diagram.from_xml(xml, None, CLIENT)
        row: tuple[Any, ...] = (
            number, made.verbatim, made.update, made.rendered.sha256, made.rendered.summary["elements"],
            made.rendered.thumbnail,
        )  # fmt: skip
        await conn.execute("INSERT INTO templates VALUES ($1, $2, $3, $4, $5, $6)", *row)
