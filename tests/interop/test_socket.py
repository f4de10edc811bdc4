"""The socket's door on a real server: hostile frames, roles, revocation, epochs, and an orderly end."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pycrdt import Doc, Map, create_update_message
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from collab.wire import lib0, messages
from collab.wire.lib0 import Reader
from tests.interop.clients import eventually
from tests.interop.raw import Talk, yws
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served, served

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("socket") / "data") as running:
        yield running


def open_socket(server: Served, diagram: str, query: str = "", token: str | None = None) -> ClientConnection:
    headers = {"Authorization": f"Bearer {token or server.token}"}
    return connect(f"{server.ws}/{diagram}{query}", additional_headers=headers, max_size=None)


def closed_with(socket: ClientConnection, heard: list[bytes] | None = None) -> int:
    """The code with which it is closed; what came before is kept for whoever asks."""
    try:
        while True:
            frame = socket.recv(timeout=10)
            if heard is not None:
                assert isinstance(frame, bytes)
                heard.append(frame)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "closed without a code"
        return closed.rcvd.code


def joined(socket: ClientConnection) -> Doc[Map[object]]:
    doc: Doc[Map[object]] = Doc()
    socket.send(messages.step_1(doc.get_state()))
    while True:
        frame = socket.recv(timeout=10)
        assert isinstance(frame, bytes)
        for message in messages.decode_frame(frame):
            if isinstance(message, messages.Step2):
                doc.apply_update(message.update)
                return doc


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("text", 4400),
        (b"\x63", 4400),
        (b"\x00\x07", 4400),
        (b"\x00\x02\x20abc", 4400),
        (b"\x00\x02\x05hello", 4400),
        (b"\x00\x00\x03\xff\xff\xff", 4400),
        (b"\x01\x05\x01\x01\x01\x01x", 4400),
        (messages.update(b"\x00" * (1024 * 1024 + 1)), 4413),
        (b"\x00" * (16 * 1024 * 1024 + 1), 1009),
    ],
    ids=[
        "text",
        "unknown type",
        "unknown step",
        "truncated",
        "garbage update",
        "garbage state",
        "garbage presence",
        "update too large",
        "frame too large",
    ],
)
def test_R3_a_bad_frame_closes_its_own_socket_and_nobody_elses(server: Served, frame: bytes | str, code: int) -> None:
    diagram = server.create(DIAGRAM)
    with open_socket(server, diagram) as good, open_socket(server, diagram) as bad:
        doc = joined(good)
        joined(bad)
        bad.send(frame)
        assert closed_with(bad) == code
        before = doc.get_state()
        doc.get("n", type=Map)["Task_1"]["@name"] = "still here"  # type: ignore[index]
        update = doc.get_update(before)
        good.send(create_update_message(update))
        eventually("it is saved", lambda: b"still here" in server.content(diagram, "live"))


def test_R3_a_flood_of_mutated_frames_harms_nobody(server: Served) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    diagram = server.create(DIAGRAM)
    doc: Doc[Map[object]] = Doc()
    doc.get("other", type=Map)["a"] = "text"
    frame = create_update_message(doc.get_update())
    for _ in range(60):
        with open_socket(server, diagram) as socket:
            for _ in range(5):
                mutated = bytearray(frame)
                for _ in range(rng.randrange(1, 5)):
                    mutated[rng.randrange(len(mutated))] = rng.randrange(256)
                try:
                    socket.send(bytes(mutated))
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None
                    assert closed.rcvd.code in (4400, 4413, 1009)
                    break
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    with open_socket(server, diagram) as socket:
        assert joined(socket).get("n", type=Map)["Task_1"]["@name"] == "one"  # type: ignore[index]


def test_R10_a_role_that_is_taken_ends_the_socket_within_a_second(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    email = f"eve-{os.urandom(4).hex()}@example.org"
    with httpx.Client(base_url=f"{server.url}/api/v1") as http:
        user = http.post(
            "/auth/register", json={"email": email, "password": "correct horse battery", "name": "Eve"}
        ).json()["user"]["id"]
        http.post("/auth/login", json={"email": email, "password": "correct horse battery"})
        token = http.post("/tokens", json={"name": "t"}, headers={"Origin": server.url}).json()["token"]
    with server.http() as owner:
        owner.put(f"/diagrams/{diagram}/members", json={"email": email, "role": "editor"})
        with open_socket(server, diagram, token=token) as socket:
            joined(socket)
            owner.delete(f"/diagrams/{diagram}/members/{user}")
            began = time.monotonic()
            assert closed_with(socket) == 4403
            assert time.monotonic() - began < 1
        owner.put(f"/diagrams/{diagram}/members", json={"email": email, "role": "viewer"})
        with open_socket(server, diagram, token=token) as socket:
            doc = joined(socket)
            before = doc.get_state()
            doc.get("n", type=Map)["Task_1"]["@name"] = "forbidden"  # type: ignore[index]
            socket.send(create_update_message(doc.get_update(before)))
            assert closed_with(socket) == 4403
    assert b"forbidden" not in server.content(diagram, "live")


def test_a_deleted_diagram_ends_its_sockets(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with open_socket(server, diagram) as socket, server.http() as owner:
        joined(socket)
        owner.delete(f"/diagrams/{diagram}")
        assert closed_with(socket) == 4404
    with pytest.raises(InvalidStatus) as raised, open_socket(server, diagram):
        pass
    assert raised.value.response.status_code == 404


def test_R13_another_epoch_is_refused_at_the_handshake(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with open_socket(server, diagram, "?epoch=1") as socket:
        joined(socket)
    with pytest.raises(InvalidStatus) as raised, open_socket(server, diagram, "?epoch=2"):
        pass
    assert raised.value.response.status_code == 409


def test_a_cookie_needs_our_own_origin_and_a_ticket_works_once(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    ticket = server.ticket(diagram)
    with connect(f"{server.ws}/{diagram}?ticket={ticket}") as socket:
        joined(socket)
    with pytest.raises(InvalidStatus) as raised, connect(f"{server.ws}/{diagram}?ticket={ticket}"):
        pass
    assert raised.value.response.status_code == 401
    other = server.ticket(server.create(DIAGRAM))
    with pytest.raises(InvalidStatus) as raised, connect(f"{server.ws}/{diagram}?ticket={other}"):
        pass
    assert raised.value.response.status_code == 404
    cookie = {"Cookie": "colane_session=x", "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as raised, connect(f"{server.ws}/{diagram}", additional_headers=cookie):
        pass
    assert raised.value.response.status_code == 403


def test_hocuspocus_refuses_in_band_and_keeps_the_socket(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with connect(server.ws) as socket:
        for name, token in ((diagram, "wrong"), ("no-such", server.token), (diagram, server.token)):
            socket.send(messages.address(name) + b"\x02\x00" + lib0.var_string(token))
            frame = socket.recv(timeout=10)
            assert isinstance(frame, bytes)
            reader = Reader(frame)
            assert reader.string() == name
            assert reader.uint() == 2
            assert reader.uint() == (2 if (name, token) == (diagram, server.token) else 1)


def test_a_save_over_rest_reaches_an_open_socket(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with open_socket(server, diagram) as socket, server.http() as owner:
        doc = joined(socket)
        saved = owner.put(
            f"/diagrams/{diagram}/content",
            content=DIAGRAM.replace(b'name="one"', b'name="saved"'),
            headers={"Content-Type": "application/xml", "If-Match": '"v1"'},
        )
        assert saved.status_code == 200
        while doc.get("n", type=Map)["Task_1"]["@name"] != "saved":  # type: ignore[index]
            frame = socket.recv(timeout=10)
            assert isinstance(frame, bytes)
            for message in messages.decode_frame(frame):
                if isinstance(message, messages.Update):
                    doc.apply_update(message.update)


def test_R11_the_end_is_orderly_and_loses_nothing(tmp_path: Path) -> None:
    with Served(tmp_path / "data") as server:
        diagram = server.create(DIAGRAM)
        stack = ExitStack()
        sockets = [stack.enter_context(open_socket(server, diagram)) for _ in range(20)]
        docs = [joined(socket) for socket in sockets]
        for number, (socket, doc) in enumerate(zip(sockets, docs, strict=True)):
            before = doc.get_state()
            doc.get("burst", type=Map)[f"k{number}"] = number
            socket.send(create_update_message(doc.get_update(before)))
        time.sleep(0.2)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        assert {closed_with(socket) for socket in sockets} == {4500}
        stack.close()
        server.start()
        with open_socket(server, diagram) as socket:
            assert len(joined(socket).get("burst", type=Map).to_py() or {}) == 20


def test_R2_who_writes_into_a_busy_room_and_is_gone_at_once_is_heard(server: Served) -> None:
    """A busy room hears what has come at its tick: what somebody said last must not go with their connection."""
    diagram = server.create(DIAGRAM)
    with ExitStack() as everybody:
        crowd = [everybody.enter_context(yws(server, diagram)).join() for _ in range(12)]
        written = 0
        for round_ in range(28):  # 3,600 deliveries a round and second: it gathers
            for number, one in enumerate(crowd):
                one.edit(f"{number}", round_)
                written += 1
            if round_ >= 20:
                with yws(server, diagram) as brief:
                    brief.join()
                    brief.edit(f"last {round_}", 1)
                    brief.socket.socket.close()  # no close frame, no waiting
        with yws(server, diagram) as reader:
            eventually("all last words", lambda: len(last_words(reader.join())) == 8)
        for one in crowd:
            one.socket.socket.close()  # it has not read: to part politely takes it four seconds


def last_words(reader: Talk) -> list[str]:
    return [key for key in reader.doc.get("burst", type=Map) if key.startswith("last ")]
