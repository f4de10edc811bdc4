"""Tables of what was measured: medians over the repeats, the ratio to the best peer, and whether each bound holds.

*Relay* holds Colane's own process against peers that keep nothing, with its PostgreSQL and workers beside. *Durable* holds
all of Colane's processes against Hocuspocus with SQLite. A noisy run counts only where no quiet one was had, and says so.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from load.figures import table
from load.peers.fanout import Figures
from load.peers.points import POINTS

OURS: Final = "colane"
RELAYS: Final = ("hocuspocus", "y-websocket", "pycrdt-websocket")
KEEPER: Final = "hocuspocus-sqlite"
ROOMS: Final = ("A10", "A50", "A100", "A200", "Amix50", "B500")
SEARCHES: Final = ("Asat50", "Asat200")
MIB: Final = 1 << 20

Value = Callable[[Figures], float]


def _own(figures: Figures) -> float:
    return float(figures["cpu_s"] / figures["updates"] * 1e3)


def _others(figures: Figures) -> float:
    return float(figures["others_cpu_s"] / figures["updates"] * 1e3)


def _postgresql(figures: Figures) -> float:
    return float(figures.get("PostgreSQL_cpu_s", 0.0) / figures["updates"] * 1e3)


def _all(figures: Figures) -> float:
    return _own(figures) + _others(figures)


def _field(name: str, scale: float = 1.0) -> Value:
    return lambda figures: float(figures[name]) * scale


def _text(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


class Results:
    """What was measured, by point and server."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        tries: dict[tuple[str, str, str, int], list[Figures]] = {}
        for record in records:
            key = (record["point"], record["server"], record["run"], record["repeat"])
            tries.setdefault(key, []).append(record["figures"])
        self._kept: dict[tuple[str, str], list[Figures]] = {}
        for (point, server, _, _), several in tries.items():
            self._kept.setdefault((point, server), []).append(min(several, key=_disturbed))

    def servers(self, point: str) -> list[str]:
        """Who was measured there."""
        return [server for at, server in self._kept if at == point]

    def runs(self, point: str, server: str) -> list[Figures]:
        """One of each repeat."""
        return self._kept.get((point, server), [])

    def median(self, point: str, server: str, value: Value) -> float:
        """Over the runs that came to an end; NaN without any."""
        values = [value(run) for run in self.runs(point, server) if "error" not in run]
        return statistics.median(values) if values else math.nan

    def best(self, point: str, peers: Sequence[str], value: Value, better: Callable[..., float] = min) -> float:
        """The best peer's, of those whose clients agreed with them."""
        medians = [self.median(point, peer, value) for peer in peers
                   if any(run.get("agree") for run in self.runs(point, peer))]  # fmt: skip
        return better((one for one in medians if not math.isnan(one)), default=math.nan)

    def said(self, point: str, server: str) -> str:
        """How many runs, how many of them without agreement, noisy or broken off."""
        runs = self.runs(point, server)
        notes = [str(len(runs))]
        for word, count in (
            ("failed", sum("error" in run for run in runs)),
            ("not equal", sum(not run["agree"] for run in runs if "error" not in run)),
            ("noisy", sum(bool(run.get("noisy")) for run in runs)),
        ):
            if count:
                notes.append(f"{count} {word}")
        return ", ".join(notes)


def _disturbed(figures: Figures) -> tuple[bool, bool, float]:
    foreign = figures.get("foreign_server_core", 0.0) + figures.get("foreign_generator_core", 0.0)
    return "error" in figures, bool(figures.get("noisy")), foreign


def tables(results: Results) -> bool:
    """Prints all that can be said; True when every bound that was measured holds."""
    _rooms(results, "Relay", (OURS, "colane-hocuspocus", *RELAYS), RELAYS, _own)
    _rooms(results, "Durable", (OURS, "colane-hocuspocus", KEEPER), (KEEPER,), _all)
    _searches(results)
    _documents(results)
    _joins(results)
    _kills(results)
    _stalled(results)
    return _bounds(results)


def _present(results: Results, point: str, servers: Sequence[str]) -> list[str]:
    return [server for server in servers if results.runs(point, server)]


