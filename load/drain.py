"""SIGTERM with 2,000 sockets and people writing; clients that come back as stock clients do, to a second start.

Between the two starts the database is opened by us and held against what every writer had been told is saved: who comes
back offers its edits again, and would hide what was lost. Budget: 0 acknowledged edits lost, exit code 0, the end within
15 s, everybody back, everything saved. `--seconds`: how long people write before the end.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc

from load.chart import SMALL, chart
from load.figures import milliseconds, table
from load.pen import clocks
from load.returning import Returning, Told, peak
from storage.embedded import embedded
from storage.updates import UpdateLog
from tests.serving import Served

ROOMS: Final = 50
A_ROOM: Final = 40
WRITERS: Final = 2  # of them
RATE: Final = 2.0  # edits a second and writer
WARM_S: Final = 5.0
AFTER_S: Final = 5.0  # that people write on when all are back
BUDGET_S: Final = 15.0
PATIENCE_S: Final = 180.0

Stored = dict[str, dict[int, int]]  # by diagram: each Yjs client's clock


@dataclass
class Drained:
    """What became of it, and what clients met meanwhile."""

    told: Told
    seconds: float = 0.0  # from SIGTERM to the end
    code: int = 0  # of the process
    acknowledged: int = 0  # edits that their writers had been told are saved by then
    lost: int = 0  # of these
    away: float = 0.0  # from the end to the ready line of the second start
    back: float = 0.0  # from then until everybody had their document again
    missing: int = 0  # people who never came back, or did not have everything in the end
    closed: Counter[str] = field(default_factory=Counter)  # with which codes the first server sent people away
    unsaved: int = 0  # edits that were not in the database in the end

    @property
    def kept(self) -> bool:
        """Is it as promised?"""
        return not (self.code or self.lost or self.missing or self.unsaved) and self.seconds < BUDGET_S


def run(seconds: float) -> bool:
    """Prints the tables; True when the budget was kept."""
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder) / "data") as server:
        found = asyncio.run(drain(server, ROOMS, A_ROOM, WRITERS, min(seconds, WARM_S)))
    told = found.told
    table(
        f"{ROOMS * A_ROOM} sockets in {ROOMS} rooms, {ROOMS * WRITERS} of them write {RATE:g} edits a second",
        ("acknowledged by the end", "of these lost", "SIGTERM to exit, s", "exit code", "closed with"),
        [[found.acknowledged, found.lost, f"{found.seconds:.1f}", found.code, dict(found.closed)]],
    )  # fmt: skip
    table(
        "Coming back",
        ("server away, s", "all back, s after it was ready", "most accepted in 1 s", "in 0.1 s",
         "from trying to the document, p50 ms", "p99", "longest", "refused", "not back", "edits not saved in the end"),
        [[f"{found.away:.1f}", f"{found.back:.1f}", peak(told.accepted, 1.0), peak(told.accepted, 0.1),
          *milliseconds(told.joined, 0.5, 0.99, 1.0), dict(told.refused), found.missing, found.unsaved]],
    )  # fmt: skip
    print(f"\nbudget (0 lost, exit code 0, within {BUDGET_S:.0f} s, all back): {'kept' if found.kept else 'NOT KEPT'}")
    return found.kept


async def drain(server: Served, rooms: int, a_room: int, writers: int, seconds: float) -> Drained:
    """People join and write, the server is told to stop, and is started again."""
    told = Told()
    found = Drained(told)
    text = chart(SMALL)
    diagrams = [await asyncio.to_thread(server.create, text, f"Room {number}") for number in range(rooms)]
    people = [Returning(server.port, server.token, diagram, told, SMALL) for diagram in diagrams for _ in range(a_room)]
    hands = [one for place, one in enumerate(people) if place % a_room < writers]
    async with asyncio.TaskGroup() as group:
        for one in people:
            group.create_task(one.stay())
        try:
            await _until(lambda: all(one.joined for one in people))
            assert all(one.joined for one in people), "not everybody could join: the machine is too busy"
            writing = [group.create_task(one.write(RATE)) for one in hands]
            await asyncio.sleep(seconds)
            told.clear()
            await _end(server, found)
            expected = {one: one.acknowledged for one in hands}
            stored = await asyncio.to_thread(_stored, server.data, diagrams)
            found.acknowledged = sum(expected.values())
            found.lost = _lacking(expected, stored)
            ended = time.perf_counter()
            await asyncio.to_thread(server.start)
            ready = time.perf_counter()
            found.away = ready - ended
            await _until(lambda: all(one.joined for one in people))
            found.back = time.perf_counter() - ready
            await asyncio.sleep(min(seconds, AFTER_S))
            for task in writing:
                task.cancel()
            written = {one: one.written for one in hands}
            await _until(lambda: not _behind(people, written))
            found.missing = _behind(people, written)
            found.closed = Counter(told.closed)
            await asyncio.to_thread(server.stop)
            found.unsaved = _lacking(written, await asyncio.to_thread(_stored, server.data, diagrams))
        finally:
            for one in people:
                one.leave()
    return found


async def _end(server: Served, found: Drained) -> None:
    began = time.perf_counter()
    server.tell_to_stop()
    found.code = await asyncio.to_thread(server.ended, PATIENCE_S)
    found.seconds = time.perf_counter() - began


async def _until(true: Callable[[], bool]) -> None:
    """Waits, for a while; whoever asked looks again."""
    deadline = time.perf_counter() + PATIENCE_S
    while not true() and time.perf_counter() < deadline:  # noqa: ASYNC110 -- it waits for what many sockets do
        await asyncio.sleep(0.05)


def _behind(people: Sequence[Returning], written: dict[Returning, int]) -> int:
    """How many do not have everything that was written in their diagram."""
    wanted: Stored = {}
    for one, clock in written.items():
        wanted.setdefault(one.diagram, {})[one.doc.client_id] = clock
    return sum(
        not one.joined
        or any(clock > one.clocks.get(client, 0) for client, clock in wanted.get(one.diagram, {}).items())
        for one in people
    )


def _lacking(expected: dict[Returning, int], stored: Stored) -> int:
    """Edits that the database does not have."""
    return sum(max(0, clock - stored[one.diagram].get(one.doc.client_id, 0)) for one, clock in expected.items())


def _stored(data: Path, diagrams: Sequence[str]) -> Stored:
    """What is on disk, read while no server runs."""
    with embedded(data) as database:
        org = UUID(database.sql("SELECT id FROM colane.organizations LIMIT 1", "colane"))
        return asyncio.run(_read(database.url("colane_app"), org, diagrams))


async def _read(url: str, org: UUID, diagrams: Sequence[str]) -> Stored:
    stored: Stored = {}
    async with UpdateLog.open(url) as log:
        for diagram in diagrams:
            doc: Doc[Any] = Doc()
            for update in (await log.load(org, UUID(diagram))).updates:
                doc.apply_update(update)
            stored[diagram] = clocks(doc.get_state())
    return stored
