"""One history: a seed decides who is there, what they do and what goes wrong; then all calms down, and it is judged.

`run` gives None, or what did not hold with the story up to it. The plan is drawn first, so that histories differ in kind:
one node or several, steady or crashing, with a liar or without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias
from uuid import UUID

from collab.bpmn import diagram, document, imports, xml
from collab.bpmn.fuzz.judge import Soundness, text_of
from collab.bpmn.records import Change, Snapshot
from collab.room import Room
from collab.session import Person, Protocol
from collab.simulate import oracle
from collab.simulate.client import Client, Liar
from collab.simulate.database import HANG_S, Database
from collab.simulate.node import STRIKES, Faults, MakeRoom, Node
from collab.simulate.redis import Redis
from collab.simulate.world import Violation, World

CALM_S: Final = 15.0  # everybody is back, everything is committed, all are equal
PRESENT_S: Final = 45.0  # and everybody sees exactly who is there
PAUSES: Final = (0.0, 0.0, 0.004, 0.02, 0.05, 0.3, 2.0)
NAMES: Final = ("Ann", "Bob", "Cid", "Dee", "Eve")

Seated: TypeAlias = tuple[World, Person, Protocol, UUID, Database, Callable[[], list[Node]], set[int]]


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not hold in the history of this seed, and the story up to it."""

    seed: int
    rule: str
    detail: str
    story: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of history it is."""

    nodes: int
    diagrams: int
    clients: int
    liar: bool
    actions: int
    moody: float
    unruly: float
    strikes: float


def run(seed: int, make: MakeRoom = Room) -> Failure | None:
    """The history of a seed, with rooms as they are, or as a planted bug makes them."""
    history = History(seed, make)
    world = history.world
    try:
        history.happen()
        history.calm_down()
    except Violation as found:
        return Failure(seed, found.rule, found.detail, tuple(world.story))
    except Exception as error:  # noqa: BLE001 -- whatever the program raises, it is a finding with a seed
        return Failure(seed, "error", f"{type(error).__name__}: {error}", tuple(world.story))
    return None


@dataclass(frozen=True, slots=True)
class _Blank:
    """The diagram everybody begins with, and what holds of it."""

    snapshot: Snapshot
    soundness: Soundness


@cache
def _blank() -> _Blank:
    snapshot = imports.from_tree(xml.parse(diagram.blank("simulated")))
    return _Blank(snapshot, Soundness.of(text_of(document.read(document.load([document.seed(snapshot, 1)])))))


class History:
    """One world with everybody in it."""

    def __init__(self, seed: int, make: MakeRoom) -> None:
        self.world = world = World(seed)
        rng = world.rng
        several = rng.random() < 0.5
        self.plan = plan = Plan(
            nodes=rng.choice((2, 2, 3)) if several else 1,
            diagrams=rng.choice((1, 1, 1, 2)),
            clients=rng.choice((2, 3, 3, 4)),
            liar=rng.random() < 0.3,
            actions=rng.randrange(10, 45),
            moody=rng.choice((0.0, 0.1, 0.4)),
            unruly=rng.choice((0.0, 0.1, 0.4)),
            strikes=rng.choice((0.0, 0.0, STRIKES)),
        )
        world.tell("plan", str(plan))
        self.database = Database(world, plan.moody)
        self.redis = Redis(world, plan.unruly) if several else None
        self._make = make
        self._faults = Faults(plan.strikes)
        self.ids: set[int] = set()
        self.diagrams = [UUID(int=100 + number) for number in range(plan.diagrams)]
        for name in self.diagrams:
            client = self._new_id()
            self.database.create(name, document.seed(_blank().snapshot, client), client)
        self.nodes: list[Node] = []
        self._started = 0
        for _ in range(plan.nodes):
            self._start_node()
        self.clients = [Client(*self._seat(number)) for number in range(plan.clients)]
        self.liars = [Liar(*self._seat(plan.clients))] if plan.liar else []

    def _new_id(self) -> int:
        new = self.world.rng.getrandbits(31)
        self.ids.add(new)
        return new

    def _seat(self, number: int) -> Seated:
        person = Person(UUID(int=number + 1), NAMES[number], "#000000")
        protocol = self.world.rng.choice((Protocol.YWS, Protocol.HOCUSPOCUS))
        name = self.world.rng.choice(self.diagrams)
        return self.world, person, protocol, name, self.database, self._living, self.ids

    def _living(self) -> list[Node]:
        return [node for node in self.nodes if node.alive]

    def _start_node(self) -> None:
        self._started += 1
        name = f"node {self._started}"
        self.world.tell(name, "starts")
        self.nodes.append(Node(self.world, name, self.database, self.redis, self._make, self._faults))

    # -- what happens ----------------------------------------------------------------------------------------------------

    def happen(self) -> None:
        """Everybody does something, again and again, while things go wrong."""
        world, rng = self.world, self.world.rng
        if self.plan.clients > 2 and rng.random() < 0.3:
            self.clients[-1].writes = False  # a viewer
        for client in (*self.clients, *self.liars):
            world.soon(1.0, client.connect)
        world.run(1.0)
        kinds, weights = zip(*self._doings(), strict=True)
        for _ in range(self.plan.actions):
            rng.choices(kinds, weights)[0]()
            world.run(rng.choice(PAUSES))
            for _ in range(self.plan.nodes - len(self._living())):
                if rng.random() < 0.2:
                    self._start_node()
            oracle.bounds(self._living())
            oracle.epochs(self.database)

    def _doings(self) -> list[tuple[Callable[[], None], int]]:
        client, chance = self._anybody, self.world.chance
        doings: list[tuple[Callable[[], None], int]] = [
            (lambda: client().edit(), 50),
            (self._burst, 8),
            (lambda: client().point(), 12),
            (lambda: client().leave(politely=chance(0.5)), 6),
            (lambda: client().connect(), 8),
            (lambda: client().pause(self.world.rng.choice((0.1, 1.0, 5.0))), 6),
            (self._database, 3),
            (self._hold, 2),
            (self._save, 3),
            (self._fold, 3),
            (self._turn, 2),
            (self._deafen, 2),
        ]
        if self.redis is not None:
            doings.append((self._redis, 4))
        if self.plan.strikes:
            doings.append((lambda: self.world.rng.choice(self.nodes).crash(), 3))
        if self.liars:
            doings.append((self._lie, 20))
        return doings

    def _anybody(self) -> Client:
        return self.world.rng.choice(self.clients)

    def _burst(self) -> None:
        """A drag: many edits within a tick, with others' between."""
        for _ in range(self.world.rng.randrange(3, 8)):
            self._anybody().edit()
            self.world.run(0.002)

    def _lie(self) -> None:
        liar = self.world.rng.choice(self.liars)
        if liar.line is None:
            liar.connect()
        else:
            liar.lie()

    def _database(self) -> None:
        self.database.away = not self.database.away
        self.world.tell("postgres", "is away" if self.database.away else "is back")

    def _redis(self) -> None:
        assert self.redis is not None
        if self.world.chance(0.5):
            self.redis.up = not self.redis.up
            self.world.tell("redis", "is back" if self.redis.up else "is away")
            for node in self._living():
                node.link(up=self.redis.up)
        elif self._living():
            node = self.world.rng.choice(self._living())
            node.link(up=self.redis.up and not node.linked)

    def _deafen(self) -> None:
        for node in self._living():
            if node.listens:
                node.listens = False
            else:
                node.listen()

    def _hold(self) -> None:
        """Somebody's transaction holds a head for a moment."""
        held = self.database.documents[self.world.rng.choice(self.diagrams)]
        held.held = True
        self.world.later(0.05, lambda: setattr(held, "held", False))

    def _save(self) -> None:
        """Somebody saves over REST: renames the process."""
        name = self.world.rng.choice(self.diagrams)
        held = self.database.documents[name]
        if self.database.away:
            return
        doc = document.load(held.updates, self._new_id())
        update = document.write(doc, [Change("Process_1", "@name", f"s{self.world.rng.randrange(1000)}")])
        if update is not None:
            self.world.tell("rest", f"saves, number {held.seq + 1}")
            self.database.save(name, update)

    def _fold(self) -> None:
        name = self.world.rng.choice(self.diagrams)
        held = self.database.documents[name]
        if not self.database.away and held.tail:
            upto = self.world.rng.choice(held.tail)[0]
            self.world.tell("worker", f"folds up to {upto}")
            self.database.fold(name, upto)

    def _turn(self) -> None:
        name = self.world.rng.choice(self.diagrams)
        if not self.database.away and not self.database.documents[name].held:
            self.world.tell("worker", f"begins epoch {self.database.documents[name].epoch + 1}")
            self.database.turn(name, self._new_id())

    # -- and then --------------------------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Nothing goes wrong any more; what was promised has to hold soon."""
        world = self.world
        world.tell("world", "calms down")
        self.database.away, self.database.moody, self._faults.strikes = False, 0.0, 0.0
        for liar in self.liars:
            liar.away = True
            liar.leave(politely=False)
        if self.redis is not None:
            self.redis.unruly, self.redis.up = 0.0, True
        while len(self._living()) < self.plan.nodes:
            self._start_node()
        for node in self._living():
            node.link(up=True)
            node.listen()
        for client in self.clients:
            if client.line is not None and not client.line.reading:
                client.line.resume()
            client.connect()
            if client.state is None:
                client.point()
        world.run(CALM_S)
        stolen = set[int]().union(*(liar.stolen for liar in self.liars))
        oracle.no_ghosts(self.clients, (*self.clients, *self.liars), stolen)
        world.run(HANG_S)
        for node in self._living():
            node.listen()
        world.run(CALM_S)
        oracle.epochs(self.database)
        oracle.settled(self.clients, self._living(), self.database)
        world.run(PRESENT_S - CALM_S)
        oracle.presences(self.clients, stolen)
        for node in self._living():
            node.crash()
        oracle.restart(self.database, _blank().soundness)
