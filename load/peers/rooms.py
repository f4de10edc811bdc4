"""Many small documents at once, two clients each: CPU, latency, and what an open document holds in memory.

One of the two writes probes that the other watches for; the other writes as well. Every tenth document is judged.
"""

import random
import time
from typing import Final

from load.figures import percentile
from load.peers.agreement import fetched_with, unlike
from load.peers.client import Client, Crowd, Send, gather
from load.peers.cores import forget_peak, peak, resident, used
from load.peers.fanout import Figures
from load.peers.frames import frame
from load.peers.servers import Server
from load.peers.updates import Writer

DOCUMENTS: Final = 500
ELEMENTS: Final = 10
RATE: Final = 1.0  # updates a second and client
WARM_S: Final = 2.0
TOGETHER: Final = 32
JUDGED: Final = 10  # one in so many


class Pair:
    """Two clients of one document and their hands."""

    def __init__(self, door_of: Server, document: str, rng: random.Random) -> None:
        self.door = door_of.door(document)
        self.clients = (Client(self.door), Client(self.door))
        self.rng = rng
        self.probed = 0

    def draw(self) -> None:
        """The first client makes the document."""
        author = Writer(self.rng)
        seed = author.draw(0, ELEMENTS)
        self.clients[0].updates.append(seed)
        self.clients[0].send(frame(self.door.protocol.update(seed)))
        self.writers = (Writer(self.rng, seed), Writer(self.rng, seed))

    def plan(self, seconds: float) -> list[Send]:
        """Probes by the first, strokes by the second."""
        sends = []
        for one, (client, writer) in enumerate(zip(self.clients, self.writers, strict=True)):
            phase = self.rng.random()
            for number in range(int(RATE * seconds)):
                data = writer.stroke(0) if one else writer.probe()
                client.own.append(data)
                self.probed += not one
                sends.append(
                    Send(
                        (number + phase) / RATE,
                        client,
                        frame(self.door.protocol.update(data)),
                        0 if one else self.probed,
                    )
                )
        return sends

    def agrees(self) -> bool:
        """Both have what the server has, and that is everything."""
        doc, lacking = fetched_with(self.door, {writer.id: writer.clock for writer in self.writers}, 5)
        return not lacking and not unlike(self.clients, doc)


def many(server: Server, seconds: float, rng: random.Random, documents: int = DOCUMENTS) -> Figures:
    """One run."""
    fetched_with(server.door("first"), {}, 0)
    time.sleep(1)
    idle = resident(server.pid)
    pairs = [Pair(server, f"room-{number}", rng) for number in range(documents)]
    created = resident(server.pid)
    held = []
    for one in (0, 1):
        for start in range(0, documents, TOGETHER):
            some = pairs[start : start + TOGETHER]
            if gather([pair.clients[one] for pair in some]):
                raise RuntimeError("not everybody was let in")
            if one == 0:
                for pair in some:
                    pair.draw()
            for pair in pairs[:start] if one == 0 else pairs:
                pair.clients[0].tend()
        server.rest(10)
        held.append(resident(server.pid))
    warm = _ordered(pairs, WARM_S)
    plan = _ordered(pairs, seconds)
    clients = [client for pair in pairs for client in pair.clients]
    crowd = Crowd(clients, [pair.clients[1] for pair in pairs])
    crowd.pairs = {client: {} for client in clients}
    for pair in pairs:
        crowd.pairs[pair.clients[1]] = crowd.pairs[pair.clients[0]]
    try:
        crowd.play(warm)
        crowd.settle(int(WARM_S * RATE), 20)
        crowd.latencies.clear()
        crowd.lags.clear()
        forget_peak(server.pid)
        before = server.moment()
        took = crowd.play(plan)
        arrived = crowd.settle(pairs[0].probed, 20)
        figures: Figures = used(before, server.moment(), crowd.lags)
        figures["peak"] = peak(server.pid)
        crowd.read()
        wrong = sum(not pair.agrees() for pair in pairs[::JUDGED])
        return figures | {
            "updates": len(plan), "inbound": len(plan), "rate": len(plan) / took, "deliveries": len(plan),
            "p50_s": percentile(crowd.latencies, 0.5), "p95_s": percentile(crowd.latencies, 0.95),
            "p99_s": percentile(crowd.latencies, 0.99),
            "arrived": arrived, "unlike": wrong, "closed": sum(bool(client.closed) for client in clients),
            "idle": idle, "a_document": (held[1] - created) / documents,
            "a_connection": (held[1] - held[0]) / documents,
            "agree": arrived and not wrong and not any(client.closed for client in clients),
        }  # fmt: skip
    finally:
        crowd.close()


def _ordered(pairs: list[Pair], seconds: float) -> list[Send]:
    return sorted((send for pair in pairs for send in pair.plan(seconds)), key=lambda send: send.at)
