"""Two nodes under load while the Redis between them is killed and comes back (`--seconds`: for how long it is away).

Editors on both nodes write in the same diagrams all the time. Budget: nothing acknowledged is lost, acknowledgements never
stop, and within 5 s of Redis' return everybody has everything that was written while it was away.
"""

import asyncio
import itertools
import tempfile
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
from pycrdt import Doc, Map, create_sync_message
from websockets.asyncio.client import ClientConnection, connect

from load.chart import SMALL, chart
from load.editors import Editor, Written
from load.figures import cpu_seconds, milliseconds, table
from load.pen import clocks
from tests.nodes import Pair, pair
from tests.serving import Served

ROOMS: Final = 2
EDITORS: Final = 2  # a room and node
RATE: Final = 25.0
CALM_S: Final = 10.0  # before and after
EQUAL_S: Final = 5.0
GAP_S: Final = 1.0  # acknowledgements have stopped when none comes to a node for so long
PHASES: Final = ("before", "Redis away", "after")


class Neighbour(Editor):
    """An editor that times what editors on the other node write."""

    def __init__(self, socket: ClientConnection, node: int, diagram: str, written: Written) -> None:
        super().__init__(socket, SMALL, written)
        self.node, self.diagram = node, diagram
        self.readers: list[Neighbour] = []
        self.expected: dict[int, deque[tuple[int, float]]] = {}  # by writer: its clock after an edit, when it was sent
        self.acknowledged: list[tuple[float, float]] = []  # when, and after how many seconds
        self.crossed: list[tuple[float, float]] = []  # when it was sent, and when it was here

    async def _sync(self, message: bytes) -> None:
        before = len(self.written.saved)
        await super()._sync(message)
        now = time.perf_counter()
        self.acknowledged += [(now, took) for took in self.written.saved[before:]]
        known = clocks(self.doc.get_state())
        for writer, waiting in self.expected.items():
            while waiting and waiting[0][0] <= known.get(writer, 0):
                self.crossed.append((waiting.popleft()[1], now))

    async def edit(self) -> None:
        """One edit that the others' clocks wait for."""
        await super().edit()
        clock, sent = self.waiting[-1]
        for reader in self.readers:
            reader.expected.setdefault(self.doc.client_id, deque()).append((clock, sent))


def run(seconds: float) -> bool:
    """Prints the tables; True when the budget was kept."""
    with tempfile.TemporaryDirectory() as folder, pair(Path(folder)) as nodes:
        return asyncio.run(_run(nodes, seconds))


async def _run(nodes: Pair, seconds: float) -> bool:
    diagrams = [nodes.one.create(chart(SMALL), f"Room {number}") for number in range(ROOMS)]
    editors: list[Neighbour] = []
    times: list[float] = []
    async with asyncio.TaskGroup() as group:
        listening: list[asyncio.Task[None]] = []
        for diagram in diagrams:
            together = [
                await _joined(group, server, diagram, node, listening)
                for node, server in enumerate((nodes.one, nodes.two))
                for _ in range(EDITORS)
            ]
            for one in together:
                one.readers = [other for other in together if other.node != one.node]
            editors += together
        writing = [group.create_task(editor.write(RATE, seconds + 2 * CALM_S)) for editor in editors]
        before = _cpu(nodes)
        times.append(time.perf_counter())
        await asyncio.sleep(CALM_S)
        times.append(time.perf_counter())
        await asyncio.to_thread(nodes.redis.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(nodes.redis.start)
        times.append(time.perf_counter())
        await asyncio.gather(*writing)
        times.append(time.perf_counter())
        used = _cpu(nodes) - before
        await asyncio.sleep(EQUAL_S)
        fresh = {diagram: await _joined(group, nodes.two, diagram, 1, listening) for diagram in diagrams}
        for task in listening:
            task.cancel()
    return _judge(nodes, editors, {diagram: _records(one.doc) for diagram, one in fresh.items()}, times, used)


async def _joined(
    group: asyncio.TaskGroup, server: Served, diagram: str, node: int, listening: "list[asyncio.Task[None]]"
) -> Neighbour:
    headers = {"Authorization": f"Bearer {server.token}"}
    socket = await connect(f"{server.ws}/{diagram}", additional_headers=headers, max_size=None)
    editor = Neighbour(socket, node, diagram, Written())
    await socket.send(create_sync_message(editor.doc))
    listening.append(group.create_task(editor.listen()))
    async with asyncio.timeout(15):
        await editor.joined.wait()
    return editor


def _cpu(nodes: Pair) -> float:
    return sum(
        cpu_seconds(server.process.pid)["server"] for server in (nodes.one, nodes.two) if server.process is not None
    )


def _judge(nodes: Pair, editors: list[Neighbour], stored: dict[str, Any], times: list[float], used: float) -> bool:
    rows: list[list[object]] = []
    gaps: list[float] = []
    for phase, (start, end) in zip(PHASES, itertools.pairwise(times), strict=True):
        saved = [took for one in editors for at, took in one.acknowledged if start <= at < end]
        crossed = [here - sent for one in editors for sent, here in one.crossed if start <= sent < end]
        gap = max(_longest_gap((a for one in editors if one.node == n for a, _ in one.acknowledged), start, end)
                  for n in (0, 1))  # fmt: skip
        gaps.append(gap)
        rows.append([phase, f"{end - start:.0f} s", len(saved), *milliseconds(saved, 0.5, 0.95, 1.0),
                     f"{gap * 1000:.0f}", *milliseconds(crossed, 0.5, 0.95, 1.0)])  # fmt: skip
    back = times[2]
    equal = max([0.0, *(here - back for one in editors for sent, here in one.crossed if sent < back)])
    missing = sum(len(waiting) for one in editors for waiting in one.expected.values())
    unanswered = sum(one.written.unanswered for one in editors)
    sent = sum(one.written.sent for one in editors)
    lost = sum(_records(one.doc) != stored[one.diagram] for one in editors)
    table(
        f"{ROOMS} diagrams, {EDITORS} editors of each on each of two nodes, {RATE:g} edits a second each",
        ("phase", "for", "acknowledged", "ack p50 ms", "p95", "longest", "longest silence of acks, ms",
         "to the other node p50 ms", "p95", "longest"),
        rows,
    )  # fmt: skip
    divergent = sum(_metric(server, "colane_divergent_rooms") for server in (nodes.one, nodes.two))
    table(
        "Afterwards",
        ("edits", "not acknowledged", "not seen on the other node", "documents unlike a fresh client's",
         "all edits of the outage on the other node, s after Redis' return", "divergent rooms", "CPU ms an edit"),
        [[sent, unanswered, missing, lost, f"{equal:.2f}", f"{divergent:g}", f"{used / sent * 1000:.2f}"]],
    )  # fmt: skip
    kept = not (unanswered or missing or lost or divergent) and equal <= EQUAL_S and max(gaps) <= GAP_S
    print(
        f"\nbudget (0 lost, acknowledgements never stop, equal within {EQUAL_S:g} s): {'kept' if kept else 'NOT KEPT'}"
    )
    return kept


def _records(doc: Doc[Any]) -> Any:
    return doc.get("n", type=Map).to_py()


def _longest_gap(moments: Iterable[float], start: float, end: float) -> float:
    within = sorted(at for at in moments if start <= at < end)
    return max((later - earlier for earlier, later in itertools.pairwise([start, *within])), default=end - start)


def _metric(server: Served, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))
