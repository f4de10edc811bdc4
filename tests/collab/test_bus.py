"""Nodes among each other, in virtual time: numbers in order, gaps from the log, presences, an unruly network."""

import os
import random
from typing import Any

import pytest
from pycrdt import Doc, Map

from collab.bus import core, words
from collab.bus.replica import EARLY_LIMIT, GRACE_S, fingerprint
from collab.room import Room
from collab.session import Person
from collab.wire import messages
from collab.wire.lib0 import WireError
from tests.collab.cluster import DIAGRAM, Node, World
from tests.collab.test_room import ANN, BOB, Peer


def linked(nodes: int = 2, seed: int = 1, unruly: float = 0.0) -> World:
    world = World(nodes, seed, unruly)
    for node in world.nodes:
        node.link(up=True)
    world.run(1.0)
    return world


def content(room: Room) -> dict[str, Any]:
    doc: Doc[Any] = Doc()
    doc.apply_update(room.state_after(b"\x00"))
    return dict(doc.get("n", type=Map).to_py() or {})


def point(client: int, clock: int, x: int) -> messages.Awareness:
    return messages.Awareness((messages.Entry(client, clock, {"cursor": x}),))


def seen(peer: Peer) -> dict[int, Any]:
    """Cursors as a stock client would show them: a higher clock wins, null takes away."""
    shown: dict[int, tuple[int, Any]] = {}
    for message in peer.received:
        if isinstance(message, messages.Awareness):
            for entry in message.entries:
                clock = shown.get(entry.client, (-1, None))[0]
                if entry.clock > clock or (entry.clock == clock and entry.state is None):
                    shown[entry.client] = (entry.clock, entry.state)
    return {client: state["cursor"] for client, (_, state) in shown.items() if state is not None}


def write(node: Node, peer: Peer, key: str, value: object, *, commit: bool = True) -> None:
    node.say(peer, peer.edit(key, value))
    if commit:
        node.commit()


# -- the log's order -------------------------------------------------------------------------------------------------


def test_R7_an_edit_reaches_the_other_node_after_its_commit_and_not_before() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    write(one, ann, "a", 1, commit=False)
    world.run(1.0)
    assert "a" not in bob.map
    one.commit()
    world.run(0.05)
    assert bob.map["a"] == 1
    assert two.room.seq == one.room.seq == 1


def test_R7_numbers_that_come_early_wait_for_those_before_them() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    written = []
    for number in range(3):
        written.append(ann.edit("a", number).update)
        world.log.append(written[-1])

    def told(seq: int) -> core.Effects:
        word = words.Updates(((seq, written[seq - 1]),))
        return two.bus.heard(DIAGRAM, words.encode(words.Message(1, 100 + seq, 1, word)), world.now)

    for seq in (3, 2):
        two.do(told(seq))
        assert two.room.seq == 0
        assert content(two.room) == {}
    two.do(told(1))
    assert two.room.seq == 3
    assert content(two.room) == {"a": 2}


def test_R7_a_missing_number_is_read_from_the_log() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    two.bus.up = False  # what is sent now is heard by nobody
    write(one, ann, "a", 1)
    world.run(0.05)
    two.bus.up = True
    write(one, ann, "b", 2)
    world.run(0.05)
    assert two.room.seq == 0
    world.run(GRACE_S)
    assert two.room.seq == 2
    assert dict(bob.map) == {"a": 1, "b": 2}


def test_R7_the_last_message_may_be_lost_too() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    two.bus.up = False  # what is sent now is heard by nobody
    write(one, ann, "a", 1)
    world.run(0.1)
    two.bus.up = True
    assert two.room.seq == 0
    world.run(core.POSITION_S + 1.0)
    assert two.room.seq == 1


