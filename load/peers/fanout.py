"""One document, many clients: what an update costs, how long it takes to arrive, and how many a second the server bears.

Writers move elements and write notes at fixed times; one more client writes probes, which two others watch for. After the
last update everybody must have the server's document.
"""

import random
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from load.figures import percentile
from load.peers.agreement import fetched_with, unlike
from load.peers.client import Client, Crowd, Send, gather
from load.peers.cores import forget_peak, peak, used
from load.peers.frames import frame
from load.peers.servers import Server
from load.peers.updates import Writer, last_cursors

TOGETHER: Final = 32  # clients that join at the same time
WARM_S: Final = 2.0
LIMIT_S: Final = 0.2  # the 99th percentile of a bearable rate
FACTOR: Final = 2.5
HALVINGS: Final = 3
SEARCH_S: Final = 90.0
LEAST: Final = 15.0  # updates a second
KEPT_OF_STEPS: Final = ("offered", "held", "behind", "p99_s", "arrived", "agree", "noisy", "late_s", "cpu_s", "error")
TRIES: Final = 2  # of a rate that failed while others disturbed

Figures = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """A document's crowd."""

    clients: int
    writers: int
    rate: float  # updates a second and writer
    cursors: float = 0.0  # a second and writer
    probes: float = 25.0
    elements: int = 200
    drain: float = 45.0  # seconds for what was sent to arrive


class Pens:
    """What everybody will write, made before the clock starts."""

    def __init__(self, room: Room, clients: list[Client], seed: bytes, rng: random.Random) -> None:
        self.room, self.clients, self.rng = room, clients, rng
        everybody = room.writers >= room.clients
        self.hands = [(clients[number + (not everybody)], Writer(rng, seed)) for number in range(room.writers)]
        self.prober = (clients[-1], Writer(rng, seed))
        self.probed = 0

    def plan(self, seconds: float) -> list[Send]:
        """So many seconds of it, in order, with a probe at the end."""
        sends: list[Send] = []
        for number, (client, writer) in enumerate(self.hands):
            update, cursors = client.door.protocol.update, client.door.protocol.cursors
            for at in self._times(self.room.rate, seconds):
                data = writer.stroke(number % self.room.elements)
                client.own.append(data)
                sends.append(Send(at, client, frame(update(data)), 0))
            sends += [Send(at, client, frame(cursors(writer.point())), 0)
                      for at in self._times(self.room.cursors, seconds)]  # fmt: skip
        sends += [self._probe(at) for at in self._times(self.room.probes, seconds)]
        sends.sort(key=lambda send: send.at)
        return [*sends, self._probe(seconds)]

    def _times(self, rate: float, seconds: float) -> list[float]:
        phase = self.rng.random()
        return [(number + phase) / rate for number in range(int(rate * seconds))]

    def _probe(self, at: float) -> Send:
        client, writer = self.prober
        data = writer.probe()
        client.own.append(data)
        self.probed += 1
        return Send(at, client, frame(client.door.protocol.update(data)), self.probed)

    def clocks(self) -> dict[int, int]:
        """What each writer has written when all plans are played."""
        return {writer.id: writer.clock for _, writer in (*self.hands, self.prober)}


def seeded(server: Server, document: str, elements: int, rng: random.Random) -> tuple[Client, bytes]:
    """A first client, which stays, and the update with which it drew the document."""
    door = server.door(document)
    client, writer = Client(door), Writer(rng)
    if gather([client]):
        raise RuntimeError(f"the first client was not let in: {client.closed or 'no answer'}")
    seed = writer.draw(0, elements)
    client.updates.append(seed)  # here, so that all that others write on top of it comes after it
    client.send(frame(door.protocol.update(seed)))
    if fetched_with(door, {writer.id: writer.clock}, 15)[1]:
        raise RuntimeError("the server never had the first update")
    return client, seed


