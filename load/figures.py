"""Percentiles, tables and the CPU time of a server's processes, for the benchmarks."""

import math
from collections.abc import Sequence
from typing import Final

import psutil

KINDS: Final = ("server", "workshop", "worker", "PostgreSQL")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all stays at or under; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def milliseconds(values: Sequence[float], *shares: float) -> list[str]:
    """Percentiles of seconds, as text in milliseconds; share 1.0 is the greatest."""
    return [f"{percentile(values, share) * 1000:.1f}" for share in shares]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table as Markdown, so that it can be kept as it is."""
    print(f"\n{title}\n")
    print(f"| {' | '.join(head)} |")
    print(f"|{'|'.join('---' for _ in head)}|")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)


def processes(server: int) -> dict[str, list[psutil.Process]]:
    """The server's processes by what they do: the event loop, its workshop, the worker with its own, PostgreSQL."""
    loop = psutil.Process(server)
    found: dict[str, list[psutil.Process]] = {kind: [] for kind in KINDS}
    found["server"].append(loop)
    for child in loop.children():
        try:
            words = " ".join(child.cmdline())
            if "postgres" in words:
                kind = "PostgreSQL"
            elif "colane worker" in words:
                kind = "worker"
            else:
                kind = "workshop"
            found[kind] += [child, *child.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def cpu_seconds(server: int) -> dict[str, float]:
    """CPU time used so far, by what the processes do."""
    used: dict[str, float] = {}
    for kind, members in processes(server).items():
        used[kind] = 0.0
        for member in members:
            try:
                times = member.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # PostgreSQL's backends end: what they used is in their parent's children_*.
            ended = times.children_user + times.children_system if member is members[0] and kind != "server" else 0.0
            used[kind] += times.user + times.system + ended
    return used


def memory(server: int) -> int:
    """Bytes that the event loop's process holds for itself alone."""
    return int(psutil.Process(server).memory_full_info().uss)
