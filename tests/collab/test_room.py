"""The room's core without sockets, clock or database: rules one by one, then seeded histories with crashes."""

import gc
import random
import weakref
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from collab.effects import Acknowledge, Append, Effects, Part, Send
from collab.room import Room
from collab.session import Person, Protocol, Session
from collab.wire import messages, structs
from collab.wire.close import Close

ANN = Person(UUID(int=1), "Ann", "#112233")
BOB = Person(UUID(int=2), "Bob", "#445566")
YWS, HOC = Protocol.YWS, Protocol.HOCUSPOCUS


class Peer:
    """A client: a document, and everything the room ever sent it."""

    def __init__(self, room: Room, person: Person, protocol: Protocol, client: int, *, writes: bool = True) -> None:
        self.room = room
        self.doc: Doc[Any] = Doc(client_id=client)
        self.map: Map[Any] = self.doc.get("n", type=Map)
        self.received: list[messages.Message] = []
        self.acknowledged = 0
        self.closed: Close | None = None
        self.slow = self.missing = False
        self.session, effects = room.join(person, protocol, writes=writes)
        self.owed = effects

    def take(self, payload: bytes) -> None:
        for message in messages.decode_frame(payload):
            self.received.append(message)
            if isinstance(message, messages.Update | messages.Step2):
                self.doc.apply_update(message.update)

    def edit(self, key: str, value: object) -> messages.Update:
        before = self.doc.get_state()
        self.map[key] = value
        return messages.Update(self.doc.get_update(before))


class Bench:
    """Runs a room: delivers, and commits when told to."""

    def __init__(self, updates: list[bytes] | None = None, retired: frozenset[int] = frozenset()) -> None:
        self.log: list[bytes] = list(updates or [])
        self.room = Room(self.log, len(self.log), retired)
        self.peers: dict[Session, Peer] = {}
        self.pending: list[Append] = []
        self.now = 0.0

    def join(self, person: Person, protocol: Protocol, client: int, *, writes: bool = True) -> Peer:
        peer = Peer(self.room, person, protocol, client, writes=writes)
        self.peers[peer.session] = peer
        self.carry(peer.owed)
        self.say(peer, messages.Step1(peer.doc.get_state()))
        self.say(peer, messages.Step2(peer.doc.get_update(b"\x00")))
        return peer

    def say(self, peer: Peer, message: messages.Message) -> None:
        self.carry(self.room.receive(peer.session, message, self.now))

    def carry(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Send(to, payload, droppable):
                    for session in to:
                        if session not in self.peers:
                            continue
                        peer = self.peers[session]
                        if droppable and (peer.slow or peer.missing):
                            if not peer.missing:  # as a seat does: said once, then everything droppable is missed
                                self.room.lag(session)
                            peer.missing = True
                        else:
                            peer.take(payload)
                case Acknowledge(session, count):
                    self.peers[session].acknowledged += count
                case Append():
                    self.pending.append(effect)
                case Part(session, code):
                    self.peers.pop(session).closed = code

    def catch_up(self, peer: Peer) -> None:
        """Its buffer is empty again."""
        peer.slow = peer.missing = False
        self.carry(self.room.resync(peer.session))

    def tick(self) -> None:
        self.now += 1.0
        self.carry(self.room.tick(self.now))

    def commit(self, count: int | None = None) -> None:
        done, self.pending = self.pending[:count], self.pending[len(self.pending[:count]) :]
        for append in done:
            self.log.append(append.update)
            self.carry(self.room.committed(append.ticket, len(self.log)))


def value_of(updates: list[bytes], key: str) -> object:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc.get("n", type=Map).get(key)


def test_R1_hocuspocus_is_acknowledged_after_the_commit_and_once_an_update() -> None:
    bench = Bench()
    ann = bench.join(ANN, HOC, 11)
    assert ann.acknowledged == 1, "the first step 2 after its step 1, which added nothing"
    bench.say(ann, ann.edit("a", "1"))
    bench.say(ann, ann.edit("b", "2"))
    assert ann.acknowledged == 1
    bench.commit(1)
    assert ann.acknowledged == 2
    bench.commit()
    assert ann.acknowledged == 3


def test_R1_y_websocket_hears_its_own_structs_only_after_the_commit() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    ann.received.clear()
    bench.say(ann, update := ann.edit("a", "1"))
    bench.tick()
    assert bob.map["a"] == "1", "others see it before it is on disk"
    assert not any(isinstance(m, messages.Update | messages.Step2) for m in ann.received)
    bench.commit()
    assert update in ann.received


def test_R1_writers_get_one_frame_for_all_after_the_commit_that_covers_theirs() -> None:
    bench = Bench()
    ann, bob, eve = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12), bench.join(BOB, HOC, 13)
    bench.now += 1
    bench.say(eve, eve.edit("first", "1"))  # at once: from now on it gathers
    for peer in (ann, bob, eve):
        peer.received.clear()
    bench.say(ann, ann.edit("a", "1"))
    bench.say(bob, bob.edit("b", "1"))
    bench.carry(bench.room.tick(bench.now + 0.02))
    assert eve.map["a"] == eve.map["b"] == "1"
    assert ann.received == bob.received == []
    bench.commit(2)
    assert len(ann.received) == 1, "hers is on disk, and his comes with it"
    assert ann.map["b"] == "1"
    assert bob.received == []
    bench.commit(1)
    assert bob.received == ann.received, "encoded once"


