"""Failures that users and readers of other Yjs servers have published, on a real server of ours: none of them is ours.

Each test names the server and what went wrong there. Those of the cores: tests/collab/test_published.py; those that other
rules cover anyway (acknowledged before stored, Redis killed, slow readers) stand with their rules.
"""

import contextlib
import json
import os
import socket as tcp
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psutil
import pytest
from pycrdt import Doc, Map
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from collab.hub import STATES
from collab.wire import lib0, messages
from collab.wire.lib0 import Reader
from load.peers.frames import Door, YWebsocket, frame
from tests.interop.clients import NodeClient, eventually
from tests.interop.raw import Talk, give, guest, hocuspocus, yws
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served, served

pytestmark = pytest.mark.timeout(120)
LONG = bool(os.environ.get("COLANE_LONG_MINUTES"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("published") / "data") as running:
        yield running


def metric(server: Served, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def reset(talk: Talk) -> None:
    """The connection breaks off: no close frame, no FIN."""
    talk.socket.socket.setsockopt(tcp.SOL_SOCKET, tcp.SO_LINGER, struct.pack("ii", 1, 0))
    talk.socket.socket.close()


# -- rooms that end, edits that go -----------------------------------------------------------------------------------------------


def test_pycrdt_websocket_one_clients_reset_ends_every_room(server: Served) -> None:
    diagrams = [server.create(DIAGRAM) for _ in range(2)]
    with yws(server, diagrams[0]) as writer, yws(server, diagrams[1]) as elsewhere, ExitStack() as stack:
        broken = [stack.enter_context(yws(server, diagrams[0])) for _ in range(5)]
        for number in range(180):
            writer.edit(f"k{number}", number)
            elsewhere.edit(f"k{number}", number)
            if number % 30 == 15 and broken:
                reset(broken.pop())
        for talk, diagram in ((writer, diagrams[0]), (elsewhere, diagrams[1])):
            with yws(server, diagram) as fresh:
                eventually("all is there", lambda t=fresh: len(t.doc.get("burst", type=Map)) == 180 or t.quiet(0.1))
            talk.edit("after", 1)
            assert talk.until(messages.SYNC, messages.UPDATE).update, "the room answers still"


def test_pycrdt_websocket_the_last_leavers_writes_are_cancelled(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with yws(server, diagram) as writer:
        for number in range(10):
            writer.edit(f"k{number}", number)
    with yws(server, diagram) as fresh:
        assert len(fresh.doc.get("burst", type=Map)) == 10
    time.sleep(0.5)  # some commits
    server.kill()
    server.start()
    with yws(server, diagram) as fresh:
        assert len(fresh.doc.get("burst", type=Map)) == 10, "on disk too, though nobody waited for an acknowledgement"


def test_pycrdt_websocket_two_clients_that_open_a_room_at_once_hang(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    server.stop()
    server.start()  # nobody has it open
    names: list[str] = []

    def come() -> None:
        with yws(server, diagram) as talk:
            names.append(talk.doc.get("n", type=Map)["Task_1"]["@name"])

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert names == ["one"] * 8
    assert metric(server, "colane_rooms ") == 1, "loaded once"


def test_hocuspocus_a_document_that_nobody_waits_for_stays_loaded_for_ever(server: Served) -> None:
    """Their #846, #954 and #1156: what was loaded for somebody who left meanwhile, or was refused, was never unloaded."""
    eventually("others' rooms have closed", lambda: metric(server, "colane_rooms ") == 0, 15)
    for _ in range(3):
        diagram = server.create(DIAGRAM)
        with pytest.raises(Exception, match="409"), yws(server, diagram, query="?epoch=7"):
            pass
        raw = tcp.create_connection(("127.0.0.1", server.port))
        raw.sendall(
            f"GET /collab/{diagram} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n".encode()
        )
        raw.setsockopt(tcp.SOL_SOCKET, tcp.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    eventually("the rooms close", lambda: metric(server, "colane_rooms ") == 0, 15)


def test_jupyter_a_client_that_comes_back_after_a_restart_doubles_the_document(server: Served) -> None:
    """Their #219, #545, #571, #594, #595, #621: reload made another Yjs document of the same text."""
    diagram = server.create(DIAGRAM)
    with NodeClient("hocuspocus").connect(server, diagram) as client:
        client.ask("text", "done", name="notes", insert="only once")
        eventually("it is saved", lambda: client.ask("unsynced", "value")["value"] == 0)
        server.kill()
        server.start()
        client.wait_for("synced", 30)
        client.ask("set", "done", key="Task_1", register="@name", value="after")
        eventually("it is saved", lambda: client.ask("unsynced", "value")["value"] == 0)
        with NodeClient("yws").connect(server, diagram) as fresh:
            for one in (client, fresh):
                assert one.ask("readText", "value", name="notes")["value"] == "only once"
                assert one.get("Task_1", "@name") == "after"
    assert server.content(diagram, "live").count(b"<bpmn:task ") == 1


# -- presence -----------------------------------------------------------------------------------------------------------


def test_pycrdt_websocket_a_phantom_participant_and_no_answer_to_a_query(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with yws(server, diagram) as ann, yws(server, diagram) as bob:
        ann.say(bytes((messages.QUERY_AWARENESS,)))
        assert ann.until(messages.AWARENESS).states == {}, "the server itself is nobody"
        bob.point(77, 1, '{"cursor":1}')
        assert 77 in ann.until(messages.AWARENESS).states
        ann.say(bytes((messages.QUERY_AWARENESS,)))
        assert 77 in ann.until(messages.AWARENESS).states


@pytest.mark.parametrize("letters", ["é", "日本語", "🦄🦄"])
def test_pycrdt_names_that_are_not_ascii_are_written_with_a_wrong_length(server: Served, letters: str) -> None:
    """Their Encoder.write_var_string counts characters: every Hocuspocus frame behind such a name was unreadable."""
    diagram = server.create(DIAGRAM)
    with hocuspocus(server, f"{diagram}\0{letters}") as ann, hocuspocus(server, diagram) as bob:
        ann.point(5, 1, f'{{"cursor":"{letters}"}}')
        state = bob.until(messages.AWARENESS).states[5]
        assert json.loads(state)["cursor"] == letters
        bob.edit("k", letters)
        ann.until(messages.SYNC, messages.UPDATE)
        assert ann.doc.get("burst", type=Map)["k"] == letters
        bob.until(messages.SYNC_STATUS)


@pytest.mark.node
def test_y_redis_and_yhub_viewers_have_no_presence(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    viewer = guest(server)
    give(server, diagram, viewer, "viewer")
    with NodeClient("hocuspocus").connect(server, diagram) as editor, NodeClient("hocuspocus") as watcher:
        watcher.ask("connect", "connecting", protocol="hocuspocus", url=server.ws, name=diagram, token=viewer.token)
        assert watcher.wait_for("authenticated")["scope"] == "readonly"
        watcher.wait_for("synced")
        watcher.ask("aware", "done", field="cursor", value={"x": 3})
        eventually(
            "the viewer's cursor is seen",
            lambda: any("cursor" in one["state"] for one in editor.ask("awareness", "awareness")["states"]),
        )
        eventually("its counter is at zero", lambda: watcher.ask("unsynced", "value")["value"] == 0)


# -- who may what -------------------------------------------------------------------------------------------------------


def test_hocuspocus_a_second_document_on_a_socket_that_is_signed_in(server: Served) -> None:
    """Signed in for one document is signed in for that one; a ticket opens the one it was made for."""
    mine, foreign = server.create(DIAGRAM), server.create(DIAGRAM)
    stranger = guest(server)
    give(server, mine, stranger, "editor")
    with hocuspocus(server, mine, stranger.token) as talk, yws(server, foreign) as victim:
        for name in (foreign, f"{foreign}\0session", f"{mine}\0other"):
            bypass = Talk(talk.socket, name)
            bypass.say(messages.step_1(b"\x00"))
            bypass.edit("k", "smuggled")
            bypass.point(9, 1, '{"cursor":1}')
            bypass.say(bytes((messages.QUERY_AWARENESS,)))
            assert bypass.quiet(0.2) == []
        ticket_holder = Talk(talk.socket, foreign)
        assert ticket_holder.sign_in(stranger.token).rest.startswith(b"\x01"), "denied"
        assert ticket_holder.sign_in(server.ticket(mine)).rest.startswith(b"\x01"), "a ticket for another document"
        assert victim.quiet(0.2) == []
        talk.edit("k", "allowed")
        talk.until(messages.SYNC_STATUS)
    with yws(server, foreign) as fresh, yws(server, mine) as own:
        assert "k" not in fresh.doc.get("burst", type=Map)
        assert own.doc.get("burst", type=Map)["k"] == "allowed"


def test_hocuspocus_stateless_messages_of_clients_reach_nobody(server: Served) -> None:
    """They passed them on to all: a flood for everybody, and events that nobody sent."""
    diagram = server.create(DIAGRAM)
    with hocuspocus(server, diagram) as ann, hocuspocus(server, diagram) as bob:
        for kind in (messages.STATELESS, messages.BROADCAST_STATELESS):
            for _ in range(20):
                ann.say(lib0.uint(kind) + lib0.var_string('{"event":"deleted"}'))
        assert not [one for one in bob.quiet() if one.kind in (messages.STATELESS, messages.BROADCAST_STATELESS)]
        ann.edit("k", 1)
        ann.until(messages.SYNC_STATUS)


def test_hocuspocus_its_status_says_saved_of_what_was_refused(server: Served) -> None:
    """A viewer's edit: no status of saved, the session ends, nobody sees it."""
    diagram = server.create(DIAGRAM)
    viewer = guest(server)
    give(server, diagram, viewer, "viewer")
    with hocuspocus(server, diagram) as editor, hocuspocus(server, diagram, viewer.token) as talk:
        talk.edit("k", "forbidden")
        assert talk.code == 4403
        assert talk.saved == 0
        assert not [one for one in editor.quiet() if one.step == messages.UPDATE]


@pytest.mark.node
def test_yrby_a_refused_update_is_sent_again_for_ever(server: Served) -> None:
    """A stock client does come back with it; it is let in at most about once a second, and disturbs nobody."""
    diagram = server.create(DIAGRAM)
    viewer = guest(server)
    give(server, diagram, viewer, "viewer")
    with hocuspocus(server, diagram) as editor, NodeClient("hocuspocus") as stubborn:
        stubborn.ask("connect", "connecting", protocol="hocuspocus", url=server.ws, name=diagram, token=viewer.token)
        stubborn.wait_for("synced")
        before = metric(server, 'colane_socket_closed_total{code="4403"}')
        stubborn.ask("set", "done", key="Task_1", register="@name", value="forbidden")
        stubborn.wait_for("closed", code=4403)
        editor.quiet(4.0)
        assert 1 <= metric(server, 'colane_socket_closed_total{code="4403"}') - before <= 6
        assert editor.edit("k", 1)
        editor.until(messages.SYNC_STATUS)
    assert b"forbidden" not in server.content(diagram, "live")


@pytest.mark.node
def test_y_websocket_a_spent_ticket_is_refused_before_the_upgrade(server: Served) -> None:
    """Accepted and then closed, a stock client would be back at once each time; refused, it slows down by itself."""
    diagram = server.create(DIAGRAM)
    with NodeClient("yws").connect(server, diagram) as client:
        server.stop()
        server.start()
        eventually("it tries again", lambda: metric(server, 'colane_socket_refused_total{status="401"}') >= 1)
        client.wait_for("closed")


@pytest.mark.node
def test_y_websocket_who_is_told_not_to_come_back_does_not(server: Served) -> None:
    """Reconnect loops after a refusal: 4404 is a code after which stock clients stay away."""
    diagram = server.create(DIAGRAM)
    with NodeClient("yws").connect(server, diagram) as client, hocuspocus(server, server.create(DIAGRAM)) as other:
        with server.http() as owner:
            owner.delete(f"/diagrams/{diagram}")
        client.wait_for("closed", code=4404)
        refused = metric(server, "colane_socket_refused_total")
        other.quiet(2.0)
        assert metric(server, "colane_socket_refused_total") == refused


# -- frames -------------------------------------------------------------------------------------------------------------


def test_hocuspocus_who_has_not_signed_in_may_send_little(server: Served) -> None:
    """Their GHSA-xwhh-v746-pj9m: unbounded frames before the token."""
    with connect(server.ws, max_size=None) as socket:
        talk = Talk(socket, "x")
        talk.say(messages.update(os.urandom(70_000)))
        assert talk.code == 1009


@pytest.mark.skipif(not LONG, reason="takes 20 s: only with ./run test --long")
def test_hocuspocus_traffic_does_not_put_off_the_deadline_for_signing_in(server: Served) -> None:
    """The same advisory: each message renewed the time to sign in."""
    with connect(server.ws) as socket:
        talk = Talk(socket, "x")
        with contextlib.suppress(ConnectionClosed):
            for _ in range(40):
                socket.send(bytes((messages.PONG,)))
                talk.quiet(0.5)
        assert talk.code == 4401


def test_y_redis_several_messages_in_one_frame(server: Served) -> None:
    """The stable client reads one message a frame: whatever follows it would be lost."""
    diagram = server.create(DIAGRAM)
    with yws(server, diagram) as ann, yws(server, diagram) as bob, hocuspocus(server, diagram) as cyd:
        for number in range(30):
            ann.edit(f"k{number}", number)
            bob.point(12, number + 1, f'{{"x":{number}}}')
            cyd.edit(f"c{number}", number)
        for talk in (ann, bob, cyd):
            talk.quiet()
            for one in talk.heard:
                reader = Reader(one.rest)
                if one.kind in (messages.SYNC, messages.SYNC_REPLY):
                    reader.uint()
                if one.kind == messages.SYNC_STATUS:
                    reader.uint()
                else:
                    reader.bytes() if one.kind != messages.AUTH else (reader.uint(), reader.string())
                assert reader.at_end, f"something follows a message of type {one.kind}"


def test_uvicorn_compression_is_on_by_default(server: Served) -> None:
    """9 microseconds a delivery and 35 kB a client for nothing: it is not agreed to, though it is offered."""
    with yws(server, server.create(DIAGRAM)) as talk:
        assert talk.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in talk.socket.response.headers


def test_y_crdt_client_ids_of_53_bits(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    large = (1 << 53) - 1
    with yws(server, diagram) as ann, hocuspocus(server, diagram) as bob:
        mine: Doc[Map[object]] = Doc(client_id=large)
        mine.get("burst", type=Map)["k"] = "large"
        ann.say(messages.update(mine.get_update()))
        bob.until(messages.SYNC, messages.UPDATE)
        assert bob.doc.get("burst", type=Map)["k"] == "large"
        ann.point(large, 1, '{"cursor":1}')
        assert large in bob.until(messages.AWARENESS).states
    with yws(server, diagram) as fresh:
        assert fresh.doc.get("burst", type=Map)["k"] == "large"


@pytest.mark.skipif(not LONG, reason="takes 15 s: only with ./run test --long")
def test_yhub_every_joiner_of_a_large_document_costs_its_whole_state_again(server: Served) -> None:
    """Theirs is computed and kept for each; here it is there once, and given to few readers at a time.

    Readers that take nothing hold others up for a moment only.
    """
    diagram = server.create(DIAGRAM)
    with yws(server, diagram) as writer:
        for number in range(10):
            writer.edit(f"k{number}", os.urandom(500_000).hex())
            writer.until(messages.SYNC, messages.UPDATE)
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    door = Door(server.port, f"/collab/{diagram}", YWebsocket(), f"Authorization: Bearer {server.token}\r\n")
    with ExitStack() as stack:
        first = stack.enter_context(yws(server, diagram))  # what one reader costs is not counted
        before = process.memory_full_info().uss
        for _ in range(STATES + 4):
            stalled = stack.enter_context(tcp.socket())
            stalled.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 32_768)
            stalled.connect(("127.0.0.1", server.port))
            stalled.sendall(door.request())
            while b"\r\n\r\n" not in stalled.recv(1 << 12):
                pass
            stalled.sendall(frame(messages.step_1(b"\x00")))
        with yws(server, diagram) as late, hocuspocus(server, diagram) as too:
            for talk in (late, too):
                assert talk.doc.get_state() == first.doc.get_state()
        grown = process.memory_full_info().uss - before
        assert grown < 4 * 10_000_000, f"{grown} bytes for {STATES + 4} readers of 10 MB that read nothing"
