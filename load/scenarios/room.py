"""A place in a room over the y-websocket protocol: the document as this person sees it, and what the server confirmed.

A light client of our own on pycrdt: locust's greenlets and pycrdt-websocket's asyncio do not mix. What goes wrong is kept
in `lost`, in words, for whoever counts failures.
"""

import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
from pycrdt import (
    Awareness,
    Doc,
    Map,
    YMessageType,
    YSyncMessageType,
    create_awareness_message,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
)
from websocket import ABNF, WebSocket, WebSocketException, create_connection

from load.chart import SMALL
from load.pen import Pen, clocks

JOIN_TIMEOUT_S = 15.0


class Lost(Exception):  # noqa: N818 -- it is counted, not handled
    """The connection is gone, or never was."""


class Seat:
    """One joined room; `before`: the place that was lost, with the document in it. Raises Lost when it takes too long."""

    def __init__(self, url: str, token: str, before: "Seat | None" = None) -> None:
        self.doc: Doc[Any] = Doc() if before is None else before.doc
        self.on_presence: Callable[[bytes], None] = lambda _message: None
        self.nodes: Map[Any] = self.doc.get("n", type=Map)
        self.pen = Pen(self.doc, SMALL, random.Random())
        self.confirmed: Doc[Any] = Doc() if before is None else before.confirmed
        self.lost = ""
        self._joined = gevent.event.Event()
        self._news = gevent.event.Event()
        try:
            self.socket: WebSocket = create_connection(url, header=[f"Authorization: Bearer {token}"], timeout=60)
            self.socket.send_binary(create_sync_message(self.doc))
        except (WebSocketException, OSError) as error:
            raise Lost(f"not admitted: {error}") from error
        self.awareness = Awareness(self.doc)
        self._reader = gevent.spawn(self._read)
        if not self._joined.wait(JOIN_TIMEOUT_S):
            self.leave()
            raise Lost(self.lost or "no document in time")

    def _read(self) -> None:
        try:
            while not self.lost:
                kind, data = self.socket.recv_data()
                if kind == ABNF.OPCODE_CLOSE:
                    self.lost = f"closed {struct.unpack('!H', data[:2])[0] if len(data) >= 2 else 1005}"
                else:
                    self._receive(bytes(data))
        except (WebSocketException, OSError) as error:
            self.lost = self.lost or f"broken off: {type(error).__name__}"
        self._news.set()

    def _receive(self, message: bytes) -> None:
        if message[0] == YMessageType.AWARENESS:
            self.on_presence(message)
        if message[0] != YMessageType.SYNC:
            return
        if message[1] != YSyncMessageType.SYNC_STEP1:
            self.confirmed.apply_update(read_message(message[2:]))
        reply = handle_sync_message(message[1:], self.doc)
        if reply is not None:
            self.socket.send_binary(reply)
        if message[1] == YSyncMessageType.SYNC_STEP2:
            self._joined.set()
        self._news.set()

    def write(self, update: bytes) -> None:
        """Sends an edit of one's own."""
        self._send(create_update_message(update))

    def point(self, x: float, y: float) -> None:
        """Moves the cursor that others see."""
        self.awareness.set_local_state({"cursor": {"x": x, "y": y}, "at": time.perf_counter()})
        self._send(create_awareness_message(self.awareness.encode_awareness_update([self.doc.client_id])))

    def _send(self, message: bytes) -> None:
        if self.lost:
            raise Lost(self.lost)
        try:
            self.socket.send_binary(message)
        except (WebSocketException, OSError) as error:
            self.lost = self.lost or f"broken off: {type(error).__name__}"
            raise Lost(self.lost) from error

    @property
    def saved(self) -> bool:
        """Everything written here came back, so it is on disk."""
        me = self.doc.client_id
        return clocks(self.confirmed.get_state()).get(me, 0) >= clocks(self.doc.get_state()).get(me, 0)

    def wait_until_saved(self, seconds: float) -> None:
        """Returns once everything is saved. Raises Lost, or TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.saved:
            if self.lost:
                raise Lost(self.lost)
            if time.monotonic() > deadline:
                raise TimeoutError("no acknowledgement in time")
            self._news.clear()
            self._news.wait(1)

    def break_off(self) -> None:
        """The connection is gone, without a word to the server."""
        self.lost = self.lost or "broken off on purpose"
        self._reader.kill()
        raw = self.socket.sock
        if raw is None:
            return
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def leave(self) -> None:
        """Goes."""
        self.lost = self.lost or "left"
        self.socket.close(timeout=1)
        self._reader.kill()
