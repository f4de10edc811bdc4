"""kill -9 at a random moment under 200 updates a second, and what is missing after a restart on the same folder.

Missing is told twice: of what had been acknowledged to its writer, and of what another client had seen. A server without
acknowledgements of its own has none of the first.
"""

import bisect
import random
from collections.abc import Sequence
from typing import Final

from collab.wire.structs import clocks
from load.figures import percentile
from load.peers.agreement import fetched
from load.peers.client import Client, Crowd, Send, gather
from load.peers.fanout import Figures, seeded
from load.peers.frames import Door, Hocuspocus, frame
from load.peers.servers import Colane, Server
from load.peers.updates import Writer, documented

KILLS: Final = 30
WRITERS: Final = 4
RATE: Final = 50.0
SECONDS: Final = 10.0


class Author(Client):
    """A client that knows how many of its updates are acknowledged: by status in Hocuspocus' protocol, else by frame."""

    def __init__(self, door: Door, writer: Writer, *, by_frame: bool) -> None:
        super().__init__(door)
        self.writer, self.by_frame = writer, by_frame
        self.written: list[int] = []  # its clock after each update
        self.acknowledged = self._applied = 0
        self._doc = documented([])

    def learn(self) -> int:
        """Reads what was taken; how many are acknowledged."""
        self.read()
        if isinstance(self.door.protocol, Hocuspocus):
            # What we answer to the server's question is acknowledged like an update.
            self.acknowledged = max(self.acknowledged, self.saved - self.answered)
        elif self.by_frame:
            for update in self.updates[self._applied :]:
                self._doc.apply_update(update)
            self._applied = len(self.updates)
            self.acknowledged = self.kept_of(clocks(self._doc.get_state()))
        return self.acknowledged

    def kept_of(self, known: dict[int, int]) -> int:
        """How many of its updates are in a document with these clocks."""
        return bisect.bisect_right(self.written, known.get(self.writer.id, 0))


class Witnesses(Crowd):
    """A crowd of authors whose acknowledgements are timed."""

    def _look(self, client: Client, data: bytes, now: float) -> None:  # noqa: ARG002 -- they read more than bytes
        if isinstance(client, Author):
            before = client.acknowledged
            sent = self.pairs[client]
            self.latencies += [now - sent[one] for one in range(before + 1, client.learn() + 1)]


def kills(server: Server, rng: random.Random, times: int = KILLS) -> Figures:
    """So many kills."""
    runs, took = [], []
    for number in range(times):
        run, latencies = _kill(server, f"kill-{number}", rng)
        runs.append(run)
        took += latencies
    return {
        "runs": runs, "kills": times, "acknowledges": bool(took),
        **{name: sum(run[name] for run in runs) for name in ("sent", "acknowledged", "seen", "kept", "lost", "lost_seen")},
        "p50_s": percentile(took, 0.5), "p95_s": percentile(took, 0.95), "p99_s": percentile(took, 0.99),
        "noisy": False, "agree": not any(run["lost"] for run in runs),
    }  # fmt: skip


def _kill(server: Server, document: str, rng: random.Random) -> tuple[Figures, list[float]]:
    door = server.door(document)
    first, seed = seeded(server, document, 50, rng)
    by_frame = isinstance(server, Colane)
    authors = [Author(door, Writer(rng, seed), by_frame=by_frame) for _ in range(WRITERS)]
    if gather(authors):
        raise RuntimeError("not everybody was let in")
    moment = rng.uniform(0.1, 1.0) * SECONDS
    sends = []
    for number, author in enumerate(authors):
        phase = rng.random()
        for one in range(int(RATE * SECONDS)):
            if (at := (one + phase) / RATE) < moment:
                update = author.writer.stroke(number)
                author.written.append(author.writer.clock)
                sends.append(Send(at, author, frame(door.protocol.update(update)), one + 1))
    sends.sort(key=lambda send: send.at)
    crowd = Witnesses([first, *authors], [first, *authors])
    crowd.pairs = {author: {} for author in authors}
    try:
        crowd.play(sends)
        server.kill()
        crowd.pass_time(0.3)  # what was on its way counts
        first.read()
    finally:
        crowd.close()
    server.start()
    known = clocks(fetched(door).get_state())
    seen = clocks(documented(first.updates).get_state())
    kept = [author.kept_of(known) for author in authors]
    return {
        "moment_s": moment, "sent": len(sends), "kept": sum(kept),
        "acknowledged": sum(author.acknowledged for author in authors),
        "seen": sum(author.kept_of(seen) for author in authors),
        "lost": _missing([author.acknowledged for author in authors], kept),
        "lost_seen": _missing([author.kept_of(seen) for author in authors], kept),
    }, crowd.latencies  # fmt: skip


def _missing(promised: Sequence[int], kept: Sequence[int]) -> int:
    return sum(max(0, one - two) for one, two in zip(promised, kept, strict=True))
