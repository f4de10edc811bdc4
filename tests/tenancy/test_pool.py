"""Connections come back clean: whatever ends a transaction, the next one on that connection is nobody's and sees nothing.

One connection a pool, so that the next is the same one; each way to be torn out of a transaction, at every single await of
it. And no statement says who is asking but for the length of its own transaction: read in the code, and in the server's log.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from storage import database, updates
from storage.database import Database
from storage.tables import TABLES, Kind
from storage.updates import Append, UpdateLog
from tests.conftest import ROOT, Urls
from tests.people import Owner, somebody
from tests.storage.test_updates import empty_diagram


class Torn:
    """Awaits something, and is cancelled where it waits for the nth time; and, if that is said, once more right after."""

    def __init__(self, work: Awaitable[object], at: int, *, twice: bool = False) -> None:
        self.work, self.at, self.twice = work, at, twice
        self.waited = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.work.__await__()
        task = asyncio.current_task()
        assert task is not None
        answer: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                waits = steps.send(answer) if thrown is None else steps.throw(thrown)
            except StopIteration:
                return
            self.waited += 1
            if self.waited == self.at or (self.twice and self.waited == self.at + 1):
                task.cancel()
            answer, thrown = None, None
            try:
                answer = yield waits
            except BaseException as error:  # what the task is told is told to the work, which may have something to end
                thrown = error


@pytest.fixture
async def one(urls: Urls) -> AsyncIterator[Database]:
    """A database behind a single connection."""
    async with Database.open(urls.app, size=1) as opened:
        yield opened


@pytest.fixture
async def owner(db: Database) -> Owner:
    made = await somebody(db)
    await empty_diagram(db, made)
    return made


async def clean(db: Database) -> None:
    """The next one who is given the connection is nobody."""
    seen = " UNION ALL ".join(f"SELECT count(*) AS n FROM colane.{t}" for t, k in TABLES.items() if k is not Kind.LEASE)
    async with db.transaction() as conn:
        said = await conn.execute(text("SELECT current_setting('app.org', true), current_setting('app.user', true)"))
        assert {value or "" for value in said.one()} == {""}
        assert (await conn.execute(text(f"SELECT sum(n) FROM ({seen}) s"))).scalar_one() == 0
        assert (await conn.execute(text("SHOW transaction_read_only"))).scalar_one() == "off"


async def busy(db: Database, owner: Owner) -> None:
    """A transaction of somebody's that reads and writes."""
    async with db.transaction(user=owner.user_id, org=owner.org_id) as conn:
        assert (await conn.execute(text("SELECT count(*) FROM colane.diagrams"))).scalar_one() == 1
        await conn.execute(
            text("INSERT INTO colane.projects (org_id, name) VALUES (:org, 'half done')"), {"org": owner.org_id}
        )
        await conn.execute(text("UPDATE colane.organizations SET name = 'half done'"))


async def torn(
    work: Callable[[], Awaitable[object]], after: Callable[[], Awaitable[object]], *, twice: bool = False
) -> int:
    """Does it again and again, torn away one await later each time, until it comes to its end; how many awaits it has."""
    at = 0
    while True:
        at += 1
        once = Torn(work(), at, twice=twice)

        async def run(once: Torn = once) -> None:
            await once

        with suppress(asyncio.CancelledError):
            await asyncio.create_task(run())
        await after()
        if once.waited < at:
            return at - 1


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
async def test_cancelled_at_every_await(one: Database, owner: Owner, twice: bool) -> None:
    await busy(one, owner)
    await clean(one)
    assert await torn(lambda: busy(one, owner), lambda: clean(one), twice=twice) >= 5, (
        "the beginning, three statements, the end"
    )


async def test_cancelled_while_asking(one: Database, owner: Owner) -> None:
    """One statement that speaks for somebody by itself, too."""
    asks = text(
        f"SELECT u.name FROM {database.SPEAKING_FOR} (SELECT u.name FROM colane.users u"
        " WHERE u.id = CAST(speaker.name AS uuid) OFFSET 0) u"
    )
    assert len(await one.ask(asks, {"user": str(owner.user_id)})) == 1
    await clean(one)
    assert await torn(lambda: one.ask(asks, {"user": str(owner.user_id)}), lambda: clean(one)) >= 1


async def test_a_handler_that_fails(one: Database, owner: Owner) -> None:
    for error in (ValueError("a bug"), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()):
        with suppress(BaseException):
            async with one.transaction(user=owner.user_id, org=owner.org_id, read_only=True) as conn:
                await conn.execute(text("SELECT 1"))
                raise error
        await clean(one)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1/0",
        "SELECT * FROM colane.nothing",
        "INSERT INTO colane.audit SELECT * FROM colane.audit",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT set_config('statement_timeout', '20', true), pg_sleep(0); ",
    ],
)
async def test_a_statement_that_fails(one: Database, owner: Owner, statement: str) -> None:
    for _ in range(2):
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            async with one.transaction(user=owner.user_id, org=owner.org_id) as conn:
                await conn.execute(text(statement.rstrip("; ")))
                await conn.execute(text("SELECT pg_sleep(5)"))
                raise AssertionError("it was to fail")
        await clean(one)


async def test_a_timeout_of_ours(one: Database, owner: Owner) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05), one.transaction(user=owner.user_id, org=owner.org_id) as conn:
            await conn.execute(text("SELECT pg_sleep(5)"))
    await clean(one)