def measured(server: Server, document: str, room: Room, seconds: float, rng: random.Random) -> Figures:
    """One run in a document of its own."""
    door = server.door(document)
    first, seed = seeded(server, document, room.elements, rng)
    clients = [first, *(Client(door) for _ in range(room.clients - 1))]
    for start in range(1, len(clients), TOGETHER):
        if gather(clients[start : start + TOGETHER]):
            raise RuntimeError("not everybody was let in")
    pens = Pens(room, clients, seed, rng)
    warm, plan = pens.plan(min(WARM_S, seconds / 4)), pens.plan(seconds)
    crowd = Crowd(clients, clients[-3:-1])
    try:
        crowd.play(warm)
        crowd.settle(warm[-1].probe, 20)
        crowd.latencies.clear()
        crowd.lags.clear()
        forget_peak(server.pid)
        before = server.moment()
        took = crowd.play(plan)
        arrived = crowd.settle(pens.probed, room.drain)
        figures: Figures = used(before, server.moment(), crowd.lags)
        figures["peak"] = peak(server.pid)
        crowd.read()
        doc, lacking = fetched_with(door, pens.clocks(), 5)
        wrong = unlike(clients, doc)
        updates = len(plan) - room.writers * int(room.cursors * seconds)
        inbound = len(plan)
        latencies = [*crowd.latencies, *crowd.unseen(pens.probed)]
        return figures | {
            "updates": updates, "inbound": inbound, "rate": updates / took, "deliveries": inbound * (room.clients - 1),
            "p50_s": percentile(latencies, 0.5), "p95_s": percentile(latencies, 0.95),
            "p99_s": percentile(latencies, 0.99),
            "arrived": arrived, "lacking": lacking, "unlike": wrong, "closed": sum(bool(c.closed) for c in clients),
            "cursors_missing": _cursors_missing(pens, clients[-2]) if room.cursors else 0,
            "agree": not lacking and not wrong,
        }  # fmt: skip
    finally:
        crowd.close()


def _cursors_missing(pens: Pens, reader: Client) -> int:
    """How many writers' last cursors a reader was not given; its own comes back from nobody."""
    seen = last_cursors(reader.cursors)
    return sum(client is not reader and seen.get(writer.id, 0) < writer.pointed for client, writer in pens.hands)


class Search:
    """The highest rate at which everything arrives in time: by a factor up or down, then between held and failed."""

    def __init__(self, server: Server, room: Room, seconds: float, rng: random.Random) -> None:
        self.server, self.room, self.seconds, self.rng = server, room, seconds, rng
        self.steps: list[Figures] = []
        self.held, self.failed = 0.0, float("inf")
        self._deadline = time.perf_counter() + SEARCH_S

    def run(self, start: float) -> Figures:
        """Bounded by time and by the number of steps."""
        rate = start
        while self._goes_on() and rate >= LEAST and not (self.held and self.failed < float("inf")):
            rate *= FACTOR if self._try(rate) else 1 / FACTOR
        for _ in range(HALVINGS):
            if self.held and self.failed < float("inf") and self._goes_on():
                self._try((self.held * self.failed) ** 0.5)
        best = max((step for step in self.steps if step["held"]), key=lambda step: float(step["offered"]), default={})
        steps = [{key: step.get(key) for key in KEPT_OF_STEPS} for step in self.steps]
        return {**best, "sustained": best.get("offered", 0.0), "steps": steps, "agree": bool(best)}

    def _goes_on(self) -> bool:
        return time.perf_counter() < self._deadline

    def _try(self, rate: float) -> bool:
        for _ in range(TRIES):
            step = self._step(rate)
            self.steps.append(step)
            if step["held"]:
                self.held = max(self.held, rate)
                return True
            self.server.rest(8)
            if not step.get("noisy") or not self._goes_on():
                break
        self.failed = min(self.failed, rate)
        return False

    def _step(self, rate: float) -> Figures:
        room = replace(self.room, rate=rate / self.room.writers, probes=50.0, drain=4.0)
        offered = rate + room.probes
        try:
            step = measured(self.server, f"rate-{len(self.steps)}", room, self.seconds, self.rng)
        except RuntimeError as error:
            return {"offered": offered, "held": False, "behind": False, "error": str(error)}
        # A generator that fell behind its own plan says nothing about the server.
        behind = step["rate"] < 0.95 * offered
        held = not behind and step["arrived"] and step["agree"] and step["p99_s"] <= LIMIT_S
        return {"offered": offered, "held": held, "behind": behind, **step}
