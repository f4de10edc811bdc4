"""Another tenant's documents do not exist on sockets either: at the handshake, in band, for every message of both protocols.

Whatever is said about Ann's document is said about one that nobody has as well, on a connection of its own, and must come
to the same; meanwhile Ann's people sit in the room and hear nothing, and no row of hers changes.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pycrdt import Doc, Map
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from collab.wire import messages
from collab.wire.lib0 import Reader, uint, var_bytes, var_string
from tests.api.conftest import Client
from tests.interop.raw import TOKEN, Talk, hocuspocus, yws
from tests.serving import Served
from tests.tenancy.rows import unchanged
from tests.tenancy.world import World

IGNORED = ("date", "x-request-id")
Said = tuple[list[bytes], int | None]


def token_of(client: Client) -> str:
    """The access token; a visitor has none, but a cookie that comes with the handshake."""
    return str(client.http.headers.get("Authorization", "Bearer none")).partition(" ")[2]


def credentials(client: Client) -> dict[str, str]:
    """What goes with a handshake."""
    kept = ("authorization", "cookie", "origin")
    return {name: value for name, value in client.http.headers.items() if name in kept}


def spellings(diagram: str) -> list[str]:
    """All ways in which somebody could write this id."""
    return [
        diagram,
        diagram.upper(),
        diagram.replace("-", ""),
        "{" + diagram + "}",
        f"urn:uuid:{diagram}",
        f"{diagram}/",
    ]


def refused(server: Served, name: str, query: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The answer to a handshake that is not let in."""
    with (
        pytest.raises(InvalidStatus) as raised,
        connect(f"{server.ws}/{name}{query}", additional_headers=headers),
    ):
        pass
    answer = raised.value.response
    kept = {key.lower(): value for key, value in answer.headers.raw_items() if key.lower() not in IGNORED}
    return answer.status_code, kept, bytes(answer.body or b"")


def an_update() -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("burst", type=Map)["stolen"] = "by mallory"
    return doc.get_update()


def everything() -> Iterator[bytes]:
    """Every kind of message there is or might be, whole and cut short, with every step it can have."""
    update, presence = an_update(), uint(1) + uint(7) + uint(1) + var_string('{"user":{"name":"mallory"}}')
    for kind in range(max(value for value in vars(messages).values() if type(value) is int and value < 128) + 2):
        yield uint(kind)
        yield uint(kind) + var_bytes(presence)
        yield uint(kind) + var_string("a word to all")
        for step in range(4):
            yield uint(kind) + uint(step) + var_bytes(update)
    yield messages.step_1(Doc().get_state())
    yield messages.step_2(update)
    yield messages.update(update)


@pytest.fixture(params=["hocuspocus", "y-websocket"])
def room(request: pytest.FixtureRequest, server: Served, anns: World) -> Iterator[Talk]:
    """Ann's member, with her document open and somebody to be seen."""
    opened = hocuspocus if request.param == "hocuspocus" else yws
    with opened(server, anns.diagrams[0], token_of(anns.member)) as talk:
        talk.point(42, 1, '{"user":{"name":"ann"}}')
        talk.quiet(0.3)
        yield talk


def test_a_handshake_says_nothing(server: Served, anns: World, own: World, caller: Client) -> None:
    bearer = credentials(caller)
    with unchanged(anns):
        for query in ("", "?epoch=1", "?epoch=99", "?epoch=x", "?ticket=clk_nobodys"):
            unknown = refused(server, str(uuid4()), query, **bearer)
            assert unknown[0] == 404 or (unknown[0] == 401 and "ticket" in query)
            for name in spellings(anns.diagrams[0]):
                assert refused(server, name, query, **bearer) == unknown, f"{name}{query}"
        nobody = refused(server, str(uuid4()))
        assert nobody[0] == 401
        assert refused(server, anns.diagrams[0]) == nobody == refused(server, anns.diagrams[0], "?ticket=clk_nobodys")


def test_a_ticket_opens_its_own_diagram_only(server: Served, anns: World, own: World) -> None:
    """One's own ticket at somebody else's door; it is spent there as it is at a door that is not there."""

    def fresh() -> str:
        return f"?ticket={own.ask('POST', f'/diagrams/{own.diagrams[0]}/ticket', json={}).json()['ticket']}"

    with unchanged(anns):
        tickets = [fresh(), fresh(), fresh()]
        at = [anns.diagrams[0], str(uuid4()), own.diagrams[1]]
        answers = [refused(server, name, ticket) for name, ticket in zip(at, tickets, strict=True)]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 404
        assert {refused(server, own.diagrams[0], ticket)[0] for ticket in tickets} == {401}