def test_R1_what_a_colleague_brings_of_mine_reaches_me_only_after_the_commit() -> None:
    """The server crashed before the commit. Bob had seen Ann's edit, and is back with it before she has sent hers again."""
    before = Bench()
    ann, bob = before.join(ANN, YWS, 11), before.join(BOB, YWS, 12)
    before.say(ann, ann.edit("a", "1"))
    assert bob.map["a"] == "1"

    bench = Bench()
    back = Peer(bench.room, ANN, YWS, 111)
    back.doc.apply_update(ann.doc.get_update())
    bench.peers[back.session] = back
    bench.carry(back.owed)
    bench.say(back, messages.Step1(back.doc.get_state()))
    back.received.clear()
    other = bench.join(BOB, HOC, 112)
    bench.say(other, messages.Step2(bob.doc.get_update()))
    bench.tick()
    assert not any(isinstance(m, messages.Update | messages.Step2) for m in back.received)
    bench.say(other, foreign := other.edit("b", "1"))
    bench.tick()
    assert back.received == [], "nothing overtakes it"
    bench.commit()
    assert len(back.received) == 2
    assert back.received[1] == foreign
    bench.say(other, other.edit("c", "1"))
    bench.tick()
    assert back.map["c"] == "1", "from now on nothing is held back"


def test_R8_commits_that_hang_do_not_keep_from_writers_what_others_write() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.say(ann, ann.edit("a", "1"))
    bench.say(bob, bob.edit("b", "1"))
    bench.carry(bench.room.tick(bench.now + 0.02))
    due = bench.room.due
    assert due is not None, "it wants to look again"
    own = {11, 12}
    bench.carry(bench.room.tick(due))
    assert ann.map["b"] == bob.map["a"] == "1"
    bench.say(ann, ann.edit("a", "2"))
    bench.carry(bench.room.tick(due + 1))
    assert bob.map["a"] == "2"
    for peer in (ann, bob):
        heard = {structs.author_of(m.update) for m in peer.received if isinstance(m, messages.Update)}
        assert heard == own - {peer.doc.client_id}, "nothing of its own before the commit"
        peer.received.clear()
    bench.commit()
    for peer in (ann, bob):
        heard = {structs.author_of(m.update) for m in peer.received if isinstance(m, messages.Update)}
        assert heard == {peer.doc.client_id}


def test_R1_a_duplicate_of_something_uncommitted_waits_for_its_commit() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, HOC, 12)
    bench.say(ann, update := ann.edit("a", "1"))
    before = bob.acknowledged
    bench.say(bob, update)
    assert bob.acknowledged == before
    bench.commit()
    assert bob.acknowledged == before + 1
    bench.say(bob, update)
    assert bob.acknowledged == before + 2, "of something committed: at once"


