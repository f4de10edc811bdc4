"""Raw sockets that say exactly what a test wants said, in either protocol; and guests with a role of their own.

`Talk` is one document on one socket. What the server says is read into (type, what is left of the message).
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from pycrdt import Doc, Map
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from collab.wire import messages
from collab.wire.lib0 import Reader, uint, var_bytes, var_string
from tests.serving import Served

TOKEN = bytes((messages.AUTH, 0))


@dataclass
class Heard:
    """One message of the server."""

    kind: int
    rest: bytes

    @property
    def update(self) -> bytes:
        """Of a step 2 or an update."""
        reader = Reader(self.rest)
        reader.uint()
        return reader.bytes()

    @property
    def step(self) -> int | None:
        """Of a sync message."""
        return Reader(self.rest).uint() if self.kind in (messages.SYNC, messages.SYNC_REPLY) else None

    @property
    def states(self) -> dict[int, str]:
        """Of an awareness message: each client's state as text."""
        reader = Reader(Reader(self.rest).bytes())
        found = {}
        for _ in range(reader.uint()):
            client = reader.uint()
            reader.uint()
            found[client] = reader.string()
        return found


@dataclass
class Talk:
    """One document on a socket; `name` None: the y-websocket protocol."""

    socket: ClientConnection
    name: str | None = None
    doc: Doc[Any] = field(default_factory=Doc)
    heard: list[Heard] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)  # frames for other documents of the socket, and pings

    def say(self, payload: bytes) -> None:
        """A message as it is, behind the document's name."""
        self.socket.send((b"" if self.name is None else messages.address(self.name)) + payload)

    def next(self, timeout: float = 10.0) -> Heard:
        """The next message for this document; the document takes in what it brings."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.socket.recv(timeout=max(0.01, deadline - time.monotonic()))
            assert isinstance(frame, bytes)
            reader = Reader(frame)
            if self.name is not None and (len(frame) == 1 or reader.string() != self.name):
                self.others.append(frame)
                continue
            one = Heard(reader.uint(), reader.rest)
            self.heard.append(one)
            if one.step in (messages.STEP_2, messages.UPDATE):
                self.doc.apply_update(one.update)
            return one

    def until(self, kind: int, step: int | None = None, timeout: float = 10.0) -> Heard:
        """The next message of that type."""
        while True:
            one = self.next(timeout)
            if one.kind == kind and (step is None or one.step == step):
                return one

    def quiet(self, seconds: float = 0.4) -> list[Heard]:
        """What comes within so many seconds."""
        already, deadline = len(self.heard), time.monotonic() + seconds
        while True:
            try:
                self.next(deadline - time.monotonic())
            except TimeoutError:
                return self.heard[already:]

    def sign_in(self, token: str) -> Heard:
        """Hocuspocus: the token, and the answer to it."""
        self.say(TOKEN + var_string(token) + var_string("4.8.0"))
        return self.until(messages.AUTH)

    def join(self) -> Self:
        """Asks for the document and has it."""
        self.say(messages.step_1(self.doc.get_state()))
        self.until(messages.SYNC, messages.STEP_2)
        return self

    def edit(self, key: str, value: Any, where: str = "burst") -> bytes:
        """One edit of one's own, said at once."""
        before = self.doc.get_state()
        self.doc.get(where, type=Map)[key] = value
        update = self.doc.get_update(before)
        self.say(messages.update(update))
        return update

    def point(self, client: int, clock: int, state: str) -> None:
        """A presence."""
        inner = uint(1) + uint(client) + uint(clock) + var_string(state)
        self.say(uint(messages.AWARENESS) + var_bytes(inner))

    @property
    def code(self) -> int:
        """Waits for the close and gives its code."""
        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "closed without a code"
            return closed.rcvd.code

    @property
    def saved(self) -> int:
        """How many updates the server has called saved so far (Hocuspocus)."""
        return sum(one.kind == messages.SYNC_STATUS and one.rest == b"\x01" for one in self.heard)


@contextmanager
def yws(server: Served, diagram: str, token: str | None = None, query: str = "") -> Iterator[Talk]:
    """A y-websocket session that has joined."""
    headers = {"Authorization": f"Bearer {token or server.token}"}
    with connect(f"{server.ws}/{diagram}{query}", additional_headers=headers, max_size=None) as socket:
        yield Talk(socket).join()


@contextmanager
def hocuspocus(server: Served, name: str, token: str | None = None) -> Iterator[Talk]:
    """A Hocuspocus session that has joined one document."""
    with connect(server.ws, max_size=None) as socket:
        talk = Talk(socket, name)
        talk.sign_in(token or server.token)
        yield talk.join()


@dataclass
class Guest:
    """Somebody of another organization."""

    id: str
    email: str
    token: str
    cookie: str


def guest(server: Served) -> Guest:
    """Registered, signed in, with an access token."""
    email = f"guest-{os.urandom(4).hex()}@example.org"
    person = {"email": email, "password": "correct horse battery", "name": "Guest"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}) as http:
        user = http.post("/auth/register", json=person).json()["user"]["id"]
        http.post("/auth/login", json=person).raise_for_status()
        token = http.post("/tokens", json={"name": "t"}).json()["token"]
        return Guest(user, email, token, "; ".join(f"{name}={value}" for name, value in http.cookies.items()))


def give(server: Served, diagram: str, one: Guest, role: str) -> None:
    """A role on a diagram."""
    with server.http() as owner:
        owner.put(f"/diagrams/{diagram}/members", json={"email": one.email, "role": role}).raise_for_status()