def in_band(
    server: Served,
    name: str,
    token: str,
    said: list[bytes],
    mine: tuple[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Said:
    """What comes of it when all this is said about a document: every frame without its name, and the code of the close.

    `mine` is a document of one's own, and its token, that is open on the same socket.
    """
    with connect(server.ws, additional_headers=headers, max_size=None) as socket:
        if mine is not None:
            Talk(socket, mine[0]).sign_in(mine[1])
        address = messages.address(name)
        if token:
            socket.send(address + TOKEN + var_string(token) + var_string("4.8.0"))
        heard: list[bytes] = []
        code = None
        try:
            for one in said:
                socket.send(address + one)
            # One more word, which is answered: what comes before it is all there was.
            end = f"end-{uuid4()}"
            socket.send(messages.address(end) + TOKEN + var_string("wrong"))
            while True:
                frame = socket.recv(timeout=10)
                assert isinstance(frame, bytes)
                reader = Reader(frame)
                about = reader.string() if len(frame) > 1 else ""
                if about == end:
                    break
                if mine is None or about != mine[0]:
                    heard.append(reader.rest if about == name else frame)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
        return heard, code


def test_nothing_said_in_band_comes_near_a_foreign_document(
    server: Served, anns: World, own: World, caller: Client, room: Talk
) -> None:
    token, heard = token_of(caller), len(room.heard)
    theirs, nobodys = anns.diagrams[0], str(uuid4())
    mine, with_it = (own.diagrams[0], token_of(own.owner)), credentials(caller)
    with unchanged(anns):
        for name in (*spellings(theirs), f"{theirs}\0session"):
            foreign, unknown = (in_band(server, one, token, [], None, with_it) for one in (name, nobodys))
            assert foreign == unknown, name
        said = list(everything())
        assert len(said) > 60
        whole = [messages.step_1(Doc().get_state()), messages.step_2(an_update()), messages.update(an_update())]
        for open_here in (None, mine):
            assert in_band(server, theirs, token, whole, open_here) == in_band(server, nobodys, token, whole, open_here)
        # That nobody without a seat is heard does not depend on who they are: one of them says it all.
        for one in said if caller is own.owner else ():
            foreign, unknown = (in_band(server, name, "", [one], mine) for name in (theirs, nobodys))
            assert foreign == unknown, f"{one.hex()}: {foreign} {unknown}"
    with_right = in_band(server, theirs, token_of(anns.member), [messages.step_1(Doc().get_state())])
    assert len(with_right[0]) > 1, "or nothing was proven"
    quiet = [one for one in room.quiet(0.5) if one.kind not in (messages.PING, messages.AWARENESS)]
    assert quiet == [], "Ann's people heard of it"
    assert not any(
        "mallory" in state
        for one in room.heard[heard:]
        if one.kind == messages.AWARENESS
        for state in one.states.values()
    )
    shown = anns.ask("GET", f"/diagrams/{theirs}/presence").json()["items"]
    assert {one["name"] for one in shown} == {"ann-member"}


def test_a_document_of_ones_own_is_no_way_to_others(server: Served, anns: World, own: World, room: Talk) -> None:
    """On an open document: tokens of other people, and everything that can be said with a foreign name in it."""
    theirs = anns.diagrams[0]
    with unchanged(anns), hocuspocus(server, own.diagrams[0], token_of(own.owner)) as talk:
        for other in (token_of(anns.owner), "clt_nobodys", "clk_nobodys", ""):
            answer = talk.sign_in(other)
            assert answer.rest == messages.denied("permission-denied")[1:], other
        for kind in (messages.STATELESS, messages.BROADCAST_STATELESS):
            talk.say(uint(kind) + var_string(json.dumps({"diagram": theirs})))
            talk.say(uint(kind) + var_string(theirs))
        heard = [one for one in talk.quiet(0.5) if one.kind not in (messages.PING, messages.AWARENESS)]
        assert heard == []
    assert [one for one in room.quiet(0.3) if one.kind not in (messages.PING, messages.AWARENESS)] == []