def test_R3_garbage_ends_its_own_session_and_leaves_no_trace() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    for garbage in (b"", b"\x01", b"\xff" * 20, b"\x01\x01\x0b\x00\x84", b"\x05" * 9):
        eve = bench.join(ANN, YWS, 99)
        bench.say(eve, messages.Update(garbage))
        assert eve.closed is Close.MALFORMED, garbage
    bench.say(bob, bob.edit("b", "1"))
    bench.tick()
    assert ann.map["b"] == "1"


def test_R3_an_update_over_its_limit_is_too_large() -> None:
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    bench.say(ann, ann.edit("a", "x" * (1024 * 1024 + 1)))
    assert ann.closed is Close.TOO_LARGE
    assert bench.pending == []


def test_R4_a_joiner_has_everything_before_any_later_update() -> None:
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    bench.say(ann, messages.Awareness((messages.Entry(11, 1, {"cursor": 1}),)))
    bench.say(ann, ann.edit("a", "1"))
    bob = Peer(bench.room, BOB, YWS, 12)
    bench.peers[bob.session] = bob
    bench.carry(bob.owed)
    assert any(isinstance(m, messages.Awareness) for m in bob.received)
    bench.say(ann, ann.edit("b", "2"))
    bench.tick()
    assert not any(isinstance(m, messages.Update) for m in bob.received), "no update before its step 1 was answered"
    bench.say(bob, messages.Step1(bob.doc.get_state()))
    assert bob.map.to_py() == {"a": "1", "b": "2"}


def test_R5_a_slow_reader_misses_updates_and_gets_one_difference() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.say(ann, ann.edit("before", "1"))
    bench.tick()
    bob.slow = True
    for number in range(20):
        bench.say(ann, ann.edit(f"a{number}", str(number)))
        bench.tick()
    assert "a0" not in bob.map
    bob.received.clear()
    bench.commit()
    bench.catch_up(bob)
    assert sum(isinstance(m, messages.Step2) for m in bob.received) == 1
    assert bob.map.to_py() == ann.map.to_py(), "what was missed includes the frame at which it was found to be slow"


def test_R5_a_slow_reader_that_asks_again_still_gets_what_it_missed_after() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, HOC, 12)
    bob.slow = True
    for number in range(4):
        bench.say(ann, ann.edit(f"a{number}", "1"))
        bench.tick()
        if number == 1:
            bench.say(bob, messages.Step1(bob.doc.get_state()))
    bench.commit()
    bench.catch_up(bob)
    assert bob.map.to_py() == ann.map.to_py()


def test_R5_what_comes_while_storage_is_away_does_not_overtake_the_difference() -> None:
    """Seen with pycrdt: structs that wait for others are not always taken in once those arrive."""
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 12)
    bench.say(ann, ann.edit("mine", "1"))  # never committed for a while
    ann.slow = True
    bench.tick()
    bench.say(bob, bob.edit("missed", "1"))
    bench.tick()
    bench.catch_up(ann)
    ann.received.clear()
    for number in range(3):
        bench.say(bob, bob.edit("later", number))
        bench.tick()
    assert not any(isinstance(m, messages.Update | messages.Step2) for m in ann.received)
    bench.commit()
    assert isinstance(next(m for m in ann.received if not isinstance(m, messages.Awareness)), messages.Update)
    assert (ann.map["missed"], ann.map["later"]) == ("1", 2)
    assert ann.doc.get_state() == bob.doc.get_state()


def test_R5_nothing_overtakes_a_frame_that_is_too_large_to_be_parted() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 12)
    bench.tick()
    bench.say(bob, bob.edit("first", "1"))
    bench.room.gather()
    bench.say(ann, ann.edit("mine", "1"))
    for number in range(60):
        bench.say(bob, bob.edit("many", number))
    bench.carry(bench.room.settle(bench.now))
    ann.received.clear()
    bench.tick()
    bench.say(bob, bob.edit("after", "1"))
    for _ in range(3):  # storage has been away for seconds
        bench.tick()
    assert ann.received == []
    bench.commit()
    assert (ann.map["many"], ann.map["after"]) == (59, "1")
    assert ann.doc.get_state() == bob.doc.get_state()


