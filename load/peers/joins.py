"""Joining a document of 5,000 elements that has been edited 50,000 times: one by one, a hundred at once, a hundred again.

Ten people wrote the document, each their own elements; one client sends it all as fast as the server takes it. Those who
come again know what they had, so that they are sent next to nothing.
"""

import functools
import random
import time
from typing import Final

from pycrdt import merge_updates

from load.figures import percentile
from load.peers.agreement import fetched_with, unlike
from load.peers.client import Client, gather
from load.peers.cores import forget_peak, peak, used
from load.peers.fanout import Figures
from load.peers.frames import KNOWS_NOTHING, frame
from load.peers.servers import Server
from load.peers.updates import Writer, documented

ELEMENTS: Final = 5_000
UPDATES: Final = 50_000
PEOPLE: Final = 10
ONE_BY_ONE: Final = 5
AT_ONCE: Final = 100
SEED: Final = 99  # the same document for every server
SEND_S: Final = 90.0


@functools.cache
def history() -> tuple[tuple[bytes, ...], dict[int, int]]:
    """Every update in order, and what each of the ten has written in the end."""
    rng = random.Random(SEED)
    people = [Writer(rng) for _ in range(PEOPLE)]
    updates = [people[element % PEOPLE].draw(element, 1) for element in range(ELEMENTS)]
    while len(updates) < UPDATES:
        element = rng.randrange(ELEMENTS)
        updates.append(people[element % PEOPLE].drag(element))
    return tuple(updates), {one.id: one.clock for one in people}


def joins(server: Server) -> Figures:
    """One run."""
    updates, wanted = history()
    door = server.door("large")
    author = Client(door, kept=False)
    gather([author])
    start, before = time.perf_counter(), server.moment()
    waiting = iter(updates)
    while time.perf_counter() - start < SEND_S:
        author.tend()
        if not author.flush():
            time.sleep(0.001)
        elif (update := next(waiting, None)) is not None:
            author.send(frame(door.protocol.update(update)))
        else:
            break
    rested = False
    while not rested and time.perf_counter() - start < 2 * SEND_S:
        author.tend()
        rested = server.rest(2)
    seeding = used(before, server.moment(), [])
    doc, lacking = fetched_with(door, wanted, 20)
    if lacking:
        raise RuntimeError("the server never had the whole document")
    singles = []
    for _ in range(ONE_BY_ONE):
        time.sleep(0.1)
        one = Client(door)
        gather([one])
        singles.append(one.joined - one.started)
        one.leave()
    whole = documented([merge_updates(*updates)])
    cold = _storm(server, author, KNOWS_NOTHING, b"")
    warm = _storm(server, author, whole.get_state(), whole.get_update())
    author.leave()
    return {
        **{f"seed_{name}": value for name, value in seeding.items()},
        "rested": rested, "bytes": len(doc.get_update()), "single_s": percentile(singles, 0.5),
        "singles_s": singles, **{f"cold_{name}": value for name, value in cold.items()},
        **{f"warm_{name}": value for name, value in warm.items()},
        "noisy": bool(cold["noisy"]), "agree": not cold["unlike"] and not warm["unlike"],
    }  # fmt: skip


def _storm(server: Server, author: Client, state: bytes, known: bytes) -> Figures:
    """A hundred at once, who know so much; the author stays, so that the server keeps the document."""
    door = author.door
    author.tend()
    server.rest(10)
    clients = [Client(door, state) for _ in range(AT_ONCE)]
    forget_peak(server.pid)
    before, start = server.moment(), time.perf_counter()
    failed = gather(clients, 60)
    figures: Figures = used(before, server.moment(), [])
    author.tend()
    if author.closed:
        raise RuntimeError(f"the author was sent away: {author.closed}")
    took = [client.joined - start for client in clients if client.joined]
    doc, _ = fetched_with(door, {}, 0)
    for client in clients:
        client.updates[:0] = [known] if known else []
    wrong = unlike(clients, doc)
    for client in clients:
        client.leave()
    return figures | {
        "peak": peak(server.pid), "failed": failed, "p50_s": percentile(took, 0.5),
        "last_s": max(took, default=60.0), "unlike": wrong,
    }  # fmt: skip
