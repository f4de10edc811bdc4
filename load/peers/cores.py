"""Two cores: the server's and the generator's. What was used on them, and what others used there meanwhile.

Everything measured here is CPU time and memory as the kernel counts them. A run that others disturbed, or whose generator
came late, is said to be noisy.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from load.figures import percentile

SERVER_CORE, GENERATOR_CORE = 0, 1
FOREIGN: Final = 0.08  # of a core
STEAL: Final = 0.02
LATE_S: Final = 0.02  # the generator, at its 99th percentile
IDLE: Final = 0.12
TICKS_TRUSTED_S: Final = 0.5  # the kernel's ticks are 10 ms


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def process_seconds(process: int) -> float:
    """CPU time of one process: in nanoseconds while that is little and no thread has ended, else in ticks."""
    times = psutil.Process(process).cpu_times()
    ticks = float(times.user + times.system)
    fine = 0.0
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            fine += int((thread / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it has just ended
    return fine if abs(fine - ticks) < 0.03 + 0.02 * ticks else ticks


def resident(process: int) -> int:
    """Bytes of memory that a process occupies."""
    return int(psutil.Process(process).memory_info().rss)


def forget_peak(process: int) -> None:
    """From here on `peak` counts anew."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def peak(process: int) -> int:
    """The most that it occupied since `forget_peak`."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


class Moment(NamedTuple):
    """Counters, in seconds."""

    wall: float
    own: float  # the server's process itself
    others: Mapping[str, float]  # its other processes, by what they do
    generator: float
    busy: tuple[float, float]  # both cores
    steal: float


def moment(server: int, others: Mapping[str, float]) -> Moment:
    """The counters now."""
    cores = psutil.cpu_times(percpu=True)
    pair = [cores[core] for core in (SERVER_CORE, GENERATOR_CORE)]
    busy = [core.user + core.nice + core.system + core.irq + core.softirq for core in pair]
    return Moment(
        time.perf_counter(),
        process_seconds(server),
        others,
        time.process_time(),
        (busy[0], busy[1]),
        max(core.steal for core in pair),
    )


def used(before: Moment, after: Moment, lags: list[float]) -> dict[str, float | bool]:
    """What was used between two moments, and whether that is worth anything."""
    wall = after.wall - before.wall
    own = after.own - before.own
    beside = {kind: seconds - before.others[kind] for kind, seconds in after.others.items()}
    others = sum(beside.values())
    generator = after.generator - before.generator
    foreign = [
        max(0.0, late - early - known) / wall
        for early, late, known in zip(before.busy, after.busy, (own + others, generator), strict=True)
    ]
    steal = (after.steal - before.steal) / wall
    late = percentile(lags, 0.99) if lags else 0.0
    return {
        "wall_s": wall,
        "cpu_s": own,
        "others_cpu_s": others,
        **{f"{kind}_cpu_s": seconds for kind, seconds in beside.items()},
        "generator": generator / wall,
        "foreign_server_core": foreign[0],
        "foreign_generator_core": foreign[1],
        "late_s": late,
        "noisy": max(foreign) > FOREIGN or steal > STEAL or late > LATE_S,
    }


def wait_until_idle(seconds: float) -> None:
    """Until both cores are free of other work, at most so long."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        shares = psutil.cpu_percent(0.7, percpu=True)
        if max(shares[SERVER_CORE], shares[GENERATOR_CORE]) < IDLE * 100:
            return