def test_R6_nobody_speaks_for_another_and_leavers_vanish() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.say(ann, messages.Awareness((messages.Entry(11, 1, {"user": {"name": "The King"}, "x": 1}),)))
    bench.tick()
    said = [e for m in bob.received if isinstance(m, messages.Awareness) for e in m.entries if e.client == 11]
    assert said[-1].state == {"user": {"id": str(ANN.id), "name": "Ann", "color": "#112233"}, "x": 1}
    bench.say(
        bob,
        messages.Awareness(
            (messages.Entry(11, 9, {"x": 2}), messages.Entry(11, 10, None), messages.Entry(500, 1, None))
        ),
    )
    bench.tick()
    assert bob.closed is None
    bob.received.clear()
    bench.carry(bench.room.leave(ann.session))
    gone = [e for m in bob.received if isinstance(m, messages.Awareness) for e in m.entries]
    assert [(e.client, e.state) for e in gone] == [(11, None)]


def presence_of(peer: Peer, client: int) -> list[tuple[int, bool]]:
    """What a peer heard of a client: clock, and whether it was there."""
    heard = [e for m in peer.received if isinstance(m, messages.Awareness) for e in m.entries]
    return [(e.clock, e.state is not None) for e in heard if e.client == client]


def test_R6_who_left_while_somebody_did_not_read_is_gone_when_they_read_on() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 12)
    bench.say(bob, messages.Awareness((messages.Entry(12, 3, {"x": 1}),)))
    bench.tick()
    ann.slow = True
    bench.say(bob, messages.Awareness((messages.Entry(12, 4, None),)))
    bench.tick()
    ann.received.clear()
    bench.catch_up(ann)
    (said,) = (m for m in ann.received if isinstance(m, messages.Awareness))
    assert [(entry.client, entry.state) for entry in said.entries] == [(12, None)]


def test_R6_who_moves_while_another_leaves_hears_of_it() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.say(ann, messages.Awareness((messages.Entry(11, 1, {"x": 1}),)))
    bench.tick()
    bench.say(ann, messages.Awareness((messages.Entry(11, 2, None),)))
    bench.say(bob, messages.Awareness((messages.Entry(12, 1, {"x": 2}),)))
    bench.tick()
    assert presence_of(bob, 11)[-1] == (2, False)


def test_R6_an_echo_of_a_leaver_is_no_ghost_and_who_comes_back_is_seen_at_once() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.say(bob, messages.Awareness((messages.Entry(12, 1, {}),)))
    bench.say(ann, messages.Awareness((messages.Entry(11, 5, {"x": 1}),)))
    bench.tick()
    bench.carry(bench.room.leave(ann.session))
    bench.peers.pop(ann.session)
    bench.say(bob, messages.Awareness((messages.Entry(11, 5, {"x": 1}),)))
    bench.tick()
    assert presence_of(bob, 11) == [(5, True), (6, False)]
    back = bench.join(ANN, YWS, 11)
    bench.say(back, messages.Awareness((messages.Entry(11, 5, {"x": 1}),)))
    bench.tick()
    assert presence_of(bob, 11)[-1] == (7, True), "Yjs clients believe only a higher clock"
    bench.say(back, messages.QueryAwareness())
    assert presence_of(back, 11) == [], "nobody is told of themselves"


def test_R9_an_update_without_its_dependency_waits_outside() -> None:
    other: Doc[Any] = Doc(client_id=50)
    values: Map[Any] = other.get("n", type=Map)
    values["inner"] = Map({})
    first = other.get_update()
    ahead: Doc[Any] = Doc(client_id=51)
    ahead.apply_update(first)
    before = ahead.get_state()
    ahead.get("n", type=Map)["inner"]["deep"] = "1"
    second = ahead.get_update(before)

    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, YWS, 12)
    acknowledged = ann.acknowledged
    bench.say(ann, messages.Update(second))
    bench.tick()
    assert bench.pending == [], "it is not in the log"
    assert any(isinstance(m, messages.Step1) for m in ann.received[-1:]), "its sender is asked"
    bench.commit()
    assert ann.acknowledged == acknowledged
    bench.say(ann, messages.Step2(first))
    bench.tick()
    bench.commit()
    assert ann.acknowledged == acknowledged + 1, "the answer to our question gets none, the update gets its own"
    assert bob.map.to_py() == {"inner": {"deep": "1"}}
    doc: Doc[Any] = Doc()
    for update in bench.log:
        doc.apply_update(update)
    assert doc.get("n", type=Map).to_py() == {"inner": {"deep": "1"}}


