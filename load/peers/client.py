"""Clients as a load generator needs them: raw sockets in one thread, what they receive kept as bytes until there is time.

`Crowd` plays a plan of sends at fixed times, whatever the server does (open loop), reads the watched clients at once and
all others every 20 ms, and times the probes that the watched ones see. Nothing here counts messages: servers merge them.
"""

import gc
import select
import socket
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from load.peers.frames import CLOSE, KNOWS_NOTHING, PING, PONG, Door, Kind, frame, walk
from load.peers.updates import PROBE, PROBE_DIGITS

RECEIVE_BYTES: Final = 1 << 18
SLICES: Final = 10
SLICE_S: Final = 0.002  # ten of them make the 20 ms
LOOK_S: Final = 0.001
TEND_S: Final = 5.0  # pings are answered that often
PROBE_BYTES: Final = len(PROBE) + PROBE_DIGITS


class Client:
    """One connection to one document. `start` opens it; whoever owns it calls `receive` until `joined`.

    One that is not `kept` throws away what it has read.
    """

    def __init__(self, door: Door, state: bytes = KNOWS_NOTHING, *, kept: bool = True) -> None:
        self.door, self.state, self.kept = door, state, kept
        self.own: list[bytes] = []  # updates it sent
        self.updates: list[bytes] = []  # updates it was given
        self.cursors: list[bytes] = []
        self.received = self.saved = self.answered = 0
        self.started = self.joined = 0.0
        self.closed = ""
        self.opened = False
        self.paused = False
        self.probed = 0
        self.tail = b""
        self._chunks: list[bytes] = []
        self._held = 0
        self._needed = 2
        self._unsent = bytearray()

    def start(self) -> None:
        """Connects, and asks to be let in."""
        self.started = time.perf_counter()
        self.socket = socket.create_connection(("127.0.0.1", self.door.port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(self.door.request())
        self.socket.settimeout(0.0)

    def send(self, data: bytes) -> None:
        """Sends a frame; what the kernel does not take waits for `flush`."""
        if self._unsent:
            self._unsent += data
            return
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self.closed = self.closed or type(error).__name__
            return
        if taken < len(data):
            self._unsent += data[taken:]

    def flush(self) -> bool:
        """True when nothing waits any more."""
        if self._unsent:
            waiting, self._unsent = bytes(self._unsent), bytearray()
            self.send(waiting)
        return not self._unsent

    def receive(self) -> bytes:
        """Takes what has come, to be read later."""
        taken = b""
        while not self.closed and not self.paused:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                self.closed = type(error).__name__
                break
            if not data:
                self.closed = "ended"
                break
            self._chunks.append(data)
            self._held += len(data)
            self.received += len(data)
            taken = taken + data if taken else data
            if len(data) < RECEIVE_BYTES:
                break
        return taken

    def read(self) -> None:
        """Reads what was taken: keeps updates and cursors, answers questions and pings."""
        if self._held < self._needed:
            return
        data = b"".join(self._chunks)
        if not self.opened:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in data[: data.find(b"\r\n")]:
                self.closed = data[: data.find(b"\r\n")].decode()
                return
            self.opened = True
            data = data[end + 4 :]
            for message in self.door.protocol.hello(self.state):
                self.send(frame(message))
        frames, used, self._needed = walk(data)
        rest = data[used:]
        self._chunks, self._held = [rest] if rest else [], len(rest)
        for kind, payload in frames:
            if kind == PING:
                self.send(frame(payload, PONG))
            elif kind == CLOSE:
                self.closed = f"closed {int.from_bytes(payload[:2], 'big')}"
            elif kind != PONG:
                self._take(payload)

    def _take(self, message: bytes) -> None:
        kind, data = self.door.protocol.read(message)
        if kind in (Kind.STATE, Kind.UPDATE):
            if self.kept:
                self.updates.append(data)
            if kind is Kind.STATE and not self.joined:
                self.joined = time.perf_counter()
        elif kind is Kind.CURSORS:
            self.cursors.append(data)
        elif kind is Kind.SAVED:
            self.saved += 1
        elif kind is Kind.QUESTION:
            self.answered += 1
            self.send(frame(self.door.protocol.answer()))

    def tend(self) -> None:
        """Looks after it where no crowd does: servers close whoever leaves a ping unanswered for half a minute."""
        self.receive()
        self.read()
        self.flush()

    def leave(self) -> None:
        """Goes, without a word."""
        self.closed = self.closed or "left"
        self.socket.close()


def gather(clients: Sequence[Client], seconds: float = 30.0) -> int:
    """Starts all at once and reads until each has been given the document; how many were not."""
    poll = select.epoll()
    by_file: dict[int, Client] = {}
    try:
        for client in clients:
            client.start()
            by_file[client.socket.fileno()] = client
            poll.register(client.socket.fileno(), select.EPOLLIN)
        waiting = set(by_file)
        deadline = time.perf_counter() + seconds
        while waiting and (left := deadline - time.perf_counter()) > 0:
            for file, _ in poll.poll(left):
                client = by_file[file]
                client.receive()
                client.read()
                client.flush()
                if client.closed:
                    poll.unregister(file)
                if client.closed or client.joined:
                    waiting.discard(file)
    finally:
        poll.close()
    return sum(not client.joined for client in clients)


class Send(NamedTuple):
    """One frame at its time; `probe` is the number it carries, or 0."""

    at: float
    client: Client
    data: bytes
    probe: int


class Crowd:
    """Many clients in one thread."""

    def __init__(self, clients: Sequence[Client], watched: Sequence[Client]) -> None:
        self.clients, self.watched = clients, watched
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self._files = {client.socket.fileno(): client for client in watched}
        self._poll = select.epoll()
        for file in self._files:
            self._poll.register(file, select.EPOLLIN)
        others = [client for client in clients if client not in set(watched)]
        self._slices = [others[start::SLICES] for start in range(SLICES)]
        self._slice = self._tended = 0
        self._next_slice = self._next_look = 0.0
        self._next_tend = time.perf_counter() + TEND_S
        self.probes: dict[int, float] = {}  # number -> when it was sent
        self.pairs: dict[Client, dict[int, float]] = {}  # where each watched client has a prober of its own

    def close(self) -> None:
        """Everybody leaves."""
        self._poll.close()
        for client in self.clients:
            client.leave()

    def _turn(self, until: float) -> None:
        """Waits for the watched ones, at most until a time, and looks after the others when it is time."""
        wait = max(0.0, min(until, self._next_slice) - time.perf_counter())
        for file, _ in self._poll.poll(wait):
            client = self._files[file]
            data = client.receive()
            now = time.perf_counter()
            if data:
                self._look(client, data, now)
            if client.closed:
                self._poll.unregister(file)
        now = time.perf_counter()
        self._next_look = now + LOOK_S
        if now >= self._next_slice:
            self._next_slice = now + SLICE_S
            for client in self._slices[self._slice]:
                client.receive()
                client.flush()
            self._slice = (self._slice + 1) % SLICES
            for client in self.watched:
                client.flush()
        if now >= self._next_tend:
            # One at a time, so that nobody's probe waits long.
            self.clients[self._tended].read()
            self._tended = (self._tended + 1) % len(self.clients)
            self._next_tend = now + TEND_S / len(self.clients)

    def _look(self, client: Client, data: bytes, now: float) -> None:
        data = client.tail + data
        client.tail = data[-PROBE_BYTES + 1 :]
        at = data.rfind(PROBE, 0, len(data) - PROBE_DIGITS)
        if at < 0:
            return
        seen = int(data[at + len(PROBE) : at + PROBE_BYTES])
        sent = self.pairs.get(client, self.probes)
        for one in range(client.probed + 1, seen + 1):
            if one in sent:
                self.latencies.append(now - sent[one])
        client.probed = max(client.probed, seen)

    def play(self, plan: Sequence[Send]) -> float:
        """Sends at the plan's times; how long it took."""
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        try:
            for at, client, data, probe in plan:
                due = start + at
                now = time.perf_counter()
                while now < due or now >= self._next_look:
                    self._turn(due)
                    now = time.perf_counter()
                if probe:
                    self.pairs.get(client, self.probes)[probe] = now
                client.send(data)
                self.lags.append(now - due)
        finally:
            gc.enable()
        return time.perf_counter() - start

    def settle(self, last: int, seconds: float, quiet: float = 0.2) -> bool:
        """Until the watched have seen the last probe and nobody is given anything any more; False when that takes longer."""
        deadline = time.perf_counter() + seconds
        before, since = -1, time.perf_counter()
        while (now := time.perf_counter()) < deadline:
            self._turn(now + 0.01)
            received = sum(client.received for client in self.clients)
            if received != before:
                before, since = received, now
            elif now - since > quiet and all(client.probed >= last or client.closed for client in self.watched):
                return True
        return False

    def pass_time(self, seconds: float) -> None:
        """Reads on, for so long."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self._turn(until)

    def unseen(self, last: int) -> list[float]:
        """Seconds that probes have waited for so far which were never seen."""
        now = time.perf_counter()
        return [
            now - sent for client in self.watched for one, sent in self.probes.items() if client.probed < one <= last
        ]

    def read(self) -> None:
        """Reads everything that was taken."""
        for client in self.clients:
            client.read()
