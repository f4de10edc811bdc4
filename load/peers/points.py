"""What is measured, by name. Each point is one run against one server that has just been started."""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from load.peers.fanout import Figures, Room, Search, measured
from load.peers.joins import joins
from load.peers.kills import kills
from load.peers.rooms import many
from load.peers.servers import Server
from load.peers.stalled import stalled


class Point(NamedTuple):
    """A run; `seconds` is what `--seconds` says."""

    what: str
    run: Callable[[Server, float, random.Random], Figures]
    limit_s: float  # it is broken off after that
    durable: bool = False  # only for servers that keep documents


def _room(what: str, room: Room) -> Point:
    return Point(what, lambda server, seconds, rng: measured(server, "room", room, seconds, rng), 180)


def _search(what: str, room: Room, start: float) -> Point:
    return Point(what, lambda server, seconds, rng: Search(server, room, 0.4 * seconds, rng).run(start), 300)


POINTS: Final[dict[str, Point]] = {
    "A10": _room("10 clients, 1 writes 20/s", Room(10, 1, 20)),
    "A50": _room("50 clients, 5 write 20/s", Room(50, 5, 20)),
    "A100": _room("100 clients, 10 write 20/s", Room(100, 10, 20)),
    "A200": _room("200 clients, 20 write 20/s", Room(200, 20, 20)),
    "Amix50": _room("50 clients, each 10 updates and 10 cursors a second", Room(50, 50, 10, cursors=10)),
    "Asat50": _search("sustained rate, 50 clients, 5 write", Room(50, 5, 0), 500),
    "Asat200": _search("sustained rate, 200 clients, 20 write", Room(200, 20, 0), 125),
    "B500": Point("500 documents, 2 clients each", lambda server, seconds, rng: many(server, 1.5 * seconds, rng), 240),
    "C5000": Point("joining 5,000 elements", lambda server, _seconds, _rng: joins(server), 420),
    "D": Point(
        "kill -9 under 200 updates a second", lambda server, _seconds, rng: kills(server, rng), 1800, durable=True
    ),
    "E": Point("a reader stops", lambda server, seconds, rng: stalled(server, 3 * seconds, rng, reads=False), 240),
    "Econtrol": Point(
        "the same, the reader reads", lambda server, seconds, rng: stalled(server, 3 * seconds, rng, reads=True), 240
    ),
}