def gapped() -> tuple[bytes, bytes]:
    """Two updates of one client, the second of which depends on the first."""
    doc: Doc[Any] = Doc(client_id=77)
    values: Map[Any] = doc.get("n", type=Map)
    values["inner"] = Map()
    first, before = doc.get_update(), doc.get_state()
    values["inner"]["deep"] = "1"
    return first, doc.get_update(before)


def test_R9_what_others_bring_fills_a_gap_within_a_second() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, YWS, 12)
    first, second = gapped()
    acknowledged = ann.acknowledged
    bench.say(ann, messages.Update(second))
    bench.say(bob, messages.Update(first))
    assert bench.room.due is not None
    bench.tick()
    bench.commit()
    assert [append for append in bench.log if append == second] == [second]
    assert ann.acknowledged == acknowledged + 1
    bench.tick()
    assert bob.map.to_py() == ann.map.to_py() == {"inner": {"deep": "1"}}


def test_R9_an_answer_that_still_lacks_something_is_kept_and_not_asked_for_again() -> None:
    """Whose replica lacks something itself would be asked for ever, and answer for ever."""
    bench = Bench()
    ann = bench.join(ANN, HOC, 11)
    _, second = gapped()
    ann.received.clear()
    acknowledged = ann.acknowledged
    for message in (messages.Update(second), messages.Step2(second), messages.Step2(second)):
        bench.say(ann, message)
    assert sum(isinstance(m, messages.Step1) for m in ann.received) == 2, "the update, and a step 2 nobody asked for"
    bench.say(ann, messages.Step2(second))
    assert sum(isinstance(m, messages.Step1) for m in ann.received) == 2
    assert (ann.acknowledged, ann.closed, bench.pending) == (acknowledged, None, [])


def test_R9_gaps_are_bounded() -> None:
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    for number in range(60):
        doc: Doc[Any] = Doc(client_id=1000 + number)
        values: Map[Any] = doc.get("n", type=Map)
        values["a"] = 1
        before = doc.get_state()
        values["b"] = 2
        bench.say(ann, messages.Update(doc.get_update(before)))
        if ann.closed:
            break
    assert ann.closed is Close.MALFORMED


def test_a_room_that_nobody_holds_takes_no_memory() -> None:
    """pycrdt keeps an observer where Python's collector does not see it: a room that observed its document stayed for ever."""
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    bench.say(ann, messages.Update(gapped()[1]))  # its document is made anew
    bench.say(ann, ann.edit("a", "1"))
    gone = weakref.ref(bench.room)
    document = weakref.ref(bench.room._content._doc)  # observed, pycrdt's documents hold themselves
    del bench, ann
    gc.collect()
    assert gone() is None
    assert document() is None


def test_a_quiet_document_is_kept_as_bytes_and_nobody_notices() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 12)
    content = bench.room._content
    seen = []
    bench.say(ann, ann.edit("a", "1"))
    bench.tick()
    bench.room.rest(bench.now + 10)
    seen.append(content.awake)  # something waits for its commit
    bench.commit()
    bench.room.rest(bench.now)
    seen.append(content.awake)  # she may be about to go on
    document = weakref.ref(content._doc)
    state = bench.room.state
    bench.room.rest(bench.now + 10)
    gc.collect()
    assert document() is None
    assert bench.room.state == state
    eve = bench.join(Person(UUID(int=3), "Eve", "#445566"), YWS, 13)
    assert eve.map["a"] == "1"
    seen.append(content.awake)  # who reads does not wake it
    assert seen == [True, True, False]
    bench.say(bob, messages.Update(gapped()[1]))
    bench.room.rest(bench.now + 10)
    bench.say(eve, eve.edit("b", "2"))
    bench.tick()
    bench.commit()
    for client in (ann, bob, eve):
        assert (client.map["a"], client.map["b"]) == ("1", "2")


