"""A client that stops reading for half a minute while twenty writers each overwrite a value of 2 kB fifty times a second.

What the server holds for it is its growth against the same run with the client reading. Afterwards the client reads on,
and must be equal.
"""

import random
import time
from typing import Final

from load.figures import percentile
from load.peers.agreement import fetched_with, unlike
from load.peers.client import Client, Crowd, Send, gather
from load.peers.cores import forget_peak, peak, resident, used
from load.peers.fanout import Figures, seeded
from load.peers.frames import frame
from load.peers.servers import Server
from load.peers.updates import Writer

WRITERS: Final = 20
RATE: Final = 50.0
SIZE: Final = 2_000
PROBES: Final = 20.0
CATCH_UP_S: Final = 60.0


def stalled(server: Server, seconds: float, rng: random.Random, *, reads: bool) -> Figures:
    """One run; `reads` is the one to compare with."""
    door = server.door("values")
    reader, seed = seeded(server, "values", 50, rng)
    observer, prober = Client(door, kept=False), Client(door, kept=False)
    writers = [Client(door, kept=False) for _ in range(WRITERS)]
    if gather([observer, prober, *writers]):
        raise RuntimeError("not everybody was let in")
    sends, wanted = [], {}
    for number, client in enumerate(writers):
        writer, phase = Writer(rng, seed), rng.random()
        for one in range(int(RATE * seconds)):
            update = writer.blob(f"value-{number}", SIZE)
            sends.append(Send((one + phase) / RATE, client, frame(door.protocol.update(update)), 0))
        wanted[writer.id] = writer.clock
    probing = Writer(rng, seed)
    sends += [Send(one / PROBES, prober, frame(door.protocol.update(probing.probe())), one + 1)
              for one in range(int(PROBES * seconds))]  # fmt: skip
    wanted[probing.id] = probing.clock
    sends.sort(key=lambda send: send.at)
    server.rest(5)
    crowd = Crowd([reader, observer, prober, *writers], [observer])
    try:
        reader.paused = not reads
        forget_peak(server.pid)
        before, start = server.moment(), resident(server.pid)
        crowd.play(sends)
        arrived = crowd.settle(int(PROBES * seconds), 30)
        figures: Figures = used(before, server.moment(), crowd.lags)
        most = peak(server.pid)
        reader.paused = False
        equal = _catches_up(crowd, reader, server, wanted)
        return figures | {
            "growth": most - start, "peak": most, "updates": len(sends), "p50_s": percentile(crowd.latencies, 0.5),
            "p99_s": percentile(crowd.latencies, 0.99), "arrived": arrived, "closed": reader.closed,
            "equal": equal, "agree": equal,
        }  # fmt: skip
    finally:
        crowd.close()


def _catches_up(crowd: Crowd, reader: Client, server: Server, wanted: dict[int, int]) -> bool:
    deadline = time.perf_counter() + CATCH_UP_S
    while True:
        crowd.pass_time(1)
        reader.read()
        doc, lacking = fetched_with(server.door("values"), wanted, 0)
        if not lacking and not unlike([reader], doc):
            return True
        if time.perf_counter() > deadline or reader.closed:
            return False
