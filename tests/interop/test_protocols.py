"""The tables of collab/SPEC.md and the contract's small print, line by line, with sockets that say exactly what is meant."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from pycrdt import Doc, Map
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from collab.wire import lib0, messages
from collab.wire.lib0 import var_string
from tests.interop.raw import TOKEN, Talk, give, guest, hocuspocus, yws
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served, served

pytestmark = pytest.mark.timeout(120)
Opened = Callable[..., AbstractContextManager[Talk]]
BOTH = pytest.mark.parametrize("opened", [yws, hocuspocus])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("protocols") / "data") as running:
        yield running


@pytest.fixture
def diagram(server: Served) -> str:
    return server.create(DIAGRAM)


def one_edit(doc: Doc[Any], key: str) -> bytes:
    before = doc.get_state()
    doc.get("burst", type=Map)[key] = key
    return doc.get_update(before)


# -- both -----------------------------------------------------------------------------------------------------------------


def test_a_y_websocket_joiner_is_sent_step_1_at_once(server: Served, diagram: str) -> None:
    with connect(f"{server.ws}/{diagram}", additional_headers={"Authorization": f"Bearer {server.token}"}) as socket:
        first = Talk(socket).next()
        assert (first.kind, first.step) == (messages.SYNC, messages.STEP_1)


@BOTH
def test_step_1_is_answered_with_what_the_client_lacks(server: Served, diagram: str, opened: Opened) -> None:
    with opened(server, diagram) as talk:
        whole = len(talk.heard[-1].rest)
        talk.say(messages.step_1(talk.doc.get_state()))
        rest = talk.until(messages.SYNC, messages.STEP_2)
        assert len(rest.rest) < whole / 4


@BOTH
def test_a_step_2_is_applied_logged_and_passed_on(server: Served, diagram: str, opened: Opened) -> None:
    with opened(server, diagram) as talk, yws(server, diagram) as other:
        one_edit(talk.doc, "offline")
        talk.say(messages.step_2(talk.doc.get_update()))
        while "offline" not in other.doc.get("burst", type=Map):
            other.until(messages.SYNC, messages.UPDATE)
    with yws(server, diagram) as fresh:
        assert "offline" in fresh.doc.get("burst", type=Map)


@BOTH
def test_an_update_is_not_sent_to_others_twice_and_a_repeated_one_is_acknowledged(
    server: Served, diagram: str, opened: Opened
) -> None:
    with opened(server, diagram) as talk, yws(server, diagram) as other:
        update = talk.edit("k", 1)
        acknowledged = messages.SYNC if talk.name is None else messages.SYNC_STATUS
        talk.until(acknowledged)
        other.until(messages.SYNC, messages.UPDATE)
        talk.say(messages.update(update))
        talk.until(acknowledged)
        assert not [one for one in other.quiet() if one.step is not None]


@BOTH
def test_presence_latest_wins_the_user_is_the_servers_and_others_entries_are_dropped(
    server: Served, diagram: str, opened: Opened
) -> None:
    with opened(server, diagram) as talk, yws(server, diagram) as other:
        talk.point(5, 1, '{"x":1,"user":{"name":"somebody else"}}')
        state = other.until(messages.AWARENESS).states[5]
        assert '"x":1' in state
        assert "somebody else" not in state
        other.point(5, 9, "null")
        other.point(5, 10, '{"x":"forged"}')
        for clock in range(2, 60):
            talk.point(5, clock, f'{{"x":{clock}}}')
        seen = [one.states[5] for one in other.quiet(0.8) if one.kind == messages.AWARENESS and 5 in one.states]
        assert '"x":59' in seen[-1]
        assert not [one for one in seen if "forged" in one or one == "null"]
        other.say(bytes((messages.QUERY_AWARENESS,)))
        assert '"x":59' in other.until(messages.AWARENESS).states[5]


@BOTH
@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x0b", 4400),
        (b"\x00\x03", 4400),
        (b"\x00\x02\x7fshort", 4400),
        (b"\x00\x02\x03\xff\xff\xff", 4400),
        (b"\x01\x01\x05", 4400),
        (b"\x01" + lib0.var_bytes(b"\x01\x05\x01" + var_string("[1]")), 4400),
        (b"\x01" + lib0.var_bytes(b"\x01\x05\x01" + var_string('{"x":"' + "y" * 5000 + '"}')), 4400),
        (messages.update(bytes(1024 * 1024 + 1)), 4413),
    ],
    ids=["type", "step", "short", "update", "presence", "no object", "large presence", "large update"],
)
def test_what_cannot_be_read_ends_its_socket_with_its_code(
    server: Served, diagram: str, opened: Opened, payload: bytes, code: int
) -> None:
    with opened(server, diagram) as talk:
        talk.say(payload)
        assert talk.code == code


@BOTH
def test_hostile_bytes_are_never_answered_with_a_code_of_the_librarys(
    server: Served, diagram: str, opened: Opened
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(12):
        with opened(server, diagram) as talk:
            try:
                for _ in range(20):
                    talk.say(rng.randbytes(rng.randrange(1, 40)))
                talk.quiet(0.05)
            except ConnectionClosed as closed:
                if closed.rcvd is not None:
                    assert closed.rcvd.code in (4400, 4413)


@BOTH
def test_a_text_frame_is_4400(server: Served, diagram: str, opened: Opened) -> None:
    with opened(server, diagram) as talk:
        talk.socket.send("hello")
        assert talk.code == 4400


@BOTH
def test_what_is_let_pass(server: Served, diagram: str, opened: Opened) -> None:
    with opened(server, diagram) as talk:
        talk.socket.send(b"")
        talk.say(messages.update(one_edit(talk.doc, "a")) + b"\xff\xff")
        stranger: Doc[Any] = Doc()
        talk.say(messages.update(one_edit(stranger, "b")))
        talk.say(messages.step_2(b"\x00\x00"))
        talk.say(messages.update(b"\x00\x00"))
        if talk.name is None:
            talk.say(b"\x02\x00" + var_string("auth"))
            talk.socket.send(messages.step_1(b"\x00") + messages.update(one_edit(stranger, "c")))
        else:
            for kind in (messages.SYNC_STATUS, messages.PING, messages.PONG):
                talk.say(bytes((kind,)))
            talk.say(bytes((messages.STATELESS,)) + var_string("x"))
            talk.say(messages.update(one_edit(stranger, "c")))
        talk.quiet()
    with yws(server, diagram) as fresh:
        assert set(fresh.doc.get("burst", type=Map)) == {"a", "b", "c"}


@BOTH
def test_R9_after_a_gap_the_sender_is_asked_at_once_and_nobody_sees_the_pending_update(
    server: Served, diagram: str, opened: Opened
) -> None:
    with opened(server, diagram) as talk, yws(server, diagram) as other:
        mine: Doc[Any] = Doc()
        one_edit(mine, "missing")
        talk.say(messages.update(one_edit(mine, "early")))
        talk.until(messages.SYNC, messages.STEP_1)
        assert not [one for one in other.quiet() if one.step is not None]
        assert talk.saved == 0
        talk.say(messages.step_2(mine.get_update()))
        while "early" not in other.doc.get("burst", type=Map):
            other.until(messages.SYNC, messages.UPDATE)
        if talk.name is not None:
            talk.until(messages.SYNC_STATUS)
            talk.quiet()
            assert talk.saved == 1, "its own one, when it is whole; the answer to our question gets none"


# -- Hocuspocus ---------------------------------------------------------------------------------------------------------------


def test_one_status_for_each_update_and_for_the_first_step_2_after_each_step_1(server: Served, diagram: str) -> None:
    with hocuspocus(server, diagram) as talk:
        for number in range(10):
            talk.edit(f"k{number}", number)
        talk.quiet()
        assert talk.saved == 10
        talk.say(bytes((messages.SYNC_REPLY,)) + messages.step_2(talk.doc.get_update())[1:])
        talk.say(messages.step_2(talk.doc.get_update()))
        talk.quiet()
        assert talk.saved == 11, "a second step 2 answers nothing"
        talk.say(messages.step_1(talk.doc.get_state()))
        talk.say(messages.step_2(one_edit(talk.doc, "later")))
        talk.quiet()
        assert talk.saved == 12


def test_several_documents_on_one_socket_end_one_by_one(server: Served) -> None:
    one, two = server.create(DIAGRAM), server.create(DIAGRAM)
    with hocuspocus(server, one) as first:
        second = Talk(first.socket, two)
        assert second.sign_in(server.token).rest == b"\x02" + var_string("read-write")
        second.join()
        with server.http() as owner:
            owner.delete(f"/diagrams/{one}").raise_for_status()
        while True:
            said = first.next()
            if said.kind == messages.CLOSE:
                break
        second.edit("k", 1)
        second.until(messages.SYNC_STATUS)
        second.say(bytes((messages.CLOSE,)))
        second.edit("k", "after it left")
        assert second.quiet() == []
        assert second.sign_in(server.token).rest == b"\x02" + var_string("read-write"), (
            "and comes back on the same socket"
        )


def test_two_sessions_of_one_document_on_one_socket_have_a_presence_each(server: Served, diagram: str) -> None:
    with hocuspocus(server, f"{diagram}\0left") as left, hocuspocus(server, diagram) as watcher:
        right = Talk(left.socket, f"{diagram}\0right")
        right.sign_in(server.token)
        right.join()
        left.point(1, 1, '{"x":1}')
        right.point(2, 1, '{"x":2}')
        seen: dict[int, str] = {}
        while set(seen) != {1, 2}:
            seen |= watcher.until(messages.AWARENESS).states
        right.edit("k", 1)
        left.until(messages.SYNC, messages.UPDATE)
        right.say(bytes((messages.CLOSE,)))
        assert watcher.until(messages.AWARENESS).states == {2: "null"}
        watcher.say(bytes((messages.QUERY_AWARENESS,)))
        assert set(watcher.until(messages.AWARENESS).states) == {1}


def test_every_refusal_in_band_is_one_and_the_same(server: Served, diagram: str) -> None:
    stranger = guest(server)
    with connect(server.ws) as socket:
        answers = set()
        for name, token in (
            (diagram, stranger.token),
            (diagram, "nonsense"),
            (diagram, ""),
            (str(uuid4()), server.token),
            ("no such", server.token),
            ("🦄", server.token),
        ):
            answers.add(Talk(socket, name).sign_in(token).rest)
        assert len(answers) == 1
        assert answers.pop()[0] == 1
        assert Talk(socket, diagram).sign_in(server.token).rest[0] == 2


def test_the_scope_is_the_right(server: Served, diagram: str) -> None:
    someone = guest(server)
    for role, scope in (("viewer", "readonly"), ("commenter", "readonly"), ("editor", "read-write")):
        give(server, diagram, someone, role)
        with connect(server.ws) as socket:
            assert Talk(socket, diagram).sign_in(someone.token).rest == b"\x02" + var_string(scope)


def test_a_token_may_come_before_anything_and_with_anything_behind_it(server: Served, diagram: str) -> None:
    with connect(server.ws) as socket:
        talk = Talk(socket, diagram)
        talk.say(messages.step_1(b"\x00"))  # not signed in: no offence, no answer
        talk.say(TOKEN + var_string(server.token) + var_string("9.9.9") + b"\x01\x02\x03")
        assert talk.next().kind == messages.AUTH


# -- the handshake ---------------------------------------------------------------------------------------------------------------


def test_the_handshake_says_why_not(server: Served, diagram: str) -> None:
    stranger = guest(server)
    ours = {"Authorization": f"Bearer {server.token}"}
    gone = server.create(DIAGRAM)
    with server.http() as owner:
        owner.delete(f"/diagrams/{gone}").raise_for_status()
    for path, headers, status in (
        (f"/{diagram}", {}, 401),
        (f"/{diagram}", {"Authorization": "Bearer nonsense"}, 401),
        (f"/{diagram}", {"Authorization": "Basic x"}, 401),
        (f"/{diagram}?ticket=clk_nonsense", {}, 401),
        (f"/{diagram}", {"Cookie": "colane_session=x", "Origin": server.url}, 401),
        (f"/{diagram}", {"Cookie": "colane_session=x"}, 403),
        (f"/{diagram}", {"Authorization": f"Bearer {stranger.token}"}, 404),
        (f"/{uuid4()}", ours, 404),
        ("/no-such", ours, 404),
        (f"/{gone}", ours, 404),
        (f"/{diagram}/more", ours, 404),
        (f"/{diagram}?epoch=2", ours, 409),
    ):
        with pytest.raises(InvalidStatus) as raised, connect(server.ws + path, additional_headers=headers):
            pass
        assert raised.value.response.status_code == status, (path, headers)
        assert "X-Request-Id" in raised.value.response.headers


def test_R13_a_restart_alone_begins_no_epoch(server: Served, diagram: str) -> None:
    with yws(server, diagram, query="?epoch=1") as talk:
        talk.edit("k", 1)
        talk.until(messages.SYNC, messages.UPDATE)
    server.stop()
    server.start()
    with yws(server, diagram, query="?epoch=1") as talk:
        assert "k" in talk.doc.get("burst", type=Map)
