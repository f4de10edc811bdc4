"""People: stock clients of both protocols with real documents, coming, going, lagging; and one who lies.

A client believes what it is sent and nothing else, as y-websocket and the Hocuspocus provider do: it keeps what it wrote
until a frame says that it is on disk, and then asks the database whether that is true (R1). Honest clients may never be
sent away for what somebody else did (R3). Used by history.py.
"""

import json
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc, TransactionEvent, get_update

from collab.bpmn import document, fuzz
from collab.bpmn.fuzz.page import Page
from collab.bpmn.records import Change
from collab.session import Person, Protocol
from collab.simulate.database import Database, Life
from collab.simulate.line import Line
from collab.simulate.node import Node
from collab.simulate.world import Struck, Violation, World
from collab.wire import messages, structs
from collab.wire.close import Close
from collab.wire.lib0 import Reader, uint, var_bytes

BACK_S: Final = 2.0  # a client that was sent away comes back within this time
RENEW_S: Final = 15.0  # stock clients repeat their presence so often
FUZZED: Final = 0.2  # so many edits are an editor's, the others one register
BEYOND: Final = 2**31 - 1  # a clock nobody reaches
MINE_TO_BLAME: Final = (Close.MALFORMED, Close.TOO_LARGE, Close.FRAME_TOO_LARGE, Close.NO_RIGHT, Close.GONE)