def _rooms(results: Results, title: str, servers: Sequence[str], peers: Sequence[str], cpu: Value) -> None:
    rows = []
    for point in ROOMS:
        for server in _present(results, point, servers):

            def say(value: Value, digits: int = 2, point: str = point, server: str = server) -> str:
                return _text(results.median(point, server, value), digits)

            ratio = results.median(point, server, cpu) / results.best(point, peers, cpu)
            rows.append(
                [POINTS[point].what, server, say(cpu, 3), say(_postgresql, 3), say(_others, 3),
                 say(lambda run: cpu(run) * run["updates"] / run["deliveries"] * 100),
                 *(say(_field(f"p{share}_s", 1e3), 1) for share in (50, 95, 99)), say(_field("peak", 1 / MIB), 0),
                 _text(ratio), results.said(point, server)]
            )  # fmt: skip
    if rows:
        table(
            f"{title}: CPU-seconds of {'the server' if cpu is _own else 'all its processes'}",
            ("load", "server", "CPU s per 1,000 updates", "PostgreSQL", "all but the server", "per 100,000 deliveries",
             "p50 ms", "p95 ms", "p99 ms", "peak MiB", "to the best peer", "runs"),
            rows,
        )  # fmt: skip


def _searches(results: Results) -> None:
    rows = []
    for point in SEARCHES:
        for server in results.servers(point):
            ratio = results.median(point, server, _field("sustained")) / results.best(
                point, [*RELAYS, KEEPER], _field("sustained"), max
            )
            runs = [run for run in results.runs(point, server) if run.get("cpu_s")]
            share = statistics.median(run["cpu_s"] / run["wall_s"] for run in runs) if runs else math.nan
            behind = sum(step["behind"] for run in runs for step in run["steps"])
            rows.append(
                [POINTS[point].what, server, _text(results.median(point, server, _field("sustained")), 0), _text(share),
                 _text(ratio), behind, results.said(point, server)]
            )  # fmt: skip
    if rows:
        table(
            "Highest rate before p99 passes 200 ms, updates a second",
            ("load", "server", "sustained", "its share of the core there", "to the best peer",
             "steps that the generator could not keep up with", "runs"),
            rows,
        )  # fmt: skip


def _documents(results: Results) -> None:
    rows = [
        [server, _text(results.median("B500", server, _field("idle", 1 / MIB)), 0),
         _text(results.median("B500", server, _field("a_document", 1 / 1024)), 0),
         _text(results.median("B500", server, _field("a_connection", 1 / 1024)), 0), results.said("B500", server)]
        for server in results.servers("B500")
    ]  # fmt: skip
    if rows:
        table(
            "Memory of 500 open documents, the server's own process",
            ("server", "idle MiB", "KiB a document with its two clients", "KiB of that a connection", "runs"),
            rows,
        )


def _joins(results: Results) -> None:
    rows = [
        [server, *(_text(results.median("C5000", server, value), digits) for value, digits in (
            (_field("single_s", 1e3), 0), (_field("cold_p50_s", 1e3), 0), (_field("cold_last_s", 1e3), 0),
            (_field("cold_cpu_s"), 2), (_field("cold_peak", 1 / MIB), 0), (_field("warm_last_s", 1e3), 0),
            (_field("warm_cpu_s"), 2), (_field("seed_wall_s"), 1), (_field("seed_cpu_s"), 1),
        )), results.said("C5000", server)]
        for server in results.servers("C5000")
    ]  # fmt: skip
    if rows:
        table(
            "Joining a document of 5,000 elements and 50,000 updates",
            ("server", "one joiner ms", "100 at once: p50 ms", "last ms", "CPU s", "peak MiB", "100 come again: last ms",
             "CPU s", "until all updates were taken, s", "CPU s", "runs"),
            rows,
        )  # fmt: skip


def _total(results: Results, server: str, name: str) -> int:
    return int(sum(run[name] for run in results.runs("D", server) if "error" not in run))


def _kills(results: Results) -> None:
    names = ("kills", "sent", "acknowledged", "lost", "seen", "lost_seen")
    rows = [
        [server, *(_total(results, server, name) for name in names),
         *(_text(results.median("D", server, _field(f"p{share}_s", 1e3)), 1) for share in (50, 95, 99)),
         results.said("D", server)]
        for server in results.servers("D")
    ]  # fmt: skip
    if rows:
        table(
            "kill -9 at a random moment under 200 updates a second",
            ("server", "kills", "updates sent", "acknowledged", "of these missing", "seen by another client",
             "of these missing", "to acknowledged p50 ms", "p95 ms", "p99 ms", "runs"),
            rows,
        )  # fmt: skip