def test_R1_what_was_gathered_is_kept_whoever_is_sent_away_meanwhile() -> None:
    """It was taken in and passed on and its ticket counted, but never handed to the journal; the next commit said yes."""
    for bad in (messages.Step2(b"nothing of ours"), messages.Step1(b"\xff"), messages.Update(b"nothing of ours")):
        bench = Bench()
        ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, YWS, 12)
        bench.room.gather()
        bench.say(ann, ann.edit("a", "1"))
        bench.say(bob, bad)
        bench.carry(bench.room.settle(bench.now))
        assert bob.closed is Close.MALFORMED
        acknowledged = ann.acknowledged
        bench.commit()
        assert ann.acknowledged == acknowledged + 1
        assert value_of(bench.log, "a") == "1"


def test_what_is_overwritten_does_not_make_a_document_large() -> None:
    """Its size counts towards the limit: 20 people who overwrite 2 kB each were sent away after half a minute."""
    bench = Bench()
    ann, bob = bench.join(ANN, HOC, 11), bench.join(BOB, HOC, 12)
    content = bench.room._content
    for number in range(2_000):
        update = ann.edit("a", f"{number:2000}")
        if number % 2:
            bench.say(ann, update)
        else:
            bench.room.gather()
            bench.say(ann, update)
            bench.say(ann, ann.edit("b", f"{number:2000}"))
            bench.carry(bench.room.settle(bench.now))
        assert content.size < 2 * 1024 * 1024
    assert ann.closed is None
    bench.tick()
    assert bob.map["b"] == ann.map["b"]


def test_R10_who_loses_the_right_to_write_is_sent_away() -> None:
    bench = Bench()
    ann = bench.join(ANN, HOC, 11)
    bench.carry(bench.room.set_right(ann.session, writes=False))
    assert ann.closed is Close.NO_RIGHT


def test_R14_a_viewer_is_acknowledged_for_nothing_new_and_ended_for_a_write() -> None:
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    bench.say(ann, ann.edit("a", "1"))
    bench.say(ann, ann.edit("b", "1"))
    del ann.map["b"]
    bench.say(ann, messages.Update(ann.doc.get_update()))
    bench.commit()
    eve = bench.join(BOB, HOC, 12, writes=False)
    assert (eve.acknowledged, eve.closed) == (1, None)
    bench.say(eve, messages.Awareness((messages.Entry(12, 1, {"cursor": 1}),)))
    bench.say(eve, eve.edit("c", "1"))
    assert eve.closed is Close.NO_RIGHT
    assert value_of(bench.log, "c") is None


def test_R13_structs_of_an_earlier_epoch_are_refused_whatever_was_said_before() -> None:
    old: Doc[Any] = Doc(client_id=7)
    old.get("n", type=Map)["a"] = "old"
    mixed: Doc[Any] = Doc(client_id=8)
    mixed.apply_update(old.get_update())
    mixed.get("n", type=Map)["b"] = "new"
    for update in (old.get_update(), mixed.get_update()):
        for message in (messages.Update(update), messages.Step2(update)):
            bench = Bench(retired=frozenset({7}))
            ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 12)
            bench.say(ann, message)
            assert ann.closed is Close.EPOCH
            assert bench.pending == []
            bench.say(bob, bob.edit("c", "1"))
            bench.commit()
            assert structs.clocks(bench.room.state) == {12: 1}


def test_R14_a_viewer_who_brings_what_others_wrote_has_the_benefit_of_the_doubt() -> None:
    """It was seen before a crash. If its author is back within a second, nothing was wrong."""
    other: Doc[Any] = Doc(client_id=9)
    other.get("n", type=Map)["a"] = "1"
    for back in (True, False):
        bench = Bench()
        ann, eve = bench.join(ANN, YWS, 11), bench.join(BOB, HOC, 13, writes=False)
        bench.say(eve, messages.Step1(b"\x00"))
        acknowledged = eve.acknowledged
        bench.say(eve, messages.Step2(other.get_update()))
        assert (bench.pending, eve.closed, eve.acknowledged) == ([], None, acknowledged)
        if back:
            bench.say(ann, messages.Update(other.get_update()))
        bench.tick()
        bench.commit()
        assert eve.closed is (None if back else Close.NO_RIGHT)
        assert eve.acknowledged == acknowledged + back