class Client:
    """One person with one diagram open, on and off. `ids`: all Yjs client ids of this history."""

    honest = True

    def __init__(
        self,
        world: World,
        person: Person,
        protocol: Protocol,
        diagram: UUID,
        database: Database,
        nodes: Callable[[], list[Node]],
        ids: set[int],
    ) -> None:
        self.world, self.person, self.protocol, self.diagram = world, person, protocol, diagram
        self.database, self.nodes, self.ids = database, nodes, ids
        self.name = person.name
        self.writes = True
        self.away = False  # it does not want to be here just now
        self.line: Line | None = None
        self.last: tuple[Node, float] | None = None  # where it was, until when
        self.state: dict[str, Any] | None = None
        self.clock = 0
        self.stolen: set[int] = set()  # a liar's: whose names it has used
        self.begin()

    def begin(self) -> None:
        """A fresh document under a new Yjs client id."""
        self.id = self.world.rng.getrandbits(31)
        self.ids.add(self.id)
        self.doc: Doc[Any] = Doc(client_id=self.id)
        self._wrote: list[bytes] = []
        self._subscription = self.doc.observe(_noting(self._wrote))
        self._page: Page | None = None
        self.synced = self.brings = False  # brings: it came with something that the room had not heard of
        self.epoch = 0
        self.forget()

    def forget(self) -> None:
        """What a connection is about goes with it."""
        self.unsaved: list[bytes] = []  # sent, and to be acknowledged
        self.answering = False
        self.others: dict[int, dict[str, Any]] = {}
        self.clocks: dict[int, int] = {} if not hasattr(self, "clocks") else self.clocks

    # -- the connection ------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Knocks at any node; again later when it is not let in."""
        if self.line is not None or self.away:
            return
        nodes = self.nodes()
        node = self.world.rng.choice(nodes) if nodes else None
        try:
            line = None if node is None else node.accept(self, self.diagram)
            if line is None and node is not None:
                node.enter(self.diagram)
        except Struck:
            line = None
        if line is None or node is None or not line.attended:
            self.world.soon(0.3, self.connect)
            return
        self.line = line
        self.epoch = node.rooms[self.diagram].epoch
        if not self.writes:
            room = Life(document.load([node.rooms[self.diagram].core.state_after(b"\x00")]))
            self.brings = not room.holds(self.doc.get_update())
        self.world.tell(self.name, f"comes to {node.name}")
        self.send(messages.step_1(self.doc.get_state()))
        self.answering = True
        if self.state is not None:
            self.present(self.state)
        self.world.later(RENEW_S, lambda: self._renew(line))

    def send(self, payload: bytes) -> None:
        """A message for the room."""
        if self.line is not None:
            address = messages.address(str(self.diagram)) if self.protocol is Protocol.HOCUSPOCUS else b""
            self.line.send(address + payload)

    def leave(self, *, politely: bool) -> None:
        """Goes, with a word or without."""
        if (line := self.line) is None:
            return
        self.world.tell(self.name, "leaves" if politely else "is cut off")
        if politely:
            self.clock += 1
            self.send(messages.awareness([(self.id, self.clock, "null")]))
            self.world.later(0.05, line.cut)
        else:
            line.cut()
        self._off()

    def closed(self, line: Line, code: Close | None) -> None:
        """The node has ended it, or has ended."""
        if line is not self.line:
            return  # one that it was about to leave
        self.world.tell(self.name, f"is sent away: {code.name if code else 'no answer'}")
        self._off()
        # A viewer who saw what was lost in a crash brings it back, and may not: it begins anew, as our page does (R14).
        refused = code is Close.NO_RIGHT and self.brings and not self.writes
        if self.honest and code in MINE_TO_BLAME and not refused:
            raise Violation("R3", f"{self.name}, who did nothing wrong, was sent away with {code}")
        if code is Close.EPOCH or refused:
            self.begin()
        self.world.soon(BACK_S, self.connect)

    def _off(self) -> None:
        if self.line is not None:
            self.last = (self.line.node, self.world.now)
        self.line, self.synced = None, False
        self.forget()

    # -- what it does ----------------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """One edit; sent at once when there is a connection."""
        if not self.writes or not (self.synced or self.doc.get_state() != b"\x00"):
            return
        changes = self._editors() if self.world.chance(FUZZED) else self._simple()
        self._wrote.clear()
        document.write(self.doc, changes)
        wrote = list(self._wrote)
        if wrote and self.line is not None:
            self.world.tell(self.name, f"writes {[(one.key, one.register) for one in changes][:2]}")
            for update in wrote:
                self.unsaved.append(update)
                self.send(messages.update(update))

    def _simple(self) -> list[Change]:
        rng, nodes = self.world.rng, document.read(self.doc).nodes
        shapes = [key for key in sorted(nodes) if "b" in nodes[key]]
        if shapes and rng.random() < 0.5:
            key = rng.choice(shapes)
            bounds = nodes[key]["b"]
            assert isinstance(bounds, list)
            place = [str(rng.randrange(900)), str(rng.randrange(900))]
            return [Change(key, "b", [*bounds[:2], *place, *bounds[4:]])]
        named = [key for key in sorted(nodes) if str(nodes[key].get("t")).endswith(("Event", "ask", "process"))]
        return [Change(rng.choice(named), "@name", f"n{rng.randrange(1000)}")] if named else []

    def _editors(self) -> list[Change]:
        rng = self.world.rng
        live = document.read(self.doc)
        if not live.nodes:
            return []
        page = Page(live, rng, lambda: f"~{self.id}.{rng.getrandbits(31)}")
        changes = fuzz.EDITS[rng.choice(list(fuzz.EDITS))](page)
        return [one for one in changes if live.nodes.get(one.key, {}).get(one.register) != one.value]

    def point(self) -> None:
        """Moves its cursor."""
        self.present({"x": self.world.rng.randrange(1000)})

    def present(self, state: dict[str, Any]) -> None:
        """Says where it is."""
        self.state = state
        self.clock += 1
        self.send(messages.awareness([(self.id, self.clock, json.dumps(state))]))

    def _renew(self, line: Line) -> None:
        if self.line is line:
            if self.state is not None:
                self.present(self.state)
            self.world.later(RENEW_S, lambda: self._renew(line))

    def pause(self, seconds: float) -> None:
        """Stops reading for a while."""
        if (line := self.line) is not None and line.reading:
            self.world.tell(self.name, "stops reading")
            line.reading = False
            self.world.later(seconds, line.resume)

    # -- what it hears -----------------------------------------------------------------------------------------------------

    def take(self, line: Line, frame: bytes) -> None:
        """A frame of the node."""
        if line is not self.line:
            return
        if self.protocol is Protocol.YWS:
            for message in messages.decode_frame(frame):
                self._hear(message)
            return
        reader = Reader(frame)
        reader.string()
        if reader.rest == messages.SAVED:
            self._saved()
        else:
            self._hear(messages.decode(reader, hocuspocus=True))

    def _hear(self, message: messages.Message) -> None:
        match message:
            case messages.Step1(state):
                missing = self.doc.get_update(state)
                self.send(messages.step_2(missing))
                if self.answering and self.protocol is Protocol.HOCUSPOCUS:
                    self.unsaved.append(missing)
                self.answering = False
            case messages.Step2(update) | messages.Update(update):
                if self.protocol is Protocol.YWS:
                    self._echoed(update)
                self.doc.apply_update(update)
                self.synced = self.synced or isinstance(message, messages.Step2)
            case messages.Awareness(entries):
                for entry in entries:
                    self._see(entry)
            case _:
                pass

    def _see(self, entry: messages.Entry) -> None:
        """As y-protocols does: a higher clock wins; the same clock with nobody there is a farewell."""
        known = self.clocks.get(entry.client, -1)
        if entry.client == self.id or not (
            entry.clock > known or (entry.clock == known and entry.state is None and entry.client in self.others)
        ):
            return
        self.clocks[entry.client] = entry.clock
        if entry.state is None:
            self.others.pop(entry.client, None)
        else:
            self.others[entry.client] = entry.state

    # -- what it is told to be on disk -------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        """What the database holds of the epoch this client is in."""
        return self.database.documents[self.diagram].lives[self.epoch]

    def _saved(self) -> None:
        """One SyncStatus: of the updates that wait for theirs, one at least is on disk, or it was a lie."""
        if not self.honest:
            return
        if not self.unsaved:
            raise Violation("R1", f"{self.name} was sent more acknowledgements than it sent updates")
        for number, update in enumerate(self.unsaved):
            if self.life.holds(update):
                del self.unsaved[number]
                return
        raise Violation("R1", f"{self.name} was told that an update is on disk; none of its {len(self.unsaved)} is")

    def _echoed(self, update: bytes) -> None:
        """A frame with structs of its own: these are on disk, or it was a lie."""
        if not self.honest:
            return
        on_disk = structs.clocks(self.life.doc.get_state()).get(self.id, 0)
        if self._carries(update, on_disk):
            raise Violation("R1", f"{self.name} was sent structs of its own that are not on disk")
        while self.unsaved:
            first = self.unsaved[0]
            start = self._ends(first) - 1
            if not (first == update or (structs.has_structs(first) and self._carries(update, start))):
                break
            if not self.life.holds(first):
                raise Violation("R1", f"{self.name} was sent its own update back, which is not on disk whole")
            del self.unsaved[0]

    def _carries(self, update: bytes, since: int) -> bool:
        """Are there structs of ours in it, from this clock on?"""
        state = uint(len(self.ids)) + b"".join(
            uint(one) + uint(since if one == self.id else BEYOND) for one in sorted(self.ids)
        )
        return structs.has_structs(get_update(update, state))

    def _ends(self, update: bytes) -> int:
        """The clock after the structs of one of our updates."""
        low, high = 0, structs.clocks(self.doc.get_state()).get(self.id, 0)
        while low < high:
            middle = (low + high) // 2
            if self._carries(update, middle):
                low = middle + 1
            else:
                high = middle
        return low


