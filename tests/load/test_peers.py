"""What judges servers in `./run bench peers` must itself be right: frames, agreement, probes. No server, no socket."""

import random
from typing import Any

import pytest
from pycrdt import Doc, Map

from load.peers.agreement import unlike
from load.peers.client import Client
from load.peers.frames import BINARY, Door, Hocuspocus, Kind, YWebsocket, counted, frame, number, walk
from load.peers.kills import Author
from load.peers.tables import Results
from load.peers.updates import PROBE, Writer, documented, last_cursors

DOOR = Door(1, "/", YWebsocket())


def sent_by_a_server(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | BINARY,))
    if size < 126:
        return head + bytes((size,)) + payload
    if size < 1 << 16:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_frames_are_walked_over_wherever_they_are_cut(size: int) -> None:
    payloads = [bytes([7]) * size, b"next"]
    data = b"".join(map(sent_by_a_server, payloads))
    assert walk(data) == ([(BINARY, payload) for payload in payloads], len(data), 2)
    for cut in {0, 1, 2, 3, size + 1, size // 2, len(data) - 1}:
        found, used, needed = walk(data[:cut])
        assert [payload for _, payload in found] == payloads[: len(found)]
        assert walk(data[used:])[0] == [(BINARY, payload) for payload in payloads[len(found) :]]
        assert used + needed <= len(data)  # nobody waits for more than the next frame


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_clients_frame_unmasks_to_what_was_meant(size: int) -> None:
    payload = random.Random(size).randbytes(size)
    whole = frame(payload)
    start = {0: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
    mask, body = whole[start : start + 4], whole[start + 4 :]
    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)) == payload


def crowd() -> tuple[list[Client], Doc[Any], list[bytes]]:
    """A writer, a reader, the server's document and what was written: drags, which also delete, and notes."""
    rng = random.Random(1)
    author = Writer(rng)
    seed = author.draw(0, 5)
    writer = Writer(rng, seed)
    written = [writer.stroke(2) for _ in range(10)]
    clients = [Client(DOOR), Client(DOOR)]
    clients[0].updates, clients[0].own = [seed], written
    clients[1].updates = [seed, *written]
    return clients, documented([seed, *written]), written


def test_clients_that_have_everything_agree_whatever_was_merged() -> None:
    clients, doc, _ = crowd()
    assert unlike(clients, doc) == 0
    clients[1].updates = [doc.get_update()]
    assert unlike(clients, doc) == 0


@pytest.mark.parametrize("lost", range(10))
def test_one_lost_update_is_found(lost: int) -> None:
    clients, doc, written = crowd()
    clients[1].updates.remove(written[lost])
    assert unlike(clients, doc) == 1


def test_a_lost_deletion_alone_is_found() -> None:
    clients, doc, _ = crowd()
    with doc.transaction():
        del doc.get("elements", type=Map)["element-4"]
    assert unlike(clients, doc) == 2


def test_a_closed_client_does_not_agree() -> None:
    clients, doc, _ = crowd()
    clients[0].closed = "ended"
    assert unlike(clients, doc) == 1


def test_a_probe_is_in_the_update_as_plain_text() -> None:
    writer = Writer(random.Random(2))
    assert PROBE + b"00000001" in writer.probe()
    assert PROBE + b"00000002" in writer.probe()


def test_last_cursors_are_told_by_writer() -> None:
    one, two = Writer(random.Random(3)), Writer(random.Random(4))
    messages = [one.point(), two.point(), one.point()]
    assert last_cursors(messages) == {one.id: 2, two.id: 1}
    both = b"\x02" + messages[1][1:] + messages[2][1:]
    assert last_cursors([both]) == {one.id: 2, two.id: 1}


def test_acknowledgements_by_frame_count_whole_updates_only() -> None:
    rng = random.Random(5)
    seed = Writer(rng).draw(0, 1)
    author = Author(DOOR, Writer(rng, seed), by_frame=True)
    author.updates = [seed]
    made = []
    for _ in range(6):
        made.append(author.writer.stroke(0))
        author.written.append(author.writer.clock)
    assert author.learn() == 0
    author.updates += made[:4]
    assert author.learn() == 4
    author.updates += made[5:]  # one is missing before it
    assert author.learn() == 4
    author.updates += made[4:5]
    assert author.learn() == 6


def test_messages_of_both_protocols_are_told_apart() -> None:
    update = counted(b"abc")
    plain, named = YWebsocket(), Hocuspocus("room")
    assert plain.read(b"\x00\x02" + update) == (Kind.UPDATE, b"abc")
    assert plain.read(b"\x00\x01" + update) == (Kind.STATE, b"abc")
    assert plain.read(b"\x01" + update) == (Kind.CURSORS, b"abc")
    assert named.read(named.prefix + b"\x04\x01" + update) == (Kind.STATE, b"abc")
    assert named.read(named.prefix + b"\x08\x01") == (Kind.SAVED, b"")
    assert named.read(named.prefix + b"\x08\x00") == (Kind.OTHER, b"")
    assert number(300) == b"\xac\x02"


def test_the_quiet_attempt_counts_and_a_failed_peer_is_never_the_best() -> None:
    def record(server: str, repeat: int, **figures: Any) -> dict[str, Any]:
        return {"point": "A10", "server": server, "run": "now", "repeat": repeat, "figures": {"agree": True, **figures}}

    def cpu(figures: dict[str, Any]) -> float:
        return float(figures["cpu_s"])

    results = Results(
        [
            record("colane", 0, cpu_s=9.0, noisy=True),
            record("colane", 0, cpu_s=1.0, noisy=False),
            record("colane", 1, cpu_s=3.0, noisy=False),
            record("hocuspocus", 0, cpu_s=4.0, noisy=False),
            record("y-websocket", 0, cpu_s=0.1, noisy=False, agree=False),
        ]
    )
    assert results.median("A10", "colane", cpu) == 2.0
    assert results.best("A10", ("hocuspocus", "y-websocket"), cpu) == 4.0
    assert results.said("A10", "y-websocket") == "1, 1 not equal"
