"""REST on 100,000 diagrams of 1,000 organizations: time and CPU of each route beside a bare Starlette handler, and plans.

One server process with the embedded PostgreSQL and its worker, asked over four kept connections, each with one request at a
time; the requests go round many organizations. Then once more, slowly, with every statement and plan logged. Budgets: the
95th percentile of each route (load/budgets.toml), and no plan that may read other organizations' rows. `--data` keeps the
database for the next run; `--seconds` says nothing here.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from load.figures import cpu_seconds, percentile, table
from load.rest import ask, plans
from load.rest.fill import Filled, fill
from load.rest.routes import Route, routes
from tests.serving import ROOT, Served, free_port

BUDGETS: Final = Path(__file__).parents[1] / "budgets.toml"
SIZE: Final = Filled(1_000, 100)
BARE: Final = "a bare Starlette handler"
WARM_UP: Final = 40  # requests of each route before any is counted
ONCE_MORE: Final = 8  # of each route with its plans logged: after five a prepared statement may get another plan
BARE_REQUESTS: Final = 4_000
HEAD: Final = (
    "route", "requests", "bytes", "p50 ms", "p95 ms", "CPU ms", "to bare", "PostgreSQL ms", "workshop ms", "round trips",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What one route took."""

    name: str
    taken: ask.Taken
    server: float  # CPU seconds a request
    database: float
    workshop: float


def run(_seconds: float, data: Path | None) -> bool:
    """Prints the tables; True when every budget was kept."""
    with tempfile.TemporaryDirectory() as folder, filled(data or Path(folder) / "data") as server:
        offered = asyncio.run(routes(server, SIZE))
        with _bare() as (port, process):
            rows = [_beside(port, process, size) for size in (60, 20_000)]
            rows += [_measured(server, one) for one in offered]
        seen = _watched(server, offered)
    _print(rows, seen)
    return _kept(rows, seen)


@contextmanager
def filled(data: Path) -> Iterator[Served]:
    """A server on a database of that size, which is made where there is none."""
    mark = data / "filled"
    fresh = not mark.exists()
    with Served(data) as server:
        if fresh:
            began = time.perf_counter()
            asyncio.run(fill(server.database("postgres"), SIZE))
            mark.touch()
            print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
            server.stop()
            server.start()
        yield server


@contextmanager
def _bare() -> Iterator[tuple[int, int]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "load.rest.bare", str(port)], cwd=ROOT)  # noqa: S603 -- our own module
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/1")
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def _beside(port: int, process: int, size: int) -> Row:
    sent = [ask.request("GET", f"/{size}", "none")] * BARE_REQUESTS
    asyncio.run(ask.all_of(port, sent[:WARM_UP], 200))
    before = sum(psutil.Process(process).cpu_times()[:2])
    taken = asyncio.run(ask.all_of(port, sent, 200))
    used = sum(psutil.Process(process).cpu_times()[:2]) - before
    return Row(f"{BARE}, {size:,} bytes", taken, used / len(sent), 0.0, 0.0)


def _measured(server: Served, route: Route) -> Row:
    assert server.process is not None
    asyncio.run(ask.all_of(server.port, route.requests[:WARM_UP], route.wanted))
    sent = route.requests[WARM_UP:]
    before = cpu_seconds(server.process.pid)
    taken = asyncio.run(ask.all_of(server.port, sent, route.wanted))
    after = cpu_seconds(server.process.pid)
    used = {kind: (after[kind] - before[kind]) / len(sent) for kind in after}
    return Row(route.name, taken, used["server"], used["PostgreSQL"], used["workshop"])


def _watched(server: Served, offered: list[Route]) -> dict[str, plans.Seen]:
    """Each route a few times more, with everything that PostgreSQL is told."""
    asyncio.run(plans.watch(server.database("postgres")))
    server.stop()
    server.start()
    log = plans.Log(server.data / "pg.log")
    seen: dict[str, plans.Seen] = {}
    for route in offered:
        log.skip()
        asyncio.run(ask.all_of(server.port, route.again[:ONCE_MORE], route.wanted, connections=1))
        seen[route.name] = log.read()
    asyncio.run(plans.watch_no_more(server.database("postgres")))
    return seen


def _print(rows: list[Row], seen: dict[str, plans.Seen]) -> None:
    (yardstick,) = [row.server for row in rows[:1]]
    told: list[list[Any]] = []
    for row in rows:
        said = seen[row.name].said if row.name in seen else []
        told.append([
            row.name, len(row.taken.seconds), f"{row.taken.largest:,}",
            f"{percentile(row.taken.seconds, 0.5) * 1000:.1f}", f"{percentile(row.taken.seconds, 0.95) * 1000:.1f}",
            f"{row.server * 1000:.2f}", f"{row.server / yardstick:.1f}", f"{row.database * 1000:.2f}",
            f"{row.workshop * 1000:.2f}", f"{len(said) / ONCE_MORE:.1f}" if said else "",
        ])  # fmt: skip
    table(
        f"REST, {SIZE.organizations * SIZE.diagrams:,} diagrams in {SIZE.organizations:,} organizations,"
        f" {ask.CONNECTIONS} connections",
        HEAD,
        told,
    )


def _kept(rows: list[Row], seen: dict[str, plans.Seen]) -> bool:
    budget = tomllib.loads(BUDGETS.read_text())["rest"]["p95"] / 1000
    slow = [row.name for row in rows if percentile(row.taken.seconds, 0.95) > budget]
    wrong = [
        f"{row.name}: {len(row.taken.seconds) - row.taken.fine}"
        for row in rows
        if row.taken.fine < len(row.taken.seconds)
    ]
    findings = sorted({f"{name}: {found}" for name, one in seen.items() for found in one.findings})
    planned = sum(len(one.plans) for one in seen.values())
    print(f"\n95th percentiles within {budget * 1000:.0f} ms: {f'NOT KEPT by {slow}' if slow else 'kept'}")
    print(f"answers of another status than wanted: {wrong or 'none'}")
    print(f"plans that may read other organizations' rows, of {planned}: {'NONE' if not findings else ''}")
    print(*findings, sep="\n")
    return not slow and not wrong and not findings and planned > 0