def _noting(updates: list[bytes]) -> Callable[[TransactionEvent], None]:
    """Takes down what a document changes; knows no client, or pycrdt would keep it for ever."""
    return lambda event: updates.append(event.update)


class Liar(Client):
    """A client that says whatever it likes. Nothing it does may hurt the others; what it is told is not believed."""

    honest = False

    def lie(self) -> None:
        """One lie of many kinds."""
        if self.line is None:
            return
        kind = self.world.rng.choice(
            (self._noise, self._mutated, self._gap, self._others, self._old, self._early, self._crowd, self._big)
        )
        self.world.tell(self.name, f"lies: {kind.__name__.strip('_')}")
        kind()

    def _noise(self) -> None:
        self.send(self.world.rng.randbytes(self.world.rng.randrange(1, 30)))

    def _mutated(self) -> None:
        """Cut short or with a foreign tail: never a whole update of somebody else's."""
        update = self._written()
        rng = self.world.rng
        self.send(messages.update(update[: rng.randrange(len(update))] + rng.randbytes(rng.randrange(3))))

    def _written(self) -> bytes:
        """A few updates of its own, joined; their author's clock rises whether they are sent or not."""
        self._wrote.clear()
        document.write(self.doc, [Change(f"~{self.id}.x", "@name", str(self.world.rng.random()))])
        return self._wrote[-1]

    def _gap(self) -> None:
        """What came before is never sent, or later."""
        first, second = self._written(), self._written()
        for _ in range(self.world.rng.choice((1, 1, 3, 60))):
            self.send(messages.update(second))
        if self.world.chance(0.5):
            self.send(messages.update(first))

    def _others(self) -> None:
        """Presences in the name of others, with clocks from the future."""
        victim = self.world.rng.choice(sorted(self.ids))
        self.stolen.add(victim)
        clock = self.world.rng.choice((0, 1, 5, 2**31))
        state = self.world.rng.choice(("null", '{"x":666}', '{"user":{"id":"somebody"}}'))
        self.send(messages.awareness([(victim, clock, state)]))

    def _old(self) -> None:
        """The whole state of an earlier epoch, as if it were new."""
        lives = self.database.documents[self.diagram].lives
        old = [life for epoch, life in lives.items() if epoch < self.epoch]
        if old:
            state = self.world.rng.choice(old).doc
            self.send(self.world.rng.choice((messages.step_2, messages.update))(state.get_update()))
            self.send(messages.step_1(state.get_state()))

    def _early(self) -> None:
        """Writes in its first breath, before it has said what it has."""
        self.leave(politely=False)
        self.connect()
        self.send(messages.update(self._written()))

    def _crowd(self) -> None:
        self.send(messages.awareness([(self.world.rng.getrandbits(31), 1, "{}") for _ in range(70)]))

    def _big(self) -> None:
        self.send(messages.awareness([(self.id, self.clock + 1, json.dumps({"x": "y" * 5_000}))]))
        self.send(b"\x00\x07" + var_bytes(b"nobody knows this one"))