def test_a_busy_room_gathers_and_a_quiet_one_answers_at_once() -> None:
    bench = Bench()
    ann, bob = bench.join(ANN, YWS, 11), bench.join(BOB, YWS, 12)
    bench.now += 1
    bench.say(ann, ann.edit("a", "1"))
    assert bob.map["a"] == "1"
    bob.received.clear()
    for number in range(5):
        bench.say(ann, ann.edit("a", str(number)))
    assert bob.received == []
    assert bench.room.due is not None
    bench.tick()
    assert len([m for m in bob.received if isinstance(m, messages.Update)]) == 1
    assert bob.map["a"] == "4"


def test_updates_from_the_log_reach_everybody_once() -> None:
    bench = Bench()
    ann = bench.join(ANN, YWS, 11)
    other: Doc[Any] = Doc(client_id=900)
    other.get("n", type=Map)["saved"] = "over REST"
    bench.log.append(other.get_update())
    bench.carry(bench.room.from_log(1, [other.get_update()], 5.0))
    assert ann.map["saved"] == "over REST"
    assert bench.room.seq == 1
    bench.carry(bench.room.from_log(1, [other.get_update()], 6.0))
    assert bench.pending == []


@pytest.mark.parametrize("round_", range(25))
def test_R2_seeded_histories_with_crashes_lose_nothing_acknowledged(round_: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, round {round_}")
    rng = random.Random(seed)
    bench = Bench()
    believed: dict[str, str] = {}
    waiting: dict[Peer, list[tuple[str, str]]] = {}
    counter = 0
    for _ in range(120):
        writers = list(bench.peers.values())
        match rng.randrange(10):
            case 0 | 1 if len(writers) < 5:
                counter += 1
                peer = bench.join(rng.choice([ANN, BOB]), rng.choice([YWS, HOC]), 100 + counter)
                waiting[peer] = [("", "")] if peer.session.protocol is HOC else []  # its first step 2 is owed one too
            case 2 if writers:
                peer = rng.choice(writers)
                bench.carry(bench.room.leave(peer.session))
                del bench.peers[peer.session]
            case 3:
                bench.commit(rng.randrange(4))
            case 4:
                bench.tick()
            case 7 if writers and rng.random() < 0.5:
                peer = rng.choice(writers)  # stock clients ask again now and then
                bench.say(peer, messages.Step1(peer.doc.get_state()))
                if peer.session.protocol is HOC:
                    waiting[peer].append(("", ""))
                bench.say(peer, messages.Step2(peer.doc.get_update(b"\x00")))
            case 6 if writers and rng.random() < 0.5:
                peer = rng.choice(writers)
                if peer.slow:
                    bench.catch_up(peer)
                else:
                    peer.slow = True
            case 5 if rng.random() < 0.3:
                # The process dies: what was not committed is gone, clients come to a new one.
                bench = Bench(bench.log)
                waiting.clear()
            case _ if writers:
                peer = rng.choice(writers)
                counter += 1
                key, value = f"k{counter}", f"v{counter}"
                update = peer.edit(key, value)
                if peer.session.protocol is HOC:
                    waiting[peer].append((key, value))
                bench.say(peer, update)
        for peer, mine in waiting.items():
            while peer.acknowledged > 0 and mine:
                key, value = mine.pop(0)
                peer.acknowledged -= 1
                if key:
                    believed[key] = value
            peer.acknowledged = 0
        for key, value in believed.items():
            assert value_of(bench.log, key) == value, f"seed {seed}: {key} was acknowledged and is not on disk"
    bench.commit()
    bench.tick()
    for peer in bench.peers.values():
        bench.catch_up(peer)
    stored = {key: value_of(bench.log, key) for key in believed}
    assert stored == believed
    states = {repr(sorted((peer.map.to_py() or {}).items())) for peer in bench.peers.values()}
    assert len(states) <= 1, f"seed {seed}: replicas differ"