def test_R7_what_waits_for_a_missing_number_is_bounded() -> None:
    world = linked()
    two = world.nodes[1]
    for seq in range(2, 40):
        word = words.Updates(((seq, b"x" * 1_000_000),))
        two.bus.heard(DIAGRAM, words.encode(words.Message(1, 100 + seq, 1, word)), world.now)
        kept = two.bus._replicas[DIAGRAM]
        assert sum(len(data or b"") for data in kept.early.values()) == kept.early_bytes <= EARLY_LIMIT


def test_R7_a_number_that_was_never_committed_is_forgotten_when_the_log_has_been_read() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    word = words.Updates(((9, ann.edit("lie", 1).update),))
    two.do(two.bus.heard(DIAGRAM, words.encode(words.Message(1, 100, 1, word)), world.now))
    world.run(5.0)
    assert two.room.seq == 0
    write(two, bob, "a", 1)
    world.run(0.05)
    assert two.room.seq == one.room.seq == 1


def test_R7_what_was_damaged_on_the_way_is_read_from_the_log() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    two.bus.up = False
    write(one, ann, "a", 1)
    world.run(0.05)
    two.bus.up = True
    damaged = words.Updates(((1, b"\x01\x01\xff\xff"),))
    two.do(two.bus.heard(DIAGRAM, words.encode(words.Message(1, 100, 1, damaged)), world.now))
    world.run(0.5)
    assert bob.map["a"] == 1
    write(one, ann, "b", 2)
    world.run(0.05)
    assert bob.map["b"] == 2


def test_R7_a_word_of_another_version_is_a_reason_to_look() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    two.bus.up = False
    write(one, ann, "a", 1)
    world.run(0.05)
    two.bus.up = True
    two.do(two.bus.heard(DIAGRAM, b"\x09something new", world.now))
    world.run(0.05)
    assert bob.map["a"] == 1


@pytest.mark.parametrize("away", ["both", "one"])
def test_R7_without_redis_editing_goes_on_by_way_of_the_database(away: str) -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    for node in world.nodes if away == "both" else [two]:
        node.link(up=False)
    for number in range(20):
        write(one, ann, f"a{number}", number)
        write(two, bob, f"b{number}", number)
        world.run(0.05)
    world.run(core.POLL_S + 0.2)
    assert content(one.room) == content(two.room)
    assert len(content(one.room)) == 40
    assert dict(ann.map) == dict(bob.map) == content(one.room)
    for node in world.nodes:
        if not node.bus.up:
            node.link(up=True)
    world.run(5.0)
    assert [node.room.seq for node in world.nodes] == [40, 40]


def test_R7_a_node_that_alone_is_cut_off_from_redis_looks_at_the_log_itself() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    two.link(up=False)
    world.run(5.0)
    write(one, ann, "a", 1)
    world.run(core.POLL_S + 0.1)
    assert bob.map["a"] == 1


def test_R7_a_read_that_fails_is_tried_again() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    two.bus.up = False
    write(one, ann, "a", 1)
    world.run(0.1)
    two.bus.up = True
    world.database = False
    world.run(10.0)
    assert two.room.seq == 0
    world.database = True
    world.run(1.5)
    assert two.room.seq == 1


def test_R8_an_update_of_a_room_that_had_ended_is_not_taken_for_the_new_rooms_own() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    update = ann.edit("a", 1).update
    world.log.append(update)
    one.do(one.bus.orphaned(DIAGRAM, 1, world.now))
    world.run(1.0)
    assert content(one.room) == content(two.room) == {"a": 1}


def histories() -> int:
    return 2_000 if os.environ.get("COLANE_LONG_MINUTES") else 60


def test_R7_replicas_meet_again_whatever_the_network_and_redis_do() -> None:
    first = random.SystemRandom().randrange(2**32)
    print(f"seeds {first} to {first + histories() - 1}")
    for seed in range(first, first + histories()):
        history(seed)


@pytest.mark.parametrize("seed", range(5))
def test_R7_pinned_histories(seed: int) -> None:
    history(seed)


