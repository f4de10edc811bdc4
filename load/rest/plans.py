"""What PostgreSQL does for a request: its statements and round trips, and every plan held against the tenants' rule.

The rule: whatever reads a tenant's table goes in by an index, with the organization in its condition; what must come before
the organization is known (a hash, an id) is on a list here. Plans are those that were run, those inside of functions and
foreign keys too: auto_explain writes them into the server's log, for the application's login only. Used by
`./run bench rest` and by tests/tenancy/test_plans.py.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from storage.tables import TABLES, Kind

# Look-ups by what only one row can have, before a tenant is known; people's own rows; who belongs where.
UNIQUE: Final = frozenset({
    "diagrams_id_idx", "tickets_secret_hash_idx", "sessions_secret_hash_key", "tokens_secret_hash_key",
    "signin_links_secret_hash_key", "users_email", "users_pkey", "sessions_pkey", "tokens_pkey", "signin_links_pkey",
    "share_links_secret_hash_idx", "link_guests_secret_hash_idx", "invitations_secret_hash_idx", "reset_links_pkey",
    "reset_links_secret_hash_key", "identities_pkey",
})  # fmt: skip
LOOKUP: Final = "p_user"  # in the text of a look-up that runs before the organization is known, for one person
_OWNER: Final = {Kind.TENANT: ("org_id",), Kind.IDENTITY: ("user_id",), Kind.MEMBERSHIP: ("org_id", "user_id")}
_SAID: Final = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)", re.DOTALL)
_PLAN: Final = re.compile(r"LOG:  duration: [\d.]+ ms  plan:\s*(\{.*)", re.DOTALL)
_ENTRY: Final = re.compile(r"^\S.*?(?=^\S|\Z)", re.DOTALL | re.MULTILINE)
_LITERAL: Final = re.compile(r"'[^']*'(::\w+)?")
LONGEST: Final = 300  # of a statement that is told
QUIET_S: Final = 0.3  # nothing more comes into the log


@dataclass(slots=True)
class Seen:
    """What was said to PostgreSQL, one entry a round trip, and the plans of it with all that they began."""

    said: list[str] = field(default_factory=list)
    plans: list[dict[str, Any]] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        """What breaks the rule."""
        return sorted({found for plan in self.plans for found in breaks(plan)})


async def watch(superuser: str, *, seqscan: bool = True) -> None:
    """From the application's next connection on, everything it says and every plan is logged.

    Without `seqscan` a table is read as a whole only where no index would do: a small database cannot show it otherwise.
    """
    settings = {
        "session_preload_libraries": "auto_explain",
        "auto_explain.log_min_duration": "0",
        "auto_explain.log_nested_statements": "on",
        "auto_explain.log_analyze": "on",
        "auto_explain.log_timing": "off",
        "auto_explain.log_format": "json",
        "log_statement": "all",
        "enable_seqscan": "on" if seqscan else "off",
    }
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(superuser)
    try:
        await conn.execute("LOAD 'auto_explain'")  # so that its settings are known
        database = await conn.fetchval("SELECT current_database()")
        for name, value in settings.items():
            await conn.execute(f"ALTER ROLE colane_app IN DATABASE \"{database}\" SET {name} = '{value}'")
    finally:
        await conn.close()


async def watch_no_more(superuser: str) -> None:
    """From the application's next connection on nothing more is logged."""
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(superuser)
    try:
        database = await conn.fetchval("SELECT current_database()")
        await conn.execute(f'ALTER ROLE colane_app IN DATABASE "{database}" RESET ALL')
    finally:
        await conn.close()


class Log:
    """The log of the embedded server, read on from where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size

    def skip(self) -> None:
        """Forgets what has come so far, once all of it has."""
        self.read()

    def read(self) -> Seen:
        """What has come since the last time, when nothing more comes."""
        size = -1
        while size != (size := self._path.stat().st_size):
            time.sleep(QUIET_S)
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read(size - self._at).decode(errors="replace")
        self._at = size
        return parse(text)


def parse(text: str) -> Seen:
    """The log's entries: what follows a line's beginning with a tab belongs to it."""
    seen = Seen()
    for entry in _ENTRY.findall(text):
        if plan := _PLAN.search(entry):
            seen.plans.append(json.loads(plan[1]))
        elif said := _SAID.search(entry):
            seen.said.append(" ".join(said[1].split()))
    return seen


def breaks(plan: dict[str, Any]) -> Iterator[str]:
    """Each part of a plan that may read rows of others."""
    words = " ".join(str(plan["Query Text"]).split())
    for node in _nodes(plan["Plan"]):
        table = node.get("Relation Name") or _table_of(node.get("Index Name"))
        kind = TABLES.get(table or "")
        if kind is None or node["Node Type"] == "ModifyTable" or node["Node Type"] == "Bitmap Heap Scan":
            continue  # a bitmap's condition stands with its index, below
        owners = _OWNER.get(kind, ())
        if LOOKUP in words:
            owners = (
                *owners,
                "user_id",
            )  # what grant_for asks of, the person's own rows, tells which organization it is
        condition = str(node.get("Index Cond", ""))
        if not owners or node.get("Index Name") in UNIQUE or any(one in condition for one in owners):
            continue
        index, told = node.get("Index Name", "no index"), _LITERAL.sub("?", condition) or "no condition"
        yield f"{node['Node Type']} on {table} ({index}; {told}): {words[:LONGEST]}"


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _table_of(index: str | None) -> str | None:
    """The table of an index that a bitmap is made of: its name begins with it."""
    return max((table for table in TABLES if index and index.startswith(f"{table}_")), key=len, default=None)
