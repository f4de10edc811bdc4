"""What must hold once everything has calmed down, and after a restart from what is on disk. Watches bytes, not intentions.

During a history the clients ask about every acknowledgement, lines about every byte that waits. Here: bounds at any time;
replicas equal; nobody shown who is not there; the old epochs apart; what is on disk is what people see, and valid BPMN.
"""

from collections.abc import Container, Iterable, Sequence

from collab.bpmn import document
from collab.bpmn.fuzz.judge import Soundness, text_of
from collab.room import GAP_LIMIT, GAPS_LIMIT
from collab.simulate.client import Client
from collab.simulate.database import Database
from collab.simulate.node import Node
from collab.simulate.world import Violation
from collab.wire import structs


def print_of(state: bytes) -> tuple[object, ...]:
    """Clocks and deletions: equal for documents with the same structs, however they came by them."""
    doc = document.load([state])
    vector = doc.get_state()
    deleted = structs.deletions(doc.get_update(vector))
    return (
        sorted(structs.clocks(vector).items()),
        sorted((client, tuple(structs.joined(ranges))) for client, ranges in deleted.items()),
    )


def bounds(nodes: Iterable[Node]) -> None:
    """Queues are within what is written of them (R5, R9)."""
    for node in nodes:
        for live in node.rooms.values():
            for session in live.core.sessions:
                if sum(len(gap) for gap, _ in session.gaps) > GAP_LIMIT or len(session.gaps) > GAPS_LIMIT:
                    raise Violation("R9", f"{node.name} keeps {len(session.gaps)} gaps of {session.person.name}")


def epochs(database: Database) -> None:
    """Nothing that was written in an earlier epoch is in a later one (R13)."""
    for held in database.documents.values():
        earlier: set[int] = set()
        for number in sorted(held.lives):
            writers = set(structs.clocks(held.lives[number].doc.get_state()))
            if writers & earlier:
                raise Violation("R13", f"epoch {number} holds structs of clients of an earlier one")
            earlier |= writers


def settled(clients: Sequence[Client], nodes: Sequence[Node], database: Database) -> None:
    """Everybody is back, has what is on disk, and has been told so."""
    for node in nodes:
        if node.backlog:
            raise Violation("R8", f"{node.name} still has {len(node.backlog)} updates to commit")
    for name, held in database.documents.items():
        stored = held.lives[held.epoch].doc.get_update()
        wanted, seen = print_of(stored), document.read(document.load([stored]))
        for node in nodes:
            live = node.rooms.get(name)
            if live is not None and (live.epoch != held.epoch or print_of(live.core.state_after(b"\x00")) != wanted):
                raise Violation("R7", f"{node.name}'s room is not what is on disk")
        for client in clients:
            if client.diagram == name:
                _settled(client, wanted, seen)


def _settled(client: Client, wanted: tuple[object, ...], seen: object) -> None:
    if client.line is None or not client.synced:
        raise Violation("R3", f"{client.name} is not let in")
    if print_of(client.doc.get_update()) != wanted or document.read(client.doc) != seen:
        raise Violation("R5", f"{client.name}'s replica is not what is on disk")
    owed = [one for one in client.unsaved if structs.has_structs(one)]
    if owed:
        raise Violation("R14", f"{client.name} waits for {len(owed)} acknowledgements that never come")


def no_ghosts(clients: Sequence[Client], everybody: Sequence[Client], stolen: Container[int]) -> None:
    """Who left the node one is on oneself is not shown any more (R6: a second), but for whom somebody lied about."""
    for client in clients:
        if client.line is None:
            continue
        for other in everybody:
            here = other.line is None and other.last is not None and other.last[0] is client.line.node
            if here and other.id not in stolen and other.diagram == client.diagram and other.id in client.others:
                raise Violation("R6", f"{client.name} still sees {other.name}, who has left")


def presences(clients: Sequence[Client], stolen: Container[int]) -> None:
    """Everybody sees exactly who is there, where they are, and under their own names (R6: half a minute).

    But for those whose Yjs client a liar may have named before they did: it belongs to who named it first, and what others
    heard of it then may be newer than all that its owner will ever say.
    """
    for client in clients:
        wanted = {
            other.id: (other.state["x"], str(other.person.id))
            for other in clients
            if other is not client
            and other.diagram == client.diagram
            and other.line
            and other.state
            and other.id not in stolen
        }
        shown = {
            one: (state.get("x"), state.get("user", {}).get("id"))
            for one, state in client.others.items()
            if one not in stolen
        }
        if shown != wanted:
            raise Violation("R6", f"{client.name} sees {shown} and should see {wanted}")


def restart(database: Database, sound: Soundness) -> None:
    """Read back as a new process reads it: all that was ever committed in this epoch, and a valid diagram (R2).

    Of every acknowledgement a client has asked whether what it names is committed, so all of that is in here too.
    """
    for name, held in database.documents.items():
        stored = database.load(name)
        doc = document.load(stored.updates)
        life = held.lives[held.epoch]
        if print_of(doc.get_update()) != print_of(life.doc.get_update()):
            raise Violation("R2", "what a restart reads is not what was committed")
        shown = document.read(doc)
        if shown.nodes:
            problems = sound.judge(text_of(shown))
            if problems:
                raise Violation("valid", str(problems[:2]))