def history(seed: int) -> None:
    """Three nodes, six writers, messages lost, doubled and late, Redis coming and going, reads failing; then quiet."""
    rng = random.Random(seed)
    world = linked(3, seed, unruly=rng.choice((0.0, 0.1, 0.4)))
    people = [
        (node, node.join(Person(ANN.id, f"{number}", "#000"), 100 + number))
        for number, node in enumerate(world.nodes * 2)
    ]
    for step in range(rng.randrange(20, 60)):
        action = rng.random()
        node, peer = rng.choice(people)
        if action < 0.7:
            write(node, peer, rng.choice("abcdef"), step, commit=rng.random() < 0.7)
            node.say(peer, point(peer.doc.client_id, step + 1, step))
        elif action < 0.8:
            node.link(up=not node.bus.up)
        elif action < 0.9:
            world.database = not world.database
        else:
            node.commit()
        world.run(rng.choice((0.0, 0.005, 0.05, 0.3, 2.0)))
    world.database, world.unruly = True, 0.0
    for node in world.nodes:
        node.commit()
        if not node.bus.up:
            node.link(up=True)
    world.run(5.0)  # the promise
    whole = Room(world.log, len(world.log))
    for node in world.nodes:
        assert node.room.seq == len(world.log), f"seed {seed}"
        assert fingerprint(node.room) == fingerprint(whole), f"seed {seed}"
        assert content(node.room) == content(whole), f"seed {seed}"
    for _, peer in people:
        assert dict(peer.map) == content(whole), f"seed {seed}"
    for node, peer in people:
        node.say(peer, point(peer.doc.client_id, 1_000, 7))
    world.run(1.0)
    for _, peer in people:
        others = {other.doc.client_id: 7 for _, other in people if other is not peer}
        assert {c: x for c, x in seen(peer).items() if c != peer.doc.client_id} == others, f"seed {seed}"


# -- presence --------------------------------------------------------------------------------------------------------


def test_R6_presence_crosses_nodes_and_leaves_with_its_session() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    one.say(ann, point(11, 1, 5))
    world.run(0.1)
    assert seen(bob) == {11: 5}
    carol = two.join(BOB, 33)
    assert seen(carol) == {11: 5}, "who comes later is told at once"
    one.leave(ann)
    world.run(0.1)
    assert seen(bob) == seen(carol) == {}


def test_R6_a_node_that_opens_the_room_later_hears_who_is_there() -> None:
    world = linked()
    one, two = world.nodes
    two.link(up=False)
    ann = one.join(ANN, 11)
    one.say(ann, point(11, 1, 5))
    world.run(0.1)
    two.link(up=True)
    bob = two.join(BOB, 22)
    world.run(0.1)
    assert seen(bob) == {11: 5}


def test_R6_presences_of_a_dead_node_vanish_within_30_s() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    one.say(ann, point(11, 1, 5))
    world.run(15.0)
    one.alive = False
    world.run(15.0)
    assert seen(bob) == {11: 5}, "a silence of 15 s is no death"
    world.run(15.0)
    assert seen(bob) == {}


def test_R6_presences_of_a_living_node_stay() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    one.say(ann, point(11, 1, 5))
    world.run(120.0)
    assert seen(bob) == {11: 5}


def test_R6_who_comes_back_on_another_node_is_seen_at_once() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    one.say(ann, point(11, 4, 5))
    world.run(0.1)
    one.alive = False
    again = two.join(ANN, 11)
    two.say(again, point(11, 4, 6))  # a stock client says what it said last, with its old clock
    world.run(0.1)
    assert seen(bob) == {11: 6}
    world.run(60.0)
    assert seen(bob) == {11: 6}, "the dead node does not take them with it"


