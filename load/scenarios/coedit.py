"""A person who edits: joins a room on the y-websocket protocol, renames and moves real records, counts what is saved.

"edit to saved" is the time until the server sends the edit's own structs back, which it does only after the commit.
A light client of our own on pycrdt: locust's greenlets and pycrdt-websocket's asyncio do not mix.
"""

import random
import time
from typing import Any
from urllib.parse import urlsplit

import gevent
import gevent.event
from locust import User, between, task
from pycrdt import (
    Awareness,
    Doc,
    Map,
    TransactionEvent,
    YMessageType,
    YSyncMessageType,
    create_awareness_message,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
)
from websocket import WebSocket, WebSocketException, create_connection

from load.scenarios.diagrams import TASKS, shared_diagrams

SAVED_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 15.0


def clocks(state: bytes) -> dict[int, int]:
    """A Yjs state vector as client id -> clock (format: count, then pairs, all as lib0 variable-length integers)."""
    numbers: list[int] = []
    value = shift = 0
    for byte in state:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))


class Seat:
    """One joined room: the document as this person sees it, and what the server has confirmed."""

    def __init__(self, url: str, token: str) -> None:
        self.doc: Doc[Any] = Doc()
        self.nodes: Map[Any] = self.doc.get("n", type=Map)
        self.confirmed: Doc[Any] = Doc()
        self.joined = gevent.event.Event()
        self.news = gevent.event.Event()
        self.local = False
        self.socket: WebSocket = create_connection(url, header=[f"Authorization: Bearer {token}"], timeout=60)
        self.subscription = self.doc.observe(self._send)
        self.awareness = Awareness(self.doc)
        self.socket.send_binary(create_sync_message(self.doc))
        self.reader = gevent.spawn(self._read)

    def _send(self, event: TransactionEvent) -> None:
        if self.local:
            self.socket.send_binary(create_update_message(event.update))

    def _read(self) -> None:
        try:
            while message := self.socket.recv():
                self._receive(bytes(message) if not isinstance(message, str) else message.encode())
        except (WebSocketException, OSError):
            return

    def _receive(self, message: bytes) -> None:
        if message[0] != YMessageType.SYNC:
            return
        if message[1] != YSyncMessageType.SYNC_STEP1:
            self.confirmed.apply_update(read_message(message[2:]))
        reply = handle_sync_message(message[1:], self.doc)
        if reply is not None:
            self.socket.send_binary(reply)
        if message[1] == YSyncMessageType.SYNC_STEP2:
            self.joined.set()
        self.news.set()

    def edit(self, key: str, register: str, value: object) -> None:
        self.local = True
        try:
            self.nodes[key][register] = value
        finally:
            self.local = False

    def saved(self) -> bool:
        me = self.doc.client_id
        return clocks(self.confirmed.get_state()).get(me, 0) >= clocks(self.doc.get_state()).get(me, 0)

    def point(self, x: float, y: float) -> None:
        self.awareness.set_local_state({"cursor": {"x": x, "y": y}})
        update = self.awareness.encode_awareness_update([self.doc.client_id])
        self.socket.send_binary(create_awareness_message(update))

    def leave(self) -> None:
        self.socket.close()
        self.reader.kill()


class CoEditor(User):
    """Edits a shared diagram: mostly renames and moves, a cursor all the time."""

    wait_time = between(0.2, 1.0)
    weight = 2

    def on_start(self) -> None:
        options = self.environment.parsed_options
        assert options is not None
        host = self.host or ""
        diagram = random.choice(shared_diagrams(host, options.token, options.diagrams))
        began = time.perf_counter()
        self.seat = Seat(f"ws://{urlsplit(host).netloc}/collab/{diagram}", options.token)
        joined = self.seat.joined.wait(JOIN_TIMEOUT_S)
        self._report("join", began, None if joined else TimeoutError("no sync step 2"))

    def on_stop(self) -> None:
        self.seat.leave()

    @task(5)
    def rename(self) -> None:
        self._edit(f"Task_{random.randrange(TASKS)}", "@name", f"step {random.randrange(10_000)}")

    @task(5)
    def move(self) -> None:
        x, y = str(random.randrange(2000)), str(random.randrange(2000))
        self._edit(f"Shape_{random.randrange(TASKS)}", "b", ["dc:Bounds", "0", x, y, "100", "80"])

    @task(10)
    def point(self) -> None:
        self.seat.point(random.random() * 2000, random.random() * 2000)

    def _edit(self, key: str, register: str, value: object) -> None:
        began = time.perf_counter()
        self.seat.edit(key, register, value)
        while not self.seat.saved():
            if time.perf_counter() - began > SAVED_TIMEOUT_S:
                self._report("edit to saved", began, TimeoutError("no acknowledgement"))
                return
            self.seat.news.clear()
            self.seat.news.wait(1)
        self._report("edit to saved", began, None)

    def _report(self, name: str, began: float, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=error,
            context={},
        )