async def test_many_at_once_never_see_each_other(urls: Urls, db: Database) -> None:
    """Twenty connections, many people, half of them torn away: whoever is left sees their own."""
    owners = [await somebody(db, f"P{number}") for number in range(8)]
    for one in owners:
        await empty_diagram(db, one)

    async def look(who: Owner) -> None:
        async with db.transaction(user=who.user_id, org=who.org_id) as conn:
            for _ in range(3):
                rows = await conn.execute(text("SELECT org_id FROM colane.diagrams"))
                assert [row.org_id for row in rows] == [who.org_id]

    tasks = [asyncio.create_task(look(owners[number % 8])) for number in range(120)]
    for task in tasks[::2]:
        await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in results if one is not None and not isinstance(one, asyncio.CancelledError)] == []
    await asyncio.gather(*(clean(db) for _ in range(20)))


async def test_the_log_speaks_for_whom_it_writes(urls: Urls, db: Database) -> None:
    """The journal's own connection serves all organizations in turn: cancelled anywhere, no update goes astray."""
    people = [await somebody(db, f"P{number}") for number in range(3)]
    diagrams = [await empty_diagram(db, one) for one in people]

    def append(who: int, where: int, data: bytes) -> Append:
        return Append(people[who].org_id, diagrams[where], 1, data, people[who].user_id)

    async with UpdateLog.open(urls.app) as log:
        assert await log.append([append(number, number, b"a") for number in range(3)]) == [1, 1, 1]
        for batch in (
            [append(1, 1, b"b")],
            [append(1, 1, b"b"), append(2, 2, b"c")],
            [append(1, 2, b"x"), append(2, 2, b"c")],
        ):

            async def still_apart() -> None:
                # In the next one's name, somebody else's diagram is not there.
                wrong = await log.append([append(0, 1, b"x"), append(0, 0, b"y")])
                assert [isinstance(one, int) for one in wrong] == [False, True]
                assert not isinstance((await log.append([append(2, 0, b"z")]))[0], int)

            assert await torn(partial(log.append, batch), still_apart) >= 1
    for number, who in enumerate(people):
        async with db.transaction(user=who.user_id, org=who.org_id, read_only=True) as conn:
            rows = (await conn.execute(text("SELECT org_id, diagram_id, data FROM colane.updates"))).all()
            assert {(row.org_id, row.diagram_id) for row in rows} == {(who.org_id, diagrams[number])}
            assert not {bytes(row.data) for row in rows} & {b"x", b"z"}


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
async def test_who_reads_the_log_leaves_nothing_behind(
    urls: Urls, owner: Owner, db: Database, monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    """Its pool is another one, and has no statement that cleans up."""
    monkeypatch.setattr(updates, "POOL", 1)
    diagram = await empty_diagram(db, owner)
    async with UpdateLog.open(urls.app) as log:

        async def nobodys() -> None:
            async with log._pool.acquire() as conn:
                assert (await conn.fetchval("SELECT current_setting('app.org', true)") or "") == ""
                assert await conn.fetchval("SELECT count(*) FROM colane.diagrams") == 0

        await log.load(owner.org_id, diagram)
        await nobodys()
        assert await torn(partial(log.load, owner.org_id, diagram), nobodys, twice=twice) >= 4
        assert await torn(partial(log.tail, owner.org_id, diagram, 0), nobodys, twice=twice) >= 4


# -- nothing but for the transaction -----------------------------------------------------------------------------------

_SET = re.compile(
    r"\bSET\s+(?!TRANSACTION\b|LOCAL\b)(SESSION\s+)?[a-z_.]+\s*(=|\bTO\b)|\bSET\s+ROLE\b|\bRESET\s+ALL\b", re.IGNORECASE
)
_CONFIG = re.compile(r"set_config\(((?:[^()]|\([^()]*\))*)\)", re.IGNORECASE)


def lasting(statement: str) -> bool:
    """Whether this changes a setting for longer than its transaction. (`UPDATE t SET a = b` does not.)"""
    bare = re.sub(r"\b(UPDATE|DO UPDATE)\b.*?\bSET\b", "", statement, flags=re.IGNORECASE | re.DOTALL)
    return bool(_SET.search(bare)) or any(
        found[1].rpartition(",")[2].strip().lower() != "true" for found in _CONFIG.finditer(statement)
    )


def test_what_lasts_is_found() -> None:
    for fine in (
        "SELECT set_config('app.org', $1, true)", "SET TRANSACTION READ ONLY", "SET LOCAL lock_timeout = '5s'",
        "UPDATE colane.projects SET name = 'x'", "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
    ):  # fmt: skip
        assert not lasting(fine), fine
    for bad in (
        "SET app.org = 'x'", "SET SESSION app.org TO 'x'", "SELECT set_config('app.org', $1, false)", "SET ROLE x",
        "RESET ALL", "SELECT set_config('app.user', :user, :local)", "set search_path = public",
    ):  # fmt: skip
        assert lasting(bad), bad


def test_no_statement_in_the_code_lasts() -> None:
    """Every call of set_config, and every text that looks like a SET, in all that runs beside the database."""
    read = 0
    for folder in ("storage", "api", "collab"):
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            source = path.read_text()
            for line in re.findall(r"\"[^\"\n]*\"", source):
                read += "set_config" in line
                assert not ("set_config" in line and lasting(line)), f"{path.name}: {line}"
                assert not re.match(r"\"(SET|RESET) (?!TRANSACTION |LOCAL )", line), f"{path.name}: {line}"
    assert read >= 4