def _stalled(results: Results) -> None:
    rows = []
    for server in results.servers("E"):
        growth, control = (results.median(point, server, _field("growth", 1 / MIB)) for point in ("E", "Econtrol"))
        runs = [run for run in results.runs("E", server) if "error" not in run]
        rows.append(
            [server, _text(growth, 1), _text(control, 1), _text(growth - control, 1),
             _text(results.median("E", server, _field("p99_s", 1e3)), 1),
             f"{sum(run['equal'] for run in runs)} of {len(runs)}", results.said("E", server)]
        )  # fmt: skip
    if rows:
        table(
            "A reader that stops for the whole run, 20 writers with 2 kB 50 times a second",
            (
                "server",
                "growth MiB",
                "with the reader reading",
                "more",
                "p99 ms of the others",
                "equal afterwards",
                "runs",
            ),
            rows,
        )


def _bounds(results: Results) -> bool:
    """Each promise, what was measured, and whether it holds."""
    rows: list[list[object]] = []
    kept = True

    def bound(what: str, ours: float, theirs: float, most: float, digits: int = 2, *, least: bool = False) -> None:
        nonlocal kept
        if math.isnan(ours) or math.isnan(theirs):
            return
        ratio = ours / theirs if theirs else ours
        holds = ratio >= most if least else ratio <= most
        kept &= holds
        rows.append(
            [what, _text(ours, digits), _text(theirs, digits), _text(ratio), f"at {'least' if least else 'most'} {most:g}",
             "yes" if holds else "**no**"]
        )  # fmt: skip

    def against(what: str, point: str, peers: Sequence[str], value: Value, most: float, digits: int = 2) -> None:
        bound(what, results.median(point, OURS, value), results.best(point, peers, value), most, digits)

    for point, most in (("A100", 0.5), ("A200", 0.5), ("Amix50", 0.4)):
        against(f"relay, {POINTS[point].what}: CPU s per 1,000 updates", point, RELAYS, _own, most, 3)
    for point in ("A50", "A100", "A200", "Amix50"):
        bound(f"{POINTS[point].what}: probe p95 ms", results.median(point, OURS, _field("p95_s", 1e3)), 1.0, 25)
    quiet, theirs = results.median("A10", OURS, _field("p95_s", 1e3)), results.best("A10", RELAYS, _field("p95_s", 1e3))
    bound("quiet room: p95 ms above the best peer's", quiet - theirs, 1.0, 3)
    for point in SEARCHES:
        bound(
            f"{POINTS[point].what}, against Hocuspocus in memory", results.median(point, OURS, _field("sustained")),
            results.median(point, "hocuspocus", _field("sustained")), 1.0, 0, least=True,
        )  # fmt: skip
    against("durable, 500 documents: CPU s per 1,000 updates", "B500", (KEEPER,), _all, 1.0, 3)
    peers = (*RELAYS, KEEPER)
    against("500 documents: KiB an open document", "B500", peers, _field("a_document", 1 / 1024), 0.7, 0)
    against("5,000 elements: one joiner, ms", "C5000", peers, _field("single_s", 1e3), 1.0, 0)
    against("5,000 elements: 100 joiners at once, CPU s", "C5000", peers, _field("cold_cpu_s"), 0.5)
    if any("error" not in run for run in results.runs("D", OURS)):
        bound("kill -9: acknowledged updates missing", _total(results, OURS, "lost"), 1.0, 0, 0)
        bound("edit to acknowledged: p95 ms", results.median("D", OURS, _field("p95_s", 1e3)), 1.0, 200, 1)
    more = results.median("E", OURS, _field("growth", 1 / MIB)) - results.median(
        "Econtrol", OURS, _field("growth", 1 / MIB)
    )
    bound("stalled reader: MiB more than with it reading", more, 1.0, 4, 1)
    unequal = [run for point in POINTS for run in results.runs(point, OURS) if "error" in run or not run["agree"]]
    bound("runs of Colane that failed or whose clients disagreed", len(unequal), 1.0, 0, 0)
    table("Bounds", ("what", "Colane", "best peer, or 1", "ratio", "bound", "held"), rows)
    return kept
