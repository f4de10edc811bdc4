"""Asking over HTTP with little effort: kept connections, requests made beforehand, one at a time on each connection."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

CONNECTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Taken:
    """Seconds of each answer, how many had the status that was wanted, and the bytes of the largest body."""

    seconds: list[float] = field(default_factory=list)
    fine: int = 0
    largest: int = 0


def request(
    method: str, path: str, token: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: bytes) -> Reply:
        """One request and its whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        reader, writer = self._streams
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        return Reply(status, headers, await reader.readexactly(length) if length and status != 304 else b"")

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def one(port: int, sent: bytes) -> Reply:
    """One request on a connection of its own."""
    connection = Connection(port)
    try:
        return await connection.ask(sent)
    finally:
        connection.close()


async def all_of(port: int, requests: Sequence[bytes], wanted: int, connections: int = CONNECTIONS) -> Taken:
    """All of them, each connection taking the next when it has its answer."""
    taken = Taken()
    waiting = iter(requests)

    async def work() -> None:
        connection = Connection(port)
        for sent in waiting:
            began = time.perf_counter()
            reply = await connection.ask(sent)
            taken.seconds.append(time.perf_counter() - began)
            taken.fine += reply.status == wanted
            taken.largest = max(taken.largest, len(reply.body))
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(work())
    return taken
