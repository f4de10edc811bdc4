"""kill -9 of PostgreSQL at a random moment under 200 updates a second, 30 times, with either protocol in turn.

Editing goes on, and is acknowledged again by itself. Then everything is killed and started on the same folder: nothing
that was acknowledged may be missing. `--seconds` says nothing here: people write for six seconds in each.
"""

import os
import random
import secrets
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from collab.wire.structs import clocks
from load.figures import percentile
from load.peers.agreement import fetched
from load.peers.client import Send, gather
from load.peers.fanout import seeded
from load.peers.frames import Hocuspocus, YWebsocket, frame
from load.peers.kills import RATE, WRITERS, Author, Witnesses
from load.peers.servers import Colane
from load.peers.updates import Writer

OUTAGES: Final = 30
PATIENCE_S: Final = 30.0
WRITING_S: Final = 6.0  # in each


def run(_seconds: float) -> bool:
    """Prints a line an outage, and what is missing in all; True for nothing, and when all was acknowledged in the end."""
    seed = secrets.randbelow(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    gaps: list[float] = []
    took: list[float] = []
    missing = unsaid = said = 0
    with tempfile.TemporaryDirectory(prefix="colane-outage-") as folder:
        for number in range(OUTAGES):
            server = Colane(Path(folder) / str(number), (YWebsocket, Hocuspocus)[number % 2])
            (Path(folder) / str(number)).mkdir()
            server.start()
            try:
                one = _outage(server, rng)
            finally:
                server.stop()
            gaps.append(one["gap_s"])
            took += one["took"]
            missing, unsaid, said = missing + one["missing"], unsaid + one["unsaid"], said + one["said"]
            print(
                f"{number + 1:>3} {server.speaks.__name__:<11} killed at {one['at_s']:.2f} s, acknowledged again after"
                f" {one['gap_s']:.2f} s; {one['said']} acknowledged, {one['unsaid']} never, {one['missing']} missing"
            )
    print(f"{missing} of {said} acknowledged are missing after a restart; {unsaid} were not acknowledged in the end")
    print(f"acknowledged again after {percentile(gaps, 0.5):.2f} s (median), {max(gaps):.2f} s (longest)")
    print(f"edit to acknowledged: p50 {percentile(took, 0.5) * 1e3:.0f} ms, p95 {percentile(took, 0.95) * 1e3:.0f} ms")
    return missing == 0 and unsaid == 0


def _outage(server: Colane, rng: random.Random) -> dict[str, Any]:
    door = server.door("outage")
    first, seed = seeded(server, "outage", 50, rng)
    authors = [Author(door, Writer(rng, seed), by_frame=server.speaks is YWebsocket) for _ in range(WRITERS)]
    if gather(authors):
        raise RuntimeError("not everybody was let in")
    sends = []
    for number, author in enumerate(authors):
        phase = rng.random()
        for one in range(int(RATE * WRITING_S)):
            update = author.writer.stroke(number)
            author.written.append(author.writer.clock)
            sends.append(Send((one + phase) / RATE, author, frame(door.protocol.update(update)), one + 1))
    sends.sort(key=lambda send: send.at)
    crowd = Witnesses([first, *authors], [first, *authors])
    crowd.pairs = {author: {} for author in authors}
    at = rng.uniform(0.1, 0.8) * WRITING_S
    killed: list[float] = []

    def kill() -> None:
        pid = int((server.served.data / "pg" / "postmaster.pid").read_text().splitlines()[0])
        killed.append(time.perf_counter())
        os.kill(pid, signal.SIGKILL)

    striking = threading.Timer(at, kill)
    striking.start()
    try:
        crowd.play(sends)
        striking.join()
        deadline = time.perf_counter() + PATIENCE_S
        while sum(author.learn() for author in authors) < len(sends) and time.perf_counter() < deadline:
            crowd.pass_time(0.05)
    finally:
        striking.cancel()
        crowd.close()
    server.kill()
    server.start()
    known = clocks(fetched(door).get_state())
    said = [author.acknowledged for author in authors]
    return {
        "at_s": at,
        "gap_s": max(crowd.latencies),
        "took": crowd.latencies,
        "said": sum(said),
        "unsaid": len(sends) - sum(said),
        "missing": sum(max(0, one - author.kept_of(known)) for one, author in zip(said, authors, strict=True)),
    }  # fmt: skip