def test_R6_nobody_takes_the_place_of_somebody_on_another_node() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob, eve = one.join(ANN, 11), two.join(BOB, 22), two.join(BOB, 33)
    one.say(ann, point(11, 1, 5))
    world.run(0.1)
    two.say(eve, point(11, 9, 666))
    world.run(0.1)
    assert seen(bob) == {11: 5}


def test_R6_a_late_message_of_who_has_left_makes_no_ghost() -> None:
    world = linked()
    one, two = world.nodes
    ann, bob = one.join(ANN, 11), two.join(BOB, 22)
    kept: list[bytes] = []
    plain = world.publish

    def listening(payload: bytes) -> None:
        kept.append(payload)
        plain(payload)

    world.publish = listening  # type: ignore[method-assign]
    one.say(ann, point(11, 1, 5))
    world.run(0.1)
    assert seen(bob) == {11: 5}
    one.do(one.bus.close(DIAGRAM, world.now))  # the room goes with everybody in it
    world.run(0.1)
    assert seen(bob) == {}
    for payload in kept:
        two.do(two.bus.heard(DIAGRAM, payload, world.now))
    world.run(0.1)
    assert seen(bob) == {}


# -- comparing -------------------------------------------------------------------------------------------------------


def test_R7_equal_numbers_with_another_fingerprint_are_looked_into() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    write(one, ann, "a", 1)
    world.run(30.0)
    assert (one.compares, two.compares) == (0, 0)
    stray: Doc[Any] = Doc(client_id=99)
    stray.get("n", type=Map)["stray"] = 1
    two.room.from_log(two.room.seq, [stray.get_update()], world.now)
    world.run(core.ROLL_S + 1.0)
    assert one.compares >= 1 or two.compares >= 1


def test_R7_a_room_that_changed_is_held_against_the_database_from_time_to_time() -> None:
    world = linked()
    one, two = world.nodes
    ann = one.join(ANN, 11)
    write(one, ann, "a", 1)
    world.run(core.COMPARE_S + 5.0)
    assert (one.compares, two.compares) == (1, 1)
    world.run(300.0)
    assert (one.compares, two.compares) == (1, 1), "what did not change is not looked at again"


def test_fingerprints_do_not_depend_on_the_way() -> None:
    rng = random.Random(5)
    docs: list[Doc[Any]] = [Doc(client_id=c) for c in (1, 2, 3)]
    updates: list[bytes] = []
    for number in range(60):
        doc = rng.choice(docs)
        before = doc.get_state()
        nodes: Map[Any] = doc.get("n", type=Map)
        if rng.random() < 0.3 and len(nodes) > 0:
            del nodes[rng.choice(list(nodes.keys()))]
        else:
            nodes[rng.choice("abc")] = number
        updates.append(doc.get_update(before))
        for other in docs:
            other.apply_update(updates[-1])
    in_order, at_once = Room(updates, 60), Room([docs[0].get_update()], 60)
    one_by_one = Room([], 0)
    one_by_one.from_log(60, updates, 0.0)
    assert fingerprint(in_order) == fingerprint(at_once) == fingerprint(one_by_one)
    assert fingerprint(Room(updates[:-1], 59)) != fingerprint(in_order)


# -- words -----------------------------------------------------------------------------------------------------------


def test_messages_survive_their_bytes_and_others_are_refused() -> None:
    said = ((11, 1, '{"cursor":"ü"}'), (12, 2, "null"))
    for word in (
        words.Updates(((1, b"abc"), (2, b""))),
        words.Position(5, b"print"),
        words.Presence(said),
        words.Roll(True, words.Position(5, b""), said),
        words.Left(),
    ):
        message = words.Message(2**52, 7, 1, word)
        data = words.encode(message)
        assert words.decode(data) == message
        for end in range(len(data)):
            with pytest.raises(WireError):
                words.decode(data[:end])
    rng = random.Random(3)
    for _ in range(2_000):
        noise = rng.randbytes(rng.randrange(40))
        try:
            words.decode(noise)
        except WireError:
            continue
